/* listeners.c — see listeners.h. */
#define _GNU_SOURCE
#include "listeners.h"

#include "log.h"
#include "system_reason.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 4096 /* the kernel cuts it to net.core.somaxconn */

/* One entry of `listen`. */
struct place {
	struct sockaddr_storage address;
	socklen_t address_len;
	int *fds; /* owned; TCP: one per worker index, unix: one; -1: not open */
	unsigned fd_count;
	dev_t device; /* unix: the file we made, so that only that one is removed */
	ino_t inode;
};

struct listeners {
	struct place places[INHERIT_LISTENERS_MAX];
	unsigned count;
};

static bool place_is_unix(const struct place *place)
{
	return place->address.ss_family == AF_UNIX;
}

static const char *place_path(const struct place *place)
{
	return ((const struct sockaddr_un *)&place->address)->sun_path;
}

static int option_on(int fd, int level, int option)
{
	int on = 1;
	return setsockopt(fd, level, option, &on, sizeof(on)) < 0 ? -errno : 0;
}

/* A socket of the place's family, bound to its address. */
static int socket_bound(const struct place *place, bool reuse_port, int *ret_fd)
{
	int family = place->address.ss_family;
	int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	int error = 0;
	if (family != AF_UNIX)
		error = option_on(fd, SOL_SOCKET, SO_REUSEADDR);
	/* So that [::]:8080 and 0.0.0.0:8080 can stand side by side, whatever net.ipv6.bindv6only
	 * says. */
	if (!error && family == AF_INET6)
		error = option_on(fd, IPPROTO_IPV6, IPV6_V6ONLY);
	if (!error && reuse_port)
		error = option_on(fd, SOL_SOCKET, SO_REUSEPORT);
	if (!error && bind(fd, (const struct sockaddr *)&place->address, place->address_len) < 0)
		error = -errno;
	if (error) {
		close(fd);
		return error;
	}
	*ret_fd = fd;
	return 0;
}

/* SO_REUSEPORT would let a second syncdocd of the same user bind a used port and take half of the
 * connections. A bind without it is refused while anybody listens there. Port 0 becomes the port
 * that the kernel gave. */
static int place_probe(struct place *place)
{
	int fd;
	int error = socket_bound(place, false, &fd);
	if (error)
		return error;
	place->address_len = sizeof(place->address);
	if (listen(fd, 1) < 0 ||
	    getsockname(fd, (struct sockaddr *)&place->address, &place->address_len) < 0)
		error = -errno;
	close(fd);
	return error;
}

static int place_open_tcp(struct place *place)
{
	int error = place_probe(place);
	for (unsigned i = 0; !error && i < place->fd_count; i++) {
		error = socket_bound(place, true, &place->fds[i]);
		if (!error && listen(place->fds[i], BACKLOG) < 0)
			error = -errno;
	}
	return error;
}

/* 0: the path is free now. -EADDRINUSE: somebody answers. -EEXIST: something else than a socket
 * stands there. */
static int place_clear_path(const struct place *place)
{
	struct stat stat;
	if (lstat(place_path(place), &stat) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(stat.st_mode))
		return -EEXIST;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	int error = 0;
	if (connect(fd, (const struct sockaddr *)&place->address, place->address_len) < 0)
		error = errno;
	close(fd);
	if (error == ENOENT)
		return 0;
	/* EAGAIN: its backlog is full, so there is somebody. */
	if (error == 0 || error == EAGAIN)
		return -EADDRINUSE;
	if (error != ECONNREFUSED)
		return -error;
	return unlink(place_path(place)) < 0 && errno != ENOENT ? -errno : 0;
}

static int place_open_unix(struct place *place, uid_t owner, gid_t group)
{
	int error = place_clear_path(place);
	if (error)
		return error;
	/* The mode must be right from the first moment: a chmod() afterwards would leave a gap. */
	mode_t mask = umask(0117);
	error = socket_bound(place, false, &place->fds[0]);
	umask(mask);
	if (error)
		return error;
	struct stat stat;
	if (lstat(place_path(place), &stat) < 0)
		return -errno;
	place->device = stat.st_dev;
	place->inode = stat.st_ino;
	if ((owner != (uid_t)-1 || group != (gid_t)-1) &&
	    lchown(place_path(place), owner, group) < 0)
		return -errno;
	return listen(place->fds[0], BACKLOG) < 0 ? -errno : 0;
}

static int place_open(struct place *place, const char *text, unsigned workers, uid_t owner,
		      gid_t group)
{
	unsigned len = 0;
	int error = config_listen_parse(text, &place->address, &len);
	if (error)
		return error;
	place->address_len = len;
	place->fd_count = place_is_unix(place) ? 1 : workers;
	place->fds = malloc(place->fd_count * sizeof(place->fds[0]));
	MUST(place->fds);
	for (unsigned i = 0; i < place->fd_count; i++)
		place->fds[i] = -1;
	return place_is_unix(place) ? place_open_unix(place, owner, group) : place_open_tcp(place);
}

static void place_close(struct place *place)
{
	for (unsigned i = 0; i < place->fd_count; i++)
		if (place->fds[i] >= 0)
			close(place->fds[i]);
	struct stat stat;
	if (place->inode && lstat(place_path(place), &stat) == 0 && stat.st_dev == place->device &&
	    stat.st_ino == place->inode)
		unlink(place_path(place));
	free(place->fds);
}

/* With what there is to do about it, where that is not plain. */
static void describe(const char *text, int error, bool is_unix, char *ret_error, size_t error_len)
{
	char reason[SYSTEM_REASON_MAX];
	const char *hint = "";

	if (error == -EADDRINUSE && !is_unix)
		hint = "; `ss -ltnp` shows by whom";
	else if (error == -EADDRNOTAVAIL)
		hint = ": this host has no such address";
	else if (error == -EACCES && !is_unix)
		hint = ": ports below 1024 are for root and CAP_NET_BIND_SERVICE";
	snprintf(ret_error, error_len, "listen %s: %s%s", text,
		 error == -EEXIST ? "exists and is not a socket" : system_reason(-error, reason),
		 hint);
}

int listeners_open(const struct config *config, uid_t owner, gid_t group, struct listeners **ret,
		   char *ret_error, size_t error_len)
{
	if (config->listen.count == 0 || config->listen.count > INHERIT_LISTENERS_MAX) {
		snprintf(ret_error, error_len, "listen: %zu places, must be 1 to %d",
			 config->listen.count, INHERIT_LISTENERS_MAX);
		return -EINVAL;
	}
	struct listeners *listeners = calloc(1, sizeof(*listeners));
	MUST(listeners);
	for (size_t i = 0; i < config->listen.count; i++) {
		const char *text = config->listen.items[i];
		struct place *place = &listeners->places[listeners->count++];
		int error = place_open(place, text, config->workers, owner, group);
		if (!error)
			continue;
		describe(text, error, place_is_unix(&listeners->places[i]), ret_error, error_len);
		listeners_close(listeners);
		return error;
	}
	*ret = listeners;
	return 0;
}

void listeners_close(struct listeners *listeners)
{
	if (!listeners)
		return;
	for (unsigned i = 0; i < listeners->count; i++)
		place_close(&listeners->places[i]);
	free(listeners);
}

static void place_describe(const struct place *place, char *ret, size_t len)
{
	char host[INET6_ADDRSTRLEN] = "?";
	if (place_is_unix(place)) {
		snprintf(ret, len, "unix:%s", place_path(place));
	} else if (place->address.ss_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&place->address;
		inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof(host));
		snprintf(ret, len, "[%s]:%u", host, ntohs(in6->sin6_port));
	} else {
		const struct sockaddr_in *in = (const struct sockaddr_in *)&place->address;
		inet_ntop(AF_INET, &in->sin_addr, host, sizeof(host));
		snprintf(ret, len, "%s:%u", host, ntohs(in->sin_port));
	}
}

void listeners_log(const struct listeners *listeners)
{
	for (unsigned i = 0; i < listeners->count; i++) {
		char text[sizeof(struct sockaddr_un) + 8];
		place_describe(&listeners->places[i], text, sizeof(text));
		log_notice("listening on %s", text);
	}
}

void listeners_inherit(const struct listeners *listeners, struct inherit *inherit)
{
	inherit->listener_count = listeners->count;
	for (unsigned i = 0; i < listeners->count; i++) {
		const struct place *place = &listeners->places[i];
		MUST(place_is_unix(place) || inherit->index < place->fd_count);
		inherit->listeners[i] = place->fds[place_is_unix(place) ? 0 : inherit->index];
	}
}
