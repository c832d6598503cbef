/* system_reason.h — why the kernel refused something, for whoever is to mend it. */
#ifndef SYNCDOC_SYSTEM_REASON_H
#define SYNCDOC_SYSTEM_REASON_H

#include "base.h"

#define SYSTEM_REASON_MAX 128

/* strerror() of a positive errno; where it is a refusal, with whom was refused: a daemon is seldom
 * the user who reads this. "Permission denied (for user syncdoc)". Returns `ret`. */
const char *system_reason(int error, char ret[SYSTEM_REASON_MAX]);

#endif
