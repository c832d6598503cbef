/* connection_private.h — shared by connection.c (in) and connection_send.c (out). */
#ifndef SYNCDOC_CONNECTION_PRIVATE_H
#define SYNCDOC_CONNECTION_PRIVATE_H

#include "tls_session.h"
#include "websockets_private.h"

static inline struct slot *connection_slot(const struct connection *connection)
{
	return connection->websockets->worker->slot;
}

/* The socket takes bytes again. */
void connection_flush(struct connection *connection);
void connection_queue_free(struct connection *connection);
/* A send of the whole batch, made elsewhere, took so many bytes, or failed with -Exxx. As
 * connection_send(). */
bool connection_note_sent(struct connection *connection, struct batch *batch, ssize_t result);
/* The very first bytes, which are no frames. */
void connection_send_bytes(struct connection *connection, struct span bytes);

/* Nothing that was sent is still in this process. */
static inline bool connection_is_flushed(const struct connection *connection)
{
	return !connection->queue &&
	       !(connection->tls && tls_session_has_pending_output(connection->tls));
}

/* connection_conflate.c. A batch that does not fit behind what waits, or for a connection that has
 * events to be told of before: it is remembered, not queued. The connection has a queue. */
bool connection_must_conflate(const struct connection *connection, const struct batch *batch);
void connection_conflate(struct connection *connection, const struct batch *batch);
/* Queues what is remembered, as soon as half of ws.queue is free and until it is not. The
 * caller counts the queue's bytes. */
void connection_drain_conflated(struct connection *connection);

#endif
