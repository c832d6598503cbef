/* websockets.c — the set of a worker's connections: where each is listed, and the end of those that
 * have failed. */
#include "connection_gather.h"
#include "fanout.h"
#include "presence.h"
#include "replay.h"
#include "session_subscribe.h"
#include "websockets_private.h"
#include "ws_deflate.h"

/* --- the wheel --------------------------------------------------------------- */

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

/* --- coming ------------------------------------------------------------------ */

const char *websockets_limit(const struct websockets *websockets, const struct in6_addr *address)
{
	const struct config *config = websockets->worker->config;

	if (config->limits_connections && websockets->count >= config->limits_connections)
		return "limits.connections";
	if (address && address_count_is_full(websockets->worker->addresses, address,
					     config->limits_per_address))
		return "limits.per_address";
	return NULL;
}

struct connection *websockets_add(struct websockets *websockets,
				  const struct connection_socket *socket,
				  const struct in6_addr *address, enum audience_kind kind,
				  struct principal *principal)
{
	struct worker *worker = websockets->worker;
	struct connection *connection = calloc(1, sizeof(*connection));
	char id[CONNECTION_ID_LEN + 1];

	MUST(connection);
	worker_random_name(id, CONNECTION_ID_LEN);
	memcpy(connection->id, id, CONNECTION_ID_LEN);
	connection->websockets = websockets;
	connection->member.kind = (uint8_t)kind;
	connection->address = *address;
	connection->since_s = (uint32_t)(worker_now_ms() / 1000);
	connection->tokens = worker->config->ws_burst * 1000;
	connection->tokens_at_ms = (uint32_t)worker_monotonic_ms();
	address_count_add(worker->addresses, address);
	wheel_add(websockets, connection);
	websockets->count++;
	stat_add(worker->slot, STAT_connections_total, 1);
	stat_set(worker->slot, STAT_connections, websockets->count);
	session_auth_start(connection, principal);
	connection_start(connection, socket);
	return connection;
}

/* --- states and lists -------------------------------------------------------- */

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

/* From OPEN to CLOSING or DEAD: what it still has to send is on its way out. */
static void set_leaving(struct connection *connection, enum connection_state state)
{
	struct websockets *websockets = connection->websockets;

	unlist(connection);
	presence_leave_all(connection);
	if (connection->state == CONNECTION_OPEN && connection->queue) {
		size_t before = connection_queue_bytes(connection);

		connection_conflation_free(connection);
		websockets_stalled_remove(connection);
		websockets->queue_bytes -= before - connection->queue->bytes;
		websockets->queue_bytes_leaving += connection->queue->bytes;
	}
	connection->state = (uint8_t)state;
}

void websockets_mark_dead(struct connection *connection)
{
	if (connection->state == CONNECTION_DEAD)
		return;
	set_leaving(connection, CONNECTION_DEAD);
	TAILQ_INSERT_TAIL(&connection->websockets->dead, connection, list);
}

void websockets_mark_closing(struct connection *connection)
{
	set_leaving(connection, CONNECTION_CLOSING);
	connection->close_at_ms = (uint32_t)worker_monotonic_ms() + CLOSE_PATIENCE_MS;
	connection->flags |= CONNECTION_LISTED;
	TAILQ_INSERT_TAIL(&connection->websockets->closing, connection, list);
}

void websockets_mark_paused(struct connection *connection)
{
	struct websockets *websockets = connection->websockets;

	if (connection->state != CONNECTION_OPEN || connection->flags & CONNECTION_PAUSED)
		return;
	connection->flags |= CONNECTION_PAUSED | CONNECTION_LISTED;
	TAILQ_INSERT_TAIL(&websockets->paused, connection, list);
	connection_watch(connection);
	if (!ev_is_active(&websockets->paused_timer))
		ev_timer_again(websockets->worker->loop, &websockets->paused_timer);
}

void websockets_unmark_paused(struct connection *connection)
{
	MUST(connection->flags & CONNECTION_PAUSED);
	unlist(connection);
	connection->flags &= (uint8_t)~CONNECTION_PAUSED;
	connection_watch(connection);
}

/* --- the stalled ------------------------------------------------------------- */

void websockets_stalled_add(struct connection *connection)
{
	if (connection->state != CONNECTION_OPEN)
		return;
	connection->queue->moved_at_ms = (uint32_t)worker_monotonic_ms();
	TAILQ_INSERT_TAIL(&connection->websockets->stalled, connection->queue, link);
	fanout_keep_records(connection->websockets->worker->fanout, true);
}

void websockets_stalled_remove(struct connection *connection)
{
	struct websockets *websockets = connection->websockets;

	if (connection->state != CONNECTION_OPEN)
		return;
	TAILQ_REMOVE(&websockets->stalled, connection->queue, link);
	if (TAILQ_EMPTY(&websockets->stalled))
		fanout_keep_records(websockets->worker->fanout, false);
}

void websockets_stalled_moved(struct connection *connection)
{
	websockets_stalled_remove(connection);
	websockets_stalled_add(connection);
}

void websockets_check_queue_total(struct websockets *websockets)
{
	size_t most = websockets->worker->config->ws_queue_total;

	while (websockets->queue_bytes - websockets->queue_bytes_leaving +
		       websockets->conflated_bytes >
	       most) {
		struct send_queue *queue = TAILQ_FIRST(&websockets->stalled);

		MUST(queue); /* all bytes that count are there for one of them */
		connection_close_overloaded(queue->connection, "ws.queue_total is exceeded");
	}
}

/* --- going ------------------------------------------------------------------- */

void websockets_hold(struct connection *connection)
{
	if (++connection->pending == CONNECTION_PENDING_MAX)
		stat_add(connection->websockets->worker->slot, STAT_reads_paused, 1);
}

void websockets_release(struct connection *connection)
{
	MUST(connection->pending);
	connection->pending--;
	if (connection->state == CONNECTION_OPEN) {
		if (connection->pending == CONNECTION_PENDING_MAX - 1)
			connection_watch(connection);
	} else if (!connection->pending && connection->state == CONNECTION_DEAD &&
		   connection->io.fd < 0) {
		free(connection); /* the set may be gone by now */
	}
}

static void reap(struct websockets *websockets, struct connection *connection)
{
	TAILQ_REMOVE(&websockets->dead, connection, list);
	session_forget_waiting(connection);
	replay_forget_all(connection);
	subscription_leave(websockets->index, &connection->member);
	wheel_remove(websockets, connection);
	address_count_remove(websockets->worker->addresses, &connection->address);
	session_auth_stop(connection);
	connection_fini(connection);
	websockets->count--;
	if (!connection->pending)
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
	while ((connection = TAILQ_FIRST(&websockets->dead)))
		reap(websockets, connection);
	stat_set(slot, STAT_connections, websockets->count);
	stat_set(slot, STAT_queue_bytes, websockets->queue_bytes);
	stat_set(slot, STAT_connections_conflating, websockets->conflating);
	stat_set(slot, STAT_conflated_bytes, websockets->conflated_bytes);
	stat_set(slot, STAT_audiences,
		 subscription_index_audiences(websockets->index) +
			 subscription_index_audiences(replay_set_index(websockets)));
	stat_set(slot, STAT_subscriptions,
		 subscription_index_subscriptions(websockets->index) +
			 subscription_index_subscriptions(replay_set_index(websockets)));
}

size_t websockets_count(const struct websockets *websockets)
{
	return websockets->count;
}

/* --- life -------------------------------------------------------------------- */

static bool send_member(struct audience_member *member, struct batch *batch, void *arg)
{
	(void)arg;
	return connection_send(CONTAINER_OF(member, struct connection, member), batch);
}

static bool gather_member(struct audience_member *member, struct batch *batch, void *arg)
{
	const struct websockets *websockets = arg;

	return connection_gather_add(websockets->gather,
				     CONTAINER_OF(member, struct connection, member), batch);
}

static void send_gathered(void *arg)
{
	const struct websockets *websockets = arg;

	connection_gather_send(websockets->gather);
}

bool websockets_has_ring(const struct websockets *websockets)
{
	return websockets->gather;
}

static struct fanout *start_fanout(struct websockets *websockets)
{
	struct worker *worker = websockets->worker;

	if (worker->config->fanout_io_uring)
		websockets->gather = connection_gather_create(worker);
	struct fanout *fanout =
		fanout_create(worker, websockets->index,
			      websockets->gather ? gather_member : send_member, websockets);
	if (fanout && websockets->gather)
		fanout_set_send_end(fanout, send_gathered);
	return fanout;
}

struct websockets *websockets_create(struct worker *worker)
{
	struct websockets *websockets = calloc(1, sizeof(*websockets));

	MUST(websockets);
	websockets->worker = worker;
	websockets->index = subscription_index_create(worker->hash_seed);
	websockets->wheel_size = (uint32_t)(worker->config->ws_ping_interval_ms / 1000);
	if (!websockets->wheel_size)
		websockets->wheel_size = 1;
	websockets->wheel = calloc(websockets->wheel_size, sizeof(*websockets->wheel));
	websockets->input = malloc(INPUT_LEN);
	MUST(websockets->wheel && websockets->input);
	TAILQ_INIT(&websockets->stalled);
	TAILQ_INIT(&websockets->closing);
	TAILQ_INIT(&websockets->paused);
	TAILQ_INIT(&websockets->dead);
	session_auth_open(websockets);
	replay_set_start(websockets);
	websockets_timers_start(websockets);
	ev_prepare_init(&websockets->reap, on_reap);
	ev_prepare_start(worker->loop, &websockets->reap);
	worker->deflate = worker->config->ws_deflate ? ws_deflate_create() : NULL;
	worker->fanout = start_fanout(websockets);
	if (!worker->fanout) {
		websockets_destroy(websockets);
		return NULL;
	}
	session_waiting_start(websockets);
	replay_set_watch(websockets);
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
	if (!websockets)
		return;
	/* A handshake may still be on its way through libmicrohttpd: it looks here. */
	websockets->worker->websockets = NULL;
	end_all(websockets);
	websockets_timers_stop(websockets);
	ev_prepare_stop(websockets->worker->loop, &websockets->reap);
	session_waiting_stop(websockets);
	replay_set_stop(websockets);
	fanout_destroy(websockets->worker->fanout);
	websockets->worker->fanout = NULL;
	connection_gather_destroy(websockets->gather);
	ws_deflate_destroy(websockets->worker->deflate);
	websockets->worker->deflate = NULL;
	subscription_index_destroy(websockets->index);
	for (uint32_t i = 0; i < websockets->wheel_size; i++)
		free(websockets->wheel[i].connections);
	free(websockets->wheel);
	free(websockets->input);
	json_fini(&websockets->json);
	buffer_fini(&websockets->text);
	free(websockets);
}
