/* config_listen.c — addresses to listen on, as text and as the kernel wants them. */
#include "config.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base.h"

/* Digits only: strtoul would let through signs, spaces and "80x". */
static int port_parse(const char *text, uint16_t *ret)
{
	unsigned port = 0;
	size_t len = strlen(text);

	if (len == 0 || len > 5)
		return -EINVAL;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return -EINVAL;
		port = port * 10 + (unsigned)(*text - '0');
	}
	if (port == 0 || port > UINT16_MAX)
		return -EINVAL;
	*ret = (uint16_t)port;
	return 0;
}

static int unix_parse(const char *path, struct sockaddr_storage *ret, unsigned *ret_len)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	size_t len = strlen(path);

	if (path[0] != '/' || path[len - 1] == '/' || len >= sizeof(un.sun_path))
		return -EINVAL;
	memcpy(un.sun_path, path, len);
	memset(ret, 0, sizeof(*ret));
	memcpy(ret, &un, sizeof(un));
	*ret_len = (unsigned)(offsetof(struct sockaddr_un, sun_path) + len + 1);
	return 0;
}

/* The address as text of its own: inet_pton() wants a NUL behind it. */
static int address_parse(int family, const char *text, size_t len, void *ret)
{
	char copy[INET6_ADDRSTRLEN];

	if (len >= sizeof(copy))
		return -EINVAL;
	memcpy(copy, text, len);
	copy[len] = '\0';
	return inet_pton(family, copy, ret) == 1 ? 0 : -EINVAL;
}

static int inet6_parse(const char *text, struct sockaddr_storage *ret, unsigned *ret_len)
{
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
	const char *end = strchr(text, ']');
	uint16_t port;

	if (!end || end[1] != ':' || port_parse(end + 2, &port) < 0 ||
	    address_parse(AF_INET6, text + 1, (size_t)(end - text - 1), &in6.sin6_addr) < 0)
		return -EINVAL;
	in6.sin6_port = htons(port);
	memset(ret, 0, sizeof(*ret));
	memcpy(ret, &in6, sizeof(in6));
	*ret_len = sizeof(in6);
	return 0;
}

static int inet4_parse(const char *text, struct sockaddr_storage *ret, unsigned *ret_len)
{
	struct sockaddr_in in = {.sin_family = AF_INET};
	const char *colon = strchr(text, ':');
	uint16_t port;

	if (!colon || port_parse(colon + 1, &port) < 0 ||
	    address_parse(AF_INET, text, (size_t)(colon - text), &in.sin_addr) < 0)
		return -EINVAL;
	in.sin_port = htons(port);
	memset(ret, 0, sizeof(*ret));
	memcpy(ret, &in, sizeof(in));
	*ret_len = sizeof(in);
	return 0;
}

int config_listen_parse(const char *text, struct sockaddr_storage *ret, unsigned *ret_len)
{
	if (strncmp(text, "unix:", 5) == 0)
		return unix_parse(text + 5, ret, ret_len);
	if (text[0] == '[')
		return inet6_parse(text, ret, ret_len);
	return inet4_parse(text, ret, ret_len);
}
