# shellcheck shell=sh
# shellcheck disable=SC2154 # root and logs are run.sh's, step_log is that of steps.sh
# part.sh — part e2e of tests/run.sh: which end-to-end tests run against which build, and over what.
# Sourced by it; does nothing by itself.

E2E_MAX_S=1800    # a step that takes longer is ended and has failed
E2E_CONCURRENCY=2 # files at once: much of their time is waiting
CHECKER_S=20      # of tests/e2e/checker.mjs, which checker.test.js runs

# e2e_step BUILD TRANSPORT FILE..., TRANSPORT being plain, tls or io_uring
e2e_step() {
	step_begin "end to end, node:test against $1, $2"
	tap=$logs/e2e.tap
	rm -f "$tap"
	in_session 300 "$step_log" sh -c 'cd tests/e2e && npm ci --no-audit --no-fund' || {
		step_end 0 1 0
		return
	}
	e2e_build=$1
	[ "$2" = tls ] && e2e_tls=1 || e2e_tls=0
	[ "$2" = io_uring ] && e2e_io_uring=1 || e2e_io_uring=0
	shift 2
	# Node 18 before 18.19 does not know it.
	concurrency=--test-concurrency=$E2E_CONCURRENCY
	node "$concurrency" -e '' 2>/dev/null || concurrency=
	# shellcheck disable=SC2016 # for the inner shell
	in_session "$E2E_MAX_S" "$step_log" env SYNCDOC_BUILD="$root/$e2e_build" \
		SYNCDOC_TEST_TLS="$e2e_tls" SYNCDOC_TEST_IO_URING="$e2e_io_uring" \
		SYNCDOC_CHECK_SECONDS="$CHECKER_S" sh -c 'cd tests/e2e && tap=$1 concurrency=$2 && shift 2 && exec node \
			--test $concurrency --test-reporter=spec --test-reporter-destination=stdout \
			--test-reporter=tap --test-reporter-destination="$tap" "$@"' sh "$tap" "$concurrency" "$@"
	status=$?
	if [ ! -s "$tap" ]; then
		step_end 0 1 0
		return
	fi
	# shellcheck disable=SC2046 # three numbers
	set -- $(tap_counts "$tap")
	if [ "$2" -eq 0 ] && { [ "$status" -ne 0 ] || [ "$1" -eq 0 ]; }; then
		echo "run.sh: node ended with status $status after $1 tests" >>"$step_log"
		set -- "$1" 1 "$3"
	fi
	step_end "$@"
}

# Behind the seccomp filter, which sanitizers do not go together with: what makes workers ask the kernel
# for most.
E2E_RELEASE='hardening.test.js rest.test.js websocket.test.js stream.test.js presence.test.js auth.test.js auth_documents.test.js
	fanout_io_uring.test.js tls.test.js tls_front.test.js tls_limits.test.js redis_away.test.js sentinel.test.js log.test.js reload.test.js processes.test.js'

# Everything that a client does to its connection, once more over TLS.
E2E_TLS='rest.test.js websocket.test.js connection.test.js session.test.js stream.test.js stream_ends.test.js
	long_poll.test.js slow.test.js slow_reader.test.js deflate.test.js hostile.test.js hostile_websocket.test.js proxy.test.js'

# Everything that events go through, once more by io_uring.
E2E_IO_URING='fanout_io_uring.test.js fanout.test.js slow.test.js websocket.test.js session.test.js
	ordering.test.js resume.test.js resume_random.test.js deflate.test.js gap.test.js reload.test.js'

part_e2e() {
	build_san || return
	# shellcheck disable=SC2046 # our file names have no blanks
	e2e_step build-san plain $(cd tests/e2e && ls -- *.test.js)
	# shellcheck disable=SC2086
	e2e_step build-san tls $E2E_TLS
	# shellcheck disable=SC2086
	e2e_step build-san io_uring $E2E_IO_URING
	build_release || return
	# shellcheck disable=SC2086
	e2e_step build-release plain $E2E_RELEASE
}
