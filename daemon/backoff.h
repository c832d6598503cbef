/* backoff.h — when to start a dead process again: at once the first time, then after 100 ms
 * doubling to 5 s, and from the start again once it has lived for 30 s. Pure. */
#ifndef SYNCDOC_BACKOFF_H
#define SYNCDOC_BACKOFF_H

#include "base.h"

#define BACKOFF_FIRST_MS 100
#define BACKOFF_MAX_MS 5000
#define BACKOFF_HEALTHY_MS 30000

/* All zero is the start state. */
struct backoff {
	int64_t next_ms;
};

/* The process that has just died had lived for `lived_ms`: returns how long to wait before the next
 * one. */
int64_t backoff_delay_ms(struct backoff *backoff, int64_t lived_ms);
/* `starting again at once` or `starting again in 400 ms`: the end of the log line about it. */
void backoff_describe(int64_t delay_ms, char *ret, size_t len);

#endif
