#!/bin/sh
# check-layers.sh — who may include whom (DESIGN.md section 11). Prints each offending line; exit 1
# if there is one, 2 if it could not look.
#
#     sh tests/check-layers.sh [source-root]
#
# The shelves are read from common/meson.build. The include directories of meson already keep daemon
# and workers apart; this looks also at what they cannot see: the shelves inside common, ../ paths,
# and libraries that come along with others.
set -eu
root=${1:-$(dirname "$0")/..}
cd "$root"
for folder in common daemon workers; do
	[ -d "$folder" ] || { echo "check-layers: no $folder/ in $PWD" >&2; exit 2; }
done
# shellcheck disable=SC2046 # our file names have no blanks
set -- $(find common daemon workers -name '*.[ch]' | LC_ALL=C sort)

exec awk '
function stem(file) {
	sub(/^.*\//, "", file)
	sub(/\.[a-z]+$/, "", file)
	return file
}

function offend(where, what) {
	print where ": " what
	offences++
}

function shelf_of_family(name,    file) {
	for (file in shelf)
		if (stem(file) == name || index(file, name "_") == 1)
			return shelf[file]
	return ""
}

# Of a header: that of the source file of its name, or of its nearest relative: ring_layout.h stands
# with ring_*.c. base.h is below all; scripts.c is generated.
function shelf_of(file,    name) {
	name = stem(file)
	if (name == "base")
		return "pure"
	if (name == "scripts")
		return "redis"
	while (!shelf_of_family(name) && sub(/_[^_]*$/, "", name))
		;
	return shelf_of_family(name)
}

# The folder whose header the compiler takes: its own before those of the include path.
function folder_of(target) {
	if ((folder "/" target) in known)
		return folder
	if (("common/" target) in known)
		return "common"
	if (("daemon/" target) in known)
		return "daemon"
	return ("workers/" target) in known ? "workers" : folder
}

function check_folder(target,    other) {
	other = folder_of(target)
	if (target ~ /\.\.\//)
		offend(place, "path into another folder: " $0)
	else if (other == folder || other == "common")
		return
	else if (folder == "common")
		offend(place, "common/ knows no process: " $0)
	else if (FILENAME != "daemon/main.c" || target != "worker.h")
		offend(place, folder "/ includes " other "/" target ": " $0)
}

function check_shelf(target,    other) {
	if (folder != "common" || target ~ /\//)
		return
	other = shelf_of(target)
	if (rank[other] > rank[own])
		offend(place, "shelf " own " includes " target " of shelf " other ": " $0)
}

function check_library(header,    i) {
	if (folder != "common")
		return
	for (i in library)
		if (index(header, i) == 1 && rank[library[i]] > rank[own])
			offend(place, "shelf " own " may not use <" header ">: " $0)
}

# Trees are for operations that change a document place by place; all else works on scanner tokens.
function check_tree(header) {
	if (quoted && header ~ /^(json_(tree|container|elements|members)|patch_[a-z_]+)\.h$/ &&
	    FILENAME !~ /^common\/(patch[a-z_]*|json_(tree|container|elements|members|place)|diff_apply)\.[ch]$/)
		offend(place, "a tree outside patch*, json_tree and its parts, and diff_apply: " $0)
	if (!quoted && header ~ /^json-c\/|^(json|linkhash|arraylist|printbuf)(_[a-z]+)?\.h$/)
		offend(place, "json-c is for tests: " $0)
}

BEGIN {
	rank["pure"] = 1
	rank["os"] = 2
	rank["redis"] = 3
	split("syslog.h confuse.h time.h sys/time.h sys/timerfd.h fcntl.h unistd.h poll.h sys/poll.h " \
	      "sys/epoll.h sys/eventfd.h sys/socket.h sys/un.h netinet/ arpa/ netdb.h " \
	      "sys/mman.h sys/stat.h dirent.h signal.h pthread.h sched.h sys/prctl.h", words)
	for (i in words)
		library[words[i]] = "os"
	library["ev.h"] = library["hiredis/"] = library["ares.h"] = "redis"
	library["microhttpd"] = library["jwt.h"] = "process"
	rank["process"] = 4
	for (i = 1; i < ARGC; i++)
		known[ARGV[i]] = 1
}

FILENAME == "common/meson.build" {
	sub(/#.*/, "")
	if (match($0, /^(pure|os|redis) = files\(/))
		current = $1
	if (current) {
		line = $0
		while (match(line, /\047[^\047]+\.c\047/)) {
			file = substr(line, RSTART + 1, RLENGTH - 2)
			if (file in shelf)
				offend(FILENAME ":" FNR, file " stands on two shelves")
			shelf[file] = current
			listed[current]++
			line = substr(line, RSTART + RLENGTH)
		}
	}
	if (/\)/)
		current = ""
	next
}

FNR == 1 {
	if (!(listed["pure"] && listed["os"] && listed["redis"])) {
		print "check-layers: no shelves pure, os and redis found in common/meson.build"
		unreadable = 1
		exit
	}
	folder = FILENAME
	sub(/\/.*/, "", folder)
	files++
	own = ""
	if (folder == "common") {
		name = FILENAME
		sub(/^common\//, "", name)
		own = name ~ /\.c$/ ? shelf[name] : shelf_of(name)
		if (!own)
			offend(FILENAME, "on no shelf of common/meson.build")
	}
}

/^[ \t]*#[ \t]*include[ \t]*["<]/ {
	place = FILENAME ":" FNR
	target = $0
	quoted = target ~ /include[ \t]*"/
	sub(/^[^"<]*["<]/, "", target)
	sub(/[">].*/, "", target)
	includes++
	if (quoted) {
		check_folder(target)
		if (own)
			check_shelf(target)
	} else if (own) {
		check_library(target)
	}
	check_tree(target)
}

END {
	if (unreadable)
		exit 2
	if (!files || !includes) {
		print "check-layers: found nothing to look at"
		exit 2
	}
	if (offences)
		exit 1
	printf "check-layers: %d files, %d includes, none out of place\n", files, includes
}' common/meson.build "$@"
