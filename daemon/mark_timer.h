/* mark_timer.h — sends the mark script four times a second over the command connection, and finds
 * out who the primary is. What comes back through the subscription is marks.h's. */
#ifndef SYNCDOC_MARK_TIMER_H
#define SYNCDOC_MARK_TIMER_H

#include "marks.h"
#include "redis.h"

struct mark_timer {
	struct ev_loop *loop; /* borrowed */
	struct redis *redis;  /* borrowed: the command connection */
	struct marks *marks;  /* borrowed */
	const char *channel;  /* borrowed */
	bool known;           /* INFO of this connection was answered */
	bool asking,
		sending; /* one of each at a time: against a Redis that hangs they would pile up */
	ev_timer timer;
	void (*on_deaf)(void *arg);    /* the subscription must be made anew */
	void (*on_run_id)(void *arg);  /* INFO was answered: marks know the primary */
	void *arg;
};

void mark_timer_start(struct mark_timer *timer, struct ev_loop *loop, struct redis *redis,
		      struct marks *marks, const char *channel, void (*on_deaf)(void *arg),
		      void (*on_run_id)(void *arg), void *arg);
void mark_timer_stop(struct mark_timer *timer);
/* Asks who the primary is: the subscription was made anew. */
void mark_timer_ask(struct mark_timer *timer);
/* The command connection is there (again, perhaps with another server), or lost. */
void mark_timer_connected(struct mark_timer *timer);
void mark_timer_lost(struct mark_timer *timer);

#endif
