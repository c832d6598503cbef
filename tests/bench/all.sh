#!/bin/sh
# all.sh — every figure of tests/bench/results/, from one run on a quiet machine: about 12 minutes. `--quick`: to see that it works.
#
# Builds build-release/, compares instruction counts, prints the table of DESIGN.md section 12, draws the charts, and writes
# results/README.md. `--record` takes the instruction counts as those to compare with. Peers (packages nginx, libnginx-mod-nchan,
# webdis) are used if they are installed.
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd -P)
cd "$root"
quick=''
record=''
for word; do
	case $word in
	--quick) quick=--quick ;;
	--record) record=--record ;;
	*)
		echo "usage: sh tests/bench/all.sh [--quick] [--record]" >&2
		exit 2
		;;
	esac
done
results=tests/bench/results
[ -z "$quick" ] || results=build-release/bench-quick
mkdir -p "$results"
sh tests/bench/build.sh
export SYNCDOC_BUILD="$root/build-release"
status=0
# shellcheck disable=SC2086 # one word or none
{
	node tests/bench/instructions.mjs $record || [ $? -eq 77 ] || status=1
	node tests/bench/table.mjs $quick --json "$results/table.json" || status=1
	node tests/bench/curves.mjs $quick --directory "$results" || status=1
	node tests/bench/report.mjs "$results"
}
echo "figures: $results/README.md"
exit "$status"
