/* second_wheel.h — who is to be looked at in which second, perhaps days from now: a list for each
 * of some seconds, which come round again and again, so that any number of watches costs one timer
 * and two pointers each. Pure: the clock is fed in. It may be one that is set: of what it jumps
 * over forwards all is looked at, and when it goes back all is looked at when its second comes
 * again. */
#ifndef SYNCDOC_SECOND_WHEEL_H
#define SYNCDOC_SECOND_WHEEL_H

#include "base.h"
#include <bsd/sys/queue.h>

#define SECOND_WHEEL_SLOTS 256 /* seconds until a list comes round again */

/* Embedded in whoever is looked at; all zero to start. */
struct second_watch {
	LIST_ENTRY(second_watch) link; /* le_prev NULL: in no wheel */
};

LIST_HEAD(second_watch_list, second_watch);

struct second_wheel {
	struct second_watch_list slots[SECOND_WHEEL_SLOTS];
	int64_t looked_at_s; /* the last second that was looked at; it may not have been over */
	/* Called when the second of a watch has begun, perhaps many times before: whoever's time is
	 * not up does nothing. Stays watched; may stop or move any watch, and destroy its owner. */
	void (*look)(struct second_watch *watch);
};

void second_wheel_init(struct second_wheel *wheel, int64_t now_ms,
		       void (*look)(struct second_watch *watch));
/* From the second of `at_ms` on; one that is past already is looked at by the next turn. In a wheel
 * already, this one or another, it leaves that. */
void second_wheel_watch(struct second_wheel *wheel, struct second_watch *watch, int64_t at_ms,
			int64_t now_ms);
/* Fine if it is in none. */
void second_wheel_stop(struct second_watch *watch);
/* Once a second, or when it suits: looks at all whose seconds have begun since the last turn, and
 * once more at those of the second that was not over then. */
void second_wheel_turn(struct second_wheel *wheel, int64_t now_ms);

#endif
