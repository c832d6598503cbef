/* system_reason.c — see system_reason.h. */
#include "system_reason.h"

#include <pwd.h>
#include <unistd.h>

const char *system_reason(int error, char ret[SYSTEM_REASON_MAX])
{
	uid_t uid = geteuid();

	if (error != EACCES && error != EPERM) {
		snprintf(ret, SYSTEM_REASON_MAX, "%s", strerror(error));
		return ret;
	}
	const struct passwd *user = getpwuid(uid);
	if (user)
		snprintf(ret, SYSTEM_REASON_MAX, "%s (for user %s)", strerror(error),
			 user->pw_name);
	else
		snprintf(ret, SYSTEM_REASON_MAX, "%s (for user %u)", strerror(error),
			 (unsigned)uid);
	return ret;
}
