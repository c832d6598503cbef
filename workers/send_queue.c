#include "send_queue.h"

#define FIRST_CAP 4
#define TAIL_COPY_MAX 4096 /* a few bytes must not keep a large batch in memory */
#define HELD_MUCH (4 * TAIL_COPY_MAX)
#define OWN_MAX BATCH_COPY_MAX /* small frames join until their batch has this many bytes */

struct send_queue *send_queue_create(struct connection *connection)
{
	struct send_queue *queue = calloc(1, sizeof(*queue));

	MUST(queue);
	queue->connection = connection;
	return queue;
}

void send_queue_destroy(struct send_queue *queue)
{
	if (!queue)
		return;
	MUST(!queue->conflation);
	for (uint32_t i = 0; i < queue->count; i++)
		batch_put(queue->batches[queue->first + i]);
	free(queue->batches);
	free(queue);
}

/* --- adding ------------------------------------------------------------------------------------
 */

static void make_room(struct send_queue *queue)
{
	if (queue->first + queue->count < queue->cap)
		return;
	/* Moved only when that frees half, or each batch added to a long queue would move all. */
	if (queue->first > queue->cap / 2) {
		memmove(queue->batches, queue->batches + queue->first,
			queue->count * sizeof(*queue->batches));
		queue->first = 0;
		return;
	}
	queue->cap = queue->cap ? queue->cap * 2 : FIRST_CAP;
	queue->batches = reallocarray(queue->batches, queue->cap, sizeof(*queue->batches));
	MUST(queue->batches);
}

static void push(struct send_queue *queue, struct batch *batch, bool own)
{
	make_room(queue);
	queue->batches[queue->first + queue->count++] = batch;
	queue->bytes += batch_len(batch);
	queue->last_is_own = own;
}

static struct batch *copy_of_rest(const struct batch *batch, size_t offset)
{
	char tail[TAIL_COPY_MAX];
	struct iovec iov[16];
	size_t len = batch_len(batch) - offset, at = 0;

	while (at < len) {
		unsigned count = batch_iovec(batch, offset + at, iov, ARRAY_LEN(iov));

		for (unsigned i = 0; i < count; i++) {
			memcpy(tail + at, iov[i].iov_base, iov[i].iov_len);
			at += iov[i].iov_len;
		}
	}
	return batch_of_bytes(span_of(tail, len));
}

static void copy_short_tail(struct send_queue *queue)
{
	struct batch **first = &queue->batches[queue->first];

	if (!queue->offset || batch_len(*first) - queue->offset > TAIL_COPY_MAX ||
	    batch_held(*first) < HELD_MUCH)
		return;
	struct batch *copy = copy_of_rest(*first, queue->offset);
	batch_put(*first);
	*first = copy;
	queue->offset = 0;
	queue->last_is_own |= queue->count == 1;
}

void send_queue_add(struct send_queue *queue, struct batch *batch, size_t offset)
{
	MUST(!offset || !queue->count);
	push(queue, batch_get(batch), false);
	if (!offset)
		return;
	queue->offset = offset;
	queue->bytes -= offset;
	queue->begun = true;
	copy_short_tail(queue);
}

static struct batch *batch_of_parts(const struct iovec *parts, unsigned part_count)
{
	struct buffer bytes = {0};

	for (unsigned i = 0; i < part_count; i++)
		buffer_append(&bytes, parts[i].iov_base, parts[i].iov_len);
	struct batch *batch = batch_of_bytes(buffer_span(&bytes));
	buffer_fini(&bytes);
	return batch;
}

void send_queue_add_bytes(struct send_queue *queue, const struct iovec *parts, unsigned part_count,
			  bool begun)
{
	size_t len = 0;

	MUST(!begun || !queue->count);
	for (unsigned i = 0; i < part_count; i++)
		len += parts[i].iov_len;
	struct batch *last =
		queue->last_is_own ? queue->batches[queue->first + queue->count - 1] : NULL;
	/* What is added to a batch that has begun goes with it, so only the others take more. */
	if (last && batch_len(last) + len <= OWN_MAX && !(queue->count == 1 && queue->begun)) {
		batch_append(last, parts, part_count, NULL);
		queue->bytes += len;
		return;
	}
	push(queue, batch_of_parts(parts, part_count), true);
	queue->begun |= begun;
}

/* --- sending -----------------------------------------------------------------------------------
 */

unsigned send_queue_iovec(const struct send_queue *queue, struct iovec *iov, unsigned iov_max)
{
	size_t offset = queue->offset;
	unsigned count = 0;

	for (uint32_t i = 0; i < queue->count && count < iov_max; i++) {
		const struct batch *batch = queue->batches[queue->first + i];

		count += batch_iovec(batch, offset, iov + count, iov_max - count);
		offset = 0;
	}
	return count;
}

void send_queue_advance(struct send_queue *queue, size_t sent)
{
	MUST(sent <= queue->bytes);
	queue->bytes -= sent;
	while (sent) {
		struct batch *batch = queue->batches[queue->first];
		size_t left = batch_len(batch) - queue->offset;

		queue->begun = sent < left;
		if (sent < left) {
			queue->offset += sent;
			copy_short_tail(queue);
			return;
		}
		sent -= left;
		queue->offset = 0;
		queue->first++;
		queue->count--;
		queue->last_is_own &= queue->count != 0;
		batch_put(batch);
	}
}

void send_queue_drop_unbegun(struct send_queue *queue)
{
	while (queue->count > queue->begun) {
		struct batch *batch = queue->batches[queue->first + --queue->count];

		queue->bytes -= batch_len(batch);
		batch_put(batch);
	}
	/* The last is another one now, and who else has that is not known. */
	queue->last_is_own = false;
}
