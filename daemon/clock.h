/* clock.h — the supervisor's own clock for ages and deadlines. */
#ifndef SYNCDOC_CLOCK_H
#define SYNCDOC_CLOCK_H

#include "base.h"
#include <time.h>

/* Milliseconds, CLOCK_MONOTONIC: the clock of slot heartbeats. */
static inline int64_t clock_monotonic_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Milliseconds since 1970: the clock of documents. */
static inline int64_t clock_real_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

#endif
