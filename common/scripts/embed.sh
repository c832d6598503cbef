#!/bin/sh
# embed.sh OUT FILE.lua…: writes the scripts into one C file; `write.lua` becomes `struct script script_write`.
# Run by the build, with nothing but sh and sed. Each line of a script is one string literal.
set -eu

out=$1
shift
trap 'rm -f "$out.part"' EXIT
{
	printf '/* Made by common/scripts/embed.sh from the .lua files beside it: do not edit. */\n'
	printf '#include "scripts.h"\n'
	for file in "$@"; do
		name=$(basename "$file" .lua)
		case $name in
		*[!a-z0-9_]* | '')
			echo "embed.sh: $file: a script is named [a-z0-9_]*.lua" >&2
			exit 1
			;;
		esac
		printf '\nstatic const char text_%s[] =\n' "$name"
		sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/^/\t"/' -e 's/$/\\n"/' "$file"
		printf '\t;\n\nstruct script script_%s = {"%s", text_%s, sizeof(text_%s) - 1, ""};\n' \
			"$name" "$name" "$name" "$name"
	done
} >"$out.part"
mv "$out.part" "$out"
