#!/bin/sh
# systemd_boot.sh ROOT CGROUP — becomes systemd in ROOT: its process 1, with a network, mounts and control
# groups (below CGROUP, a directory of cgroup2) of its own. All of it ends with this process.
set -eu
root_dir=$1
if [ "$2" != inside ]; then
	echo $$ >"$2/cgroup.procs"
	exec unshare --cgroup --net --mount --pid --fork --kill-child sh "$0" "$root_dir" inside
fi
ip link set lo up
mount --bind "$root_dir" "$root_dir"
mount -t proc proc "$root_dir/proc"
mount -t sysfs sysfs "$root_dir/sys"
mount -t tmpfs -o mode=755 tmpfs "$root_dir/run"
mount -t cgroup2 cgroup2 "$root_dir/sys/fs/cgroup"
mkdir -p "$root_dir/old"
cd "$root_dir"
pivot_root . old
umount -l /old
exec env -i container=other PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd
