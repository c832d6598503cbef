/* connection_private.h — shared by connection.c (in) and connection_send.c (out). */
#ifndef SYNCDOC_CONNECTION_PRIVATE_H
#define SYNCDOC_CONNECTION_PRIVATE_H

#include "websockets_private.h"

static inline struct slot *connection_slot(const struct connection *connection)
{
	return connection->websockets->worker->slot;
}

/* The socket takes bytes again. */
void connection_flush(struct connection *connection);
void connection_queue_free(struct connection *connection);

#endif
