/* presence_reaper.h — the supervisor's part of presence (DESIGN.md section 8): the lease that says
 * this run of ours lives, and the cleaning up behind worker processes that do not, ours or those of
 * hosts whose lease has run out. Every supervisor does it for all; the scripts make each step
 * happen once.
 *
 * A run that ends is moved from syncdoc:runs to syncdoc:runs-ended in one script, so that a
 * supervisor that dies in the middle of cleaning leaves nothing behind that nobody knows of. */
#ifndef SYNCDOC_PRESENCE_REAPER_H
#define SYNCDOC_PRESENCE_REAPER_H

#include "keys.h"
#include "redis.h"

#define PRESENCE_LEASE_S 15
#define PRESENCE_TICK_MS 500    /* REST members whose time is up */
#define PRESENCE_RENEW_TICKS 10 /* the lease */
#define PRESENCE_REAP_TICKS 2   /* a look at all runs */
#define PRESENCE_SETTLE_TICKS                                                                      \
	10 /* after a new incarnation: until then workers have put all again */
#define PRESENCE_CLEAN_BATCH 500 /* entries that one script call takes away */
#define PRESENCE_ENDED_MAX 256   /* runs cleaned in one round; the others come with the next */

struct presence_reaper_options {
	struct ev_loop *loop;
	struct redis *redis; /* borrowed: the command connection */
	const char *node;    /* copied */
	int lock_fd; /* of the state directory: tells a former supervisor of ours from others */
	/* Calls fn for each living worker's run id. */
	void (*for_each_run)(void (*fn)(const char *run_id, void *arg), void *fn_arg, void *arg);
	/* How many workers were ever forked: the highest n in a run id. */
	uint64_t (*forks)(void *arg);
	/* The lease was lost: run ids are made of this from here on. */
	void (*renew_runs)(uint64_t incarnation, void *arg);
	/* The new run ids are known to Redis: workers may put their presence under them. */
	void (*publish_incarnation)(uint64_t incarnation, void *arg);
	void *arg;
};

struct presence_reaper {
	struct presence_reaper_options options;
	char node[KEY_MAX / 2];
	uint64_t incarnation;
	char lease_value[96];
	bool was_leased; /* the lease of this incarnation was taken once: from then on only renewed
			  */
	bool is_leased;  /* as far as we know */
	bool is_leasing; /* SET is on its way */
	bool is_reaping; /* the reap script is */
	bool must_reap_again; /* something ended meanwhile */
	bool is_expiring;     /* the expiry script is */
	bool must_publish;    /* the incarnation is new and workers do not know yet */
	unsigned adding;      /* SADDs on their way */
	bool is_stopping;
	unsigned ticks;
	unsigned settle_ticks; /* still to pass before the next look */
	ev_timer timer;
	struct buffer ended; /* run ids to be cleaned, NUL-terminated, one after the other */
	size_t ended_at;
	bool is_cleaning;
	void (*on_finish)(void *arg);
	void *finish_arg;
	uint64_t removed; /* members taken away: ended */
	uint64_t expired; /* the same: REST members by time */
	uint64_t leases_lost;
};

void presence_reaper_start(struct presence_reaper *reaper,
			   const struct presence_reaper_options *options, uint64_t incarnation);
/* The command connection is there (again): takes or renews the lease, adds the living runs, looks
 * at all others. */
void presence_reaper_connected(struct presence_reaper *reaper);
/* A worker was forked, or has ended. */
void presence_reaper_add_run(struct presence_reaper *reaper, const char *run_id);
void presence_reaper_end_run(struct presence_reaper *reaper);
/* All workers have ended: calls fn when their presence is cleaned and the lease given back; at once
 * if Redis is not there. */
void presence_reaper_finish(struct presence_reaper *reaper, void (*fn)(void *arg), void *arg);
/* After the connection is closed. */
void presence_reaper_stop(struct presence_reaper *reaper);

#endif
