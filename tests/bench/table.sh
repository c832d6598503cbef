#!/bin/sh
# table.sh — builds what is measured, in build-release/, and prints the table of DESIGN.md section 12. Options: see table.mjs.
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd -P)
cd "$root"
[ -f build-release/build.ninja ] || meson setup build-release -Dbuildtype=release -Dtests=disabled
meson compile -C build-release bench
SYNCDOC_BUILD=$root/build-release exec node tests/bench/table.mjs "$@"
