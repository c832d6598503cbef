/* purge.c — see purge.h. */
#include "purge.h"

#include "clock.h"
#include "log.h"

#include <bsd/stdlib.h>

int64_t purge_sleep_ms(int64_t tombstone_ttl_ms)
{
	int64_t sleep_ms = tombstone_ttl_ms / 10;
	if (sleep_ms > PURGE_SLEEP_MAX_MS)
		return PURGE_SLEEP_MAX_MS;
	return sleep_ms > PURGE_SLEEP_MIN_MS ? sleep_ms : PURGE_SLEEP_MIN_MS;
}

static void schedule(struct purge *purge, int64_t in_ms)
{
	ev_timer_stop(purge->loop, &purge->timer);
	if (purge->stopped)
		return;
	ev_timer_set(&purge->timer, (double)in_ms / 1000, 0.);
	ev_timer_start(purge->loop, &purge->timer);
}

/* With jitter: several hosts need not sweep at the same time. */
static void end_sweep(struct purge *purge)
{
	purge->passed = 0;
	schedule(purge, purge->sleep_ms + arc4random_uniform((uint32_t)purge->sleep_ms / 4 + 1));
}

static void on_purge(int error, const struct store_purge *answer, void *arg)
{
	struct purge *purge = arg;
	if (error) {
		log_debug("purge: %s; trying again later", strerror(-error));
		end_sweep(purge);
		return;
	}
	purge->purged += answer->purged;
	purge->passed = answer->passed;
	if (answer->is_end)
		end_sweep(purge);
	else
		schedule(purge, PURGE_PAUSE_MS);
}

static void on_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
	(void)loop;
	(void)events;
	struct purge *purge = timer->data;
	store_purge(purge->store, clock_real_ms(), purge->passed, on_purge, purge);
}

void purge_start(struct purge *purge, struct ev_loop *loop, struct store *store,
		 int64_t tombstone_ttl_ms)
{
	*purge = (struct purge){
		.loop = loop, .store = store, .sleep_ms = purge_sleep_ms(tombstone_ttl_ms)};
	ev_timer_init(&purge->timer, on_timer, 0., 0.);
	purge->timer.data = purge;
	end_sweep(purge);
}

void purge_stop(struct purge *purge)
{
	purge->stopped = true;
	ev_timer_stop(purge->loop, &purge->timer);
}
