#!/bin/sh
# systemd_root.sh ROOT COUNTS — the unit under a systemd that has booted in ROOT, a Debian with the packages
# of two versions in /packages. Started by run.sh; writes `passed failed` to COUNTS, nothing if systemd
# cannot be booted here.
set -u
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd -P)
root_dir=$1
counts=$2
title=systemd
# shellcheck source=tests/packaging/root_lib.sh
. "$here/root_lib.sh"

# ---- booting ----

find_cgroups() {
	for cgroups in /sys/fs/cgroup /sys/fs/cgroup/unified; do
		[ -e "$cgroups/cgroup.procs" ] && [ -e "$cgroups/cgroup.controllers" ] && return
	done
	return 1
}

end_boot() {
	trap '' INT TERM HUP
	[ -z "${boot:-}" ] || kill -KILL "$boot" 2>/dev/null
	until_ok no_process_in_group
	find "$group" -depth -type d -exec rmdir {} + 2>/dev/null
}

no_process_in_group() {
	[ -z "$(find "$group" -name cgroup.procs -exec cat {} + 2>/dev/null)" ]
}

# Its process 1 is the one child of unshare, which took the place of the shell that we started.
booted() {
	init=$(tr -d " " <"/proc/$boot/task/$boot/children") && [ -n "$init" ] &&
		in_root systemctl is-system-running 2>/dev/null | grep -E '^(running|degraded)'
}

cannot_boot() {
	echo "SKIPPED $title: $*"
	echo skipped >"$counts"
	exit 0
}

# ---- the same words as in root_lib.sh, for a root that runs ----

in_root() {
	nsenter -t "$init" -m -p -n -C -r -w /usr/bin/env -i \
		PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 \
		DEBIAN_FRONTEND=noninteractive "$@"
}

curl() {
	nsenter -t "$init" -n curl "$@"
}

service() {
	in_root systemctl "$1" syncdocd
}

property() {
	in_root systemctl show -p "$1" --value syncdocd
}

daemon_pid() {
	property MainPID
}

# ---- checks ----

is_active() {
	[ "$(property ActiveState)" = active ]
}

# Seccomp 2: a filter. The capability is that of ports below 1024.
is_confined() {
	pid=$(daemon_pid)
	in_root grep -E '^(Uid|NoNewPrivs|Seccomp|CapBnd):' "/proc/$pid/status" >"$root_dir/status"
	grep -q '^NoNewPrivs:[[:space:]]1' "$root_dir/status" && grep -q '^Seccomp:[[:space:]]2' "$root_dir/status" &&
		grep -q '^CapBnd:[[:space:]]0*400$' "$root_dir/status" &&
		grep -q "^Uid:[[:space:]]$(in_root id -u syncdoc)[[:space:]]" "$root_dir/status"
}

directories_are_right() {
	mode_is 750 syncdoc:syncdoc /var/lib/syncdoc && mode_is 2750 syncdoc:adm /var/log/syncdoc &&
		mode_is 755 syncdoc:syncdoc /run/syncdoc && mode_is 640 syncdoc:adm /var/log/syncdoc/syncdocd.log
}

set_broken() {
	echo 'no_such_key = 1' >>"$root_dir/etc/syncdoc/syncdocd.conf"
}

set_whole() {
	sed -i '/^no_such_key/d' "$root_dir/etc/syncdoc/syncdocd.conf"
}

refuses_broken_reload() {
	pid=$(daemon_pid)
	set_broken
	! service reload && is_active && [ "$(daemon_pid)" = "$pid" ] &&
		in_root journalctl -u syncdocd | grep no_such_key && set_whole && service reload
}

comes_back_after_crash() {
	pid=$(daemon_pid)
	in_root kill -KILL "$pid" && until_ok is_another "$pid" && is_ready
}

is_another() {
	is_active && [ "$(daemon_pid)" != "$1" ]
}

# Not again and again.
fails_once_when_broken() {
	set_broken
	! service restart && [ "$(property ActiveState)" = failed ] && set_whole && service start && is_ready
}

serves_port_80() {
	sed -i '1i listen = {"127.0.0.1:80", "127.0.0.1:8080"}' "$root_dir/etc/syncdoc/syncdocd.conf"
	service restart && is_ready && answers http://127.0.0.1:80/livez
}

log_is_rotated() {
	log=$root_dir/var/log/syncdoc/syncdocd.log
	in_root logrotate -f /etc/logrotate.d/syncdoc && [ -s "$log.1" ] && service reload &&
		until_ok grep -q reload "$log"
}

upgrades() {
	pid=$(daemon_pid)
	deb=$(deb_package '*upgrade*')
	in_root dpkg -i "${deb#"$root_dir"}" && is_another "$pid" && is_ready
}

is_gone() {
	[ "$(property ActiveState)" = inactive ] && ! in_root pgrep -u syncdoc
}

purge_takes_all() {
	in_root dpkg -P syncdoc && ! in_root systemctl cat syncdocd && [ ! -e "$root_dir/var/lib/syncdoc" ] &&
		[ ! -e "$root_dir/etc/syncdoc" ] && ! in_root pgrep -u syncdoc
}

find_cgroups || cannot_boot "no cgroup2 here"
group=$cgroups/syncdoc-test-$$
mkdir "$group" 2>/dev/null || cannot_boot "cannot make a control group"
trap end_boot EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
sh "$here/systemd_boot.sh" "$root_dir" "$group" >"$root_dir/boot.log" 2>&1 </dev/null &
boot=$!
until_ok booted >/dev/null || cannot_boot "systemd does not boot here: $(tail -n 3 "$root_dir/boot.log")"

check "has started with the host" until_ok is_active || finish
check "serves" is_ready || finish
check "is confined: user, capabilities, system calls" is_confined
check "its directories belong to syncdoc" directories_are_right
check "writes a document" write_document
check "reads it" has_document
check "reload applies a changed configuration" reload_applies
check "reload of a configuration with a mistake fails, and it goes on" refuses_broken_reload
check "logs can be rotated" log_is_rotated
check "comes back after a crash" comes_back_after_crash
check "the document has survived it" has_document
check "a start with a mistake fails, once" fails_once_when_broken
check "serves port 80" serves_port_80
check "upgrades to a higher version, into a new process" upgrades
check "the document is still there" has_document
check "stops" service stop
check "nothing of it runs any more" is_gone
check "starts" service start
check "the document is still there after stop and start" has_document
check "purge stops it and takes documents and configuration" purge_takes_all
finish
