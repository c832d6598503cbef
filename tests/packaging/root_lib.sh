# shellcheck shell=sh
# shellcheck disable=SC2154 # root_dir, counts and title are set by the script that sources this
# root_lib.sh — what debian_root.sh and rpm_root.sh have in common: a root to work in, and checks that
# are counted. Sourced by them; does nothing by itself. They run in mount and pid namespaces that end
# with them; go_offline puts them into a network of their own, in which port 8080 is free.

WAIT_S=60
URL=http://127.0.0.1:8080
DOCUMENT=$URL/v1/services/packages/documents/kept

passed=${SYNCDOC_PASSED:-0} # before we went offline
failed=0

in_root() {
	chroot "$root_dir" /usr/bin/env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
		HOME=/root LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive "$@"
}

# check SENTENCE COMMAND…: goes on after a failure.
check() {
	sentence=$1
	shift
	if "$@" >"$root_dir/check.log" 2>&1 </dev/null; then
		passed=$((passed + 1))
		echo "ok   $title: $sentence"
	else
		failed=$((failed + 1))
		echo "FAIL $title: $sentence"
		echo "     ($*)"
		tail -n 30 "$root_dir/check.log"
		tail -n 10 "$root_dir/var/log/syncdoc/syncdocd.log" 2>/dev/null
		return 1
	fi
}

finish() {
	echo "$passed $failed" >"$counts"
	exit 0
}

# status CODE COMMAND…
status() {
	wanted=$1
	shift
	"$@"
	got=$?
	[ "$got" -eq "$wanted" ] || {
		echo "status $got, not $wanted: $*"
		return 1
	}
}

# until_ok COMMAND…
until_ok() {
	until_s=$(($(date +%s) + WAIT_S))
	until "$@" 2>/dev/null; do
		[ "$(date +%s)" -lt "$until_s" ] || return 1
		sleep 0.1
	done
}

# ---- the server ----

service() {
	in_root service syncdocd "$@"
}

answers() {
	curl -fsS -m 5 --noproxy '*' -o /dev/null "$@"
}

is_ready() {
	until_ok answers "$URL/readyz" || answers "$URL/readyz"
}

write_document() {
	answers -X PUT -H 'Content-Type: application/json' -d '{"data":{"kept":true}}' "$DOCUMENT"
}

has_document() {
	is_ready && curl -fsS -m 5 --noproxy '*' "$DOCUMENT" | grep -F '"data":{"kept":true}'
}

# Answers only under names in `hosts`.
answers_as() {
	answers -H "Host: $1" "$URL/livez"
}

daemon_pid() {
	cat "$root_dir/run/syncdoc/syncdocd.pid"
}

# Processes by name, of this namespace: nobody else's.
processes() {
	grep -sl "^$1" /proc/[0-9]*/comm
}

none_runs() {
	! processes syncdocd && ! [ -e "$root_dir/run/syncdoc/syncdocd.pid" ] &&
		! grep -sl "$root_dir/var/lib/syncdoc" /proc/[0-9]*/cmdline
}

# The supervisor, its workers, its Redis; the fourth kind of process is a mistake.
run_as_user() {
	uid=$(in_root id -u syncdoc) || return
	supervisor=$(daemon_pid)
	count=0
	for process in "$supervisor" $(cat "/proc/$supervisor/task/$supervisor/children"); do
		count=$((count + 1))
		[ "$(stat -c %u "/proc/$process")" = "$uid" ] || return
		grep -q '^NoNewPrivs:[[:space:]]*1' "/proc/$process/status" || return
	done
	[ "$count" -ge 3 ]
}

# In /proc/net, hexadecimal and turned round.
listens_on_loopback_only() {
	grep ' 0100007F:1F90 ' /proc/net/tcp && ! grep ' 00000000:1F90 ' /proc/net/tcp
}

# mode_is MODE OWNER:GROUP PATH; names as in the root.
mode_is() {
	[ "$(in_root stat -c '%a %U:%G' "$3")" = "$1 $2" ] || {
		in_root stat -c '%a %U:%G %n' "$3"
		return 1
	}
}

directories_are_right() {
	mode_is 750 syncdoc:syncdoc /var/lib/syncdoc && mode_is 2750 syncdoc:adm /var/log/syncdoc &&
		mode_is 755 syncdoc:syncdoc /run/syncdoc && mode_is 640 syncdoc:adm /var/log/syncdoc/syncdocd.log
}

none_is_left() {
	! processes syncdocd >/dev/null
}

# Its workers go with it.
crash() {
	kill -KILL "$(daemon_pid)" && until_ok none_is_left
}

reload_applies() {
	! answers_as renamed.example && sed -i '1i hosts = {"renamed.example"}' \
		"$root_dir/etc/syncdoc/syncdocd.conf" && service reload && until_ok answers_as renamed.example
}

# go_offline SCRIPT ARGUMENT…: once more from the beginning, in a network that is only a loopback.
go_offline() {
	[ "${SYNCDOC_OFFLINE:-no}" = no ] || return 0
	SYNCDOC_OFFLINE=yes SYNCDOC_PASSED=$passed exec unshare --net sh -c 'ip link set lo up && exec sh "$@"' sh "$@"
}

# The .deb of the first version, or the one with that pattern in its version.
deb_package() {
	if [ $# -eq 0 ]; then
		find "$root_dir/packages" -name 'syncdoc_*.deb' ! -name '*upgrade*'
	else
		find "$root_dir/packages" -name "syncdoc_$1.deb"
	fi
}

# import_client DIRECTORY, as its package.json says.
import_client() {
	import=$root_dir/packages/import
	mkdir -p "$import/node_modules" && ln -sfn "$1" "$import/node_modules/syncdoc-client" &&
		(cd "$import" && node --input-type=module -e \
			"import { Realtime } from 'syncdoc-client'; if (typeof Realtime !== 'function') process.exit(1)")
}
