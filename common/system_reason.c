/* system_reason.c — see system_reason.h. */
#include "system_reason.h"

#include <pwd.h>
#include <unistd.h>

static struct {
	uid_t uid;
	char name[64]; /* empty: he has none */
} known;

void system_reason_name_user(uid_t uid)
{
	const struct passwd *user = getpwuid(uid);

	known.uid = uid;
	snprintf(known.name, sizeof(known.name), "%s", user ? user->pw_name : "");
}

const char *system_reason(int error, char ret[SYSTEM_REASON_MAX])
{
	uid_t uid = geteuid();

	if (error != EACCES && error != EPERM) {
		snprintf(ret, SYSTEM_REASON_MAX, "%s", strerror(error));
		return ret;
	}
	if (uid == known.uid && *known.name)
		snprintf(ret, SYSTEM_REASON_MAX, "%s (for user %s)", strerror(error), known.name);
	else
		snprintf(ret, SYSTEM_REASON_MAX, "%s (for user %u)", strerror(error),
			 (unsigned)uid);
	return ret;
}
