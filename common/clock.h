/* clock.h — what time it is: the one place that asks the kernel in milliseconds. */
#ifndef SYNCDOC_CLOCK_H
#define SYNCDOC_CLOCK_H

#include "base.h"

/* Milliseconds, CLOCK_MONOTONIC: ages and deadlines. The same in all processes of a host. */
int64_t clock_monotonic_ms(void);
/* Milliseconds since 1970: what updatedAt and expiresAt mean. */
int64_t clock_real_ms(void);

#endif
