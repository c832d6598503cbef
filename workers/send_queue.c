#include "send_queue.h"

#include "ws_frame.h"

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

/* --- adding ------------------------------------------------------------------ */

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

static size_t first_end(const struct send_queue *queue)
{
	return queue->end ? queue->end : batch_len(queue->batches[queue->first]);
}

/* `len` bytes that lie behind `offset`. */
static void copy_bytes(const struct batch *batch, size_t offset, char *ret, size_t len)
{
	struct iovec iov[16];
	size_t at = 0;

	while (at < len) {
		unsigned count = batch_iovec(batch, offset + at, iov, ARRAY_LEN(iov));

		for (unsigned i = 0; i < count && at < len; i++) {
			size_t part = iov[i].iov_len < len - at ? iov[i].iov_len : len - at;

			memcpy(ret + at, iov[i].iov_base, part);
			at += part;
		}
	}
}

static void copy_short_tail(struct send_queue *queue)
{
	struct batch **first = &queue->batches[queue->first];
	size_t len = first_end(queue) - queue->offset;
	char tail[TAIL_COPY_MAX];

	if (!queue->offset || len > sizeof(tail) || batch_held(*first) < HELD_MUCH)
		return;
	copy_bytes(*first, queue->offset, tail, len);
	batch_put(*first);
	*first = batch_of_bytes(span_of(tail, len));
	queue->offset = queue->end = 0;
	queue->headless = true;
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
	queue->headless |= begun;
}

/* --- sending ----------------------------------------------------------------- */

/* No more than `len` bytes. */
static unsigned cut_iovec(struct iovec *iov, unsigned count, size_t len)
{
	for (unsigned i = 0; i < count; i++) {
		if (iov[i].iov_len >= len) {
			iov[i].iov_len = len;
			return i + 1;
		}
		len -= iov[i].iov_len;
	}
	return count;
}

unsigned send_queue_iovec(const struct send_queue *queue, struct iovec *iov, unsigned iov_max)
{
	size_t offset = queue->offset;
	unsigned count = 0;

	for (uint32_t i = 0; i < queue->count && count < iov_max; i++) {
		const struct batch *batch = queue->batches[queue->first + i];

		count += batch_iovec(batch, offset, iov + count, iov_max - count);
		if (!i)
			count = cut_iovec(iov, count, first_end(queue) - offset);
		offset = 0;
	}
	return count;
}

/* The first batch is done. */
static void shift(struct send_queue *queue)
{
	batch_put(queue->batches[queue->first]);
	queue->offset = queue->end = 0;
	queue->begun = queue->headless = false;
	queue->first++;
	queue->count--;
	queue->last_is_own &= queue->count != 0;
}

void send_queue_advance(struct send_queue *queue, size_t sent)
{
	MUST(sent <= queue->bytes);
	queue->bytes -= sent;
	while (sent) {
		size_t left = first_end(queue) - queue->offset;

		queue->begun = sent < left;
		if (sent < left) {
			queue->offset += sent;
			copy_short_tail(queue);
			return;
		}
		sent -= left;
		shift(queue);
	}
}

/* Where the frame ends that the socket has taken a part of. The frames are our own: not masked. */
static size_t frame_end(const struct batch *batch, size_t offset)
{
	size_t end = 0;

	while (end < offset) {
		size_t left = batch_len(batch) - end;
		unsigned char head[WS_HEADER_MAX] = {0};

		copy_bytes(batch, end, (char *)head, left < sizeof(head) ? left : sizeof(head));
		end += ws_frame_len(head);
	}
	MUST(end <= batch_len(batch));
	return end;
}

static void drop_behind_frame(struct send_queue *queue)
{
	const struct batch *batch = queue->batches[queue->first];

	if (queue->headless || queue->end)
		return; /* a single frame, or a few */
	size_t end = frame_end(batch, queue->offset);
	queue->bytes -= batch_len(batch) - end;
	queue->end = end;
	if (end == queue->offset)
		shift(queue);
	else
		copy_short_tail(queue);
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
	if (queue->count)
		drop_behind_frame(queue);
}
