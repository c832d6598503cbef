/* redis_url.c — redis://[user[:password]@]host[:port][/db], unix:///path[?db=N] and
 * sentinel://[user[:password]@]host[:port],…/name[/db]. */
#define _GNU_SOURCE
#include "redis_url.h"
#include "buffer.h"
#include "redis.h"

#define DATABASE_MAX 1000000
#define PORT_DEFAULT 6379

static int refuse(const char **ret_reason, const char *reason)
{
	*ret_reason = reason;
	return -EINVAL;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Percent-decoded copy; NULL when a `%` is not followed by two hex digits, or would make a NUL. */
static char *decode(struct span raw)
{
	char *text = malloc(raw.len + 1), *at = text;
	MUST(text);
	for (size_t i = 0; i < raw.len; i++) {
		char c = raw.at[i];
		if (c == '%') {
			int high = i + 1 < raw.len ? hex_digit(raw.at[i + 1]) : -1;
			int low = i + 2 < raw.len ? hex_digit(raw.at[i + 2]) : -1;
			c = high < 0 || low < 0 ? 0 : (char)(high << 4 | low);
			i += 2;
		}
		if (!c) {
			free(text);
			return NULL;
		}
		*at++ = c;
	}
	*at = '\0';
	return text;
}

static int take_decoded(struct span raw, char **ret, const char **ret_reason)
{
	*ret = decode(raw);
	return *ret ? 0 : refuse(ret_reason, "a % must be followed by two hex digits");
}

/* Digits only, min…max. */
static bool number_from(struct span text, unsigned min, unsigned max, unsigned *ret)
{
	unsigned long number = 0;
	if (!text.len || text.len > 7)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		if (text.at[i] < '0' || text.at[i] > '9')
			return false;
		number = number * 10 + (unsigned)(text.at[i] - '0');
	}
	if (number < min || number > max)
		return false;
	*ret = (unsigned)number;
	return true;
}

static int parse_unix(struct span rest, struct redis_url *url, const char **ret_reason)
{
	const char *query = memchr(rest.at, '?', rest.len);
	struct span path = span_of(rest.at, query ? (size_t)(query - rest.at) : rest.len);
	if (path.len < 2 || path.at[0] != '/')
		return refuse(ret_reason, "unix:// needs an absolute path: unix:///run/redis.sock");
	if (path.len > 100)
		return refuse(ret_reason, "the path of a unix socket has at most 100 bytes");
	if (query) {
		struct span option = span_of(query + 1, rest.len - path.len - 1);
		if (!span_starts_with(option, SPAN("db=")) ||
		    !number_from(span_of(option.at + 3, option.len - 3), 0, DATABASE_MAX,
				 &url->database))
			return refuse(ret_reason, "behind the path only ?db=N may stand");
	}
	return take_decoded(path, &url->path, ret_reason);
}

static int parse_userinfo(struct span info, struct redis_url *url, const char **ret_reason)
{
	const char *colon = memchr(info.at, ':', info.len);
	struct span user = span_of(info.at, colon ? (size_t)(colon - info.at) : info.len);
	if (user.len && take_decoded(user, &url->user, ret_reason))
		return -EINVAL;
	if (!colon)
		return 0;
	struct span password = span_of(colon + 1, info.len - user.len - 1);
	return password.len ? take_decoded(password, &url->password, ret_reason) : 0;
}

static int parse_host(struct span text, char **ret_host, unsigned *ret_port,
		      const char **ret_reason)
{
	struct span host = text, port = SPAN_NONE;
	if (text.len && text.at[0] == '[') {
		const char *end = memchr(text.at, ']', text.len);
		if (!end)
			return refuse(ret_reason, "an IPv6 address ends with ]");
		host = span_of(text.at + 1, end - text.at - 1);
		port = span_of(end + 1, text.len - host.len - 2);
		if (port.len && port.at[0] != ':')
			return refuse(ret_reason, "behind ] only :port may stand");
	} else {
		const char *colon = text.len ? memchr(text.at, ':', text.len) : NULL;
		if (colon) {
			host = span_of(text.at, colon - text.at);
			port = span_of(colon, text.len - host.len);
		}
	}
	if (!host.len)
		return refuse(ret_reason, "the host is missing");
	if (port.len && !number_from(span_of(port.at + 1, port.len - 1), 1, 65535, ret_port))
		return refuse(ret_reason, "the port must be 1 to 65535");
	return take_decoded(host, ret_host, ret_reason);
}

/* Who we are; *rest goes on behind it. */
static int take_userinfo(struct span *rest, struct redis_url *url, const char **ret_reason)
{
	/* A password may hold a raw `/` or `:`, hence the last `@` first. */
	const char *at = rest->len ? memrchr(rest->at, '@', rest->len) : NULL;
	if (!at)
		return 0;
	struct span info = span_of(rest->at, at - rest->at);
	if (info.len && parse_userinfo(info, url, ret_reason))
		return -EINVAL;
	*rest = span_of(at + 1, rest->len - info.len - 1);
	return 0;
}

static int parse_tcp(struct span rest, struct redis_url *url, const char **ret_reason)
{
	url->port = PORT_DEFAULT;
	if (take_userinfo(&rest, url, ret_reason))
		return -EINVAL;
	const char *slash = rest.len ? memchr(rest.at, '/', rest.len) : NULL;
	if (slash) {
		struct span database = span_of(slash + 1, rest.at + rest.len - slash - 1);
		if (database.len && !number_from(database, 0, DATABASE_MAX, &url->database))
			return refuse(ret_reason, "behind the host only /N may stand, a database");
		rest.len = slash - rest.at;
	}
	return parse_host(rest, &url->host, &url->port, ret_reason);
}

static int parse_hosts(struct span list, struct redis_url *url, const char **ret_reason)
{
	while (true) {
		const char *comma = list.len ? memchr(list.at, ',', list.len) : NULL;
		struct span one = span_of(list.at, comma ? (size_t)(comma - list.at) : list.len);
		if (url->host_count == REDIS_HOSTS_MAX)
			return refuse(ret_reason, "at most 16 Sentinels");
		struct redis_host *host = &url->hosts[url->host_count];
		host->port = REDIS_SENTINEL_PORT;
		if (parse_host(one, &host->name, &host->port, ret_reason))
			return -EINVAL;
		url->host_count++;
		if (!comma)
			return 0;
		list = span_of(comma + 1, list.len - one.len - 1);
	}
}

static int parse_sentinel(struct span rest, struct redis_url *url, const char **ret_reason)
{
	if (take_userinfo(&rest, url, ret_reason))
		return -EINVAL;
	const char *slash = rest.len ? memchr(rest.at, '/', rest.len) : NULL;
	if (!slash)
		return refuse(ret_reason, "behind the Sentinels /name must stand, of the primary");
	struct span name = span_of(slash + 1, rest.at + rest.len - slash - 1);
	const char *second = name.len ? memchr(name.at, '/', name.len) : NULL;
	if (second) {
		struct span database = span_of(second + 1, name.at + name.len - second - 1);
		if (database.len && !number_from(database, 0, DATABASE_MAX, &url->database))
			return refuse(ret_reason, "behind the name only /N may stand, a database");
		name.len = second - name.at;
	}
	if (!name.len)
		return refuse(ret_reason, "behind the Sentinels /name must stand, of the primary");
	if (parse_hosts(span_of(rest.at, slash - rest.at), url, ret_reason))
		return -EINVAL;
	return take_decoded(name, &url->primary, ret_reason);
}

int redis_url_parse(const char *text, struct redis_url *ret, const char **ret_reason)
{
	struct redis_url url = {0};
	struct span all = span_string(text);
	int error;
	for (size_t i = 0; i < all.len; i++)
		if ((unsigned char)all.at[i] <= ' ')
			return refuse(ret_reason, "white space and control characters: use %20");
	if (span_starts_with(all, SPAN("unix://")))
		error = parse_unix(span_of(all.at + 7, all.len - 7), &url, ret_reason);
	else if (span_starts_with(all, SPAN("redis://")))
		error = parse_tcp(span_of(all.at + 8, all.len - 8), &url, ret_reason);
	else if (span_starts_with(all, SPAN("sentinel://")))
		error = parse_sentinel(span_of(all.at + 11, all.len - 11), &url, ret_reason);
	else if (span_starts_with(all, SPAN("rediss://")))
		error = refuse(ret_reason,
			       "TLS to Redis is not supported; use stunnel or a socket");
	else
		error = refuse(ret_reason, "must start with redis://, unix:// or sentinel://");
	if (error)
		redis_url_fini(&url);
	else
		*ret = url;
	return error;
}

static void encode(struct buffer *ret, const char *text)
{
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;
		if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
		    strchr("-._", c))
			buffer_append_char(ret, (char)c);
		else
			buffer_printf(ret, "%%%02X", c);
	}
}

void redis_url_format_sentinel(const struct redis_url *url, unsigned index, const char *user,
			       struct buffer *ret)
{
	const struct redis_host *host = &url->hosts[index];

	buffer_append_string(ret, "redis://");
	if (user) {
		encode(ret, user);
		buffer_append_char(ret, '@');
	}
	buffer_append_char(ret, '[');
	encode(ret, host->name);
	buffer_printf(ret, "]:%u", host->port);
}

void redis_url_fini(struct redis_url *url)
{
	if (url->password)
		explicit_bzero(url->password, strlen(url->password));
	for (unsigned i = 0; i < url->host_count; i++)
		free(url->hosts[i].name);
	free(url->primary);
	free(url->path);
	free(url->host);
	free(url->user);
	free(url->password);
	*url = (struct redis_url){0};
}

int redis_url_check(const char *url, const char **ret_reason)
{
	struct redis_url parsed;
	int error = redis_url_parse(url, &parsed, ret_reason);
	if (!error)
		redis_url_fini(&parsed);
	return error;
}
