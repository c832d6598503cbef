#!/bin/sh
# run.sh — the packages as an operator meets them: built from a clean clone, installed into clean Debian
# roots, upgraded, removed, purged. See usage() below. The last line is `N passed, N failed[, N skipped]`;
# exit status 0 only if something ran and nothing failed, 77 if nothing could run.
set -u
root=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd -P)
here=$root/tests/packaging
logs=$root/build-logs/packages
# shellcheck source=packaging/packages.sh
. "$root/packaging/packages.sh"

DEFAULT_RELEASES="bookworm trixie"
KEEP_ROOTS_DAYS=7
UPGRADE=+upgrade # suffix of the version that upgrades are made to

usage() {
	cat <<-END
	Usage: sh tests/packaging/run.sh [RELEASE...]

	Needs root, and the Debian mirror that this machine uses. Installs what it needs (debootstrap,
	debhelper, lintian, rpm...; only what is missing). For each release (default: $DEFAULT_RELEASES)
	makes a clean root, builds the .deb for it, and goes through its life there; then the same
	with the .rpm. All of it in namespaces of its own: nothing stays mounted or running.
	Clean roots are kept in build-packages/roots for $KEEP_ROOTS_DAYS days.
	END
}

passed=0
failed=0
skipped=0

finish() {
	echo "$passed passed, $failed failed$([ "$skipped" -eq 0 ] || echo ", $skipped skipped")"
	[ "$failed" -eq 0 ] || exit 1
	[ "$passed" -gt 0 ] || exit 77
	exit 0
}

skip() {
	echo "SKIPPED $*"
	skipped=$((skipped + 1))
}

skip_all() {
	skip "all tests of the packages: $*"
	finish
}

# step NAME COMMAND…: counted; its output is shown if it fails.
step() {
	name=$1
	log=$logs/$(echo "$name" | tr -cs '[:alnum:]\n' '-').log
	shift
	start_s=$(date +%s)
	if "$@" >"$log" 2>&1 </dev/null; then
		passed=$((passed + 1))
		echo "ok   $name ($(($(date +%s) - start_s)) s)"
	else
		failed=$((failed + 1))
		echo "FAIL $name"
		tail -n 60 "$log"
		echo "---- end of $log"
		return 1
	fi
}

# ---- the mirror: whatever apt uses here ----

apt_uris() {
	cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null |
		sed -n 's/^deb \(\[[^]]*\] \)\{0,1\}\([^ ]*\) .*/\2/p'
	cat /etc/apt/sources.list.d/*.sources 2>/dev/null | sed -n 's/^URIs: *\([^ ]*\).*/\1/p'
}

find_mirror() {
	mirror=$(apt_uris | grep -v security | grep '/debian/*$' | head -n 1)
	[ -n "$mirror" ]
}

# What it takes to reach it: proxies and the like.
apt_options() {
	apt-config dump | grep -E '^Acquire::(https?::|Check-|ForceIPv4|Retries)'
}

# ---- roots ----

# Everything that mounts, or starts processes in a root: those go with the namespaces, and these with us.
# In the background, so that a signal is heard at once; unshare itself heeds only KILL.
contained() {
	unshare --mount --pid --fork --kill-child --mount-proc "$@" &
	await_child KILL
}

# await_child SIGNAL: the status of the job just started, which that signal ends.
await_child() {
	child=$!
	child_signal=$1
	wait "$child"
	set -- $?
	child=''
	return "$1"
}
child=''

# Hosts without systemd, where the init script counts: in one release without any of it, in the others with
# what apt chooses for systemd-sysusers.
root_packages() {
	case $1 in
	bookworm) echo sysvinit-core,systemd-standalone-sysusers ;;
	*) echo sysvinit-core ;;
	esac
}

# pristine RELEASE: makes build-packages/roots/RELEASE.tar, or finds it young enough.
pristine() {
	archive=$roots/$1.tar
	[ -z "$(find "$archive" -mtime "-$KEEP_ROOTS_DAYS" 2>/dev/null)" ] || return 0
	contained debootstrap --variant=minbase --include="$(root_packages "$1")" "$1" "$work/$1.new" "$mirror" || return
	echo "deb $mirror $1 main" >"$work/$1.new/etc/apt/sources.list"
	apt_options >"$work/$1.new/etc/apt/apt.conf.d/99host"
	echo force-unsafe-io >"$work/$1.new/etc/dpkg/dpkg.cfg.d/unsafe-io"
	chroot "$work/$1.new" apt-get update || return
	tar -C "$work/$1.new" -cf "$archive.new" . && mv "$archive.new" "$archive"
	rm -rf --one-file-system "$work/$1.new"
}

# make_root RELEASE DIRECTORY: a copy of it. The host's ways to names may have changed since.
make_root() {
	mkdir "$2" && tar -C "$2" -xf "$roots/$1.tar" && mkdir "$2/packages" || return
	cp -L /etc/resolv.conf /etc/hosts "$2/etc/"
}

# ---- building ----

clone() {
	git clone --quiet "$root" "$work/clone" || return
	[ -z "$(git -C "$root" status --porcelain)" ] || echo "note: what is not committed is not tested" >&2
}

# On this machine if it is of that release, else in a root.
build_debs() {
	if [ "$1" = "$host_release" ]; then
		"$work/clone/packaging/build-deb" --output "$work/$1.debs" &&
			"$work/clone/packaging/build-deb" --output "$work/$1.debs" --suffix "$UPGRADE"
		return
	fi
	make_root "$1" "$work/$1.build" && cp -R "$work/clone" "$work/$1.build/source" &&
		contained chroot "$work/$1.build" sh -c "mount -t proc proc /proc && cd /source &&
			rm -rf .git && packaging/build-deb --output /debs &&
			packaging/build-deb --output /debs --suffix $UPGRADE" &&
		mv "$work/$1.build/debs" "$work/$1.debs" &&
		rm -rf --one-file-system "$work/$1.build"
}

build_rpms() {
	"$work/clone/packaging/build-rpm" --output "$work/rpms" --suffix .1 &&
		"$work/clone/packaging/build-rpm" --output "$work/rpms" --suffix .2
}

# The daemon, its debug symbols, the client.
check_debs() {
	ls "$work/$1.debs"
	for package in syncdoc syncdoc-dbgsym node-syncdoc-client; do
		[ "$(find "$work/$1.debs" -name "${package}_*.deb" | wc -l)" -eq 2 ] || return
	done
}

check_lintian() {
	for deb in "$work/$1.debs"/*.deb; do
		lintian --allow-root --fail-on error,warning "$deb" || return
	done
}

# ---- all of it ----

# count_root NAME: what the script has left in `counts`.
count_root() {
	set -- "$1" "$(tail -n 1 "$work/counts")"
	case $2 in
	skipped) skipped=$((skipped + 1)) ;;
	[0-9]*' '[0-9]*)
		passed=$((passed + ${2% *}))
		failed=$((failed + ${2#* }))
		;;
	*)
		echo "FAIL $1: ended before its end"
		failed=$((failed + 1))
		;;
	esac
}

# test_root NAME SCRIPT ROOT: the script writes `passed failed` to `counts`.
test_root() {
	: >"$work/counts"
	contained sh "$2" "$3" "$work/counts" </dev/null
	count_root "$1"
}

test_systemd() {
	make_root "$1" "$work/systemd" && cp "$work/$1.debs"/*.deb "$work/systemd/packages" || return
	step "systemd: a root with it, and the package" contained sh "$here/systemd_prepare.sh" "$work/systemd" || return
	: >"$work/counts"
	# Makes namespaces itself: what it tests is process 1 of them.
	sh "$here/systemd_root.sh" "$work/systemd" "$work/counts" </dev/null &
	await_child TERM
	count_root systemd
	rm -rf --one-file-system "${work:?}/systemd"
}

test_release() {
	release=$1
	if ! [ -e "/usr/share/debootstrap/scripts/$release" ]; then
		skip "Debian $release: debootstrap does not know it"
		return
	fi
	if ! curl -fsIL -m 20 -o /dev/null "$mirror/dists/$release/Release"; then
		skip "Debian $release: the mirror of this machine has none, or cannot be reached"
		return
	fi
	step "$release: a clean root" pristine "$release" || return
	step "$release: packages are built, two versions" build_debs "$release" || return
	step "$release: the daemon, its debug symbols, and the client" check_debs "$release"
	step "$release: lintian" check_lintian "$release"
	make_root "$release" "$work/$release" || return
	cp "$work/$release.debs"/*.deb "$work/$release/packages"
	test_root "$release" "$here/debian_root.sh" "$work/$release"
	if [ "$release" = "$host_release" ]; then
		cp "$work/rpms"/*.rpm "$work/$release/packages"
		test_root "rpm in $release" "$here/rpm_root.sh" "$work/$release"
		test_systemd "$release"
	fi
	rm -rf --one-file-system "${work:?}/$release"
}

clean_up() {
	trap '' INT TERM HUP
	if [ -n "$child" ]; then
		kill -s "$child_signal" "$child" 2>/dev/null
		wait "$child" 2>/dev/null
	fi
	rm -rf --one-file-system "$work"
}

case ${1:-} in
-h | --help)
	usage
	exit 0
	;;
esac
# shellcheck disable=SC2086 # one word each
[ $# -gt 0 ] || set -- $DEFAULT_RELEASES
[ "$(id -u)" -eq 0 ] || skip_all "only root can make roots"
command -v apt-get >/dev/null 2>&1 || skip_all "made for Debian hosts, no apt-get here"
contained true 2>/dev/null || skip_all "this machine allows no namespaces (unshare --mount --pid)"
unshare --net true 2>/dev/null || skip_all "this machine allows no namespaces (unshare --net)"
packages_ensure build deb rpm roots || skip_all "what they need could not be installed"
find_mirror || skip_all "found no Debian mirror in /etc/apt"
host_release=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")

roots=$root/build-packages/roots
mkdir -p "$logs" "$roots" || exit 1
work=$(mktemp -d) || exit 1
chmod 755 "$work"
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

step "a clean clone" clone || finish
step "rpm packages are built, two versions" build_rpms
for release; do
	test_release "$release"
done
finish
