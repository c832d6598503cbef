/* What ring.h promises as long as the memory is sound; what it does with memory that is not is in
 * test_ring_hostile.c. */
#include "ring_image.h"
#include <criterion/criterion.h>

static struct image image;

static void fini(void)
{
	image_fini(&image);
}

TestSuite(ring, .fini = fini, .timeout = 100);

Test(ring, published_record_is_read_with_its_type)
{
	image_init(&image);
	cr_assert_eq(image_publish(&image, 7, "hello"), 0);
	cr_assert_eq(image_read(&image), RING_RECORD);
	cr_assert(image_got(&image, 7, "hello"));
}

Test(ring, records_come_in_order_and_then_the_ring_is_empty)
{
	image_init(&image);
	image_publish(&image, 1, "one");
	image_publish(&image, 2, "twotwotwo");
	image_publish(&image, 65535, "");
	cr_assert(image_read(&image) == RING_RECORD && image_got(&image, 1, "one"));
	cr_assert(image_read(&image) == RING_RECORD && image_got(&image, 2, "twotwotwo"));
	cr_assert(image_read(&image) == RING_RECORD && image_got(&image, 65535, ""));
	cr_assert_eq(image_read(&image), RING_EMPTY);
	cr_assert_eq(image_read(&image), RING_EMPTY);
}

Test(ring, empty_payload_may_have_no_address)
{
	image_init(&image);
	cr_assert_eq(ring_publish(&image.writer, 3, SPAN_NONE), 0);
	cr_assert(image_read(&image) == RING_RECORD && image_got(&image, 3, ""));
}

Test(ring, reader_begins_at_the_present_tail)
{
	image_init(&image);
	image_publish(&image, 1, "before");
	struct ring_reader late;
	cr_assert_eq(ring_reader_init(&late, image.memory, ring_memory_len(IMAGE_SIZE)), 0);
	image_publish(&image, 2, "after");
	cr_assert_eq(ring_read(&late, &image.out, &image.type), RING_RECORD);
	cr_assert(image_got(&image, 2, "after"));
}

Test(ring, read_appends_behind_what_the_buffer_holds)
{
	image_init(&image);
	buffer_append_string(&image.out, "kept:");
	image_publish(&image, 1, "one");
	image_publish(&image, 1, "two");
	ring_read(&image.reader, &image.out, &image.type);
	ring_read(&image.reader, &image.out, &image.type);
	cr_assert(image_got(&image, 1, "kept:onetwo"));
}

Test(ring, empty_leaves_buffer_and_type_alone)
{
	image_init(&image);
	buffer_append_string(&image.out, "kept");
	image.type = 99;
	cr_assert_eq(ring_read(&image.reader, &image.out, &image.type), RING_EMPTY);
	cr_assert(image_got(&image, 99, "kept"));
}

Test(ring, every_payload_length_comes_back_whole_and_nothing_behind_it)
{
	image_init(&image);
	for (size_t len = 0; len <= 600; len++) {
		char text[600];
		memset(text, (int)('a' + len % 26), sizeof(text));
		cr_assert_eq(ring_publish(&image.writer, 1, span_of(text, len)), 0);
		cr_assert_eq(image_read(&image), RING_RECORD, "length %zu", len);
		cr_assert(span_equals(buffer_span(&image.out), span_of(text, len)), "length %zu",
			  len);
	}
}

Test(ring, longest_payload_passes_and_one_byte_more_is_refused)
{
	image_init(&image);
	size_t max = ring_payload_max(IMAGE_SIZE);
	cr_assert_eq(max, IMAGE_SIZE / 8 - 8);
	char *text = calloc(1, max + 1);
	memset(text, 'x', max + 1);
	cr_assert_eq(ring_publish(&image.writer, 1, span_of(text, max + 1)), -EMSGSIZE);
	cr_assert_eq(image_read(&image), RING_EMPTY);
	cr_assert_eq(ring_publish(&image.writer, 1, span_of(text, max)), 0);
	cr_assert_eq(image_read(&image), RING_RECORD);
	cr_assert(span_equals(buffer_span(&image.out), span_of(text, max)));
	free(text);
}

Test(ring, refused_payload_writes_nothing)
{
	image_init(&image);
	size_t len = ring_memory_len(IMAGE_SIZE);
	char *before = malloc(len);
	char *text = calloc(1, IMAGE_SIZE);
	memcpy(before, image.memory, len);
	cr_assert_eq(ring_publish(&image.writer, 1, span_of(text, IMAGE_SIZE)), -EMSGSIZE);
	cr_assert_eq(memcmp(before, image.memory, len), 0);
	cr_assert_eq(image.writer.tail, 0);
	free(before);
	free(text);
}

Test(ring, eight_longest_records_fill_the_ring_exactly)
{
	image_init(&image);
	char *text = calloc(1, IMAGE_SIZE);
	for (int i = 0; i < 8; i++)
		cr_assert_eq(ring_publish(&image.writer, (uint16_t)(i + 1),
					  span_of(text, ring_payload_max(IMAGE_SIZE))),
			     0);
	free(text);
	cr_assert_eq(ring_reader_lag(&image.reader), IMAGE_SIZE);
	for (int i = 0; i < 8; i++) {
		cr_assert_eq(image_read(&image), RING_RECORD);
		cr_assert_eq(image.type, i + 1);
	}
	cr_assert_eq(image_read(&image), RING_EMPTY);
}

Test(ring, record_that_ends_at_the_end_needs_no_padding)
{
	image_init_at(&image, IMAGE_SIZE - 24);
	image_publish(&image, 1, "sixteen bytes ..");
	cr_assert_eq(image.writer.tail, IMAGE_SIZE);
	image_publish(&image, 2, "next");
	cr_assert_eq(image.writer.tail, IMAGE_SIZE + 16);
	cr_assert(image_read(&image) == RING_RECORD && image_got(&image, 1, "sixteen bytes .."));
	cr_assert(image_read(&image) == RING_RECORD && image_got(&image, 2, "next"));
}

Test(ring, record_that_does_not_fit_before_the_end_goes_to_the_start)
{
	image_init_at(&image, IMAGE_SIZE - 16);
	image_publish(&image, 1, "sixteen bytes ..");
	cr_assert_eq(image.writer.tail, IMAGE_SIZE + 24);
	cr_assert_eq(atomic_load(&image.memory->latest), IMAGE_SIZE);
	cr_assert(image_read(&image) == RING_RECORD && image_got(&image, 1, "sixteen bytes .."));
	cr_assert_eq(image_read(&image), RING_EMPTY);
}

Test(ring, padding_of_one_word_is_skipped)
{
	image_init_at(&image, IMAGE_SIZE - 8);
	image_publish(&image, 1, "x");
	cr_assert_eq(image.writer.tail, IMAGE_SIZE + 16);
	cr_assert(image_read(&image) == RING_RECORD && image_got(&image, 1, "x"));
}

Test(ring, empty_record_fits_in_the_last_word)
{
	image_init_at(&image, IMAGE_SIZE - 8);
	image_publish(&image, 1, "");
	cr_assert_eq(image.writer.tail, IMAGE_SIZE);
	cr_assert(image_read(&image) == RING_RECORD && image_got(&image, 1, ""));
}

Test(ring, longest_padding_is_skipped)
{
	image_init_at(&image, IMAGE_SIZE - IMAGE_SIZE / 8 + 8);
	char *text = calloc(1, IMAGE_SIZE);
	cr_assert_eq(ring_publish(&image.writer, 5, span_of(text, ring_payload_max(IMAGE_SIZE))),
		     0);
	free(text);
	cr_assert_eq(image_read(&image), RING_RECORD);
	cr_assert_eq(image.out.len, ring_payload_max(IMAGE_SIZE));
	cr_assert_eq(image_read(&image), RING_EMPTY);
}

Test(ring, counters_go_on_far_beyond_32_bits)
{
	image_init_at(&image, UINT64_C(0x7fffffffffff0000) + IMAGE_SIZE - 16);
	for (int i = 0; i < 5000; i++) {
		image_publish(&image, 1, "a text of thirty-three bytes, yes");
		cr_assert(image_read(&image) == RING_RECORD &&
			  image_got(&image, 1, "a text of thirty-three bytes, yes"));
	}
	cr_assert_gt(image.writer.tail, UINT64_C(0x7fffffffffff0000) + 2 * IMAGE_SIZE);
}

Test(ring, counters_say_where_the_last_record_lies)
{
	image_init(&image);
	image_publish(&image, 1, "12345678");
	image_publish(&image, 1, "x");
	cr_assert_eq(atomic_load(&image.memory->latest), 16);
	cr_assert_eq(atomic_load(&image.memory->tail), 32);
	cr_assert_eq(atomic_load(&image.memory->tail_intent), 32);
}

Test(ring, lag_is_the_bytes_between_cursor_and_tail)
{
	image_init(&image);
	cr_assert_eq(ring_reader_lag(&image.reader), 0);
	image_publish(&image, 1, "12345678");
	image_publish(&image, 1, "x");
	cr_assert_eq(ring_reader_lag(&image.reader), 32);
	image_read(&image);
	cr_assert_eq(ring_reader_lag(&image.reader), 16);
}

Test(ring, reader_exactly_one_ring_behind_still_reads)
{
	image_init(&image);
	for (size_t i = 0; i < IMAGE_SIZE / 16; i++)
		image_publish(&image, 1, "12345678");
	cr_assert_eq(ring_reader_lag(&image.reader), IMAGE_SIZE);
	cr_assert_eq(image_read(&image), RING_RECORD);
}

Test(ring, lapped_reader_is_told_and_loses_nothing_silently)
{
	image_init(&image);
	for (size_t i = 0; i < IMAGE_SIZE / 16 + 1; i++)
		image_publish(&image, 1, "12345678");
	cr_assert_eq(image_read(&image), RING_LAPPED);
	cr_assert_eq(image.reader.lapped_by, IMAGE_SIZE + 16);
	cr_assert_eq(image.out.len, 0);
	cr_assert_eq(image_read(&image), RING_EMPTY);
	image_publish(&image, 2, "next");
	cr_assert(image_read(&image) == RING_RECORD && image_got(&image, 2, "next"));
}

Test(ring, record_the_writer_has_begun_to_overwrite_is_not_handed_out)
{
	image_init(&image);
	for (size_t i = 0; i < IMAGE_SIZE / 16; i++)
		image_publish(&image, 1, "12345678");
	/* The writer has announced the next record and copied its first words, but its tail has not
	 * moved yet. */
	atomic_store(&image.memory->tail_intent, IMAGE_SIZE + 16);
	image_put_word(&image, 0, UINT64_MAX);
	cr_assert_eq(image_read(&image), RING_LAPPED);
	cr_assert_eq(image.reader.lapped_by, IMAGE_SIZE);
}

Test(ring, announced_record_spoils_only_what_it_will_cover)
{
	image_init(&image);
	for (size_t i = 0; i < IMAGE_SIZE / 16; i++)
		image_publish(&image, 1, "12345678");
	image_read(&image);
	atomic_store(&image.memory->tail_intent, IMAGE_SIZE + 16);
	cr_assert_eq(image_read(&image), RING_RECORD);
}

Test(ring, padding_that_is_being_overwritten_counts_as_lapped)
{
	image_init_at(&image, IMAGE_SIZE - 8);
	image_publish(&image, 1, "x");
	/* Only the padding word is covered by what the writer has announced; the record behind it
	 * is still whole. */
	atomic_store(&image.memory->tail_intent, 2 * IMAGE_SIZE);
	cr_assert_eq(image_read(&image), RING_LAPPED);
}

Test(ring, lapped_answer_leaves_buffer_and_type_alone)
{
	image_init(&image);
	image_publish(&image, 1, "12345678");
	atomic_store(&image.memory->tail_intent, IMAGE_SIZE + 8);
	buffer_append_string(&image.out, "kept");
	image.type = 99;
	cr_assert_eq(ring_read(&image.reader, &image.out, &image.type), RING_LAPPED);
	cr_assert(image_got(&image, 99, "kept"));
}

Test(ring, ring_formatted_again_costs_one_broken_and_then_reads_on)
{
	image_init(&image);
	image_publish(&image, 1, "of the old writer");
	image_read(&image);
	ring_writer_init(&image.writer, image.memory, IMAGE_SIZE, IMAGE_EPOCH + 1);
	image_publish(&image, 1, "lost");
	cr_assert_eq(image_read(&image), RING_BROKEN);
	cr_assert_eq(image_read(&image), RING_EMPTY);
	image_publish(&image, 2, "of the new one");
	cr_assert(image_read(&image) == RING_RECORD && image_got(&image, 2, "of the new one"));
}

Test(ring, reader_refuses_memory_that_is_no_ring)
{
	image_init(&image);
	size_t len = ring_memory_len(IMAGE_SIZE);
	struct ring_reader reader;
	cr_assert_eq(ring_reader_init(&reader, image.memory, len - 1), -EINVAL);
	cr_assert_eq(ring_reader_init(&reader, image.memory, 100), -EINVAL);
	cr_assert_eq(ring_reader_init(&reader, image.memory, 0), -EINVAL);
	atomic_store(&image.memory->magic, RING_MAGIC + 1);
	cr_assert_eq(ring_reader_init(&reader, image.memory, len), -EINVAL);
}

Test(ring, reader_refuses_sizes_that_do_not_fit)
{
	image_init(&image);
	const uint64_t sizes[] = {0,
				  1,
				  IMAGE_SIZE / 2,
				  IMAGE_SIZE + 8,
				  IMAGE_SIZE * 2,
				  IMAGE_SIZE * 3,
				  UINT64_C(1) << 63,
				  UINT64_MAX};
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		struct ring_reader reader;
		atomic_store(&image.memory->size, sizes[i]);
		cr_assert_eq(ring_reader_init(&reader, image.memory, ring_memory_len(IMAGE_SIZE)),
			     -EINVAL, "size %zu", i);
	}
}

Test(ring, memory_len_is_whole_pages)
{
	cr_assert_eq(ring_memory_len(IMAGE_SIZE) % 4096, 0);
	cr_assert_eq(ring_memory_len(64 << 20), (64 << 20) + 4096);
}

/* One row of the handshake: what the sleep word and the writer's memory are, and what must come of
 * it. */
static void expect_wake(uint32_t word, uint32_t woken, bool wake, uint32_t woken_after)
{
	_Atomic uint32_t sleep = word;
	cr_assert_eq(ring_writer_must_wake(&sleep, &woken), wake, "sleep word %u", word);
	cr_assert_eq(woken, woken_after, "sleep word %u", word);
	cr_assert_eq(sleep, word, "the writer never touches the word");
}

Test(ring, writer_wakes_each_sleep_once)
{
	expect_wake(0, 0, false, 0);
	expect_wake(1, 0, true, 1);
	expect_wake(1, 1, false, 1);
	expect_wake(2, 1, false, 1);
	expect_wake(3, 1, true, 3);
	expect_wake(UINT32_MAX, 3, true, UINT32_MAX);
	expect_wake(0, UINT32_MAX, false, UINT32_MAX);
	expect_wake(1, UINT32_MAX, true, 1);
}

Test(ring, reader_sleeps_only_when_there_is_nothing_to_read)
{
	image_init(&image);
	_Atomic uint32_t sleep = 0;
	cr_assert(ring_reader_sleep(&image.reader, &sleep));
	cr_assert_eq(sleep, 1);
	ring_reader_wake(&sleep);
	cr_assert_eq(sleep, 2);
	image_publish(&image, 1, "x");
	cr_assert_not(ring_reader_sleep(&image.reader, &sleep));
	cr_assert_eq(sleep, 4, "awake again, and the writer can tell that it was another sleep");
}

Test(ring, waking_the_wakeful_changes_nothing)
{
	_Atomic uint32_t sleep = 6;
	ring_reader_wake(&sleep);
	cr_assert_eq(sleep, 6);
}

Test(ring, sleeping_again_without_waking_is_a_new_sleep)
{
	image_init(&image);
	_Atomic uint32_t sleep = 0;
	uint32_t woken = 0;
	ring_reader_sleep(&image.reader, &sleep);
	cr_assert(ring_writer_must_wake(&sleep, &woken));
	ring_reader_sleep(&image.reader, &sleep);
	cr_assert_eq(sleep, 3);
	cr_assert(ring_writer_must_wake(&sleep, &woken));
}

Test(ring, sleep_word_wraps_around)
{
	image_init(&image);
	_Atomic uint32_t sleep = UINT32_MAX;
	ring_reader_wake(&sleep);
	cr_assert_eq(sleep, 0);
	atomic_store(&sleep, UINT32_MAX - 1);
	cr_assert(ring_reader_sleep(&image.reader, &sleep));
	cr_assert_eq(sleep, UINT32_MAX);
}
