#!/bin/sh
# quick.sh — checks of packaging/ that need no package built: each an own run, for its own exit status (77:
# skipped, says why). The packages themselves are tested by tests/packaging/run.sh.
#
#     sh tests/packaging/quick.sh            the names of the checks
#     sh tests/packaging/quick.sh NAME       one of them
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd -P)
cd "$root"
# shellcheck source=packaging/packages.sh
. packaging/packages.sh
# shellcheck source=tests/packaging/lib.sh
. tests/packaging/lib.sh

EXPOSURE_MAX=3.0 # of systemd-analyze security: 0 nothing, 10 everything

CHECKS="shell lint versions dependencies files prefix unit exposure sysusers tmpfiles logrotate spec"

scripts() {
	find common packaging tests workers -name node_modules -prune -o -type f -name '*.sh' -print
	ls packaging/build-deb packaging/build-rpm packaging/syncdocd.init packaging/debian/*.p*
}

# Each shell that may be a host's /bin/sh.
check_shell() {
	for shell in sh dash 'bash --posix' 'busybox sh'; do
		command -v "${shell%% *}" >/dev/null 2>&1 || continue
		for script in $(scripts); do
			# shellcheck disable=SC2086 # two words
			$shell -n "$script" || fail "$script: not for $shell"
		done
	done
}

check_lint() {
	need shellcheck
	# 2317: what is called by name only (`check_$1`, "$@", traps).
	# shellcheck disable=SC2046 # names without blanks
	shellcheck -x -e SC2317 $(scripts)
}

check_versions() {
	version=$(sed -n "s/^  version: '\(.*\)',\$/\1/p" meson.build)
	head -n 1 packaging/debian/changelog | grep -qF "syncdoc ($version-" ||
		fail "packaging/debian/changelog does not begin with $version of meson.build"
	grep -q "^Version: *$version\$" packaging/rpm/syncdoc.spec ||
		fail "packaging/rpm/syncdoc.spec: not the version $version of meson.build"
	grep -q "^	\"version\": \"$version\",\$" workers/web/client/package.json ||
		fail "workers/web/client/package.json: not the version $version of meson.build"
}

# What packages.sh installs for a build is what the packages say they need for one; but what Debian's
# build-essential and debhelper bring.
check_dependencies() {
	packages_table | sed -n 's/^[[:space:]]*build[[:space:]]\{1,\}//p' >"$scratch/table"
	[ -s "$scratch/table" ] || fail "found no build packages in packages.sh"
	sed -n '/^Build-Depends:/,/^[^ ]*:/p' packaging/debian/control | tr ',' '\n' >"$scratch/control"
	while read -r what debian fedora; do
		case $debian in
		gcc | libc6-dev | ninja-build) ;;
		*)
			grep -qwF -- "$debian" "$scratch/control" ||
				fail "packaging/debian/control: no $debian in Build-Depends"
			;;
		esac
		module=${what#module:}
		# By pkg-config module, as Fedora likes it, or by package.
		grep -q -e "^BuildRequires: *$fedora\( \|\$\)" -e "^BuildRequires: *pkgconfig(${module%%:*})" packaging/rpm/syncdoc.spec ||
			fail "packaging/rpm/syncdoc.spec: no BuildRequires for $fedora"
	done <"$scratch/table"
}

# installed PREFIX: installs what needs no compiler.
installed() {
	{
		meson setup "$scratch/build" --prefix="$1" -Dtests=disabled &&
			meson compile -C "$scratch/build" init-script systemd-unit &&
			DESTDIR=$scratch/root meson install -C "$scratch/build" --no-rebuild --tags host
	} >"$scratch/log" 2>&1 || { cat "$scratch/log"; fail "meson"; }
}

has() {
	[ -f "$scratch/root$2" ] || fail "not installed: $2"
	[ "$(stat -c %a "$scratch/root$2")" = "$1" ] || fail "$2: mode $(stat -c %a "$scratch/root$2"), not $1"
}

check_files() {
	installed /usr
	has 644 /etc/syncdoc/syncdocd.conf
	has 644 /etc/default/syncdoc
	has 755 /etc/init.d/syncdocd
	has 644 /etc/logrotate.d/syncdoc
	has 644 /usr/lib/systemd/system/syncdocd.service
	has 644 /usr/lib/sysusers.d/syncdoc.conf
	has 644 /usr/lib/tmpfiles.d/syncdoc.conf
	cmp packaging/syncdocd.init "$scratch/root/etc/init.d/syncdocd"
	cmp packaging/syncdocd.service "$scratch/root/usr/lib/systemd/system/syncdocd.service"
}

check_prefix() {
	installed /opt/syncdoc
	[ -z "$(find "$scratch/root" -mindepth 1 -maxdepth 1 ! -name opt)" ] || fail "files beside the prefix"
	grep -rq /usr/sbin/syncdocd "$scratch/root" && fail "a file still names /usr/sbin/syncdocd"
	grep -q '^DAEMON=/opt/syncdoc/sbin/syncdocd$' "$scratch/root/opt/syncdoc/etc/init.d/syncdocd"
	grep -q '^ExecStart=/opt/syncdoc/sbin/syncdocd ' \
		"$scratch/root/opt/syncdoc/lib/systemd/system/syncdocd.service"
}

# With a program in the place of ours: whether it is there is not the question.
check_unit() {
	need systemd-analyze
	sed -e 's,/usr/sbin/syncdocd,/bin/true,' -e '/^Documentation=/d' packaging/syncdocd.service \
		>"$scratch/syncdocd.service"
	systemd-analyze verify "$scratch/syncdocd.service" >"$scratch/log" 2>&1 ||
		{ cat "$scratch/log"; fail "the unit is faulty"; }
	! grep -q 'syncdocd.service' "$scratch/log" || { cat "$scratch/log"; fail "the unit is faulty"; }
}

check_exposure() {
	need systemd-analyze
	systemd-analyze security --offline=yes packaging/syncdocd.service --no-pager >"$scratch/log" 2>&1 || :
	exposure=$(sed -n 's/.*Overall exposure level for syncdocd.service: \([0-9.]*\) .*/\1/p' "$scratch/log")
	[ -n "$exposure" ] || skip "this systemd-analyze cannot judge a unit that is not installed"
	echo "exposure $exposure"
	awk -v is="$exposure" -v max="$EXPOSURE_MAX" 'BEGIN { exit is > max }' ||
		{ cat "$scratch/log"; fail "exposure $exposure, more than $EXPOSURE_MAX"; }
}

check_sysusers() {
	need systemd-sysusers
	mkdir -p "$scratch/root/etc"
	cp packaging/syncdoc.sysusers "$scratch/syncdoc.conf"
	systemd-sysusers --root="$scratch/root" - <"$scratch/syncdoc.conf"
	grep -q '^syncdoc:.*:/var/lib/syncdoc:.*nologin$' "$scratch/root/etc/passwd" || fail "no user syncdoc"
	grep -q '^syncdoc:' "$scratch/root/etc/group" || fail "no group syncdoc"
}

check_tmpfiles() {
	need systemd-tmpfiles
	[ "$(id -u)" -eq 0 ] || skip "only root may make directories of others"
	mkdir -p "$scratch/root/etc" "$scratch/root/usr/lib/tmpfiles.d" "$scratch/root/run" "$scratch/root/var"
	echo 'syncdoc:x:4711:4712::/:/bin/false' >"$scratch/root/etc/passwd"
	printf 'syncdoc:x:4712:\nadm:x:4713:\n' >"$scratch/root/etc/group"
	cp packaging/syncdoc.tmpfiles "$scratch/root/usr/lib/tmpfiles.d/syncdoc.conf"
	systemd-tmpfiles --root="$scratch/root" --create syncdoc.conf
	[ "$(stat -c %a:%u:%g "$scratch/root/run/syncdoc")" = 755:4711:4712 ] || fail "/run/syncdoc"
	[ "$(stat -c %a:%u:%g "$scratch/root/var/lib/syncdoc")" = 750:4711:4712 ] || fail "/var/lib/syncdoc"
	[ "$(stat -c %a:%u:%g "$scratch/root/var/log/syncdoc")" = 2750:4711:4713 ] || fail "/var/log/syncdoc"
}

check_logrotate() {
	need logrotate
	# In place of the user that is not here.
	sed -e '/^	su /d' -e "s/syncdoc adm/$(id -un) $(id -gn)/" packaging/syncdoc.logrotate >"$scratch/conf"
	logrotate -d -s "$scratch/state" "$scratch/conf" >"$scratch/log" 2>&1 || { cat "$scratch/log"; return 1; }
	! grep -i '^error' "$scratch/log" || fail "logrotate finds errors"
}

check_spec() {
	need rpmspec
	[ "$(rpmspec -q --qf '%{name} ' packaging/rpm/syncdoc.spec | cut -d' ' -f1)" = syncdoc ]
	rpmspec -P packaging/rpm/syncdoc.spec >"$scratch/spec"
	# The scriptlets, as plain sh.
	for part in pre post preun postun; do
		awk -v part="%$part" '/^%[a-z]+( |$)/ { on = $1 == part; next } on' "$scratch/spec" >"$scratch/$part"
		[ -s "$scratch/$part" ] || fail "no %$part"
		sh -n "$scratch/$part" || fail "%$part is no shell script"
	done
}

case ${1:-} in
'')
	echo "$CHECKS"
	exit 0
	;;
esac
case " $CHECKS " in
*" $1 "*) ;;
*) fail "no such check: $1" ;;
esac
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
"check_$1"
