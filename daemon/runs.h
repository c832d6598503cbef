/* runs.h — syncdoc:runs, the set of worker processes alive. Workers are forked without waiting for
 * Redis, so all living run ids are added again at each connect; one that ended while Redis was away
 * stays in the set until it is cleaned up by node. */
#ifndef SYNCDOC_RUNS_H
#define SYNCDOC_RUNS_H

#include "redis.h"

struct runs {
	struct redis *redis;        /* borrowed */
	unsigned pending;           /* commands without an answer yet */
	void (*on_idle)(void *arg); /* set: called once when nothing is pending any more */
	void *arg;
};

void runs_init(struct runs *runs, struct redis *redis);
void runs_add(struct runs *runs, const char *run_id);
void runs_remove(struct runs *runs, const char *run_id);
/* Calls `fn` when all that was sent is answered or has met its deadline; at once if nothing is
 * under way or Redis is not there. */
void runs_finish(struct runs *runs, void (*fn)(void *arg), void *arg);

#endif
