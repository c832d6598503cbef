/* child_table.h — which worker process sits in which slot. Slot i of the table is slot page i in
 * shared memory; a process keeps its slot until it has been reaped. Four pages per worker: the
 * running generation, two that drain, and one whose kill is not reaped yet. Pure. */
#ifndef SYNCDOC_CHILD_TABLE_H
#define SYNCDOC_CHILD_TABLE_H

#include "supervisor_page.h"
#include <sys/types.h>

#define CHILD_SLOTS_PER_WORKER SUPERVISOR_SLOTS

/* The part of a child that the table decides on. */
struct child_seat {
	pid_t pid; /* 0: the slot is free */
	unsigned index;
	unsigned generation;
	bool draining;
};

struct child_table {
	struct child_seat *seats; /* borrowed: `count` of them, `stride` bytes apart */
	size_t stride;
	unsigned count;
};

static inline struct child_seat *child_table_seat(const struct child_table *table, unsigned slot)
{
	return (struct child_seat *)((char *)table->seats + slot * table->stride);
}

/* The lowest free slot. -ENOSPC. */
int child_table_find_free(const struct child_table *table, unsigned *ret_slot);
unsigned child_table_free_count(const struct child_table *table);
unsigned child_table_used_count(const struct child_table *table);
/* How many generations are draining, and which is the oldest of them. */
unsigned child_table_draining(const struct child_table *table, unsigned *ret_oldest);

/* Whether a worker's loop still turns. Only changes of its heartbeat count, seen at our own ticks:
 * the value itself is a worker's word and not trusted, and a supervisor that was stopped for a
 * while (SIGSTOP, a frozen host) does not blame its workers for it. */
struct heartbeat {
	uint64_t seen;
	unsigned still; /* ticks without a change */
};

/* true: it has not moved for `ticks` ticks. */
bool heartbeat_is_dead(struct heartbeat *heartbeat, uint64_t value, unsigned ticks);

#endif
