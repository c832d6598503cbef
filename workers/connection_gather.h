/* connection_gather.h — the sends of one fan-out pass, gathered and given to the kernel together
 * (send_ring.h; fanout.io_uring). What a socket did not take goes the same way as after a send of
 * its own: connection_send.c.
 *
 * The invariant: a connection that is gathered (CONNECTION_GATHERED) is open, has nothing queued,
 * and is sent to by nobody else until connection_gather_send() has returned, which is called before
 * the pass returns to the loop. Connections are freed by the loop only, so none can be freed in
 * between; a gathered one is not in `stalled`, so ws.queue_total cannot close it. */
#ifndef SYNCDOC_CONNECTION_GATHER_H
#define SYNCDOC_CONNECTION_GATHER_H

#include "batch.h"
#include "context.h"

struct connection;
struct connection_gather;

/* NULL: not to be had here; logged. */
struct connection_gather *connection_gather_create(struct worker *worker);
void connection_gather_destroy(struct connection_gather *gather); /* NULL is fine */
/* As connection_send(), but it may be sent only with connection_gather_send(), which then counts
 * the delivery: so far false. */
bool connection_gather_add(struct connection_gather *gather, struct connection *connection,
			   struct batch *batch);
/* Sends all that is gathered. */
void connection_gather_send(struct connection_gather *gather);

#endif
