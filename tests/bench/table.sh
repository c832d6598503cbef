#!/bin/sh
# table.sh — builds what is measured, in build-release/, and prints the table of DESIGN.md section 12. Options: see table.mjs.
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd -P)
cd "$root"
sh tests/bench/build.sh
SYNCDOC_BUILD=$root/build-release exec node tests/bench/table.mjs "$@"
