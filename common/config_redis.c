/* config_redis.c — redis.url by its form alone: nothing is resolved or connected. As strict as
 * redis_url.c, which stands on a higher shelf. The text may hold a password and is never part of a
 * reason. */
#define _GNU_SOURCE
#include "config_table.h"

#include "inherit.h"

#define DATABASE_MAX 1000000
#define UNIX_PATH_MAX 100

#define TCP_FORM "redis://[user[:password]@]host[:port][/db]"
#define UNIX_FORM "unix:///path[?db=N]"
#define SENTINEL_FORM "sentinel://[user[:password]@]host[:port],.../name[/db]"
#define SENTINELS_MAX 16

static int refuse(struct buffer *ret_reason, const char *reason)
{
	buffer_append_string(ret_reason, reason);
	return -EINVAL;
}

static bool number_fits(struct span digits, unsigned min, unsigned max)
{
	unsigned number = 0;

	if (digits.len == 0 || digits.len > 7)
		return false;
	for (size_t i = 0; i < digits.len; i++) {
		if (digits.at[i] < '0' || digits.at[i] > '9')
			return false;
		number = number * 10 + (unsigned)(digits.at[i] - '0');
	}
	return number >= min && number <= max;
}

static bool host_fits(struct span text)
{
	const char *end = text.at + text.len;
	const char *colon;

	if (text.len && text.at[0] == '[') {
		const char *bracket = memchr(text.at, ']', text.len);
		if (!bracket || bracket == text.at + 1)
			return false;
		colon = bracket + 1 < end ? bracket + 1 : NULL;
	} else {
		colon = memchr(text.at, ':', text.len);
		if ((colon ? colon : end) == text.at)
			return false;
	}
	return !colon || (*colon == ':' &&
			  number_fits(span_of(colon + 1, (size_t)(end - colon - 1)), 1, 65535));
}

/* A password may hold a raw `/`, hence the last `@` first. */
static bool tcp_fits(const char *rest)
{
	const char *at = strrchr(rest, '@');
	const char *host = at ? at + 1 : rest;
	const char *slash = strchrnul(host, '/');

	if (*slash && slash[1] && !number_fits(span_string(slash + 1), 0, DATABASE_MAX))
		return false;
	return host_fits(span_of(host, (size_t)(slash - host)));
}

static bool sentinel_fits(const char *rest)
{
	const char *at = strrchr(rest, '@');
	const char *host = at ? at + 1 : rest;
	const char *slash = strchrnul(host, '/');
	const char *database = *slash ? strchrnul(slash + 1, '/') : slash;

	if (database <= slash + 1 ||
	    (*database && database[1] && !number_fits(span_string(database + 1), 0, DATABASE_MAX)))
		return false;
	for (unsigned count = 0; count < SENTINELS_MAX; count++) {
		const char *comma = memchr(host, ',', (size_t)(slash - host));
		if (!host_fits(span_of(host, (size_t)((comma ? comma : slash) - host))))
			return false;
		if (!comma)
			return true;
		host = comma + 1;
	}
	return false;
}

static bool unix_fits(const char *path)
{
	const char *query = strchrnul(path, '?');
	size_t len = (size_t)(query - path);

	if (path[0] != '/' || len < 2 || len > UNIX_PATH_MAX)
		return false;
	return !*query || (strncmp(query, "?db=", 4) == 0 &&
			   number_fits(span_string(query + 4), 0, DATABASE_MAX));
}

static bool is_hex(char c)
{
	return c && strchr("0123456789abcdefABCDEF", c);
}

static bool escapes_fit(const char *text)
{
	for (; (text = strchr(text, '%')); text++) {
		if (!is_hex(text[1]) || !is_hex(text[2]) || strncmp(text, "%00", 3) == 0)
			return false;
	}
	return true;
}

static int scheme_refuse(const char *text, struct buffer *ret_reason)
{
	static const char *const later[] = {"rediss://", "valkeys://", "sentinels://",
					    "redis+sentinel://", "redis-sentinel://"};

	for (size_t i = 0; i < ARRAY_LEN(later); i++) {
		if (strncmp(text, later[i], strlen(later[i])) == 0) {
			buffer_printf(ret_reason, "%s is not supported by this version yet",
				      later[i]);
			return -EINVAL;
		}
	}
	return refuse(ret_reason,
		      "must be embedded, " TCP_FORM ", " UNIX_FORM " or " SENTINEL_FORM);
}

/* No user of an ACL has any. */
int config_check_sentinel_user(const char *text, struct buffer *ret_reason)
{
	for (; *text; text++)
		if ((unsigned char)*text <= ' ' || *text == 0x7f)
			return refuse(ret_reason, "must not have blanks or control characters");
	return 0;
}

int config_check_redis_url(const char *text, struct buffer *ret_reason)
{
	if (strcmp(text, "embedded") == 0)
		return 0;
	if (strlen(text) >= sizeof(((struct inherit *)0)->redis_url))
		return refuse(ret_reason, "is too long");
	if (strchr(text, ' '))
		return refuse(ret_reason, "must not have spaces, write %20");
	if (!escapes_fit(text))
		return refuse(ret_reason, "must have two hex digits behind each %, and not %00");
	if (strncmp(text, "redis://", 8) == 0)
		return tcp_fits(text + 8) ? 0 : refuse(ret_reason, "must be of the form " TCP_FORM);
	if (strncmp(text, "unix://", 7) == 0)
		return unix_fits(text + 7) ? 0
					   : refuse(ret_reason, "must be of the form " UNIX_FORM
								", the path at most 100 bytes");
	if (strncmp(text, "sentinel://", 11) == 0)
		return sentinel_fits(text + 11)
			       ? 0
			       : refuse(ret_reason,
					"must be of the form " SENTINEL_FORM ", at most 16 hosts");
	return scheme_refuse(text, ret_reason);
}
