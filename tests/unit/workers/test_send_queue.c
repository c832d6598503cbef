/* test_send_queue.c — what waits for a socket, without one. */
#include "send_queue.h"

#include "random.h"
#include "ws_frame.h"
#include <criterion/criterion.h>

TestSuite(send_queue, .timeout = 100);

/* Takes `most` bytes out of the queue, as a socket would. */
static size_t take(struct send_queue *queue, struct buffer *ret, size_t most)
{
	struct iovec iov[3];
	unsigned count = send_queue_iovec(queue, iov, ARRAY_LEN(iov));
	size_t taken = 0;

	for (unsigned i = 0; i < count && taken < most; i++) {
		size_t len = iov[i].iov_len < most - taken ? iov[i].iov_len : most - taken;

		buffer_append(ret, iov[i].iov_base, len);
		taken += len;
	}
	send_queue_advance(queue, taken);
	return taken;
}

static void fill(struct buffer *bytes, uint64_t *state, size_t len)
{
	for (size_t i = 0; i < len; i++)
		buffer_append_char(bytes, (char)random_next(state));
}

Test(send_queue, bytes_come_out_as_they_went_in)
{
	uint64_t state = random_seed("send_queue");

	for (int round = 0; round < 200; round++) {
		struct send_queue *queue = send_queue_create(NULL);
		struct buffer in = {0}, out = {0};

		for (int step = 0; step < 100; step++) {
			uint64_t dice = random_next(&state) % 10;
			size_t len = random_next(&state) % (dice & 1 ? 30000 : 60);
			struct buffer bytes = {0};

			fill(&bytes, &state, len + 1);
			if (dice < 3) {
				struct batch *batch = batch_of_bytes(buffer_span(&bytes));
				size_t offset = queue->count ? 0 : random_next(&state) % bytes.len;

				send_queue_add(queue, batch, offset);
				buffer_append(&in, bytes.at + offset, bytes.len - offset);
				batch_put(batch);
			} else if (dice < 6) {
				struct iovec parts[] = {
					{bytes.at, bytes.len / 2},
					{bytes.at + bytes.len / 2, bytes.len - bytes.len / 2}};

				send_queue_add_bytes(queue, parts, 2, !queue->count && dice == 5);
				buffer_append_span(&in, buffer_span(&bytes));
			} else {
				take(queue, &out, len + 1);
			}
			cr_assert_eq(queue->bytes, in.len - out.len);
			buffer_fini(&bytes);
		}
		while (queue->bytes)
			take(queue, &out, 7777);
		cr_assert(span_equals(buffer_span(&in), buffer_span(&out)));
		cr_assert_eq(queue->count, 0);
		send_queue_destroy(queue);
		buffer_fini(&in);
		buffer_fini(&out);
	}
}

Test(send_queue, a_short_tail_does_not_keep_a_large_batch)
{
	struct send_queue *queue = send_queue_create(NULL);
	struct buffer bytes = {0}, out = {0};
	uint64_t state = 7;

	fill(&bytes, &state, 100000);
	struct batch *batch = batch_of_bytes(buffer_span(&bytes));
	send_queue_add(queue, batch, 10);
	cr_assert_eq(queue->batches[queue->first], batch);
	take(queue, &out, 95000);
	cr_assert_eq(queue->bytes, 4990);
	cr_assert_eq(queue->batches[queue->first], batch);
	take(queue, &out, 1000);
	cr_assert_neq(queue->batches[queue->first], batch, "copied below 4 KiB");
	cr_assert_leq(batch_held(queue->batches[queue->first]), 8192);
	cr_assert(queue->begun);
	send_queue_drop_unbegun(queue);
	cr_assert_eq(queue->bytes, 3990);
	take(queue, &out, 100000);
	cr_assert(span_equals(buffer_span(&out), span_of(bytes.at + 10, bytes.len - 10)));
	batch_put(batch);
	send_queue_destroy(queue);
	buffer_fini(&bytes);
	buffer_fini(&out);
}

Test(send_queue, dropping_keeps_the_rest_of_what_has_begun_and_no_more)
{
	struct send_queue *queue = send_queue_create(NULL);
	struct iovec part = {"0123456789", 10};
	struct buffer out = {0};

	send_queue_add_bytes(queue, &part, 1, true);
	send_queue_add_bytes(queue, &part, 1, false);
	send_queue_add_bytes(queue, &part, 1, false);
	cr_assert_eq(queue->bytes, 30);
	send_queue_drop_unbegun(queue);
	cr_assert_eq(queue->bytes, 10);
	send_queue_add_bytes(queue, &part, 1, false);
	take(queue, &out, 10);
	cr_assert_not(queue->begun);
	send_queue_drop_unbegun(queue);
	cr_assert_eq(queue->bytes, 0);
	cr_assert_eq(queue->count, 0);
	send_queue_destroy(queue);
	buffer_fini(&out);
}

/* Frames with payloads of `lens`, one behind the other in a batch. */
static struct batch *batch_of_frames(struct buffer *ret_bytes, const size_t *lens, size_t count)
{
	struct buffer payload = {0};

	for (size_t i = 0; i < count; i++) {
		payload.len = 0;
		while (payload.len < lens[i])
			buffer_append_char(&payload, (char)('a' + i));
		ws_frame_append(ret_bytes, WS_TEXT, buffer_span(&payload));
	}
	buffer_fini(&payload);
	return batch_of_bytes(buffer_span(ret_bytes));
}

Test(send_queue, dropping_ends_a_begun_batch_with_the_frame_the_peer_has_a_part_of)
{
	static const size_t lens[] = {100, 70000, 3000, 0, 125, 50000};
	static const struct {
		size_t sent, end;
	} rows[] = {
		{1, 102},       {101, 102},     {102, 102},      {103, 70112},
		{70111, 70112}, {70112, 70112}, {70113, 73116},  {73117, 73118},
		{73118, 73118}, {73120, 73245}, {73246, 123249}, {123248, 123249},
	};
	struct buffer bytes = {0}, out = {0};
	struct batch *batch = batch_of_frames(&bytes, lens, ARRAY_LEN(lens));

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct send_queue *queue = send_queue_create(NULL);
		struct iovec last = {"the Close", 9};

		out.len = 0;
		send_queue_add(queue, batch, rows[i].sent);
		send_queue_add(queue, batch, 0);
		send_queue_drop_unbegun(queue);
		cr_assert_eq(queue->bytes, rows[i].end - rows[i].sent, "row %zu: %zu", i,
			     queue->bytes);
		send_queue_drop_unbegun(queue);
		send_queue_add_bytes(queue, &last, 1, false);
		while (queue->bytes)
			take(queue, &out, 999);
		cr_assert_eq(out.len, rows[i].end - rows[i].sent + 9);
		cr_assert_eq(memcmp(out.at, bytes.at + rows[i].sent, out.len - 9), 0, "row %zu", i);
		cr_assert_eq(memcmp(out.at + out.len - 9, "the Close", 9), 0);
		cr_assert_eq(queue->count, 0);
		send_queue_destroy(queue);
	}
	batch_put(batch);
	buffer_fini(&bytes);
	buffer_fini(&out);
}

Test(send_queue, a_shared_batch_is_never_added_to)
{
	struct send_queue *queue = send_queue_create(NULL);
	struct batch *shared = batch_of_bytes(SPAN("shared"));
	struct iovec part = {"own", 3};

	send_queue_add(queue, shared, 0);
	send_queue_add_bytes(queue, &part, 1, false);
	send_queue_add_bytes(queue, &part, 1, false);
	cr_assert_eq(batch_len(shared), 6);
	cr_assert_eq(queue->count, 2);
	send_queue_add(queue, shared, 0);
	send_queue_add_bytes(queue, &part, 1, false);
	cr_assert_eq(batch_len(shared), 6);
	cr_assert_eq(queue->count, 4);
	batch_put(shared);
	send_queue_destroy(queue);
}
