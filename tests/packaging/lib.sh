# shellcheck shell=sh
# lib.sh — what the tests of the packages have in common. Sourced; does nothing by itself.

fail() {
	echo "failed: $*" >&2
	exit 1
}

skip() {
	echo "skipped: $*"
	exit 77
}

need() {
	command -v "$1" >/dev/null 2>&1 || skip "no $1 here"
}
