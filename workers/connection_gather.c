/* connection_gather.c — see connection_gather.h. */
#include "connection_gather.h"

#include "connection_private.h"
#include "log.h"
#include "send_ring.h"

/* Fewer are sent one by one: a call of io_uring costs more than that of one sendmsg. */
#define LEAST 4

struct gathered {
	struct connection *connection; /* borrowed: lives until the loop turns */
	struct batch *batch;           /* owned reference: its bytes stay until they are sent */
};

struct connection_gather {
	struct slot *slot;      /* borrowed: the worker's */
	struct send_ring *ring; /* owned; NULL: it broke, all are sent one by one */
	unsigned count;
	struct gathered gathered[SEND_RING_MAX];
	struct send_ring_entry entries[SEND_RING_MAX];
};

struct connection_gather *connection_gather_create(struct worker *worker)
{
	struct send_ring *ring;
	int error = send_ring_create(&ring);

	if (error) {
		log_warning("fanout.io_uring: %s; sending without it",
			    error == -ENOSYS ? "not in this build or kernel" : strerror(-error));
		return NULL;
	}
	struct connection_gather *gather = calloc(1, sizeof(*gather));
	MUST(gather);
	gather->slot = worker->slot;
	gather->ring = ring;
	stat_set(gather->slot, STAT_io_uring, 1);
	return gather;
}

void connection_gather_destroy(struct connection_gather *gather)
{
	if (!gather)
		return;
	MUST(!gather->count);
	send_ring_destroy(gather->ring);
	free(gather);
}

bool connection_gather_add(struct connection_gather *gather, struct connection *connection,
			   struct batch *batch)
{
	struct iovec iov[2];

	if (!gather->ring || connection->state != CONNECTION_OPEN || connection->queue ||
	    connection->tls || batch_iovec(batch, 0, iov, 2) != 1)
		return connection_send(connection, batch);
	MUST(!(connection->flags & CONNECTION_GATHERED));
	connection->flags |= CONNECTION_GATHERED;
	gather->gathered[gather->count] = (struct gathered){connection, batch_get(batch)};
	gather->entries[gather->count] = (struct send_ring_entry){
		.fd = connection->io.fd, .at = iov[0].iov_base, .len = iov[0].iov_len};
	if (++gather->count == SEND_RING_MAX)
		connection_gather_send(gather);
	return false;
}

/* Queues grow from here on, and connections may be closed for it: never one that has its result
 * still to come. */
static void settle(struct connection_gather *gather, unsigned place, bool is_sent)
{
	struct gathered *gathered = &gather->gathered[place];
	struct connection *connection = gathered->connection;
	struct batch *batch = gathered->batch;

	MUST(connection->flags & CONNECTION_GATHERED && connection->state == CONNECTION_OPEN &&
	     !connection->queue);
	connection->flags &= (uint8_t)~CONNECTION_GATHERED;
	if (is_sent ? connection_note_sent(connection, batch, gather->entries[place].result)
		    : connection_send(connection, batch))
		stat_add(gather->slot, STAT_deliveries_total, batch_events(batch));
	batch_put(batch);
}

static void send_together(struct connection_gather *gather)
{
	int error = send_ring_send(gather->ring, gather->entries, gather->count);

	stat_add(gather->slot, STAT_sends_gathered, 1);
	if (!error)
		return;
	log_warning("fanout.io_uring: %s; sending without it from now on", strerror(-error));
	send_ring_destroy(gather->ring);
	gather->ring = NULL;
	stat_set(gather->slot, STAT_io_uring, 0);
}

void connection_gather_send(struct connection_gather *gather)
{
	bool together = gather->count >= LEAST;

	if (together)
		send_together(gather);
	for (unsigned i = 0; i < gather->count; i++)
		settle(gather, i, together);
	gather->count = 0;
}
