/* supervisor_page.h — figures that only the supervisor writes and every worker may read: its own
 * counters, who sits in which slot, and what ended processes had counted. So one scrape at any
 * worker tells all of this host, and no counter goes back when a worker is started anew.
 *
 * A counter of worker N is the sum of its total and of the slots of its living processes. When a
 * process has ended the supervisor adds its slot to the total and frees the seat: readers see both
 * or neither (supervisor_page_begin_read()). What a process counted in its slot is believed: a wild
 * value costs a wrong figure, nothing else. */
#ifndef SYNCDOC_SUPERVISOR_PAGE_H
#define SYNCDOC_SUPERVISOR_PAGE_H

#include "stats.h"

enum supervisor_statistic {
#define SUPERVISOR_COUNTER(id, name, labels, help) SUPERVISOR_##id,
#define SUPERVISOR_GAUGE(id, name, labels, help) SUPERVISOR_##id,
#include "supervisor_stats.def"
#undef SUPERVISOR_COUNTER
#undef SUPERVISOR_GAUGE
	SUPERVISOR_STAT_COUNT
};

struct supervisor_description {
	const char *name;
	const char *labels; /* `reason="gap"`; "": none */
	const char *help;
	bool gauge;
};
extern const struct supervisor_description supervisor_descriptions[SUPERVISOR_STAT_COUNT];

/* Who sits in a slot. */
struct supervisor_seat {
	_Atomic uint64_t process;    /* as in its slot page; 0: free */
	_Atomic uint64_t started_ms; /* CLOCK_MONOTONIC */
	_Atomic uint32_t index;      /* which worker */
	_Atomic uint32_t pid;
	_Atomic uint32_t generation;
	_Atomic uint32_t draining;
};

/* Of one worker: all that its ended processes counted. Gauges stay 0. */
struct supervisor_total {
	_Atomic uint64_t values[STAT_COUNT];
	_Atomic uint64_t refusals[REFUSAL_COUNT];
	struct histogram histograms[HISTOGRAM_COUNT];
};

/* written by: the supervisor, all words. Behind it lie the seats, then the totals. */
struct supervisor_page {
	_Atomic uint64_t changes;      /* of seats and totals; odd: in the midst of one */
	_Atomic uint64_t started_ms;   /* Unix */
	_Atomic uint64_t heartbeat_ms; /* CLOCK_MONOTONIC of the last time it wrote its figures */
	_Atomic uint64_t mark_ms;      /* CLOCK_MONOTONIC of the last mark; 0: none has come */
	_Atomic uint64_t workers;
	_Atomic uint64_t values[SUPERVISOR_STAT_COUNT];
};

/* Bytes of memory, whole pages, zero before the first use. */
size_t supervisor_page_len(unsigned workers);
/* Slots are numbered as slot pages are: SUPERVISOR_SLOTS for each worker. */
#define SUPERVISOR_SLOTS 4
const struct supervisor_seat *supervisor_page_seat(const struct supervisor_page *page,
						   unsigned slot);
const struct supervisor_total *supervisor_page_total(const struct supervisor_page *page,
						     unsigned worker);

/* --- the supervisor --- */

void supervisor_page_init(struct supervisor_page *page, unsigned workers, int64_t started_ms);
/* A process was forked into a slot. */
void supervisor_page_seat_take(struct supervisor_page *page, unsigned slot, uint64_t process,
			       unsigned index, unsigned pid, unsigned generation, int64_t now_ms);
void supervisor_page_seat_drain(struct supervisor_page *page, unsigned slot);
/* The process has been reaped: its figures, if it ever had any, go into the worker's total. */
void supervisor_page_seat_free(struct supervisor_page *page, unsigned slot,
			       const struct slot *figures);

static inline void supervisor_page_set(struct supervisor_page *page, enum supervisor_statistic stat,
				       uint64_t value)
{
	/* relaxed: a figure. */
	atomic_store_explicit(&page->values[stat], value, memory_order_relaxed);
}

static inline uint64_t supervisor_page_get(const struct supervisor_page *page,
					   enum supervisor_statistic stat)
{
	return atomic_load_explicit(&page->values[stat], memory_order_relaxed);
}

/* --- readers --- */

/* Remember what this gives; what was read since is whole if supervisor_page_end_read() says so,
 * else read it again. */
uint64_t supervisor_page_begin_read(const struct supervisor_page *page);
bool supervisor_page_end_read(const struct supervisor_page *page, uint64_t begun);

#endif
