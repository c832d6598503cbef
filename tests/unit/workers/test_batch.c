#include <criterion/criterion.h>

#include "../common/random.h"
#include "batch.h"

TestSuite(batch, .timeout = 100);

#define IOV_MAX_HERE 64

static void append(struct batch *batch, const char *bytes)
{
	struct iovec part = {(void *)(uintptr_t)bytes, strlen(bytes)};

	batch_append(batch, &part, 1, NULL);
}

/* A text of `len` bytes that differ from place to place. */
static struct text *pattern_text(size_t len, char first)
{
	struct buffer bytes = {0};

	for (size_t i = 0; i < len; i++)
		buffer_append_char(&bytes, (char)(first + i % 61));
	struct text *text = text_create(buffer_span(&bytes));
	buffer_fini(&bytes);
	return text;
}

static void append_text(struct batch *batch, struct text *text)
{
	struct iovec part = {text->at, text->len};

	batch_append(batch, &part, 1, text);
}

/* What sendmsg() would send from `offset` on with `iov_max` entries a call. */
static struct buffer flatten(const struct batch *batch, size_t offset, unsigned iov_max)
{
	struct iovec iov[IOV_MAX_HERE];
	struct buffer flat = {0};
	unsigned count;

	while ((count = batch_iovec(batch, offset, iov, iov_max))) {
		cr_assert_leq(count, iov_max);
		for (unsigned i = 0; i < count; i++) {
			cr_assert_gt(iov[i].iov_len, 0);
			buffer_append(&flat, iov[i].iov_base, iov[i].iov_len);
			offset += iov[i].iov_len;
		}
	}
	cr_assert_eq(offset, batch_len(batch));
	return flat;
}

Test(batch, empty_batch_has_nothing_to_send)
{
	struct batch *batch = batch_create();
	struct iovec iov[1];

	cr_expect_eq(batch_len(batch), 0);
	cr_expect_eq(batch_events(batch), 0);
	cr_expect_eq(batch_iovec(batch, 0, iov, 1), 0);
	batch_put(batch);
	batch_put(NULL);
}

Test(batch, small_frames_are_joined_into_one_run)
{
	struct batch *batch = batch_create();
	struct iovec iov[8];
	struct iovec parts[3] = {{"b", 1}, {"", 0}, {"cd", 2}};

	append(batch, "a");
	batch_append(batch, parts, 3, NULL);
	append(batch, "");
	append(batch, "e");
	cr_expect_eq(batch_events(batch), 4);
	cr_expect_eq(batch_len(batch), 5);
	cr_assert_eq(batch_iovec(batch, 0, iov, 8), 1);
	cr_expect_eq(memcmp(iov[0].iov_base, "abcde", 5), 0);
	batch_put(batch);
}

Test(batch, small_frames_are_copied)
{
	struct batch *batch = batch_create();
	char bytes[] = "abc";
	struct iovec iov[1];

	append(batch, bytes);
	memset(bytes, '?', 3);
	cr_assert_eq(batch_iovec(batch, 0, iov, 1), 1);
	cr_expect_eq(memcmp(iov[0].iov_base, "abc", 3), 0);
	batch_put(batch);
}

Test(batch, frame_at_the_border_is_copied_and_one_byte_more_is_not)
{
	struct batch *batch = batch_create();
	struct text *border = pattern_text(BATCH_COPY_MAX, 'A');
	struct text *large = pattern_text(BATCH_COPY_MAX + 1, 'A');
	struct iovec iov[2];

	append_text(batch, border);
	append_text(batch, large);
	cr_expect_eq(border->references, 1);
	cr_expect_eq(large->references, 2);
	cr_assert_eq(batch_iovec(batch, 0, iov, 2), 2);
	cr_expect_neq(iov[0].iov_base, (void *)border->at);
	cr_expect_eq(iov[1].iov_base, (void *)large->at);
	batch_put(batch);
	cr_expect_eq(large->references, 1);
	text_put(border), text_put(large);
}

Test(batch, large_frames_outlive_their_arena_and_hold_it_once)
{
	struct batch *batch = batch_create();
	struct text *arena = pattern_text(3 * BATCH_COPY_MAX, 'A');
	struct iovec parts[2] = {{arena->at, BATCH_COPY_MAX}, {arena->at + 2 * BATCH_COPY_MAX, 7}};

	batch_append(batch, parts, 2, arena);
	batch_append(batch, parts, 2, arena);
	cr_expect_eq(arena->references, 2);
	cr_expect_geq(batch_held(batch), arena->len);
	cr_expect_lt(batch_held(batch), 2 * arena->len);
	text_put(arena); /* the batch's is the last one */
	struct buffer flat = flatten(batch, 0, 3);
	cr_expect_eq(flat.len, 2 * (BATCH_COPY_MAX + 7));
	cr_expect_eq(flat.at[BATCH_COPY_MAX], (char)('A' + 2 * BATCH_COPY_MAX % 61));
	buffer_fini(&flat);
	batch_put(batch);
}

Test(batch, batch_lives_until_its_last_reference_goes)
{
	struct batch *batch = batch_of_bytes(SPAN("abc"));
	struct iovec iov[1];

	cr_expect_eq(batch_get(batch), batch);
	batch_put(batch);
	cr_assert_eq(batch_iovec(batch, 1, iov, 1), 1);
	cr_expect_eq(iov[0].iov_len, 2);
	batch_put(batch);
}

Test(batch, bytes_of_any_length_make_a_finished_batch)
{
	static const size_t lengths[] = {0, 1, BATCH_COPY_MAX, BATCH_COPY_MAX + 1, 100000};

	for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
		struct text *bytes = pattern_text(lengths[i], '0');
		struct batch *batch = batch_of_bytes(text_span(bytes));
		struct buffer flat = flatten(batch, 0, 4);
		cr_expect(span_equals(buffer_span(&flat), text_span(bytes)));
		cr_expect_geq(batch_held(batch), lengths[i]);
		buffer_fini(&flat);
		batch_put(batch);
		text_put(bytes);
	}
}

/* A random mixture of small and large frames in several arenas, and the same bytes in a row. */
static struct batch *random_batch(uint64_t *random, struct buffer *ret_flat)
{
	struct batch *batch = batch_create();
	struct text *arenas[3];

	for (size_t i = 0; i < ARRAY_LEN(arenas); i++)
		arenas[i] = pattern_text(6000, (char)('0' + i));
	for (unsigned frame = 0; frame < 12; frame++) {
		struct text *arena = arenas[(random_next(random) >> 33) % ARRAY_LEN(arenas)];
		bool large = !((random_next(random) >> 33) % 3);
		struct iovec parts[4];
		for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
			size_t len = (random_next(random) >> 33) % (large ? 3000 : 60);
			size_t at = (random_next(random) >> 33) % (arena->len - len);
			parts[i] = (struct iovec){arena->at + at, len};
			buffer_append(ret_flat, arena->at + at, len);
		}
		batch_append(batch, parts, ARRAY_LEN(parts), arena);
	}
	for (size_t i = 0; i < ARRAY_LEN(arenas); i++)
		text_put(arenas[i]);
	return batch;
}

Test(batch, iovec_at_every_offset_is_the_rest_of_the_bytes)
{
	uint64_t random = random_seed("batch");

	for (unsigned round = 0; round < 4; round++) {
		struct buffer flat = {0};
		struct batch *batch = random_batch(&random, &flat);
		cr_assert_eq(batch_len(batch), flat.len);
		cr_assert_eq(batch_events(batch), 12);
		/* The whole rest from many offsets, the first entries from all of them. */
		for (size_t offset = 0; offset <= flat.len; offset += 1 + offset / 16) {
			unsigned iov_max = 1 + (unsigned)(offset % IOV_MAX_HERE);
			struct buffer rest = flatten(batch, offset, iov_max);
			cr_assert(span_equals(buffer_span(&rest),
					      span_of(flat.at + offset, flat.len - offset)));
			buffer_fini(&rest);
		}
		for (size_t offset = 0; offset < flat.len; offset++) {
			struct iovec iov[1];
			cr_assert_eq(batch_iovec(batch, offset, iov, 1), 1);
			cr_assert(iov[0].iov_len && iov[0].iov_len <= flat.len - offset);
			cr_assert_eq(*(char *)iov[0].iov_base, flat.at[offset]);
		}
		buffer_fini(&flat);
		batch_put(batch);
	}
}
