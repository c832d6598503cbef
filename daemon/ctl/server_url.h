/* server_url.h — where a server is: http://host:port/base, https://…, unix:/path. Pure. */
#ifndef SYNCDOC_CTL_SERVER_URL_H
#define SYNCDOC_CTL_SERVER_URL_H

#include "buffer.h"

#define SERVER_HOST_MAX 256
#define SERVER_PATH_MAX 108 /* of a unix socket, as in sockaddr_un */
#define SERVER_BASE_MAX 256

struct server_url {
	bool tls;
	char host[SERVER_HOST_MAX]; /* without the brackets of an IPv6 address; empty: unix */
	char port[6];
	char unix_path[SERVER_PATH_MAX];
	char authority[SERVER_HOST_MAX + 8]; /* for the Host header */
	char base[SERVER_BASE_MAX];          /* "" or "/path", no slash at the end */
};

/* -EINVAL: *ret_reason (static) says why. User names in URLs are refused: tokens are for options.
 */
int server_url_parse(const char *text, struct server_url *ret, const char **ret_reason);

/* Appends a segment of a path, or a value of a query, with %XX where it must be. */
void server_url_append_escaped(struct buffer *ret, struct span text);

#endif
