/* redis_password.h — the password in redis.password_file and redis.sentinel_password_file: read at
 * each connect, so that a new one is taken without a restart, and kept no longer than needed. Inner
 * to redis*.c. */
#ifndef SYNCDOC_REDIS_PASSWORD_H
#define SYNCDOC_REDIS_PASSWORD_H

#include "base.h"

/* The first line of the file, owned. `key` is that of the configuration. -EINVAL with
 * "key: path: why" in `ret_reason`: not there, not a regular file, open to others, empty. */
int redis_password_read(const char *key, const char *path, char **ret, char *ret_reason,
			size_t reason_len);
/* Overwrites and frees it; *password is NULL then. NULL in it is fine. */
void redis_password_wipe(char **password);

#endif
