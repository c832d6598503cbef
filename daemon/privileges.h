/* privileges.h — from root to the configured user, once, at the start. */
#ifndef SYNCDOC_PRIVILEGES_H
#define SYNCDOC_PRIVILEGES_H

#include "config.h"
#include <sys/types.h>

/* Whom to become. -1: stays what it is. */
struct privileges {
	const char *user; /* borrowed: from the config; NULL: nobody else */
	uid_t uid;
	gid_t gid;
};

/* Looks `user` and `group` up. -errno and one line in ret_error: unknown name, or not root. A user
 * or group that this process has already is fine for anybody. */
int privileges_lookup(const struct config *config, struct privileges *ret, char *ret_error,
		      size_t error_len);
/* Become that user and its groups for a moment, as far as the kernel's checks go, and root again.
 * Nothing where there is nobody to become. Root's supplementary groups do not come back. -errno and
 * one line in ret_error. */
int privileges_lend(const struct privileges *privileges, char *ret_error, size_t error_len);
void privileges_take_back(const struct privileges *privileges);
/* Changes groups and user for good and verifies that there is no way back; the process and its
 * children gain no new privileges (no_new_privs). */
int privileges_drop(const struct privileges *privileges, char *ret_error, size_t error_len);
/* Soft limit of open files up to the hard one: workers need one per connection. Returns the limit.
 */
unsigned long long privileges_raise_files(void);

#endif
