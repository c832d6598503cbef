#!/bin/sh
# embed.sh OUT FILE…: writes the files of the Admin UI and of the JavaScript client into one C file: the table that
# workers/static_files.h declares, with each file as it is and, where that is shorter, as gzip makes it.
# Run by the build, with sh, sed, od, gzip and sha256sum. A file's place below workers/web/ says its path:
#
#     client/realtime.js, client/realtime/x.js     /realtime.js, /realtime/x.js
#     admin/documents.html, inspect.html, status.html    /documents, /documents/inspect, /status
#     admin/not_found.html                         /admin/not_found, and for browsers in place of pages that are not there
#     admin/x.js|css|svg                           /admin/x.js
set -eu

out=$1
shift
packed=$out.gz
trap 'rm -f "$out.part" "$out.table" "$packed"' EXIT

refuse() {
	echo "embed.sh: $1" >&2
	exit 1
}

path_of() {
	case $1 in
	client/*) echo "/${1#client/}" ;;
	admin/documents.html) echo /documents ;;
	admin/inspect.html) echo /documents/inspect ;;
	admin/status.html) echo /status ;;
	admin/not_found.html) echo /admin/not_found ;;
	admin/*.html) refuse "$1: a page needs a path of its own here" ;;
	admin/*) echo "/$1" ;;
	*) refuse "$1: neither in client/ nor in admin/" ;;
	esac
}

type_of() {
	case $1 in
	*.html) echo 'text/html; charset=utf-8' ;;
	*.js) echo 'text/javascript; charset=utf-8' ;;
	*.css) echo 'text/css; charset=utf-8' ;;
	*.svg) echo 'image/svg+xml' ;;
	*) refuse "$1: what is its type?" ;;
	esac
}

# array NAME FILE
array() {
	printf '\nstatic const unsigned char %s[] = {\n' "$1"
	od -An -v -tu1 -w24 "$2" | sed 's/ *\([0-9][0-9]*\)/\1,/g'
	printf '};\n'
}

number=0
: >"$out.table"
{
	printf '/* Made by workers/web/embed.sh: do not edit. */\n#include "static_files.h"\n'
	for file in "$@"; do
		name=${file##*/workers/web/}
		[ "$name" != "$file" ] || name=${file#workers/web/}
		[ -s "$file" ] || refuse "$file: missing or empty"
		path=$(path_of "$name") || exit 1
		type=$(type_of "$name") || exit 1
		hash=$(sha256sum <"$file" | cut -c 1-20)
		array "bytes_$number" "$file"
		gzip -9n <"$file" >"$packed"
		gzip_of='NULL, 0'
		if [ "$(wc -c <"$packed")" -lt "$(wc -c <"$file")" ]; then
			array "gzip_$number" "$packed"
			gzip_of="gzip_$number, sizeof(gzip_$number)"
		fi
		printf '\t{"%s", "%s", "\\"%s\\"", "\\"%s-gzip\\"", %s,\n\t bytes_%d, sizeof(bytes_%d), %s},\n' \
			"$path" "$type" "$hash" "$hash" "$(case $name in admin/*) echo true ;; *) echo false ;; esac)" \
			"$number" "$number" "$gzip_of" >>"$out.table"
		number=$((number + 1))
	done
	printf '\nconst struct static_file static_files[] = {\n'
	cat "$out.table"
	printf '};\n\nconst size_t static_files_count = %d;\n' "$number"
} >"$out.part"
mv "$out.part" "$out"
