#!/bin/sh
# debian_root.sh ROOT COUNTS — the life of the .deb in ROOT, a clean Debian with the packages of two
# versions in /packages. Started by run.sh; writes `passed failed` to COUNTS.
set -u
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd -P)
root_dir=$1
counts=$2
# shellcheck disable=SC1091 # that of the root
title=$(. "$root_dir/etc/os-release" && echo "${VERSION_CODENAME:-?}")
# shellcheck source=tests/packaging/root_lib.sh
. "$here/root_lib.sh"

# As seen in the root.
first() {
	deb_package | sed "s,^$root_dir,,"
}

second() {
	deb_package '*upgrade*' | sed "s,^$root_dir,,"
}

# No init has brought this host to a runlevel, so invoke-rc.d needs to be told what may run: 104 yes, 101 no.
allow_start() {
	policy=$root_dir/usr/sbin/policy-rc.d
	# shellcheck disable=SC2016 # for that script
	printf '#!/bin/sh\n[ "$1" = syncdocd ] && exit 104\nexit 101\n' >"$policy" && chmod 755 "$policy"
}

apt_install() {
	in_root apt-get install -y --no-install-recommends "$@"
}

download() {
	apt_install --download-only "$(first)" logrotate
}

if [ "${SYNCDOC_OFFLINE:-no}" = no ]; then
	mount -t proc proc "$root_dir/proc"
	allow_start
	if ! check "what it depends on can be had" download; then
		finish
	fi
fi
go_offline "$0" "$@"

installs() {
	apt_install "$(first)" logrotate && in_root getent passwd syncdoc | grep '/var/lib/syncdoc:.*nologin'
}

version_is() {
	# shellcheck disable=SC2016 # for dpkg-query
	[ "$(in_root dpkg-query -W -f '${db:Status-Abbrev}${Version}' syncdoc)" = "ii $1" ]
}

version_of() {
	dpkg-deb -f "$root_dir$1" Version
}

# A wrong word would come back as a question of dpkg's, which nobody is there to answer.
upgrades() {
	old=$(daemon_pid)
	apt_install "$(second)" && version_is "$(version_of "$(second)")" && is_ready && [ "$(daemon_pid)" != "$old" ]
}

log_is_rotated() {
	log=$root_dir/var/log/syncdoc/syncdocd.log
	in_root logrotate -f /etc/logrotate.d/syncdoc && [ -s "$log.1" ] && [ -s "$root_dir/var/lib/syncdoc/redis.log.1" ] &&
		service reload && until_ok grep -q reload "$log" && mode_is 640 syncdoc:adm /var/log/syncdoc/syncdocd.log
}

# Over REST, and over the control socket, as root.
ctl_talks() {
	in_root syncdocctl get packages kept | grep '"kept": *true' && in_root syncdocctl status
}

# By the host's node: it needs nothing else of the root.
client_can_be_imported() {
	client=$(find "$root_dir/packages" -name 'node-syncdoc-client_*upgrade*.deb')
	in_root dpkg -i "${client#"$root_dir"}" && import_client "$root_dir/usr/share/nodejs/syncdoc-client" &&
		in_root dpkg -P node-syncdoc-client
}

# The old one goes on, and the package is installed all the same.
survives_broken_configuration() {
	config=$root_dir/etc/syncdoc/syncdocd.conf
	old=$(daemon_pid)
	cp "$config" "$config.good" && echo 'no_such_key = 1' >>"$config"
	in_root dpkg -i "$(second)" && version_is "$(version_of "$(second)")" && [ "$(daemon_pid)" = "$old" ] &&
		status 6 service restart && mv "$config.good" "$config" && service restart
}

remove_keeps() {
	in_root apt-get remove -y syncdoc && none_runs && [ -f "$root_dir/etc/syncdoc/syncdocd.conf" ] &&
		[ -d "$root_dir/var/lib/syncdoc" ] && [ -f "$root_dir/var/log/syncdoc/syncdocd.log" ]
}

crash_leaves_status() {
	crash && status 1 service status
}

comes_back() {
	apt_install "$(second)" && has_document
}

# And nothing that was made while it ran.
purge_takes_all() {
	in_root apt-get purge -y syncdoc || return
	left=$(cd "$root_dir" && find . -xdev -path ./proc -prune -o -path ./packages -prune -o \
		-path ./var/cache/apt -prune -o -name '*syncdoc*' -print)
	[ -z "$left" ] || {
		echo "left: $left"
		return 1
	}
}

check "installs with its dependencies, and makes the user syncdoc" installs || finish
check "serves at once" is_ready || finish
check "its processes run as syncdoc and can get no more rights" run_as_user
check "listens on the loopback address only" listens_on_loopback_only
check "its directories belong to syncdoc" directories_are_right
check "writes a document" write_document
check "reads it" has_document
check "syncdocctl reads it, and the status" ctl_talks
check "status 0" status 0 service status
check "start of what runs" status 0 service start
check "reload applies a changed configuration" reload_applies
check "logs can be rotated" log_is_rotated
check "upgrades to a higher version, into a new process" upgrades
check "the document is still there" has_document
check "the changed configuration is still there" answers_as renamed.example
check "a configuration with a mistake stops neither package nor server" survives_broken_configuration
check "the JavaScript client can be installed and imported" client_can_be_imported
check "stops" status 0 service stop
check "nothing of it runs any more" none_runs
check "stop of what does not run" status 0 service stop
check "status 3" status 3 service status
check "starts" status 0 service start
check "a crash leaves status 1" crash_leaves_status
check "starts after a crash" status 0 service start
check "the document has survived it" has_document
check "remove stops it, and keeps documents, logs and configuration" remove_keeps
check "installed again, it has the document" comes_back
check "with the changed configuration" answers_as renamed.example
check "purge takes documents, logs and configuration" purge_takes_all
check "nothing runs after it" none_runs
check "the user stays" in_root getent passwd syncdoc
finish
