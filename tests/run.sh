#!/bin/sh
# run.sh — all tests, one part after the other. See usage() below. The last line is
# `N passed, N failed[, N skipped]`; exit status 0 only if something ran and nothing failed.
#
# What a step is stands in steps.sh, how results are counted in results.sh, the end-to-end tests in
# e2e/part.sh; this is the rest: builds, parts, and what they need.
set -u
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P)
logs=$root/build-logs
cd "$root" || exit 1
# shellcheck source=packaging/packages.sh
. packaging/packages.sh
# shellcheck source=tests/steps.sh
. tests/steps.sh
# shellcheck source=tests/results.sh
. tests/results.sh
# shellcheck source=tests/e2e/part.sh
. tests/e2e/part.sh

ALL_PARTS="unit stress clang fuzz tsan release bench packages e2e"
BUILD_MAX_S=900 # a part that takes longer than its maximum is ended and has failed
UNIT_MAX_S=900
STRESS_MAX_S=600
STRESS_S=3 # of each stress program under ThreadSanitizer
FUZZ_S=8   # of each fuzz program, after its seeds
BENCH_MAX_S=600
PACKAGES_MAX_S=120 # each check

usage() {
	cat <<-END
	Usage: sh tests/run.sh [PART...]

	Installs what the tests need (apt or dnf; only what is missing), builds, and runs all or the
	parts named:

	  unit      gcc, ASan and UBSan: Criterion tests, and the style checks
	  stress    the same build: the ring under stress
	  clang     clang, ASan and UBSan: Criterion tests
	  fuzz      the same build: libFuzzer on the seeds, and $FUZZ_S s of search each
	  tsan      gcc, ThreadSanitizer: the ring under stress
	  release   an optimised build, without warnings
	  bench     the same build: instructions per write, read and delivery, against those recorded
	            (with valgrind, and where there are figures for the compiler; else skipped)
	  packages  packaging: scripts, unit, file lists (tests/packaging/run.sh tests the packages)
	  e2e       node:test against the processes of the first build, some also against the release

	Output of each step is kept in build-logs/.
	END
}

# ---- building ----

stress_names() {
	for source in tests/stress/*.c; do
		basename "$source" .c
	done
}

# configure_and_compile DIRECTORY COMPILER TARGETS OPTION…; no TARGETS: all of them
configure_and_compile() {
	directory=$1
	CC=$2
	targets=$3
	export CC
	shift 3
	if [ -f "$directory/build.ninja" ]; then
		# The compiler and a native file count only the first time.
		meson setup --reconfigure "$directory" "$@"
	else
		meson setup "$directory" "$@"
	fi || return
	# shellcheck disable=SC2086 # one word each
	meson compile -C "$directory" $targets
}

# build DIRECTORY DESCRIPTION COMPILER TARGETS OPTION…: once per run; fails again if it failed before.
build() {
	build_directory=$1
	case " $built " in *" $1 "*) return 0 ;; esac
	case " $unbuildable " in *" $1 "*) return 1 ;; esac
	step_begin "build $2"
	shift 2
	in_session "$BUILD_MAX_S" "$step_log" sh "$root/tests/run.sh" --build "$build_directory" "$@"
	if step_end_build $?; then
		built="$built $build_directory"
	else
		unbuildable="$unbuildable $build_directory"
		return 1
	fi
}
built=''
unbuildable=''

build_san() {
	build build-san "with gcc, ASan and UBSan" gcc '' --native-file tests/dev.ini -Dtests=enabled
}

# fuzzer-no-link, so that libFuzzer sees which branches of common/ it has reached.
build_clang() {
	build build-clang "with clang, ASan and UBSan" clang '' --native-file tests/dev.ini \
		-Dtests=enabled -Dfuzz=enabled -Dc_args=-fsanitize=fuzzer-no-link
}

# Only what runs under it: with TSan gcc sees fewer paths, and warns of what is fine elsewhere.
build_tsan() {
	build build-tsan "with gcc, TSan" gcc "$(stress_names)" -Dbuildtype=debugoptimized \
		-Db_sanitize=thread -Db_lundef=false
}

build_release() {
	build build-release "release" gcc '' -Dbuildtype=release -Dwerror=true -Dtests=disabled
}

# ---- what meson runs ----

# meson_tests NAME DIRECTORY MAX_S SUITE…
meson_tests() {
	step_begin "$1"
	directory=$2
	max_s=$3
	shift 3
	for suite; do
		shift
		set -- "$@" --suite "$suite"
	done
	rm -f "$directory"/meson-logs/testlog.json "$directory"/meson-logs/testlog.junit.xml
	rm -f "$scratch"/sanitizer.*
	in_session "$max_s" "$step_log" env \
		ASAN_OPTIONS="$ASAN_OPTIONS:log_path=$scratch/sanitizer" \
		UBSAN_OPTIONS="$UBSAN_OPTIONS:log_path=$scratch/sanitizer" \
		meson test -C "$directory" --no-rebuild --print-errorlogs \
		--timeout-multiplier 3 "$@"
	status=$?
	# shellcheck disable=SC2046 # three numbers
	set -- $(meson_counts "$directory")
	reports=$(find "$scratch" -name 'sanitizer.*' | wc -l)
	# Also when meson itself fell over, found no test at all, or nobody looked at how a child ended.
	if [ "$2" -eq 0 ] && { [ "$status" -ne 0 ] || [ "$1" -eq 0 ] || [ "$reports" -gt 0 ]; }; then
		echo "run.sh: meson test ended with status $status after $1 tests," \
			"with $reports reports of sanitizers" >>"$step_log"
		set -- "$1" 1 "$3"
	fi
	[ "$2" -eq 0 ] || meson_explain "$directory" "$scratch/sanitizer" >>"$step_log"
	step_end "$@"
}

part_unit() {
	build_san || return
	meson_tests "unit tests and style, gcc, ASan and UBSan" build-san "$UNIT_MAX_S" unit style
}

part_stress() {
	build_san || return
	meson_tests "stress, gcc, ASan and UBSan" build-san "$STRESS_MAX_S" stress
}

part_clang() {
	build_clang || return
	meson_tests "unit tests, clang, ASan and UBSan" build-clang "$UNIT_MAX_S" unit
}

# ---- what is run here ----

# one_program STATUS: adds it to the three counts; 77 is a skip, as for meson.
one_program() {
	case $1 in
	0) programs_passed=$((programs_passed + 1)) ;;
	77) programs_skipped=$((programs_skipped + 1)) ;;
	*) programs_failed=$((programs_failed + 1)) ;;
	esac
}

programs_begin() {
	step_begin "$1"
	programs_passed=0
	programs_failed=0
	programs_skipped=0
}

programs_end() {
	if [ $((programs_passed + programs_failed + programs_skipped)) -eq 0 ]; then
		echo "run.sh: no program found to run" >>"$step_log"
		programs_failed=1
	fi
	step_end "$programs_passed" "$programs_failed" "$programs_skipped"
}

# fuzz_one PROGRAM SEEDS: what it finds goes to build-logs/, never into the seeds.
fuzz_one() {
	fuzz_name=$(basename "$1")
	fuzz_found=$logs/$fuzz_name
	rm -rf "$fuzz_found"
	mkdir "$fuzz_found" || return 1
	echo "== $fuzz_name" >>"$step_log"
	if [ -z "$(find "$2" -type f 2>/dev/null | head -n 1)" ]; then
		echo "run.sh: no seeds in $2" >>"$step_log"
		return 1
	fi
	# By itself libFuzzer ends a crash with 77, which elsewhere is a skip.
	in_session $((FUZZ_S + 120)) "$step_log" "$1" -max_total_time="$FUZZ_S" -timeout=20 \
		-error_exitcode=1 -timeout_exitcode=1 -verbosity=0 -print_final_stats=1 \
		-artifact_prefix="$fuzz_found/" "$fuzz_found" "$2"
}

part_fuzz() {
	build_clang || return
	programs_begin "fuzz programs, seeds and $FUZZ_S s each"
	for source in tests/fuzz/fuzz_*.c; do
		name=$(basename "$source" .c)
		fuzz_one "$root/build-clang/tests/fuzz/$name" "$root/tests/fuzz/corpus/${name#fuzz_}"
		one_program $?
	done
	programs_end
}

# Under ThreadSanitizer only silence is good; its runtime of gcc 12 cannot start with the many bits
# of address randomisation of newer kernels.
tsan_one() {
	echo "== $(basename "$1")" >>"$step_log"
	tsan_log=$logs/$(basename "$1").log
	: >"$tsan_log"
	if setarch -R true 2>/dev/null; then
		set -- setarch -R "$@"
	fi
	in_session "$STRESS_MAX_S" "$tsan_log" "$@"
	tsan_status=$?
	cat "$tsan_log" >>"$step_log"
	grep -q ThreadSanitizer "$tsan_log" && return 1
	return "$tsan_status"
}

part_tsan() {
	build_tsan || return
	programs_begin "stress, gcc, TSan, $STRESS_S s each"
	for name in $(stress_names); do
		tsan_one "$root/build-tsan/tests/stress/$name" "$STRESS_S"
		one_program $?
	done
	programs_end
}

part_release() {
	build_release || return
	programs_begin "release build checks the shipped configuration"
	for config in etc/syncdocd.conf /dev/null; do
		in_session 30 "$step_log" build-release/daemon/syncdocd -t -c "$config"
		one_program $?
	done
	programs_end
}

part_bench() {
	build_release || return
	programs_begin "instructions per write, read and delivery"
	in_session "$BUILD_MAX_S" "$step_log" sh tests/bench/build.sh &&
		in_session "$BENCH_MAX_S" "$step_log" env SYNCDOC_BUILD="$root/build-release" \
			node tests/bench/instructions.mjs
	one_program $?
	grep '^SKIPPED' "$step_log"
	programs_end
}

part_packages() {
	programs_begin "packaging, what can be checked without a package"
	for name in $(sh tests/packaging/quick.sh); do
		echo "== $name" >>"$step_log"
		in_session "$PACKAGES_MAX_S" "$step_log" sh tests/packaging/quick.sh "$name"
		one_program $?
	done
	programs_end
}

# ---- all of it ----

groups_of() {
	case $1 in
	unit | stress) echo build unit sanitize ;;
	clang | fuzz) echo build unit clang fuzz ;;
	tsan) echo build thread ;;
	release) echo build ;;
	bench) echo build redis node ;;
	packages) echo build checks ;;
	e2e) echo build unit sanitize e2e ;;
	esac
}

install_needed() {
	groups=$(for part; do groups_of "$part"; done | tr ' ' '\n' | sort -u)
	# clang before its runtime, whose package is named after the version that it turns out to be.
	case $groups in *clang*) packages_ensure clang || return 1 ;; esac
	# shellcheck disable=SC2086 # one word each
	packages_ensure $groups || return 1
	# Not everywhere to be had: the tests of the Admin UI then skip, and say so.
	case $groups in
	*e2e*) packages_ensure browser || echo "without Chromium: the tests of the Admin UI are skipped" ;;
	esac
}

# shellcheck disable=SC2317 # called by the trap
clean_up() {
	trap '' INT TERM HUP
	end_session
	rm -rf "$scratch"
}

finish() {
	[ -z "$failures" ] || echo "failed:$failures"
	counts_text "$passed" "$failed" "$skipped"
	[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
	exit
}

case ${1:-} in
-h | --help)
	usage
	exit 0
	;;
--build) # from build(): as a command of its own it can be ended as a session
	shift
	configure_and_compile "$@"
	exit
	;;
esac
for part; do
	case " $ALL_PARTS " in
	*" $part "*) ;;
	*)
		usage >&2
		exit 2
		;;
	esac
done
# shellcheck disable=SC2086 # one word each
[ $# -gt 0 ] || set -- $ALL_PARTS

if ! mkdir -p "$logs" || ! [ -w "$logs" ]; then
	echo "run.sh: cannot write into $logs: run this as its owner, or in a copy of your own" >&2
	exit 1
fi
scratch=$(mktemp -d) || exit 1
chmod 711 "$scratch" # some tests run programs in it as another user
trap clean_up EXIT
trap 'echo; exit 130' INT
trap 'echo; exit 143' TERM
trap 'echo; exit 129' HUP

if ! install_needed "$@"; then
	count 0 1 0
	failures="
  what the tests need could not be installed, see above"
	finish
fi
# One seed for all random tests, said at once: TAP swallows what a test prints of its own.
SYNCDOC_TEST_SEED=${SYNCDOC_TEST_SEED:-$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')}
SYNCDOC_SEED=${SYNCDOC_SEED:-$((SYNCDOC_TEST_SEED % 1000000000))}
export SYNCDOC_TEST_SEED SYNCDOC_SEED
echo "repeat with SYNCDOC_TEST_SEED=$SYNCDOC_TEST_SEED SYNCDOC_SEED=$SYNCDOC_SEED"
export TMPDIR="$scratch"
export ASAN_OPTIONS=detect_leaks=1:abort_on_error=1
export UBSAN_OPTIONS=halt_on_error=1:abort_on_error=1:print_stacktrace=1
for part; do
	case $part in
	unit) part_unit ;;
	stress) part_stress ;;
	clang) part_clang ;;
	fuzz) part_fuzz ;;
	tsan) part_tsan ;;
	release) part_release ;;
	bench) part_bench ;;
	packages) part_packages ;;
	e2e) part_e2e ;;
	esac
done
finish
