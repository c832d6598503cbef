#!/bin/sh
# build.sh — what the scripts here need: build-release/ with the bench programs, and the modules of the tests' harness.
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd -P)
cd "$root"
[ -f build-release/build.ninja ] || meson setup build-release -Dbuildtype=release -Dtests=disabled
meson compile -C build-release bench
[ -d tests/e2e/node_modules/ws ] || (cd tests/e2e && npm ci --no-audit --no-fund)
