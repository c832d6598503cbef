/* latency.h — many durations in little memory: counts in buckets whose width is at most 1/128 of
 * their value, so that percentiles are exact to 1 %. Pure. */
#ifndef SYNCDOC_CTL_LATENCY_H
#define SYNCDOC_CTL_LATENCY_H

#include "base.h"

#define LATENCY_SUB_BITS 7 /* buckets of each power of two: 128 */
#define LATENCY_BUCKETS ((64 - LATENCY_SUB_BITS + 1) << LATENCY_SUB_BITS)

/* All zero is empty. 58 KiB: not for the stack. */
struct latency {
	uint64_t counts[LATENCY_BUCKETS];
	uint64_t count;
	uint64_t sum;
	uint64_t min, max; /* exact */
};

void latency_add(struct latency *latency, uint64_t value);
void latency_merge(struct latency *to, const struct latency *from);
/* The smallest value that at least `percent` (0 to 100) of all are not above; at most 1 % more than
 * the true one, never above max. 0 if empty. */
uint64_t latency_percentile(const struct latency *latency, double percent);
double latency_mean(const struct latency *latency); /* 0 if empty */

#endif
