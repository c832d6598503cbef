# shellcheck shell=sh
# packages.sh — what building, running and testing need, and how a machine gets it. Sourced by
# packaging/quickstart.sh and tests/run.sh; does nothing by itself.
#
#     packages_ensure GROUP…
#
# looks first, by command, pkg-config module and compiler, so that a machine that has everything
# needs neither root nor network; what is missing comes from apt or dnf, as root or with sudo.
# Returns 1 after it has said on stderr what is missing and how to get it.

# group, what must be there (see packages_has), Debian's packages, Fedora's; more than one: a,b
packages_table() {
	cat <<-'END'
	build    command:cc                    gcc                      gcc
	build    header:stdio.h                libc6-dev                glibc-devel
	build    command:meson                 meson                    meson
	build    command:ninja                 ninja-build              ninja-build
	build    command:pkg-config            pkg-config               pkgconf-pkg-config
	build    header:ev.h                   libev-dev                libev-devel
	build    module:libcares:1.18          libc-ares-dev            c-ares-devel
	build    module:gnutls                 libgnutls28-dev          gnutls-devel
	build    module:hiredis                libhiredis-dev           hiredis-devel
	build    module:libbsd                 libbsd-dev               libbsd-devel
	build    module:libconfuse             libconfuse-dev           libconfuse-devel
	build    header:jwt.h                  libjwt-gnutls-dev        libjwt-devel
	build    module:libmicrohttpd:0.9.75   libmicrohttpd-dev        libmicrohttpd-devel
	build    module:libseccomp:2.5         libseccomp-dev           libseccomp-devel
	build    module:liburing:2.3           liburing-dev             liburing-devel
	build    module:zlib                   zlib1g-dev               zlib-devel
	redis    command:redis-server,valkey-server redis-server        valkey
	node     node:18                       nodejs                   nodejs
	node     command:npm                   npm                      nodejs-npm
	curl     command:curl                  curl                     curl
	deb      package:build-essential       build-essential          build-essential
	deb      command:dpkg-buildpackage     dpkg-dev                 dpkg-dev
	deb      command:dh                    debhelper                debhelper
	rpm      command:rpmbuild              rpm                      rpm-build
	checks   command:shellcheck            shellcheck               ShellCheck
	checks   command:logrotate             logrotate                logrotate
	checks   command:rpmspec               rpm                      rpm-build
	checks   command:systemd-analyze       systemd                  systemd
	roots    command:debootstrap           debootstrap              debootstrap
	roots    command:curl                  curl                     curl
	roots    command:ip                    iproute2                 iproute
	roots    node:18                       nodejs                   nodejs
	roots    command:lintian               lintian                  lintian
	unit     module:criterion:2.4          libcriterion-dev         criterion-devel
	unit     module:json-c                 libjson-c-dev            json-c-devel
	unit     command:redis-server          redis-server             redis
	unit     command:man                   man-db                   man-db
	sanitize links:cc:address,undefined    gcc                      libasan,libubsan
	thread   links:cc:thread               gcc                      libtsan
	clang    command:clang                 clang                    clang
	fuzz     links:clang:address,undefined libclang-rt-@-dev        compiler-rt
	fuzz     links:clang:fuzzer            libclang-rt-@-dev        compiler-rt
	fuzz     command:llvm-symbolizer       llvm                     llvm
	e2e      node:18                       nodejs                   nodejs
	e2e      command:npm                   npm                      nodejs-npm
	e2e      command:redis-server          redis-server             redis
	e2e      command:openssl               openssl                  openssl
	e2e      command:script                bsdutils                 util-linux-script
	browser  command:chromium,chromium-browser chromium             chromium
	END
}

# packages_links COMPILER SANITIZERS
packages_links() {
	packages_compiler=$1
	[ "$1" = cc ] && packages_compiler=${CC:-cc}
	packages_source='int main(void) { return 0; }'
	# libFuzzer brings its own main().
	[ "$2" = fuzzer ] && packages_source='int LLVMFuzzerTestOneInput(const char *at, unsigned long len)
		{ return !at && len; }'
	packages_program=$(mktemp)
	packages_status=0
	# shellcheck disable=SC2086 # CC may be two words: ccache gcc
	echo "$packages_source" | $packages_compiler -fsanitize="$2" -x c -o "$packages_program" - \
		>/dev/null 2>&1 || packages_status=1
	rm -f "$packages_program"
	return "$packages_status"
}

packages_any_command() {
	for packages_command in $(echo "$1" | tr , ' '); do
		command -v "$packages_command" >/dev/null 2>&1 && return 0
	done
	return 1
}

packages_node_is() {
	node -e "process.exit(parseInt(process.versions.node, 10) >= $1 ? 0 : 1)" </dev/null >/dev/null 2>&1
}

# packages_has KIND:NAME[:VERSION]
packages_has() {
	packages_name=${1#*:}
	case $1 in
	command:*) packages_any_command "$packages_name" ;;
	header:*)
		# shellcheck disable=SC2086
		echo "#include <$packages_name>" | ${CC:-cc} -E -x c - >/dev/null 2>&1
		;;
	module:*:*) pkg-config --exists "${packages_name%:*} >= ${packages_name#*:}" 2>/dev/null ;;
	module:*) pkg-config --exists "$packages_name" 2>/dev/null ;;
	links:*) packages_links "${packages_name%:*}" "${packages_name#*:}" ;;
	node:*) packages_node_is "$packages_name" ;;
	# Of Debian: what no command, header or library tells.
	package:*) dpkg-query -W -f '${db:Status-Abbrev}' "$packages_name" 2>/dev/null | grep -q "^.i" ;;
	esac
}

# For people: `module:libmicrohttpd:0.9.75` is "libmicrohttpd >= 0.9.75 with its headers".
packages_describe() {
	echo "$1" | sed -e 's/^command:\(.*\),\(.*\)/\1 or \2/' -e 's/^command://' \
		-e 's/^header:\(.*\)/the C header <\1>/' \
		-e 's/^module:\(.*\):\(.*\)/\1 >= \2 with its headers (pkg-config)/' \
		-e 's/^module:\(.*\)/\1 with its headers (pkg-config)/' \
		-e 's/^links:\(.*\):\(.*\)/the \2 runtime of \1 (-fsanitize=\2)/' \
		-e 's/^node:\(.*\)/Node.js >= \1/' -e 's/^package:/the package /'
}

# clang's runtime is packaged by version; the clang that is here need not be the default one.
packages_of_this_clang() {
	packages_clang=$(clang -dumpversion 2>/dev/null | sed 's/\..*//')
	sed "s/libclang-rt-@-dev/libclang-rt-${packages_clang:+$packages_clang-}dev/"
}

# The lines of the table that are not there.
packages_missing() {
	for packages_group; do
		packages_table | while read -r group what debian fedora; do
			[ "$group" = "$packages_group" ] || continue
			packages_has "$what" || echo "$what $debian $fedora"
		done
	done | packages_of_this_clang
}

# packages_column N: that column of packages_missing, each package once.
packages_column() {
	awk -v column="$1" '{
		count = split($column, names, ",")
		for (i = 1; i <= count; i++)
			if (!seen[names[i]]++)
				printf "%s%s", started++ ? " " : "", names[i]
	}'
}

packages_say_missing() {
	echo "missing here:" >&2
	echo "$1" | while read -r what _; do
		echo "  $(packages_describe "$what")" >&2
	done
	command -v pkg-config >/dev/null 2>&1 ||
		echo "(without pkg-config libraries cannot be seen: some of these may be there)" >&2
}

packages_as_root() {
	if [ "$(id -u)" -eq 0 ]; then
		"$@"
	else
		sudo "$@"
	fi
}

packages_may_be_root() {
	[ "$(id -u)" -eq 0 ] && return 0
	command -v sudo >/dev/null 2>&1 || return 1
	sudo -n true 2>/dev/null || [ -t 0 ]
}

packages_apt() {
	set -- env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 \
		install -y --no-install-recommends "$@"
	if [ -z "${packages_updated:-}" ]; then
		packages_as_root apt-get update ||
			echo "apt-get update failed; trying with the package lists as they are"
		packages_updated=1
	fi
	packages_as_root "$@"
}

packages_dnf() {
	packages_as_root dnf install -y --setopt=install_weak_deps=False "$@"
}

# packages_install_with apt|dnf PACKAGE…: quiet unless it fails.
packages_install_with() {
	packages_log=$(mktemp)
	packages_manager=$1
	shift
	echo "installing with $packages_manager: $*"
	packages_status=0
	# In this shell, not a subshell: that the lists are fresh must be remembered.
	"packages_$packages_manager" "$@" >"$packages_log" 2>&1 </dev/null || packages_status=$?
	[ "$packages_status" -eq 0 ] || cat "$packages_log" >&2
	rm -f "$packages_log"
	return "$packages_status"
}

packages_ensure() {
	packages_list=$(packages_missing "$@")
	[ -n "$packages_list" ] || return 0
	if command -v apt-get >/dev/null 2>&1; then
		packages_tool=apt
		packages_hint="apt-get update && apt-get install -y --no-install-recommends"
		packages_names=$(echo "$packages_list" | packages_column 2)
	elif command -v dnf >/dev/null 2>&1; then
		packages_tool=dnf
		packages_hint="dnf install -y"
		packages_names=$(echo "$packages_list" | packages_column 3)
	else
		packages_say_missing "$packages_list"
		echo "neither apt-get nor dnf is here: install these by hand, then start again" >&2
		return 1
	fi
	if ! packages_may_be_root; then
		packages_say_missing "$packages_list"
		echo "not root, and no sudo that can be used; let root run this, then start again:" >&2
		echo "  $packages_hint $packages_names" >&2
		return 1
	fi
	# shellcheck disable=SC2086 # names without blanks
	packages_install_with "$packages_tool" $packages_names || true
	packages_list=$(packages_missing "$@")
	[ -n "$packages_list" ] || return 0
	packages_say_missing "$packages_list"
	echo "and could not be installed as: $packages_names" >&2
	return 1
}
