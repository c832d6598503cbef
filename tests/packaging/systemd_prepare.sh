#!/bin/sh
# systemd_prepare.sh ROOT — makes ROOT, a clean root with sysvinit and the packages in /packages, one with
# systemd in which the first version is installed. Started by run.sh, in namespaces that end with it.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd -P)
root_dir=$1
# shellcheck disable=SC2034 # for root_lib.sh
title=systemd counts=/dev/null
# shellcheck source=tests/packaging/root_lib.sh
. "$here/root_lib.sh"

deb=$(find "$root_dir/packages" -name 'syncdoc_*.deb' ! -name '*upgrade*')
mount -t proc proc "$root_dir/proc"
printf '#!/bin/sh\nexit 101\n' >"$root_dir/usr/sbin/policy-rc.d"
chmod 755 "$root_dir/usr/sbin/policy-rc.d"
in_root apt-get purge -y --allow-remove-essential sysvinit-core systemd-standalone-sysusers
in_root apt-get install -y --no-install-recommends systemd-sysv dbus procps logrotate "${deb#"$root_dir"}"
rm "$root_dir/usr/sbin/policy-rc.d"
