/* child.h — one worker process, as children.c (the table) and child.c (fork and what the child does
 * first) share it. Not for others. */
#ifndef SYNCDOC_CHILD_H
#define SYNCDOC_CHILD_H

#include "backoff.h"
#include "child_table.h"
#include "children.h"
#include "inherit.h"

struct child {
	struct child_seat seat; /* first: the table looks at it */
	unsigned slot;
	int wake_fd;    /* owned, -1 when free: eventfd, written when the worker sleeps */
	int drain_fd;   /* owned, -1 when free: write end; a byte means drain, EOF means that we are
			   gone */
	uint32_t woken; /* ring_writer_must_wake()'s memory */
	uint32_t stale_sleep; /* sleep word left by the slot's former process; 0: overwritten since
			       */
	struct heartbeat heartbeat;
	bool killed; /* by us, because its heartbeat stopped or it did not drain */
	int64_t started_ms;
	ev_child exit;
	ev_timer drain_limit;
	uint64_t fork_number;
	char run_id[INHERIT_RUN_ID_MAX];
	struct children *children;
};

/* One per worker index: when the running generation's process has died. */
struct respawn {
	struct children *children;
	struct backoff backoff;
	ev_timer timer;
};

struct children {
	struct children_options options;
	const struct config *config; /* borrowed: of the running generation */
	unsigned generation;
	uint64_t forks;
	/* Ended processes, for /metrics. */
	uint64_t exits_drained, exits_crashed, exits_killed;
	uint64_t fork_failures;
	bool stopping;
	struct child_table table;
	struct child *list;       /* owned, table.count */
	struct respawn *respawns; /* owned, options.workers */
	ev_timer watch;
	unsigned watch_ticks; /* worker_timeout in ticks */
};

/* Forks a worker for `index` into the free slot `slot` and fills the child, watchers apart. -errno;
 * the slot stays free. */
int child_fork(struct children *children, unsigned slot, unsigned index);
/* Makes its run id. */
void child_name_run(struct child *child);
/* Frees the slot after the process was reaped. */
void child_close(struct child *child);
/* Writes the drain byte. */
void child_drain(struct child *child);
/* Wakes it if it sleeps. */
void child_wake(struct child *child, const struct slot *page);

#endif
