/* histogram.h — how long things take, in fixed buckets of logarithmic width, so that processes of
 * all generations can be added up. Lives in shared memory: one writer, any number of readers.
 * Pure. */
#ifndef SYNCDOC_HISTOGRAM_H
#define SYNCDOC_HISTOGRAM_H

#include "base.h"
#include <stdatomic.h>

#define HISTOGRAM_BOUNDS 18
#define HISTOGRAM_BUCKETS (HISTOGRAM_BOUNDS + 1) /* the last one: above all bounds */

struct histogram_bound {
	uint64_t ns;      /* belongs to the bucket */
	const char *text; /* the same in seconds */
};
/* Ascending. */
extern const struct histogram_bound histogram_bounds[HISTOGRAM_BOUNDS];

struct histogram {
	_Atomic uint64_t buckets[HISTOGRAM_BUCKETS]; /* each counts its own, not those below */
	_Atomic uint64_t sum_ns;
};

/* By its one writer. */
void histogram_observe(struct histogram *histogram, uint64_t elapsed_ns);

#endif
