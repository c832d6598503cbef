#include "turn_meter.h"

static void tell_longest(struct turn_meter *meter)
{
	uint64_t longest_us = meter->longest_us > meter->longest_before_us
				      ? meter->longest_us
				      : meter->longest_before_us;

	stat_set(meter->slot, STAT_loop_turn_longest_seconds, longest_us);
}

static void on_woken(struct ev_loop *loop, ev_check *watcher, int events)
{
	(void)loop;
	(void)events;
	CONTAINER_OF(watcher, struct turn_meter, woken)->begun_ns = stat_clock_ns();
}

static void on_waits(struct ev_loop *loop, ev_prepare *watcher, int events)
{
	struct turn_meter *meter = CONTAINER_OF(watcher, struct turn_meter, waits);
	uint64_t now_ns = stat_clock_ns(), turn_ns = now_ns - meter->begun_ns;

	(void)loop;
	(void)events;
	/* relaxed: the supervisor only compares it with its own clock. */
	atomic_store_explicit(&meter->slot->heartbeat_ms, now_ns / 1000000, memory_order_relaxed);
	if (!meter->begun_ns)
		return;
	histogram_observe(&meter->slot->histograms[HISTOGRAM_loop_turn_seconds], turn_ns);
	if (turn_ns / 1000 > meter->longest_us) {
		meter->longest_us = turn_ns / 1000;
		tell_longest(meter);
	}
}

static void on_window(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct turn_meter *meter = CONTAINER_OF(timer, struct turn_meter, window);

	(void)loop;
	(void)events;
	meter->longest_before_us = meter->longest_us;
	meter->longest_us = 0;
	tell_longest(meter);
}

void turn_meter_start(struct turn_meter *meter, struct ev_loop *loop, struct slot *slot)
{
	*meter = (struct turn_meter){.slot = slot};
	ev_check_init(&meter->woken, on_woken);
	ev_set_priority(&meter->woken, EV_MAXPRI);
	ev_check_start(loop, &meter->woken);
	ev_prepare_init(&meter->waits, on_waits);
	ev_set_priority(&meter->waits, EV_MINPRI);
	ev_prepare_start(loop, &meter->waits);
	ev_timer_init(&meter->window, on_window, TURN_METER_WINDOW_S, TURN_METER_WINDOW_S);
	ev_timer_start(loop, &meter->window);
}
