#include "fanout.h"
#include "http.h"
#include "log.h"
#include "presence.h"
#include "session_subscribe.h"
#include "websockets_private.h"
#include <sys/socket.h>
#include <unistd.h>

#define CLOSE_PATIENCE_MS 5000
#define PAUSED_LOOK_S 0.02
#define DRAIN_STEP_S 0.05
#define GOAWAY_RETRY_MS 2000 /* clients come back within this, each at its own random moment */
#define GOAWAY_PATIENCE_MS 3000
#define PINGS_MISSED_MAX 2

/* --- the set
 * ----------------------------------------------------------------------------------------- */

static void wheel_add(struct websockets *websockets, struct connection *connection)
{
	uint32_t slot_number =
		(websockets->wheel_at + (uint32_t)(websockets->count % websockets->wheel_size)) %
		websockets->wheel_size;
	struct wheel_slot *slot = &websockets->wheel[slot_number];

	if (slot->count == slot->cap) {
		slot->cap = slot->cap ? slot->cap * 2 : 16;
		slot->connections =
			reallocarray(slot->connections, slot->cap, sizeof(*slot->connections));
		MUST(slot->connections);
	}
	connection->wheel_slot = (uint16_t)slot_number;
	connection->wheel_place = slot->count;
	slot->connections[slot->count++] = connection;
}

static void wheel_remove(struct websockets *websockets, struct connection *connection)
{
	struct wheel_slot *slot = &websockets->wheel[connection->wheel_slot];
	struct connection *last = slot->connections[--slot->count];

	slot->connections[connection->wheel_place] = last;
	last->wheel_place = connection->wheel_place;
}

struct connection *websockets_add(struct websockets *websockets, int fd,
				  const struct in6_addr *address, struct span extra)
{
	struct worker *worker = websockets->worker;
	struct connection *connection = calloc(1, sizeof(*connection));
	char id[CONNECTION_ID_LEN + 1];

	MUST(connection);
	worker_random_name(id, CONNECTION_ID_LEN);
	memcpy(connection->id, id, CONNECTION_ID_LEN);
	connection->websockets = websockets;
	connection->address = *address;
	connection->tokens = (float)worker->config->ws_burst;
	connection->tokens_at_ms = (uint32_t)worker_monotonic_ms();
	address_count_add(websockets->addresses, address);
	wheel_add(websockets, connection);
	websockets->count++;
	stat_add(worker->slot, STAT_connections_total, 1);
	stat_set(worker->slot, STAT_connections, websockets->count);
	connection_start(connection, fd, extra);
	return connection;
}

static void unlist(struct connection *connection)
{
	struct websockets *websockets = connection->websockets;

	if (!(connection->flags & CONNECTION_LISTED))
		return;
	connection->flags &= (uint8_t)~CONNECTION_LISTED;
	if (connection->state == CONNECTION_CLOSING)
		TAILQ_REMOVE(&websockets->closing, connection, list);
	else
		TAILQ_REMOVE(&websockets->paused, connection, list);
}

void websockets_mark_dead(struct connection *connection)
{
	if (connection->state == CONNECTION_DEAD)
		return;
	unlist(connection);
	connection->state = CONNECTION_DEAD;
	TAILQ_INSERT_TAIL(&connection->websockets->dead, connection, list);
}

void websockets_mark_closing(struct connection *connection)
{
	struct websockets *websockets = connection->websockets;

	unlist(connection);
	presence_leave_all(connection);
	connection->flags &= (uint8_t)~CONNECTION_PAUSED; /* the peer's Close must be seen */
	connection->state = CONNECTION_CLOSING;
	connection->close_at_ms = (uint32_t)worker_monotonic_ms() + CLOSE_PATIENCE_MS;
	connection->flags |= CONNECTION_LISTED;
	TAILQ_INSERT_TAIL(&websockets->closing, connection, list);
}

void websockets_mark_paused(struct connection *connection)
{
	struct websockets *websockets = connection->websockets;

	if (connection->state != CONNECTION_OPEN || connection->flags & CONNECTION_PAUSED)
		return;
	connection_pause(connection);
	connection->flags |= CONNECTION_LISTED;
	TAILQ_INSERT_TAIL(&websockets->paused, connection, list);
	if (!ev_is_active(&websockets->paused_timer))
		ev_timer_again(websockets->worker->loop, &websockets->paused_timer);
}

void websockets_release(struct connection *connection)
{
	MUST(connection->pending);
	connection->pending--;
	if (!connection->pending && connection->state == CONNECTION_DEAD && connection->io.fd < 0)
		free(connection);
}

/* The dead are taken apart here, where nobody is walking over the index or holds a pointer. */
static void on_reap(struct ev_loop *loop, ev_prepare *watcher, int events)
{
	struct websockets *websockets = CONTAINER_OF(watcher, struct websockets, reap);
	struct slot *slot = websockets->worker->slot;
	struct connection *connection;

	(void)loop;
	(void)events;
	while ((connection = TAILQ_FIRST(&websockets->dead))) {
		TAILQ_REMOVE(&websockets->dead, connection, list);
		session_forget_waiting(connection);
		presence_leave_all(connection);
		subscription_leave(websockets->index, &connection->member);
		wheel_remove(websockets, connection);
		address_count_remove(websockets->addresses, &connection->address);
		connection_fini(connection);
		websockets->count--;
		if (!connection->pending)
			free(connection);
	}
	stat_set(slot, STAT_connections, websockets->count);
	stat_set(slot, STAT_queue_bytes, websockets->queue_bytes);
	stat_set(slot, STAT_audiences, subscription_index_audiences(websockets->index));
	stat_set(slot, STAT_subscriptions, subscription_index_subscriptions(websockets->index));
}

/* --- timers
 * ------------------------------------------------------------------------------------------ */

static bool is_past(uint32_t at_ms, int64_t now_ms)
{
	return (int32_t)((uint32_t)now_ms - at_ms) >= 0; /* low bits: right within 24 days */
}

static void ping(struct connection *connection)
{
	if (connection->state != CONNECTION_OPEN)
		return;
	if (connection->pings_missed >= PINGS_MISSED_MAX) {
		log_debug("connection %.*s: %d pings unanswered, dropping it", CONNECTION_ID_LEN,
			  connection->id, PINGS_MISSED_MAX);
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
	       is_past(connection->close_at_ms, now_ms))
		websockets_mark_dead(connection);
}

static void on_second(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct websockets *websockets = CONTAINER_OF(timer, struct websockets, second);

	(void)loop;
	(void)events;
	websockets->wheel_at = (websockets->wheel_at + 1) % websockets->wheel_size;
	ping_slot(&websockets->wheel[websockets->wheel_at]);
	end_closing(websockets, worker_monotonic_ms());
	session_expire_waiting(websockets);
}

static void on_paused_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct websockets *websockets = CONTAINER_OF(timer, struct websockets, paused_timer);
	struct connection *connection, *next;

	(void)events;
	TAILQ_FOREACH_SAFE(connection, &websockets->paused, list, next)
	{
		if (!session_has_tokens(connection))
			continue;
		unlist(connection);
		connection_resume(connection);
	}
	if (TAILQ_EMPTY(&websockets->paused))
		ev_timer_stop(loop, timer);
}

/* --- drain
 * ------------------------------------------------------------------------------------------- */

static void send_goaway(struct connection *connection, int64_t now_ms)
{
	char text[80];
	int len = snprintf(text, sizeof(text), "{\"type\":\"goaway\",\"retryAfterMs\":%d}",
			   (int)(drand48() * GOAWAY_RETRY_MS));

	connection->flags |= CONNECTION_GOAWAY;
	connection->close_at_ms = (uint32_t)now_ms + GOAWAY_RETRY_MS + GOAWAY_PATIENCE_MS;
	connection_send_text(connection, span_of(text, (size_t)len));
}

static void on_drain_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct websockets *websockets = CONTAINER_OF(timer, struct websockets, drain_timer);
	int64_t now_ms = worker_monotonic_ms();
	unsigned left = (unsigned)(websockets->worker->config->drain_rate * DRAIN_STEP_S) + 1;
	bool over = now_ms >= websockets->drain_until_ms;

	(void)loop;
	(void)events;
	for (uint32_t s = 0; s < websockets->wheel_size; s++)
		for (uint32_t i = 0; i < websockets->wheel[s].count; i++) {
			struct connection *connection = websockets->wheel[s].connections[i];
			bool told = connection->flags & CONNECTION_GOAWAY;

			if (connection->state != CONNECTION_OPEN)
				continue;
			if (over || (told && is_past(connection->close_at_ms, now_ms)))
				connection_close(connection, WS_CLOSE_RESTART,
						 "server is restarting", false);
			else if (!told && left && left--)
				send_goaway(connection, now_ms);
		}
}

void websockets_drain(struct websockets *websockets)
{
	websockets->drain_until_ms =
		worker_monotonic_ms() + websockets->worker->config->drain_timeout_ms;
	ev_timer_again(websockets->worker->loop, &websockets->drain_timer);
}

size_t websockets_count(const struct websockets *websockets)
{
	return websockets->count;
}

/* --- life
 * -------------------------------------------------------------------------------------------- */

static void send_member(struct audience_member *member, struct batch *batch, void *arg)
{
	(void)arg;
	connection_send(CONTAINER_OF(member, struct connection, member), batch);
}

static void start_timers(struct websockets *websockets)
{
	struct ev_loop *loop = websockets->worker->loop;

	ev_timer_init(&websockets->second, on_second, 1., 1.);
	ev_timer_start(loop, &websockets->second);
	ev_init(&websockets->paused_timer, on_paused_timer);
	websockets->paused_timer.repeat = PAUSED_LOOK_S;
	ev_init(&websockets->drain_timer, on_drain_timer);
	websockets->drain_timer.repeat = DRAIN_STEP_S;
	ev_prepare_init(&websockets->reap, on_reap);
	ev_prepare_start(loop, &websockets->reap);
}

struct websockets *websockets_create(struct worker *worker)
{
	struct websockets *websockets = calloc(1, sizeof(*websockets));

	MUST(websockets);
	websockets->worker = worker;
	websockets->index = subscription_index_create(worker->hash_seed);
	websockets->addresses = address_count_create(worker->hash_seed);
	websockets->wheel_size = (uint32_t)(worker->config->ws_ping_interval_ms / 1000);
	if (!websockets->wheel_size)
		websockets->wheel_size = 1;
	websockets->wheel = calloc(websockets->wheel_size, sizeof(*websockets->wheel));
	websockets->input = malloc(INPUT_LEN);
	MUST(websockets->wheel && websockets->input);
	TAILQ_INIT(&websockets->closing);
	TAILQ_INIT(&websockets->paused);
	TAILQ_INIT(&websockets->dead);
	start_timers(websockets);
	worker->fanout = fanout_create(worker, websockets->index, send_member, websockets);
	if (!worker->fanout) {
		websockets_destroy(websockets);
		return NULL;
	}
	session_waiting_start(websockets);
	return websockets;
}

static void end_all(struct websockets *websockets)
{
	for (uint32_t s = 0; s < websockets->wheel_size; s++)
		for (uint32_t i = 0; i < websockets->wheel[s].count; i++) {
			struct connection *connection = websockets->wheel[s].connections[i];

			connection_close(connection, WS_CLOSE_RESTART, "server is restarting",
					 true);
			websockets_mark_dead(connection);
		}
	on_reap(websockets->worker->loop, &websockets->reap, 0);
}

void websockets_destroy(struct websockets *websockets)
{
	struct ev_loop *loop;

	if (!websockets)
		return;
	loop = websockets->worker->loop;
	end_all(websockets);
	ev_timer_stop(loop, &websockets->second);
	ev_timer_stop(loop, &websockets->paused_timer);
	ev_timer_stop(loop, &websockets->drain_timer);
	ev_prepare_stop(loop, &websockets->reap);
	fanout_destroy(websockets->worker->fanout);
	websockets->worker->fanout = NULL;
	subscription_index_destroy(websockets->index);
	address_count_destroy(websockets->addresses);
	for (uint32_t i = 0; i < websockets->wheel_size; i++)
		free(websockets->wheel[i].connections);
	free(websockets->wheel);
	free(websockets->input);
	session_waiting_stop(websockets);
	json_fini(&websockets->json);
	buffer_fini(&websockets->text);
	free(websockets);
}
