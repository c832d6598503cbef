/* websockets_timers.c — what happens to connections by time: pings, deadlines, the return of
 * tokens, and the drain. */
#include "log.h"
#include "websockets_private.h"

#define PAUSED_LOOK_S 0.02
#define DRAIN_STEP_S 0.05
#define GOAWAY_RETRY_MS 2000 /* clients come back within this, each at its own random moment */
#define GOAWAY_PATIENCE_MS 3000
#define PINGS_MISSED_MAX 2

/* --- each second ------------------------------------------------------------- */

static void ping(struct connection *connection)
{
	/* Answers of whom we do not read count for nothing, and what waits for a socket has
	 * ws.stall_timeout. */
	if (connection->state != CONNECTION_OPEN || connection->queue ||
	    !connection_takes_input(connection))
		return;
	if (connection->pings_missed >= PINGS_MISSED_MAX) {
		log_debug("connection %.*s: %d pings unanswered, dropping it", CONNECTION_ID_LEN,
			  connection->id, PINGS_MISSED_MAX);
		stat_add(connection->websockets->worker->slot, STAT_connections_dead, 1);
		websockets_mark_dead(connection);
		return;
	}
	connection->pings_missed++;
	connection_send_frame(connection, WS_PING, SPAN_NONE);
}

static void ping_slot(const struct wheel_slot *slot)
{
	for (uint32_t i = 0; i < slot->count; i++)
		ping(slot->connections[i]);
}

static void end_closing(struct websockets *websockets, int64_t now_ms)
{
	struct connection *connection;

	while ((connection = TAILQ_FIRST(&websockets->closing)) &&
	       time_is_past(connection->close_at_ms, now_ms)) {
		stat_add(websockets->worker->slot, STAT_closes_unanswered, 1);
		websockets_mark_dead(connection);
	}
}

static void end_stalled(struct websockets *websockets, int64_t now_ms)
{
	uint32_t timeout_ms = (uint32_t)websockets->worker->config->ws_stall_timeout_ms;
	struct send_queue *queue;

	while ((queue = TAILQ_FIRST(&websockets->stalled)) &&
	       time_is_past(queue->moved_at_ms + timeout_ms, now_ms))
		connection_close_overloaded(queue->connection, "ws.stall_timeout is over");
}

void websockets_each_second(struct websockets *websockets)
{
	int64_t now_ms = worker_monotonic_ms();

	websockets->wheel_at = (websockets->wheel_at + 1) % websockets->wheel_size;
	ping_slot(&websockets->wheel[websockets->wheel_at]);
	end_stalled(websockets, now_ms);
	end_closing(websockets, now_ms);
	session_auth_each_second(websockets);
}

static void on_second(struct ev_loop *loop, ev_timer *timer, int events)
{
	(void)loop;
	(void)events;
	websockets_each_second(CONTAINER_OF(timer, struct websockets, second));
}

/* --- tokens ------------------------------------------------------------------ */

void websockets_look_at_paused(struct websockets *websockets)
{
	struct connection *last = TAILQ_LAST(&websockets->paused, connection_list), *connection,
			  *next;

	/* Nothing is handled in here, only put into the loop: the list stays as it is. */
	for (connection = TAILQ_FIRST(&websockets->paused); connection; connection = next) {
		next = connection == last ? NULL : TAILQ_NEXT(connection, list);
		if (session_may_go_on(connection))
			websockets_unmark_paused(connection);
	}
	if (TAILQ_EMPTY(&websockets->paused))
		ev_timer_stop(websockets->worker->loop, &websockets->paused_timer);
}

static void on_paused_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
	(void)loop;
	(void)events;
	websockets_look_at_paused(CONTAINER_OF(timer, struct websockets, paused_timer));
}

/* --- drain ------------------------------------------------------------------- */

/* What is promised must lie before the end, where everybody is closed. */
static void send_goaway(struct connection *connection, int64_t now_ms)
{
	int64_t left_ms = connection->websockets->drain_until_ms - now_ms;
	int64_t most_ms = left_ms > 0 && left_ms < GOAWAY_RETRY_MS ? left_ms : GOAWAY_RETRY_MS;
	char text[80];
	int len = snprintf(text, sizeof(text), "{\"type\":\"goaway\",\"retryAfterMs\":%d}",
			   (int)(drand48() * (double)most_ms));

	connection->flags |= CONNECTION_GOAWAY;
	stat_add(connection->websockets->worker->slot, STAT_goaways_sent, 1);
	connection->close_at_ms = (uint32_t)now_ms + GOAWAY_RETRY_MS + GOAWAY_PATIENCE_MS;
	connection_send_text(connection, span_of(text, (size_t)len));
}

/* By when all must have been told, so that the last have as long as the first to go: what a goaway
 * promises before the end of the drain, or half of a drain that is too short for that. */
static uint64_t telling_ms(const struct websockets *websockets)
{
	int64_t all_ms = websockets->drain_until_ms - websockets->drain_since_ms;
	int64_t last_ms = GOAWAY_RETRY_MS + GOAWAY_PATIENCE_MS;

	return (uint64_t)(all_ms > 2 * last_ms ? all_ms - last_ms : all_ms / 2);
}

/* Goaways to be sent by now, the first at once: at drain_rate, or faster where that would not reach
 * everybody in time. */
static uint64_t goaways_due(const struct websockets *websockets, int64_t now_ms)
{
	uint64_t passed_ms = (uint64_t)(now_ms - websockets->drain_since_ms);
	uint64_t by_rate = passed_ms * websockets->worker->config->drain_rate / 1000;

	if (passed_ms >= telling_ms(websockets))
		return UINT64_MAX; /* those too that came in the meantime */
	uint64_t by_time = passed_ms * websockets->drain_count / telling_ms(websockets);
	return (by_rate > by_time ? by_rate : by_time) + 1;
}

void websockets_drain_step(struct websockets *websockets)
{
	int64_t now_ms = worker_monotonic_ms();
	uint64_t due = goaways_due(websockets, now_ms);
	bool over = now_ms >= websockets->drain_until_ms;

	for (uint32_t s = 0; s < websockets->wheel_size; s++)
		for (uint32_t i = 0; i < websockets->wheel[s].count; i++) {
			struct connection *connection = websockets->wheel[s].connections[i];
			bool told = connection->flags & CONNECTION_GOAWAY;

			if (connection->state != CONNECTION_OPEN)
				continue;
			if (!told && websockets->drain_told < due) {
				websockets->drain_told++;
				send_goaway(connection, now_ms);
			}
			if (!over && !(told && time_is_past(connection->close_at_ms, now_ms)))
				continue;
			stat_add(websockets->worker->slot, STAT_closed_restart, 1);
			connection_close(connection, WS_CLOSE_RESTART, "server is restarting",
					 false);
		}
}

static void on_drain_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
	(void)loop;
	(void)events;
	websockets_drain_step(CONTAINER_OF(timer, struct websockets, drain_timer));
}

void websockets_drain(struct websockets *websockets)
{
	websockets->drain_since_ms = worker_monotonic_ms();
	websockets->drain_until_ms =
		websockets->drain_since_ms + websockets->worker->config->drain_timeout_ms;
	websockets->drain_count = websockets->count;
	ev_timer_again(websockets->worker->loop, &websockets->drain_timer);
}

/* --- life -------------------------------------------------------------------- */

void websockets_timers_start(struct websockets *websockets)
{
	ev_timer_init(&websockets->second, on_second, 1., 1.);
	ev_timer_start(websockets->worker->loop, &websockets->second);
	ev_init(&websockets->paused_timer, on_paused_timer);
	websockets->paused_timer.repeat = PAUSED_LOOK_S;
	ev_init(&websockets->drain_timer, on_drain_timer);
	websockets->drain_timer.repeat = DRAIN_STEP_S;
}

void websockets_timers_stop(struct websockets *websockets)
{
	struct ev_loop *loop = websockets->worker->loop;

	ev_timer_stop(loop, &websockets->second);
	ev_timer_stop(loop, &websockets->paused_timer);
	ev_timer_stop(loop, &websockets->drain_timer);
}
