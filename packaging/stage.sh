# shellcheck shell=sh
# stage.sh — the source tree as packages are built from it. Sourced by build-deb and build-rpm; does
# nothing by itself.

# stage_version ROOT: the project's version, from meson.build.
stage_version() {
	sed -n "s/^  version: '\([0-9.]*\)',\$/\1/p" "$1/meson.build"
}

# stage_tree ROOT DIRECTORY: copies what is committed into the new DIRECTORY; from a release's archive,
# which has no history, all but what builds and tests leave behind.
stage_tree() {
	mkdir -p "$2" || return
	if git -C "$1" rev-parse --verify -q HEAD >/dev/null 2>&1 && [ -e "$1/.git" ]; then
		[ -z "$(git -C "$1" status --porcelain)" ] ||
			echo "note: what is not committed is not in the package" >&2
		git -C "$1" archive --format=tar HEAD >"$2.tar" || return
	else
		tar -C "$1" --exclude=./build* --exclude=node_modules --exclude=./debian -cf "$2.tar" . || return
	fi
	tar -C "$2" -xf "$2.tar" && rm -f "$2.tar"
}
