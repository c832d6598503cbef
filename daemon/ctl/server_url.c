/* server_url.c — see server_url.h. */
#include "server_url.h"

static int refuse(const char **ret_reason, const char *reason)
{
	*ret_reason = reason;
	return -EINVAL;
}

static bool port_is_valid(struct span port)
{
	unsigned number = 0;
	if (port.len == 0 || port.len > 5)
		return false;
	for (size_t i = 0; i < port.len; i++) {
		if (port.at[i] < '0' || port.at[i] > '9')
			return false;
		number = number * 10 + (unsigned)(port.at[i] - '0');
	}
	return number >= 1 && number <= 65535;
}

static bool host_is_valid(struct span host)
{
	for (size_t i = 0; i < host.len; i++) {
		unsigned char c = (unsigned char)host.at[i];
		if (c <= ' ' || c >= 0x7f || strchr("\"<>\\^`{|}@[]?#", c))
			return false;
	}
	return host.len > 0 && host.len < SERVER_HOST_MAX;
}

static bool base_is_valid(struct span base)
{
	for (size_t i = 0; i < base.len; i++) {
		unsigned char c = (unsigned char)base.at[i];
		if (c <= ' ' || c >= 0x7f || c == '?' || c == '#')
			return false;
	}
	return base.len < SERVER_BASE_MAX;
}

static void copy(char *to, struct span from)
{
	memcpy(to, from.at, from.len);
	to[from.len] = '\0';
}

static int parse_unix(const char *path, struct server_url *ret, const char **ret_reason)
{
	/* unix:///path is as common as unix:/path. */
	while (path[0] == '/' && path[1] == '/')
		path++;
	if (path[0] != '/')
		return refuse(ret_reason, "after unix: comes the absolute path of a socket");
	if (strlen(path) >= sizeof(ret->unix_path))
		return refuse(ret_reason, "the path of a socket has at most 107 bytes");
	strcpy(ret->unix_path, path);
	strcpy(ret->authority, "localhost");
	return 0;
}

static int parse_authority(struct span authority, struct server_url *ret, const char **ret_reason)
{
	struct span host = authority, port = SPAN_NONE;
	const char *end = authority.at + authority.len;
	const char *bracket = authority.len && authority.at[0] == '['
				      ? memchr(authority.at, ']', authority.len)
				      : NULL;
	if (memchr(authority.at, '@', authority.len))
		return refuse(ret_reason,
			      "no user names or passwords; tokens are given by --token-file");
	const char *colon = bracket ? (bracket + 1 < end && bracket[1] == ':' ? bracket + 1 : NULL)
				    : memchr(authority.at, ':', authority.len);
	if (bracket) {
		host = span_of(authority.at + 1, (size_t)(bracket - authority.at - 1));
		if (!colon && bracket + 1 != end)
			return refuse(ret_reason,
				      "the address in brackets is followed by :PORT or nothing");
	} else if (colon) {
		host.len = (size_t)(colon - authority.at);
	}
	if (colon)
		port = span_of(colon + 1, (size_t)(end - colon - 1));
	if (!host_is_valid(host))
		return refuse(ret_reason, "there is no host name or address in it");
	if (colon && !port_is_valid(port))
		return refuse(ret_reason, "the port must be 1 to 65535");
	copy(ret->host, host);
	copy(ret->port, colon ? port : ret->tls ? SPAN("443") : SPAN("80"));
	copy(ret->authority, authority);
	return 0;
}

int server_url_parse(const char *text, struct server_url *ret, const char **ret_reason)
{
	struct server_url url = {0};
	struct span whole = span_string(text);
	if (span_starts_with(whole, SPAN("unix:"))) {
		int error = parse_unix(text + 5, &url, ret_reason);
		if (!error)
			*ret = url;
		return error;
	}
	url.tls = span_starts_with(whole, SPAN("https://"));
	if (!url.tls && !span_starts_with(whole, SPAN("http://")))
		return refuse(ret_reason, "it begins with http://, https:// or unix:/");
	const char *at = text + (url.tls ? 8 : 7);
	struct span authority = span_of(at, strcspn(at, "/?#"));
	struct span base = span_string(at + authority.len);
	while (base.len && base.at[base.len - 1] == '/')
		base.len--;
	if (!base_is_valid(base))
		return refuse(ret_reason, "behind the host comes at most a path");
	copy(url.base, base);
	int error = parse_authority(authority, &url, ret_reason);
	if (!error)
		*ret = url;
	return error;
}

void server_url_append_escaped(struct buffer *ret, struct span text)
{
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.at[i];
		bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			     (c >= '0' && c <= '9') || (c && strchr("-._~:@", c));
		if (plain)
			buffer_append_char(ret, (char)c);
		else
			buffer_printf(ret, "%%%02X", c);
	}
}
