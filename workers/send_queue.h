/* send_queue.h — what a socket has not taken yet: references to batches, in order. Exists only
 * while something waits, so an idle connection pays one pointer for it. Knows no socket. */
#ifndef SYNCDOC_SEND_QUEUE_H
#define SYNCDOC_SEND_QUEUE_H

#include "batch.h"
#include "conflation.h"
#include <bsd/sys/queue.h>

struct connection;

struct send_queue {
	TAILQ_ENTRY(send_queue) link;  /* websockets.c: the longest stalled first */
	struct connection *connection; /* borrowed: whose it is; it owns the queue */
	struct batch **batches;        /* owned references: [first, first + count) */
	struct conflation *conflation; /* owned by connection_conflate.c; NULL: not that slow */
	uint32_t first, count, cap;
	uint32_t moved_at_ms; /* when the socket last took something; low bits, monotonic */
	size_t offset;        /* bytes of the first batch that are gone */
	size_t end;           /* of the first batch, only so many go out; 0: all */
	size_t bytes;         /* that wait */
	bool begun;           /* the first batch may stand in the middle of a frame */
	bool headless;        /* the first batch begins in the middle of a frame */
	bool last_is_own;     /* nobody else has the last batch: frames may be added to it */
};

TAILQ_HEAD(send_queue_list, send_queue);

struct send_queue *send_queue_create(struct connection *connection);
void send_queue_destroy(struct send_queue *queue); /* NULL is fine */

/* Adds a batch; takes a reference of its own. `offset`: bytes that the socket has taken already,
 * only for the first. */
void send_queue_add(struct send_queue *queue, struct batch *batch, size_t offset);
/* Adds bytes, copied. `begun`: they are the rest of a frame whose head is gone, only for the first.
 */
void send_queue_add_bytes(struct send_queue *queue, const struct iovec *parts, unsigned part_count,
			  bool begun);
/* Fills iov with what is to be sent next; returns the number of entries. */
unsigned send_queue_iovec(const struct send_queue *queue, struct iovec *iov, unsigned iov_max);
/* The socket took `sent` bytes, not more than there were. */
void send_queue_advance(struct send_queue *queue, size_t sent);
/* Drops all but the rest of the frame that has begun: without it the peer would see half of one.
 * The memory of its batch stays until that rest is gone. */
void send_queue_drop_unbegun(struct send_queue *queue);

#endif
