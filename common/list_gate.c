/* list_gate.c — see list_gate.h. */
#include "list_gate.h"

#include "clock.h"

static struct list_turn *gate_shift(struct list_gate *gate)
{
	struct list_turn *turn = gate->first;

	gate->first = turn->next;
	if (!gate->first)
		gate->last = NULL;
	gate->waiting--;
	return turn;
}

static bool gate_has_room(const struct list_gate *gate, size_t bytes)
{
	return !gate->under_way || gate->under_way + bytes <= LIST_GATE_BYTES;
}

static void gate_pass(struct list_gate *gate, struct list_turn *turn)
{
	size_t bytes = turn->bytes;

	gate->under_way += bytes;
	if (!turn->go(turn))
		gate->under_way -= bytes;
}

static void gate_refuse(struct list_gate *gate, struct list_turn *turn, int error)
{
	gate->refusals += error == -EAGAIN;
	turn->refuse(turn, error);
}

static void gate_arm(struct list_gate *gate)
{
	ev_timer_stop(gate->loop, &gate->timer);
	if (!gate->first)
		return;
	int64_t wait_ms = gate->first->until_ms - clock_monotonic_ms();
	ev_timer_set(&gate->timer, wait_ms > 0 ? (double)(wait_ms + 1) / 1000. : 0., 0.);
	ev_timer_start(gate->loop, &gate->timer);
}

/* In line all have the same time: the first one's is up first. */
static void gate_run(struct list_gate *gate)
{
	int64_t now = clock_monotonic_ms();

	while (gate->first && gate->first->until_ms <= now)
		gate_refuse(gate, gate_shift(gate), -EAGAIN);
	while (gate->first && gate_has_room(gate, gate->first->bytes))
		gate_pass(gate, gate_shift(gate));
	gate_arm(gate);
}

static void on_timer(struct ev_loop *loop, ev_timer *timer, int revents)
{
	(void)loop, (void)revents;
	gate_run(timer->data);
}

void list_gate_init(struct list_gate *gate, struct ev_loop *loop, int64_t timeout_ms)
{
	*gate = (struct list_gate){.loop = loop, .timeout_ms = timeout_ms};
	ev_timer_init(&gate->timer, on_timer, 0., 0.);
	gate->timer.data = gate;
}

void list_gate_enter(struct list_gate *gate, struct list_turn *turn, size_t bytes)
{
	turn->bytes = bytes;
	turn->next = NULL;
	if (!gate->first && gate_has_room(gate, bytes)) {
		gate_pass(gate, turn);
		return;
	}
	if (gate->waiting >= LIST_GATE_WAITING_MAX) {
		gate_refuse(gate, turn, -EAGAIN);
		return;
	}
	turn->until_ms = clock_monotonic_ms() + LIST_GATE_TIMEOUTS * gate->timeout_ms;
	if (gate->last)
		gate->last->next = turn;
	else
		gate->first = turn;
	gate->last = turn;
	gate->waiting++;
	gate->waits++;
	if (gate->first == turn)
		gate_arm(gate);
}

static void gate_refuse_all(struct list_gate *gate, int error)
{
	while (gate->first)
		gate_refuse(gate, gate_shift(gate), error);
}

void list_gate_leave(struct list_gate *gate, const struct list_turn *turn, bool is_answered)
{
	gate->under_way -= turn->bytes;
	if (!is_answered)
		gate_refuse_all(gate, -EAGAIN);
	gate_run(gate);
}

void list_gate_close(struct list_gate *gate)
{
	ev_timer_stop(gate->loop, &gate->timer);
	gate_refuse_all(gate, -ECANCELED);
}
