/* list_gate.h — how much of lists, and of documents read many at once, Redis is asked for at a
 * time: an answer may be 4 MiB, and many at once would keep it, and the connection, busy for longer
 * than redis.timeout, and the worker from its writes. Who finds no room waits in line. Inner to
 * store*.c. */
#ifndef SYNCDOC_LIST_GATE_H
#define SYNCDOC_LIST_GATE_H

#include "base.h"
#include <ev.h>

#define LIST_GATE_BYTES (4 * 1024 * 1024) /* under way at a time; but one question always is */
#define LIST_GATE_WAITING_MAX 1000
#define LIST_GATE_TIMEOUTS 4 /* of Redis; so long one waits while it answers others */

/* One question to Redis; lies in what asks, which sets the first two. */
struct list_turn {
	/* Asks. False: it could not be asked, and has been answered. */
	bool (*go)(struct list_turn *turn);
	/* It will not be asked: answers it, not before the next turn of the loop. */
	void (*refuse)(struct list_turn *turn, int error);
	struct list_turn *next;
	size_t bytes; /* its answer may have, or is expected to */
	int64_t until_ms;
};

struct list_gate {
	struct ev_loop *loop; /* borrowed */
	int64_t timeout_ms;   /* of Redis */
	size_t under_way;
	struct list_turn *first, *last;
	size_t waiting;
	ev_timer timer; /* until the first one's time is up */
	uint64_t waits, refusals;
};

void list_gate_init(struct list_gate *gate, struct ev_loop *loop, int64_t timeout_ms);
/* Calls go() now, or later, or refuse(): -EAGAIN, too many wait, its time is up, or Redis is
 * away. */
void list_gate_enter(struct list_gate *gate, struct list_turn *turn, size_t bytes);
/* The answer is there, or, Redis being away or too slow, will not come: then all in line are
 * refused. So nobody waits for a Redis that hangs for longer than one timeout. */
void list_gate_leave(struct list_gate *gate, const struct list_turn *turn, bool is_answered);
/* Refuses all that wait with -ECANCELED. */
void list_gate_close(struct list_gate *gate);

#endif
