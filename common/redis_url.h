/* redis_url.h — where Redis is and who we are there. Inner to redis*.c; others use
 * redis_url_check(). */
#ifndef SYNCDOC_REDIS_URL_H
#define SYNCDOC_REDIS_URL_H

#include "base.h"

#define REDIS_HOSTS_MAX 16
#define REDIS_SENTINEL_PORT 26379

struct redis_host {
	char *name;
	unsigned port;
};

/* Strings owned, NULL where the URL says nothing; percent-decoded. */
struct redis_url {
	char *path; /* unix socket; then host is NULL */
	char *host;
	unsigned port;
	/* sentinel://: the Sentinels, owned, and what they call the primary; path and host are
	 * NULL. */
	struct redis_host hosts[REDIS_HOSTS_MAX];
	unsigned host_count;
	char *primary;
	char *user;
	char *password;
	unsigned database;
};

/* -EINVAL with a static reason. On success the caller calls redis_url_fini(). */
int redis_url_parse(const char *text, struct redis_url *ret, const char **ret_reason);
/* sentinel://: a redis:// URL of Sentinel `index` itself, for `user` (NULL: nobody), behind what
 * the buffer holds. */
struct buffer;
void redis_url_format_sentinel(const struct redis_url *url, unsigned index, const char *user,
			       struct buffer *ret);
/* Wipes the password. */
void redis_url_fini(struct redis_url *url);

#endif
