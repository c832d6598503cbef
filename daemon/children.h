/* children.h — the worker processes: fork, respawn, watch, generations, drain. Decides on wait
 * statuses and its own clock; of what workers write in shared memory it only looks at the heartbeat
 * and the sleep word, and trusts neither. */
#ifndef SYNCDOC_CHILDREN_H
#define SYNCDOC_CHILDREN_H

#include "config.h"
#include "listeners.h"
#include "publisher.h"
#include <ev.h>

struct children;

struct children_options {
	struct ev_loop *loop;              /* the default loop: child watchers */
	struct publisher *publisher;       /* borrowed, CHILD_SLOTS_PER_WORKER slots per worker */
	const struct listeners *listeners; /* borrowed */
	unsigned workers;
	uint64_t incarnation;
	const char *redis_url; /* the effective one; borrowed */
	int (*worker_main)(const struct inherit *inherit);
	/* In the child, before anything else: takes the supervisor's watchers off the loop that the
	 * child is about to destroy. */
	void (*on_child)(void *arg);
	/* A run id came to life, or ended. */
	void (*on_start)(const char *run_id, void *arg);
	void (*on_exit)(const char *run_id, void *arg);
	/* The last process is gone after children_drain_all(). */
	void (*on_empty)(void *arg);
	void *arg;
};

struct children *children_create(const struct children_options *options);
/* Kills what is left, without waiting. NULL is fine. */
void children_destroy(struct children *children);

/* Before children_start(): if two generations are draining already, the oldest is killed. -EAGAIN:
 * killed processes are not reaped yet, so that there are too few free slots; call again when one
 * exits. */
int children_make_room(struct children *children);
/* Starts a generation of workers with this configuration (borrowed until the next call) and drains
 * the former one. There is room. */
void children_start(struct children *children, const struct config *config);
/* Starts a new process for one worker and drains the one it has, whose pid is returned. -ESRCH: it
 * has none at the moment; -EAGAIN: so many processes drain that no room would be left for a reload.
 */
int children_replace(struct children *children, unsigned index, pid_t *ret_pid);
/* Drains all; nothing is started any more. What has not ended by drain_timeout is killed. */
void children_drain_all(struct children *children);
void children_kill_all(struct children *children);
void children_signal_all(struct children *children, int number);
/* After something was published: wakes every worker that sleeps. */
void children_wake(struct children *children);
void children_for_each(struct children *children, void (*fn)(const char *run_id, void *arg),
		       void *arg);
/* What can be said of a worker process without asking it. */
struct child_view {
	unsigned index, slot, generation;
	pid_t pid;
	bool draining;
	int64_t started_ms; /* CLOCK_MONOTONIC */
	uint64_t process;   /* as in its slot page, once that is its own */
};
void children_view(const struct children *children,
		   void (*fn)(const struct child_view *child, void *arg), void *arg);
unsigned children_generation(const struct children *children); /* of the workers that serve */
/* Run ids are made of this incarnation from here on, those of living processes too. */
void children_renew_runs(struct children *children, uint64_t incarnation);
/* What has become of workers, into the supervisor's page. */
void children_tell_figures(const struct children *children);
uint64_t children_forks(const struct children *children); /* the highest n in a run id */
unsigned children_count(const struct children *children);

#endif
