#!/bin/sh
# quickstart.sh — from a clone to a running server in one command. See usage() below.
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P)
build=$root/build
# shellcheck source=packaging/packages.sh
. "$root/packaging/packages.sh"

READY_WAIT_S=30
STATE_DIR_MAX=80 # bytes, of syncdocd: the path of a unix socket in it must be short

usage() {
	cat <<-END
	Usage: sh packaging/quickstart.sh [--build-only] [arguments for syncdocd...]

	Installs what is missing (apt or dnf), builds a release into build/ and runs it in the
	foreground with a Redis of its own. Ctrl-C ends it.

	  --build-only   build, then stop

	All other arguments go to syncdocd, for instance -o listen=127.0.0.1:9000. No configuration
	file is read unless one is given with -c FILE. Documents are kept in build/state when run as
	root, else in \${XDG_STATE_HOME:-~/.local/state}/syncdoc; -o state_dir=DIR: elsewhere.
	END
}

fail() {
	echo "quickstart: $*" >&2
	exit 1
}

install_needed() {
	redis_was_there=yes
	[ -z "$(packages_missing redis)" ] || redis_was_there=no
	packages_ensure build redis curl || exit 1
	if [ "$redis_was_there" = no ] && command -v apt-get >/dev/null 2>&1; then
		echo "note: Debian starts the new redis-server also as a service, on port 6379, which"
		echo "      syncdocd does not use; to turn it off: systemctl disable --now redis-server"
	fi
}

compile() {
	if [ -f "$build/build.ninja" ]; then
		meson setup --reconfigure "$build" "$root" -Dbuildtype=release -Dtests=disabled
	else
		meson setup "$build" "$root" -Dbuildtype=release -Dtests=disabled
	fi && meson compile -C "$build" syncdocd syncdocctl
}

build_server() {
	log=$build/quickstart.log
	# Not writable is what a clone of root's looks like to others. Not `:`, at whose failing
	# redirection the shell would end without a word.
	{ mkdir -p "$build" && true >"$log"; } 2>/dev/null ||
		fail "cannot write into $build: run this as its owner, or in a copy of your own"
	echo "building into $build"
	if ! compile >"$log" 2>&1 </dev/null; then
		tail -n 40 "$log" >&2
		fail "the build failed, see above and $log; if $build comes from another place or" \
			"version, remove it (but $build/state, which holds documents)"
	fi
}

# Prints the first of its arguments that is or can be made a folder of ours.
first_own_folder() {
	for folder; do
		# A relative XDG_STATE_HOME is to be ignored, says its specification.
		case $folder in /*) ;; *) continue ;; esac
		[ "$(printf %s "$folder" | wc -c)" -le "$STATE_DIR_MAX" ] || continue
		(umask 077 && mkdir -p -- "$folder") 2>/dev/null || continue
		if [ -w "$folder" ] && [ -x "$folder" ]; then
			printf '%s\n' "$folder"
			return 0
		fi
	done
	return 1
}

# root's documents stay in the clone: in /var/lib/syncdoc they would be in the way of the package.
state_folder() {
	if [ "$(id -u)" -eq 0 ]; then
		first_own_folder "$build/state" /var/lib/syncdoc-quickstart
	else
		first_own_folder "${XDG_STATE_HOME:-${HOME:-}/.local/state}/syncdoc" \
			"${HOME:-}/.local/state/syncdoc" "$build/state"
	fi
}

# setting SECTION KEY: a value from `syncdocd -t`; lists: the first one. SECTION "" is the top.
setting() {
	printf '%s\n' "$settings" | awk -v section="$1" -v key="$2" '
		/^}/ { in_section = "" }
		/^[a-z]+ {$/ { in_section = $1 }
		in_section == section && $1 == key && $2 == "=" {
			sub(/^[^=]*= /, "")
			if (match($0, /"[^"]*"/))
				print substr($0, RSTART + 1, RLENGTH - 2)
			else if ($0 !~ /^{/)
				print
			exit
		}'
}

# The server's children come after its sockets: without them, whoever answers is somebody else.
has_children() {
	grep -qs "^PPid:[[:space:]]*$1\$" /proc/[0-9]*/status
}

# is_ready URL [SOCKET]. The certificate, if any, may be a self-signed one.
is_ready() {
	curl -gkfs -o /dev/null -m 2 ${2:+--unix-socket "$2"} --noproxy '*' "$1/readyz" 2>/dev/null
}

print_welcome() {
	documents=$1/v1/services/session/documents
	curl="curl${2:+ --unix-socket $2}"
	case $1 in https:*) curl="$curl -k" ;; esac
	case $1 in *\[*) curl="$curl -g" ;; esac
	# shellcheck disable=SC2016 # $TOKEN is for the reader's shell
	case $(setting auth mode) in
	jwt | token) curl="$curl"' -H "Authorization: Bearer $TOKEN"' ;;
	esac
	admin="$1/"
	# Browsers take no unix socket.
	[ -z "${2:-}" ] && [ "$(setting admin enabled)" != no ] || admin=none
	cat <<-END

	syncdoc is up at $1/${2:+ on $2}
	  Admin UI   $admin
	  REST       $1/v1/services
	  WebSocket  ws${1#http}/v1/realtime
	  documents  $(setting '' state_dir)
	Try, from another terminal:
	  $curl -X PUT -H 'Content-Type: application/json' \\
	    -d '{"data":{"status":"active"}}' '$documents/first'
	  '$build/daemon/ctl/syncdocctl' --socket '$(setting '' state_dir)/control.sock' status
	Ctrl-C ends it.

	END
}

# announce PID URL [SOCKET]: waits until the server PID is ready and says so; silent if it ends.
announce() {
	until_s=$(($(date +%s) + READY_WAIT_S))
	while kill -0 "$1" 2>/dev/null; do
		if has_children "$1" && is_ready "$2" "${3:-}"; then
			# In one piece, not mixed with the log.
			text=$(print_welcome "$2" "${3:-}") && printf '%s\n\n' "$text"
			return
		fi
		if [ "$(date +%s)" -ge "$until_s" ]; then
			echo "quickstart: $2/readyz not ready after $READY_WAIT_S s, see the log" >&2
			return
		fi
		sleep 0.2
	done
}

# Of what the settings say it listens on, the first; nothing for a port that the kernel will choose.
announce_later() {
	listen=$(setting '' listen)
	scheme=http
	[ -z "$(setting tls cert)" ] || scheme=https
	case $listen in
	'' | *:0) return ;;
	unix:*) set -- "$1" "$scheme://localhost" "${listen#unix:}" ;;
	0.0.0.0:*) set -- "$1" "$scheme://127.0.0.1:${listen##*:}" ;;
	'[::]':*) set -- "$1" "$scheme://[::1]:${listen##*:}" ;;
	*) set -- "$1" "$scheme://$listen" ;;
	esac
	# Twice removed, so that the server finds no child that it did not make.
	(announce "$@" &)
}

build_only=no
left=$#
while [ "$left" -gt 0 ]; do
	argument=$1
	shift
	left=$((left - 1))
	case $argument in
	--build-only) build_only=yes ;;
	-h | --help)
		usage
		exit 0
		;;
	*) set -- "$@" "$argument" ;;
	esac
done

install_needed
build_server
if [ "$build_only" = yes ]; then
	echo "built $build/daemon/syncdocd"
	exit 0
fi

# Not /etc/syncdoc/syncdocd.conf of an installed package, with its user and its folders.
set -- -c /dev/null -o redis.url=embedded "$@"
case $* in
*state_dir=*) ;;
*)
	state=$(state_folder) ||
		fail "found no folder for the documents; name one with -o state_dir=DIR" \
			"(at most $STATE_DIR_MAX bytes)"
	set -- -o "state_dir=$state" "$@"
	;;
esac
set -- "$build/daemon/syncdocd" -f "$@"
settings=$("$@" -t)
announce_later $$
# From here on the server is this process: signals reach it, its exit status is ours.
exec "$@"
