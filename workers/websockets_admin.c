/* websockets_admin.c — what an administrator sees of connections, and closes. */
#include "connections.h"
#include "replay.h"
#include "websockets_private.h"

static void show(struct connection *connection, struct connection_page *page)
{
	const struct send_queue *queue = connection->queue;
	struct connection_view view = {
		.protocol = "websocket",
		.principal = connection->principal,
		.address = &connection->address,
		.since_ms = (int64_t)connection->since_s * 1000,
		.audience = replay_member(connection)->audience,
		.queue_bytes = connection_queue_bytes(connection),
	};

	memcpy(view.id, connection->id, CONNECTION_ID_LEN);
	if (queue)
		view.lag_ms = (uint32_t)worker_monotonic_ms() - queue->moved_at_ms;
	connection_page_add(page, &view);
}

void websockets_show(struct websockets *websockets, struct connection_page *page)
{
	for (uint32_t s = 0; s < websockets->wheel_size; s++)
		for (uint32_t i = 0; i < websockets->wheel[s].count; i++)
			if (websockets->wheel[s].connections[i]->state == CONNECTION_OPEN)
				show(websockets->wheel[s].connections[i], page);
}

bool websockets_close_one(struct websockets *websockets, struct span id)
{
	for (uint32_t s = 0; s < websockets->wheel_size; s++)
		for (uint32_t i = 0; i < websockets->wheel[s].count; i++) {
			struct connection *connection = websockets->wheel[s].connections[i];

			if (connection->state != CONNECTION_OPEN ||
			    !span_equals(connection_id(connection), id))
				continue;
			connection_close(connection, WS_CLOSE_POLICY, "closed by an administrator",
					 true);
			return true;
		}
	return false;
}

void websockets_end_revoked(struct websockets *websockets,
			    bool (*test)(const struct principal *principal, void *arg), void *arg)
{
	for (uint32_t s = 0; s < websockets->wheel_size; s++)
		for (uint32_t i = 0; i < websockets->wheel[s].count; i++) {
			struct connection *connection = websockets->wheel[s].connections[i];

			if (connection->state != CONNECTION_OPEN ||
			    !test(connection->principal, arg))
				continue;
			stat_add(websockets->worker->slot, STAT_auth_revoked, 1);
			connection_close(connection, WS_CLOSE_TOKEN_EXPIRED,
					 "the token has been revoked", true);
		}
}
