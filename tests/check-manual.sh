#!/bin/sh
# check-manual.sh — do the manual pages and the shell completion say all there is, and are they well
# formed? Prints what is not; exit 1 if there is any, 77 (a skip, to meson) where `man` or `bash` are
# missing and nothing else was wrong.
#
#     sh tests/check-manual.sh BUILD
set -u
build=${1:?the build directory}
syncdocd=$build/daemon/syncdocd
syncdocctl=$build/daemon/ctl/syncdocctl
completion=$build/daemon/ctl/completion
daemon_page=$build/daemon/man/syncdocd.8
conf_page=$build/daemon/man/syncdocd.conf.5
ctl_page=$build/daemon/ctl/syncdocctl.1
faults=0
skipped=

complain() {
	echo "check-manual: $*" >&2
	faults=$((faults + 1))
}

# A page as text without roff: what a reader searches in.
text_of() {
	sed -e 's/\\f[BIPR]//g' -e 's/\\-/-/g' -e 's/\\e/\\/g' -e 's/\\&//g' "$1"
}

# is_in WORD FILE…: as a word of its own.
is_in() {
	word=$1
	shift
	text_of "$1" | grep -qE -e "(^|[^A-Za-z0-9_.-])$(echo "$word" | sed 's/[.]/\\./g')([^A-Za-z0-9_-]|$)"
}

for file in "$daemon_page" "$conf_page" "$ctl_page" "$completion/syncdocctl" "$completion/syncdocd"; do
	[ -s "$file" ] || complain "$file is missing or empty"
done

# ---- well formed ----

if command -v man >/dev/null 2>&1; then
	for page in "$daemon_page" "$conf_page" "$ctl_page"; do
		said=$(LC_ALL=C.UTF-8 MANROFFSEQ='' MANWIDTH=100 \
			man --warnings -E UTF-8 -l -Tutf8 -Z "$page" 2>&1 >/dev/null)
		[ -z "$said" ] || complain "$page: $said"
	done
else
	skipped="$skipped man"
fi

# ---- every key, verb and option ----

# Keys as `syncdocd -t` prints them, in their sections.
keys=$("$syncdocd" -t -c /dev/null | awk '
	/^[a-z_]+ \{/ { section = $1 "."; next }
	/^\}/ { section = ""; next }
	/^[ \t]*[a-z_]+ = / { print section $1 }')
count=$(echo "$keys" | wc -l)
[ "$count" -ge 40 ] || complain "only $count keys found in syncdocd -t"
for key in $keys; do
	is_in "$key" "$conf_page" || complain "syncdocd.conf(5) does not know the key $key"
	grep -q "[ \"]${key}[ \"]" "$completion/syncdocd" || complain "completion of syncdocd -o does not know $key"
done
# And none that is not there. Heads look like `.TP`, `name = value`.
for key in $(text_of "$conf_page" | awk '/^\.T[PQ]$/ { head = 1; next } head { print $1 } { head = 0 }'); do
	echo "$keys" | grep -qx "$key" || complain "syncdocd.conf(5) has a key that syncdocd has not: $key"
done

# Those that --help explains, not those in its examples.
options_of() {
	"$@" | grep -oE -e '^ +(-[A-Za-z], )?--[a-z-]+' | sed 's/.* //' | sort -u
}

# The options of all verbs stand in the general help only.
verb_options() {
	{
		options_of "$syncdocctl" --help
		options_of "$syncdocctl" "$1" --help
	} | sort -u
}

options=$(options_of "$syncdocd" --help)
[ "$(echo "$options" | wc -l)" -ge 6 ] || complain "syncdocd --help shows too few options: $options"
for option in $options; do
	is_in "$option" "$daemon_page" || complain "syncdocd(8) does not know $option"
	grep -q -e "$option" "$completion/syncdocd" || complain "completion of syncdocd does not know $option"
done

verbs=$("$syncdocctl" help | awk '/^  [a-z]+ / && !/^  [0-9]/ { print $1 }' | grep -vx syncdocctl)
[ "$(echo "$verbs" | wc -l)" -ge 19 ] || complain "syncdocctl help shows too few verbs: $verbs"
for verb in $verbs; do
	grep -q "^\.SS \"$verb" "$ctl_page" || complain "syncdocctl(1) does not know the verb $verb"
	for option in $(verb_options "$verb"); do
		is_in "$option" "$ctl_page" || complain "syncdocctl(1) does not know $option of $verb"
		grep -q -e "$option" "$completion/syncdocctl" || complain "completion does not know $option of $verb"
	done
done

# ---- completion at work ----

# complete_words COMMAND WORD…: what TAB offers for the last word.
complete_words() {
	bash -c '
		source "$1" || exit 1
		shift
		COMP_WORDS=("$@")
		COMP_CWORD=$(($# - 1))
		"_$1" 2>/dev/null
		printf "%s\n" "${COMPREPLY[@]}"
	' bash "$completion/$1" "$@"
}

# offers EXPECTED COMMAND WORD…
offers() {
	wanted=$1
	shift
	complete_words "$@" | grep -qxF -e "$wanted" || complain "TAB behind \`$*\` does not offer $wanted"
}

if command -v bash >/dev/null 2>&1; then
	for verb in $verbs; do
		offers "$verb" syncdocctl "$(echo "$verb" | cut -c1-2)"
		for option in $(verb_options "$verb"); do
			offers "$option" syncdocctl --json "$verb" "$option"
		done
	done
	offers watch syncdocctl --url http://x wa
	offers debug syncdocctl loglevel d
	offers all syncdocctl drain a
	offers diff syncdocctl watch session --mode d
	offers ring.size= syncdocd -f -o ring.s
	offers --config syncdocd --c
	[ -z "$(complete_words syncdocctl get session --url '')" ] || complain "TAB offers something for --url"
else
	skipped="$skipped bash"
fi

[ "$faults" -eq 0 ] || exit 1
if [ -n "$skipped" ]; then
	echo "check-manual: skipped in part, not here:$skipped"
	exit 77
fi
echo "check-manual: $count keys, $(echo "$verbs" | wc -l) verbs, three pages and two completions as they should be"
