/* rates.h — what `top` shows: two looks at the workers' counters, and what happened in between.
 * Pure. */
#ifndef SYNCDOC_CTL_RATES_H
#define SYNCDOC_CTL_RATES_H

#include "output.h"

#define RATES_WORKERS_MAX 1024

enum rate {
	RATE_CPU,
	RATE_REQUESTS,
	RATE_READS,
	RATE_WRITES,
	RATE_EVENTS,
	RATE_DELIVERIES,
	RATE_SENT_BYTES,
	RATE_COUNT,
};

struct rates_worker {
	int64_t index, pid, lag;
	bool draining;
	int64_t connections, subscriptions, queue_bytes; /* streams are connections too */
	int64_t counters[RATE_COUNT];
	uint32_t token; /* in the answer, for its counters; 0: none */
};

/* One look. */
struct rates_look {
	int64_t uptime_ms; /* of the supervisor: its clock */
	int64_t pid;       /* of the supervisor */
	unsigned count;
	struct rates_worker workers[RATES_WORKERS_MAX];
};

/* From the result of the verb `top`. */
void rates_read(const struct json *json, uint32_t result, struct rates_look *ret);

struct rates_row {
	struct rates_worker now;
	double rates[RATE_COUNT]; /* a second; -1: not known, the process was not there before */
};

/* What `index` of `now` did since `before`. Counters of another process in the same slot are never
 * compared. */
void rates_of(const struct rates_look *before, const struct rates_look *now, unsigned index,
	      struct rates_row *ret);
/* All together; its lag is the largest, index and pid are -1. */
void rates_total(const struct rates_look *before, const struct rates_look *now,
		 struct rates_row *ret);

void rates_append_table(const struct rates_look *before, const struct rates_look *now,
			const struct output *output, struct buffer *ret);
/* One line; `json` is what `now` was read from. */
void rates_append_json(const struct rates_look *before, const struct rates_look *now,
		       const struct json *json, uint32_t result, struct buffer *ret);

#endif
