/* inherit.h — all that a worker inherits, in one struct. The child closes every descriptor that is
 * not named here. */
#ifndef SYNCDOC_INHERIT_H
#define SYNCDOC_INHERIT_H

#include "config.h"

#define INHERIT_LISTENERS_MAX 16
#define INHERIT_RUN_ID_MAX 160

struct inherit {
	const struct config *config; /* borrowed: the supervisor's, copied by fork */
	unsigned index;              /* worker 0…workers-1: which listeners */
	unsigned slot;               /* slot page, 0…4*workers-1 */
	unsigned generation;         /* counts reloads, for the log */
	uint64_t process;            /* counts forks; the n of run_id */
	int listeners[INHERIT_LISTENERS_MAX];
	unsigned listener_count;
	int ring_fd;  /* memfd: shared header page + ring memory */
	int slots_fd; /* memfd: slot pages */
	int page_fd;  /* memfd: the supervisor's figures, struct supervisor_page */
	int wake_fd;  /* eventfd: there is something in the ring */
	int drain_fd; /* read end of a pipe: one byte means drain; EOF: the supervisor is gone */
	char run_id[INHERIT_RUN_ID_MAX]; /* {node}.{incarnation}.{n} */
	char redis_url[512]; /* the effective one: embedded is resolved to its unix socket */
};

/* Called once in the child before anything else: closes all but what is named (and 0, 1, 2, the log
 * file), sets the parent-death signal (SIGKILL), resets signals: all to their default, SIGPIPE
 * ignored, none blocked. Descriptors below 0 are not set and skipped. -ESRCH: the parent is gone
 * already; other -errno: something could not be closed. The child must then exit. */
int inherit_settle(const struct inherit *inherit, int parent_pid);

#endif
