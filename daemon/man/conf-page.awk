# conf-page.awk — makes syncdocd.conf(5) of etc/syncdocd.conf, which documents every key where it
# stands: comments, then the keys they are about. Run with -v version=X.
#
# The file's first comment is the introduction; its lines that begin with two blanks are kept as they
# are. `# ---- title ----` begins a part, `name {` a section whose keys are `name.key`.

function roff(text) {
	gsub(/\\/, "\\e", text)
	gsub(/-/, "\\-", text)
	if (text ~ /^[.']/)
		text = "\\&" text
	return text
}

function put_introduction(    i, verbatim) {
	for (i = 1; i <= count; i++) {
		if (comment[i] ~ /^  / && !verbatim) {
			print ".PP\n.nf"
			verbatim = 1
		} else if (comment[i] !~ /^  / && verbatim) {
			print ".fi\n.PP"
			verbatim = 0
		}
		print comment[i] == "" ? ".PP" : roff(comment[i])
	}
	if (verbatim)
		print ".fi"
	count = 0
}

# Keys that follow one comment share it: all but the last are heads only.
function put_key(name, value, is_set) {
	keys++
	print fresh ? ".TP" : ".TQ"
	print "\\fB" roff(name) "\\fP = " roff(value) (is_set ? " (as packaged)" : "")
	fresh = 0
}

function end_keys(    i) {
	for (i = 1; i <= count && keys; i++) {
		if (i > 1 && comment[i - 1] ~ /^  / && comment[i] !~ /^  /)
			print ".br" # behind an example, which its blanks keep as it is
		print roff(comment[i])
	}
	if (keys)
		count = 0
	keys = 0
	fresh = 1
}

BEGIN {
	print ".TH SYNCDOCD.CONF 5 \"\" \"syncdoc " version "\" \"File Formats\""
	print ".SH NAME\nsyncdocd.conf \\- configuration of syncdocd"
	print ".SH SYNOPSIS\n\\fI/etc/syncdoc/syncdocd.conf\\fP"
	print ".SH DESCRIPTION"
	introduction = 1
	fresh = 1
}

{
	sub(/^[ \t]+/, "")
}

/^# ---- .* ----$/ {
	if (introduction) {
		put_introduction()
		print ".SH KEYS\nThe values shown are the defaults, but for those marked (as packaged), which the shipped file sets."
		introduction = 0
	}
	end_keys()
	title = $0
	sub(/^# ---- /, "", title)
	sub(/ ----$/, "", title)
	print ".SS \"" roff(title) "\""
	next
}

# A key, commented out or not.
!introduction && /^#?[a-z_]+ = / {
	is_set = $0 !~ /^#/
	sub(/^#/, "")
	name = $1
	sub(/^[a-z_]+ = /, "")
	put_key((section == "" ? "" : section ".") name, $0, is_set)
	next
}

/^[a-z_]+ \{$/ {
	end_keys()
	section = $1
	next
}

/^\}$/ {
	end_keys()
	section = ""
	next
}

/^#/ {
	if (keys)
		end_keys()
	sub(/^# ?/, "")
	comment[++count] = $0
	next
}

/^$/ {
	if (!introduction)
		end_keys()
	next
}

{
	print FILENAME ":" FNR ": neither comment, key nor section: " $0 > "/dev/stderr"
	exit 1
}

END {
	end_keys()
	print ".SH SEE ALSO\n\\fBsyncdocd\\fP(8), \\fBsyncdocctl\\fP(1)"
}
