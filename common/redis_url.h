/* redis_url.h — where Redis is and who we are there. Inner to redis*.c; others use
 * redis_url_check(). */
#ifndef SYNCDOC_REDIS_URL_H
#define SYNCDOC_REDIS_URL_H

#include "base.h"

/* Strings owned, NULL where the URL says nothing; percent-decoded. */
struct redis_url {
	char *path; /* unix socket; then host is NULL */
	char *host;
	unsigned port;
	char *user;
	char *password;
	unsigned database;
};

/* -EINVAL with a static reason. On success the caller calls redis_url_fini(). */
int redis_url_parse(const char *text, struct redis_url *ret, const char **ret_reason);
/* Wipes the password. */
void redis_url_fini(struct redis_url *url);

#endif
