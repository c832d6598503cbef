/* stats.h — slot pages: what a worker tells the others (heartbeat, cursor, sleep word, counters).
 * One page per slot in the slots segment. Every word is written by that one worker process;
 * everybody may read. The supervisor trusts none of it: a wild value can cost a wrong figure or a
 * needless wake-up, nothing else. */
#ifndef SYNCDOC_STATS_H
#define SYNCDOC_STATS_H

#include "base.h"
#include "shm.h"
#include <stdatomic.h>

enum statistic {
#define STAT_COUNTER(name, help) STAT_##name,
#define STAT_GAUGE(name, help) STAT_##name,
#include "stats.def"
#undef STAT_COUNTER
#undef STAT_GAUGE
	STAT_COUNT
};

struct slot {
	_Atomic uint32_t sleep;        /* odd: asleep; see ring.h */
	_Atomic uint64_t heartbeat_ms; /* CLOCK_MONOTONIC of the last turn of the worker's loop */
	_Atomic uint64_t
		ring_cursor;       /* for the lag in /metrics; the writer does not depend on it */
	_Atomic uint32_t draining; /* 1: takes no new connections */
	_Atomic uint32_t pid;
	_Atomic uint64_t values[STAT_COUNT];
};

_Static_assert(sizeof(struct slot) <= SHM_PAGE, "a slot is one page");

struct stat_description {
	const char *name;
	const char *help;
	bool gauge;
};
extern const struct stat_description stat_descriptions[STAT_COUNT];

/* relaxed: each word has one writer and is only a figure. */
static inline void stat_add(struct slot *slot, enum statistic stat, uint64_t amount)
{
	uint64_t value = atomic_load_explicit(&slot->values[stat], memory_order_relaxed);
	atomic_store_explicit(&slot->values[stat], value + amount, memory_order_relaxed);
}

static inline void stat_set(struct slot *slot, enum statistic stat, uint64_t value)
{
	atomic_store_explicit(&slot->values[stat], value, memory_order_relaxed);
}

static inline uint64_t stat_read(const struct slot *slot, enum statistic stat)
{
	return atomic_load_explicit(&slot->values[stat], memory_order_relaxed);
}

#endif
