#!/bin/sh
# rpm_root.sh ROOT COUNTS — the life of the .rpm in ROOT, a Debian in which debian_root.sh has left the
# libraries, and the packages in /packages: scriptlets and all are run by its own sh. Started by run.sh;
# writes `passed failed` to COUNTS.
set -u
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd -P)
root_dir=$1
counts=$2
title=rpm
# shellcheck source=tests/packaging/root_lib.sh
. "$here/root_lib.sh"
[ "${SYNCDOC_OFFLINE:-no}" = yes ] || mount -t proc proc "$root_dir/proc"
go_offline "$0" "$@"

# The libraries are there, but rpm has not installed them: hence --nodeps.
rpm_in_root() {
	rpm --root "$root_dir" --dbpath /var/lib/rpm --nosignature "$@"
}

package() {
	find "$root_dir/packages" -name "syncdoc-[0-9]*-1.$1.*.rpm"
}

# Files alone, without what each family keeps elsewhere: documentation, and units.
plain() {
	sed -e 's,^/lib/systemd,/usr/lib/systemd,' -e '\,^/usr/share/doc/,d' -e '\,^/usr/share/lintian/,d' \
		-e '\,^/usr/share/licenses/,d' -e '\,^/usr/lib/.build-id,d' -e 's,\(/man/.*\)\.gz$,\1,' | sort
}

same_files() {
	deb=$(find "$root_dir/packages" -name 'syncdoc_*.deb' ! -name '*upgrade*')
	dpkg-deb --fsys-tarfile "$deb" | tar -t | grep -v '/$' | sed 's,^\.,,' | plain >"$root_dir/deb.list"
	rpm -qp --nosignature --qf '[%{FILEMODES:perms} %{FILENAMES}\n]' "$(package 1)" |
		sed -n 's/^[^d][^ ]* //p' | plain >"$root_dir/rpm.list"
	[ -s "$root_dir/deb.list" ] && diff "$root_dir/deb.list" "$root_dir/rpm.list"
}

client_has_same_files() {
	deb=$(find "$root_dir/packages" -name 'node-syncdoc-client_*.deb' ! -name '*upgrade*')
	dpkg-deb --fsys-tarfile "$deb" | tar -t | sed -n 's,^\./usr/share/nodejs/\(.*[^/]\)$,\1,p' | sort >"$root_dir/deb.list"
	rpm -qlp --nosignature "$root_dir"/packages/nodejs-syncdoc-client-*-1.1.*.rpm |
		sed -n 's,^/usr/lib/node_modules/\(.*\..*\)$,\1,p' | sort >"$root_dir/rpm.list"
	[ -s "$root_dir/deb.list" ] && diff "$root_dir/deb.list" "$root_dir/rpm.list"
}

client_can_be_imported() {
	rpm_in_root --nodeps -i "$root_dir"/packages/nodejs-syncdoc-client-*-1.1.*.rpm &&
		import_client "$root_dir/usr/lib/node_modules/syncdoc-client"
}

configuration_is_kept_on_upgrade() {
	rpm -qp --nosignature --qf '[%{FILEFLAGS:fflags} %{FILENAMES}\n]' "$(package 1)" >"$root_dir/flags"
	for file in /etc/syncdoc/syncdocd.conf /etc/default/syncdoc /etc/logrotate.d/syncdoc; do
		grep "^cn $file\$" "$root_dir/flags" || return
	done
}

# Into nothing at all: what an image is made of.
empty_root() {
	mkdir "$root_dir/empty" && rpm --root "$root_dir/empty" --dbpath /var/lib/rpm --nodeps --noscripts \
		--nosignature -i "$(package 1)" && [ -x "$root_dir/empty/usr/sbin/syncdocd" ] &&
		[ -x "$root_dir/empty/etc/init.d/syncdocd" ] && [ -d "$root_dir/empty/var/lib/syncdoc" ]
}

installs() {
	in_root userdel syncdoc
	! in_root getent passwd syncdoc && rpm_in_root --nodeps -i "$(package 1)" &&
		in_root getent passwd syncdoc | grep '/var/lib/syncdoc:.*nologin' && none_runs
}

upgrades() {
	old=$(daemon_pid)
	rpm_in_root --nodeps -U "$(package 2)" && [ "$(rpm_in_root -q --qf '%{RELEASE}' syncdoc)" = 1.2 ] && is_ready &&
		[ "$(daemon_pid)" != "$old" ]
}

erase_keeps() {
	rpm_in_root -e syncdoc && none_runs && [ -d "$root_dir/var/lib/syncdoc" ] &&
		[ -f "$root_dir/var/log/syncdoc/syncdocd.log" ] && [ -f "$root_dir/etc/syncdoc/syncdocd.conf.rpmsave" ] &&
		! [ -e "$root_dir/usr/sbin/syncdocd" ]
}

comes_back() {
	rpm_in_root --nodeps -i "$(package 2)" && service start && has_document && service stop
}

check "the files are those of the .deb" same_files
check "those of the JavaScript client too" client_has_same_files
check "an edited configuration is not overwritten" configuration_is_kept_on_upgrade
check "installs into an empty root without scripts" empty_root
check "installs, makes the user, and starts nothing" installs || finish
check "all files are as in the package" rpm_in_root --nodeps -V syncdoc
check "starts" status 0 service start
check "serves" is_ready || finish
check "its processes run as syncdoc and can get no more rights" run_as_user
check "its directories belong to syncdoc" directories_are_right
check "writes a document" write_document
check "reload applies a changed configuration" reload_applies
check "upgrades to a higher release, into a new process" upgrades
check "the document is still there" has_document
check "the changed configuration is still there" answers_as renamed.example
check "the JavaScript client can be installed and imported" client_can_be_imported
check "erase stops it, and keeps documents and logs" erase_keeps
check "installed again, it has the document" comes_back
finish
