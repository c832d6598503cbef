# shellcheck shell=sh
# shellcheck disable=SC2034,SC2154 # variables for, and of, the script that sources this
# stage.sh — what build-deb and build-rpm have in common: options, version, the tree they build from.
# Sourced by them; does nothing by itself.

stage_fail() {
	echo "$(basename "$0"): $*" >&2
	exit 1
}

# stage_options ARGUMENT…: sets `output` (made, absolute), `suffix` and `with_source`. Needs usage().
stage_options() {
	suffix=''
	with_source=no
	while [ $# -gt 0 ]; do
		case $1 in
		--output | --suffix) [ $# -ge 2 ] || stage_fail "$1 needs a value" ;;
		esac
		case $1 in
		--output)
			output=$2
			shift
			;;
		--suffix)
			suffix=$2
			shift
			;;
		--source) with_source=yes ;;
		-h | --help)
			usage
			exit 0
			;;
		*)
			usage >&2
			exit 2
			;;
		esac
		shift
	done
	case $suffix in
	*[!A-Za-z0-9.+~]*) stage_fail "--suffix $suffix: a version has only letters, digits and . + ~" ;;
	esac
	mkdir -p "$output" || stage_fail "cannot write into $output"
	output=$(CDPATH='' cd -- "$output" && pwd -P)
}

# Sets `version`, the project's, from meson.build.
stage_version() {
	version=$(sed -n "s/^  version: '\([0-9.]*\)',\$/\1/p" "$root/meson.build")
	[ -n "$version" ] || stage_fail "found no version in meson.build"
}

# stage_check FILE LINE: that the packaging's own version was raised with the project's.
stage_check() {
	case $2 in
	*"$version"*) ;;
	*) stage_fail "$1 says \"$2\", but meson.build $version: they go together" ;;
	esac
}

# stage_directory: sets `staging`, a directory that goes when the script ends.
stage_directory() {
	staging=$(mktemp -d)
	trap 'rm -rf "$staging"' EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
}

# stage_tree DIRECTORY: copies what is committed into the new DIRECTORY; from a release's archive, which
# has no history, all but what builds and tests leave behind.
stage_tree() {
	mkdir -p "$1" || return
	if [ -e "$root/.git" ] && git -C "$root" rev-parse --verify -q HEAD >/dev/null 2>&1; then
		[ -z "$(git -C "$root" status --porcelain)" ] ||
			echo "note: what is not committed is not in the package" >&2
		git -C "$root" archive --format=tar HEAD >"$1.tar" || return
	else
		tar -C "$root" --exclude=./build* --exclude=node_modules --exclude=./debian \
			-cf "$1.tar" . || return
	fi
	tar -C "$1" -xf "$1.tar" && rm -f "$1.tar"
}
