/* batch.h — bytes to be sent, built once, shared by all connections that get them.
 * Small frames are copied into one run, large ones stay in the record arena they were read into
 * (reference-counted). */
#ifndef SYNCDOC_BATCH_H
#define SYNCDOC_BATCH_H

#include "kept_record.h"
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

/* What a frame of the batch says. Noted only while somebody is slow, and only until the batch has
 * been handed to its connections: a slow one remembers these instead of the frames. */
struct batch_event {
	struct kept_record *record; /* owned reference */
	enum event_mode mode;
};
void batch_note(struct batch *batch, struct kept_record *record, enum event_mode mode);
/* As many as batch_events(), or some frames of the batch are no events. */
const struct batch_event *batch_noted(const struct batch *batch, size_t *ret_count);
void batch_forget_noted(struct batch *batch);
size_t batch_len(const struct batch *batch);
size_t batch_events(const struct batch *batch); /* batch_append() calls so far */
/* Fills iov with what lies behind `offset`; returns the number of entries (at most iov_max; 0:
 * nothing left). */
unsigned batch_iovec(const struct batch *batch, size_t offset, struct iovec *iov, unsigned iov_max);
/* Bytes of memory this batch keeps alive (its own and its arenas'). */
size_t batch_held(const struct batch *batch);

#endif
