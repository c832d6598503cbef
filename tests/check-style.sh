#!/bin/sh
# check-style.sh — is every C file as clang-format would leave it? Prints what is not; exit 1 if there
# is any, 77 (a skip, to meson) without the clang-format whose ways .clang-format was written for:
# another version breaks lines elsewhere.
#
#     sh tests/check-style.sh [source-root]
#
# Repair with: git ls-files '*.[ch]' | xargs clang-format -i
set -eu
VERSION=14
cd "${1:-$(dirname "$0")/..}"

for format in clang-format-$VERSION clang-format ''; do
	"$format" --version 2>/dev/null | grep -q "version $VERSION\." && break
done
if [ -z "$format" ]; then
	echo "check-style: skipped, no clang-format $VERSION here"
	exit 77
fi

# What git knows or would take; without git (a release's archive) all there is.
files() {
	if git rev-parse --git-dir >/dev/null 2>&1; then
		# Not what is deleted but not committed yet.
		git ls-files --cached --others --exclude-standard '*.c' '*.h' | while read -r file; do
			[ ! -f "$file" ] || echo "$file"
		done
	else
		find common daemon workers tests -name node_modules -prune -o -name '*.[ch]' -print
	fi
}

list=$(files)
if [ -z "$list" ]; then
	echo "check-style: found no C file in $PWD" >&2
	exit 2
fi
# shellcheck disable=SC2086 # our file names have no blanks
if ! "$format" --style=file --dry-run -Werror $list; then
	exit 1
fi
echo "check-style: $(echo "$list" | wc -l) files as they should be"
