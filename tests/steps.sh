# shellcheck shell=sh
# shellcheck disable=SC2154 # logs is run.sh's: the directory of all logs
# steps.sh — what tests/run.sh is made of: steps, each a command with a log and a time, that add to the
# counts. Sourced by it; does nothing by itself.
#
#     step_begin NAME; in_session MAX_S "$step_log" COMMAND…; step_end PASSED FAILED SKIPPED

SHOW_LINES=400 # of a failed step's output

# ---- counting ----

passed=0
failed=0
skipped=0
failures='' # names of the steps that failed

count() {
	passed=$((passed + $1))
	failed=$((failed + $2))
	skipped=$((skipped + $3))
}

counts_text() {
	echo "$1 passed, $2 failed$([ "$3" -eq 0 ] || echo ", $3 skipped")"
}

# ---- steps ----

session=''

# Process ids of the living processes of that session. A program's name may hold blanks and brackets.
session_members() {
	for stat in /proc/[0-9]*/stat; do
		{ read -r line <"$stat"; } 2>/dev/null || continue
		member=${line%% *}
		# shellcheck disable=SC2086 # state, parent, group, session
		set -- "$1" ${line##*) }
		if [ "$5" = "$1" ] && [ "$2" != Z ]; then
			echo "$member"
		fi
	done
}

# What a step leaves behind would disturb the next one, or stay on the machine.
end_session() {
	[ -n "$session" ] || return 0
	for signal in TERM KILL; do
		tries=0
		while [ "$tries" -lt 50 ]; do
			members=$(session_members "$session")
			[ -n "$members" ] || break
			# shellcheck disable=SC2086 # one word each
			[ "$tries" -gt 0 ] || kill -s "$signal" $members 2>/dev/null
			tries=$((tries + 1))
			sleep 0.1
		done
	done
	session=''
}

# in_session MAX_S LOG COMMAND…: a session of its own has no terminal, and can be ended as a whole.
# A shell starts what is in the background with SIGINT ignored, which some tests send.
in_session() {
	max_s=$1
	log=$2
	shift 2
	setsid env --default-signal=INT,QUIT timeout -k 10 "$max_s" "$@" >>"$log" 2>&1 </dev/null &
	session=$!
	wait "$session"
	in_session_status=$?
	[ "$in_session_status" -ne 124 ] || echo "run.sh: ended after $max_s s" >>"$log"
	end_session
	return "$in_session_status"
}

step_begin() {
	step_name=$1
	step_start_s=$(date +%s)
	step_log=$logs/$(echo "$step_name" | tr '[:upper:]' '[:lower:]' | tr -cs '[:alnum:]\n' '-').log
	: >"$step_log"
	printf '%-54s ' "$step_name"
}

# step_end PASSED FAILED SKIPPED: counts, and shows the output if something failed.
step_end() {
	count "$@"
	printf '%-34s %4d s\n' "$(counts_text "$@")" $(($(date +%s) - step_start_s))
	[ "$2" -gt 0 ] || return 0
	failures="$failures
  $step_name ($step_log)"
	echo "---- output of: $step_name"
	tail -n "$SHOW_LINES" "$step_log"
	echo "---- end of: $step_name ($step_log)"
	return 1
}

# step_end_build STATUS: a build is no test, but one that fails is a failure.
step_end_build() {
	if [ "$1" -eq 0 ]; then
		printf '%-34s %4d s\n' built $(($(date +%s) - step_start_s))
		return 0
	fi
	# Without what went well: meson's findings, and the files that compiled without a warning.
	if grep -q '^ninja: Entering directory' "$step_log"; then
		sed -i -e '1,/^ninja: Entering directory/d' -e '/^\[[0-9]*\/[0-9]*\] [A-Z]/d' "$step_log"
	fi
	step_end 0 1 0
}
