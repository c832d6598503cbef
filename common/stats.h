/* stats.h — slot pages: what a worker tells the others (heartbeat, cursor, sleep word, counters).
 * One page per slot in the slots segment. Every word is written by that one worker process;
 * everybody may read. The supervisor trusts none of it: a wild value can cost a wrong figure or a
 * needless wake-up, nothing else. */
#ifndef SYNCDOC_STATS_H
#define SYNCDOC_STATS_H

#include "histogram.h"
#include "shm.h"
#include <time.h>

enum statistic {
#define STAT_COUNTER(name, help) STAT_##name,
#define STAT_GAUGE(name, help) STAT_##name,
#include "stats.def"
#undef STAT_COUNTER
#undef STAT_GAUGE
	STAT_COUNT
};

enum statistic_histogram {
#define HISTOGRAM(name, help) HISTOGRAM_##name,
#include "histograms.def"
#undef HISTOGRAM
	HISTOGRAM_COUNT
};

/* What was refused, by the code that the client got. */
enum refusal {
#define REFUSAL(code) REFUSAL_##code,
#include "refusals.def"
#undef REFUSAL
	REFUSAL_COUNT
};

struct slot {
	/* The supervisor looks at it after every record: nothing that is written more often may be
	 * in its line, nor in the one that x86 fetches with it. */
	_Atomic uint32_t sleep; /* odd: asleep; see ring.h */
	uint32_t unused_sleep[31];
	_Atomic uint64_t heartbeat_ms; /* CLOCK_MONOTONIC of the last turn of the worker's loop */
	_Atomic uint64_t
		ring_cursor;       /* for the lag in /metrics; the writer does not depend on it */
	_Atomic uint32_t draining; /* 1: takes no new connections */
	_Atomic uint32_t pid;
	/* Which process these figures are of: inherit.h's `process`. Stored last when a new process
	 * has cleared what the slot's former one left; until then they are nobody's. */
	_Atomic uint64_t process;
	_Atomic uint64_t values[STAT_COUNT];
	_Atomic uint64_t refusals[REFUSAL_COUNT];
	struct histogram histograms[HISTOGRAM_COUNT];
};

_Static_assert(sizeof(struct slot) <= SHM_PAGE, "a slot is one page");
_Static_assert(offsetof(struct slot, heartbeat_ms) == 128, "the sleep word has its own lines");

struct stat_description {
	const char *name;
	const char *help;
	bool gauge;
};
extern const struct stat_description stat_descriptions[STAT_COUNT];
extern const struct stat_description histogram_descriptions[HISTOGRAM_COUNT];

extern const char *const refusal_codes[REFUSAL_COUNT];
/* REFUSAL_other: a code that is not in the table. */
enum refusal refusal_find(const char *code);

/* relaxed: each word has one writer and is only a figure. */
static inline void stat_add(struct slot *slot, enum statistic stat, uint64_t amount)
{
	uint64_t value = atomic_load_explicit(&slot->values[stat], memory_order_relaxed);
	atomic_store_explicit(&slot->values[stat], value + amount, memory_order_relaxed);
}

static inline void stat_refuse(struct slot *slot, const char *code)
{
	_Atomic uint64_t *word = &slot->refusals[refusal_find(code)];
	uint64_t value = atomic_load_explicit(word, memory_order_relaxed);
	atomic_store_explicit(word, value + 1, memory_order_relaxed);
}

static inline void stat_set(struct slot *slot, enum statistic stat, uint64_t value)
{
	atomic_store_explicit(&slot->values[stat], value, memory_order_relaxed);
}

static inline uint64_t stat_read(const struct slot *slot, enum statistic stat)
{
	return atomic_load_explicit(&slot->values[stat], memory_order_relaxed);
}

/* What histograms measure with: CLOCK_MONOTONIC in nanoseconds, the same in all processes. */
static inline uint64_t stat_clock_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

#endif
