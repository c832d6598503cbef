# shellcheck shell=sh
# results.sh — what meson and node say of their tests, as numbers. Sourced by tests/run.sh; does nothing
# by itself.

# meson_explain DIRECTORY SANITIZER: what sanitizers wrote into SANITIZER.<pid>, and what the failed
# programs print when they run outside TAP, where Criterion keeps the output of the tests to itself. From
# the build directory, as meson does.
meson_explain() {
	cat "$2".* 2>/dev/null
	sed -n 's/.*"result": "\(ERROR\|FAIL\)", "starttime".*"command": \["\([^"]*\)", "--tap=-"\].*/\2/p' \
		"$1/meson-logs/testlog.json" | while read -r program; do
		echo "== $program once more"
		(cd "$1" && timeout -k 5 60 "$program" </dev/null 2>&1) | tail -n 60
	done
}

# meson_counts DIRECTORY: programs by result and subtests (TAP) by suite; a program that fails although
# none of its subtests did has crashed, leaked or timed out: one failure more. Prints PASSED FAILED SKIPPED.
meson_counts() {
	results=$1/meson-logs/testlog.json
	subtests=$1/meson-logs/testlog.junit.xml
	if ! [ -f "$results" ] || ! [ -f "$subtests" ]; then
		echo 0 1 0
		return
	fi
	{
		tr '\n' ' ' <"$subtests" | grep -o '<testsuite [^>]*>'
		sed -n 's/^{"name": "\([^"]*\)".*"result": "\([A-Z]*\)", "starttime".*/result \2 \1/p' "$results"
	} | awk '
		function attribute(name) {
			if (!match($0, " " name "=\"[^\"]*\""))
				return ""
			return substr($0, RSTART + length(name) + 3, RLENGTH - length(name) - 4)
		}
		$1 == "<testsuite" {
			# syncdoc.syncdoc:unit / ring; that of the programs without subtests is just syncdoc
			name = attribute("name")
			if (!sub(/^[^.]*\./, "", name))
				next
			bad[name] = attribute("errors") + attribute("failures")
			skip[name] = attribute("skipped") + 0
			good[name] = attribute("tests") - bad[name] - skip[name]
		}
		$1 == "result" {
			result = $2
			name = $0
			sub(/^result [A-Z]* /, "", name)
			fine = result == "OK" || result == "EXPECTEDFAIL"
			if (name in good) {
				passed += good[name]
				failed += bad[name] + (!fine && result != "SKIP" && !bad[name])
				skipped += skip[name]
			} else {
				passed += fine
				skipped += result == "SKIP"
				failed += !fine && result != "SKIP"
			}
		}
		END { print passed + 0, failed + 0, skipped + 0 }'
}

# tap_count WORD FILE: from the last lines of node's report.
tap_count() {
	sed -n "s/^# $1 \([0-9][0-9]*\)\$/\1/p" "$2" | tail -n 1 | grep . || echo 0
}

# tap_counts FILE: prints PASSED FAILED SKIPPED.
tap_counts() {
	echo "$(tap_count pass "$1")" \
		$(($(tap_count fail "$1") + $(tap_count cancelled "$1"))) \
		$(($(tap_count skipped "$1") + $(tap_count todo "$1")))
}
