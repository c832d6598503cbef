/* system_reason.h — why the kernel refused something, for whoever is to mend it. */
#ifndef SYNCDOC_SYSTEM_REASON_H
#define SYNCDOC_SYSTEM_REASON_H

#include "base.h"
#include <sys/types.h>

#define SYSTEM_REASON_MAX 128

/* strerror() of a positive errno; where it is a refusal, with whom was refused: a daemon is seldom
 * the user who reads this. "Permission denied (for user syncdoc)"; the number of a user that was
 * not named before. Returns `ret`. */
const char *system_reason(int error, char ret[SYSTEM_REASON_MAX]);
/* Looks up the name of the user that this process is or becomes, in place of the last one. At the
 * start: a lookup may wait for the network, and load libraries. */
void system_reason_name_user(uid_t uid);

#endif
