/* metrics.h — the figures of this host as Prometheus text, version 0.0.4: of the supervisor and of
 * all workers, whichever worker is asked. Reads shared memory that others write and trusts none of
 * it: a wild value is a wrong figure. No clock and no I/O of its own. */
#ifndef SYNCDOC_METRICS_H
#define SYNCDOC_METRICS_H

#include "buffer.h"
#include "supervisor_page.h"

#define METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

struct metrics_source {
	const struct supervisor_page *page; /* mapped */
	const char *slots;                  /* mapped: SUPERVISOR_SLOTS pages for each worker */
	unsigned workers;
	uint64_t ring_size, ring_tail;
	int64_t now_ms; /* CLOCK_MONOTONIC */
	const char *version;
};

void metrics_format(struct buffer *ret, const struct metrics_source *source);

/* Seconds since the last mark; -1: none has come yet. */
double metrics_mark_age(const struct supervisor_page *page, int64_t now_ms);

#endif
