/* turn_meter.h — how long a turn of the worker's loop takes, from waking to waiting again: nobody
 * else of the worker is served meanwhile. Also its heartbeat, which is the same moment. */
#ifndef SYNCDOC_TURN_METER_H
#define SYNCDOC_TURN_METER_H

#include "stats.h"
#include <ev.h>

#define TURN_METER_WINDOW_S 5.

/* Embedded by the worker; not to be moved while started. */
struct turn_meter {
	ev_check woken;
	ev_prepare waits;
	ev_timer window;
	struct slot *slot;
	uint64_t begun_ns;          /* 0: no turn has begun yet */
	uint64_t longest_us;        /* of this window */
	uint64_t longest_before_us; /* of the one before */
};

/* All that works in the loop's prepare phase must have a higher priority than EV_MINPRI: among
 * equals libev promises no order, and what comes behind the meter is not measured. */
void turn_meter_start(struct turn_meter *meter, struct ev_loop *loop, struct slot *slot);

#endif
