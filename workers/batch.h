/* batch.h — bytes to be sent, built once, shared by all connections that get them.
 * Small frames are copied into one run, large ones stay in the record arena they were read into
 * (reference-counted). */
#ifndef SYNCDOC_BATCH_H
#define SYNCDOC_BATCH_H

#include "buffer.h"
#include <sys/uio.h>

#define BATCH_COPY_MAX 4096 /* frames up to this are copied together */

struct batch;

struct batch *batch_create(void);                /* one reference */
struct batch *batch_of_bytes(struct span bytes); /* a finished one with a copy of these bytes */
/* Appends a frame. Parts that stay uncopied (frame above BATCH_COPY_MAX) must lie in `arena`, of
 * which a reference is taken. */
void batch_append(struct batch *batch, const struct iovec *parts, unsigned part_count,
		  struct text *arena);
struct batch *batch_get(struct batch *batch);
void batch_put(struct batch *batch); /* NULL is fine */
size_t batch_len(const struct batch *batch);
size_t batch_events(const struct batch *batch); /* batch_append() calls so far */
/* Fills iov with what lies behind `offset`; returns the number of entries (at most iov_max; 0:
 * nothing left). */
unsigned batch_iovec(const struct batch *batch, size_t offset, struct iovec *iov, unsigned iov_max);
/* Bytes of memory this batch keeps alive (its own and its arenas'). */
size_t batch_held(const struct batch *batch);

#endif
