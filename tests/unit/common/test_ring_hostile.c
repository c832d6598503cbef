/* Ring memory with any content whatever: each image is one way of being wrong, built by hand. A
 * read must answer, end, touch nothing outside, leave the buffer alone and not come back with the
 * same complaint for ever. */
#include "random.h"
#include "ring_image.h"
#include <criterion/criterion.h>

static struct image image;

static void init(void)
{
	image_init(&image);
}

static void fini(void)
{
	image_fini(&image);
}

/* The answer, and what holds after any of the two bad ones. */
static void expect_bad(enum ring_answer answer)
{
	uint64_t tail = atomic_load(&image.memory->tail);
	buffer_append_string(&image.out, "kept");
	image.type = 99;
	cr_assert_eq(ring_read(&image.reader, &image.out, &image.type), answer);
	cr_assert(image_got(&image, 99, "kept"));
	cr_assert_eq(image.reader.cursor, tail);
	cr_assert_eq(ring_read(&image.reader, &image.out, &image.type), RING_EMPTY);
}

TestSuite(ring_hostile, .init = init, .fini = fini, .timeout = 100);

Test(ring_hostile, header_of_zeros)
{
	image_set_tails(&image, 64);
	expect_bad(RING_BROKEN);
}

Test(ring_hostile, header_of_ones)
{
	image_put_word(&image, 0, UINT64_MAX);
	image_set_tails(&image, 64);
	expect_bad(RING_BROKEN);
}

Test(ring_hostile, record_longer_than_the_bytes_before_the_tail)
{
	image_put_header(&image, 0, 1, 64);
	image_set_tails(&image, 64);
	expect_bad(RING_BROKEN);
}

Test(ring_hostile, record_one_byte_longer_than_what_was_published)
{
	image_put_header(&image, 0, 1, 57);
	image_set_tails(&image, 64);
	expect_bad(RING_BROKEN);
}

Test(ring_hostile, record_above_the_longest_payload)
{
	image_put_header(&image, 0, 1, (uint32_t)ring_payload_max(IMAGE_SIZE) + 1);
	image_set_tails(&image, IMAGE_SIZE);
	expect_bad(RING_BROKEN);
}

Test(ring_hostile, record_length_whose_rounding_would_overflow)
{
	image_put_header(&image, 0, 1, UINT32_MAX);
	image_set_tails(&image, IMAGE_SIZE);
	expect_bad(RING_BROKEN);
}

Test(ring_hostile, record_that_runs_over_the_end)
{
	image.reader.cursor = IMAGE_SIZE - 16;
	image_put_header(&image, IMAGE_SIZE - 16, 1, 9);
	image_set_tails(&image, IMAGE_SIZE + 64);
	expect_bad(RING_BROKEN);
}

Test(ring_hostile, record_that_runs_over_the_end_in_a_ring_that_is_full)
{
	image.reader.cursor = IMAGE_SIZE - 8;
	image_put_header(&image, IMAGE_SIZE - 8, 1, (uint32_t)ring_payload_max(IMAGE_SIZE));
	image_set_tails(&image, 2 * IMAGE_SIZE - 8);
	expect_bad(RING_BROKEN);
}

Test(ring_hostile, header_of_another_position)
{
	struct ring_header header = {8, 1, ring_mark(IMAGE_EPOCH, 128)};
	image_put_word(&image, 0, ring_header_pack(header));
	image_set_tails(&image, 64);
	expect_bad(RING_BROKEN);
}

Test(ring_hostile, header_of_another_epoch)
{
	struct ring_header header = {8, 1, ring_mark(IMAGE_EPOCH + 1, 0)};
	image_put_word(&image, 0, ring_header_pack(header));
	image_set_tails(&image, 64);
	expect_bad(RING_BROKEN);
}

Test(ring_hostile, cursor_in_the_middle_of_a_record)
{
	image_publish(&image, 1, "bytes that are no header, whatever they look like");
	image.reader.cursor = 16;
	expect_bad(RING_BROKEN);
}

Test(ring_hostile, padding_of_length_zero)
{
	image_put_header(&image, 0, RING_TYPE_PADDING, 0);
	image_set_tails(&image, 64);
	expect_bad(RING_BROKEN);
}

Test(ring_hostile, padding_in_the_middle)
{
	image_put_header(&image, 0, RING_TYPE_PADDING, 8);
	image_put_header(&image, 8, 1, 8);
	image_set_tails(&image, 24);
	expect_bad(RING_BROKEN);
}

Test(ring_hostile, padding_as_long_as_the_ring)
{
	image_put_header(&image, 0, RING_TYPE_PADDING, IMAGE_SIZE);
	image_set_tails(&image, IMAGE_SIZE);
	expect_bad(RING_BROKEN);
}

Test(ring_hostile, padding_longer_than_any_record)
{
	uint64_t at = IMAGE_SIZE - IMAGE_SIZE / 8;
	image.reader.cursor = at;
	image_put_header(&image, at, RING_TYPE_PADDING, IMAGE_SIZE / 8);
	image_put_header(&image, IMAGE_SIZE, 1, 8);
	image_set_tails(&image, IMAGE_SIZE + 16);
	expect_bad(RING_BROKEN);
}

Test(ring_hostile, padding_shorter_than_what_is_left)
{
	image.reader.cursor = IMAGE_SIZE - 16;
	image_put_header(&image, IMAGE_SIZE - 16, RING_TYPE_PADDING, 8);
	image_put_header(&image, IMAGE_SIZE - 8, 1,
			 0); /* as a reader that believed it would find */
	image_set_tails(&image, IMAGE_SIZE + 64);
	expect_bad(RING_BROKEN);
}

Test(ring_hostile, padding_that_wraps_past_the_end)
{
	image.reader.cursor = IMAGE_SIZE - 16;
	image_put_header(&image, IMAGE_SIZE - 16, RING_TYPE_PADDING, 24);
	image_put_header(&image, IMAGE_SIZE + 8, 1, 8);
	image_set_tails(&image, IMAGE_SIZE + 64);
	expect_bad(RING_BROKEN);
}

Test(ring_hostile, padding_with_nothing_behind_it)
{
	image.reader.cursor = IMAGE_SIZE - 16;
	image_put_header(&image, IMAGE_SIZE - 16, RING_TYPE_PADDING, 16);
	image_set_tails(&image, IMAGE_SIZE);
	expect_bad(RING_BROKEN);
}

Test(ring_hostile, padding_beyond_the_tail)
{
	image.reader.cursor = IMAGE_SIZE - 32;
	image_put_header(&image, IMAGE_SIZE - 32, RING_TYPE_PADDING, 32);
	image_put_header(&image, IMAGE_SIZE, 1, 8);
	image_set_tails(&image, IMAGE_SIZE - 16);
	expect_bad(RING_BROKEN);
}

Test(ring_hostile, two_paddings_in_a_row)
{
	image.reader.cursor = IMAGE_SIZE - 16;
	image_put_header(&image, IMAGE_SIZE - 16, RING_TYPE_PADDING, 16);
	image_put_header(&image, IMAGE_SIZE, RING_TYPE_PADDING, 16);
	image_set_tails(&image, IMAGE_SIZE + 64);
	expect_bad(RING_BROKEN);
}

Test(ring_hostile, sound_padding_before_a_record_that_is_too_long)
{
	image.reader.cursor = IMAGE_SIZE - 16;
	image_put_header(&image, IMAGE_SIZE - 16, RING_TYPE_PADDING, 16);
	image_put_header(&image, IMAGE_SIZE, 1, 4000);
	image_set_tails(&image, IMAGE_SIZE + 64);
	expect_bad(RING_BROKEN);
}

Test(ring_hostile, tail_before_the_cursor)
{
	image.reader.cursor = 4096;
	image_set_tails(&image, 64);
	expect_bad(RING_BROKEN);
}

Test(ring_hostile, cursor_at_the_end_of_all_numbers)
{
	image.reader.cursor = UINT64_MAX - 7;
	image_set_tails(&image, 64);
	expect_bad(RING_BROKEN);
}

Test(ring_hostile, tail_at_the_end_of_all_numbers)
{
	image_set_tails(&image, UINT64_MAX - 7);
	expect_bad(RING_LAPPED);
	cr_assert_eq(image.reader.lapped_by, UINT64_MAX - 7);
}

Test(ring_hostile, record_just_below_the_end_of_all_numbers)
{
	uint64_t at = UINT64_MAX - 23;
	image.reader.cursor = at;
	image_put_header(&image, at, 1, 64);
	image_set_tails(&image, UINT64_MAX - 7);
	expect_bad(RING_BROKEN);
}

Test(ring_hostile, tail_that_is_no_word_border)
{
	image_put_header(&image, 0, 1, 8);
	image_set_tails(&image, 17);
	expect_bad(RING_BROKEN);
}

Test(ring_hostile, cursor_that_is_no_word_border)
{
	image.reader.cursor = 3;
	image_set_tails(&image, 64);
	expect_bad(RING_BROKEN);
}

Test(ring_hostile, announcement_behind_the_tail)
{
	image_publish(&image, 1, "a whole record");
	atomic_store(&image.memory->tail_intent, 8);
	expect_bad(RING_BROKEN);
}

Test(ring_hostile, magic_gone)
{
	image_publish(&image, 1, "a whole record");
	atomic_store(&image.memory->magic, 0);
	expect_bad(RING_BROKEN);
}

Test(ring_hostile, size_changed)
{
	image_publish(&image, 1, "a whole record");
	atomic_store(&image.memory->size, UINT64_C(1) << 30);
	expect_bad(RING_BROKEN);
}

Test(ring_hostile, epoch_changed)
{
	image_publish(&image, 1, "a whole record");
	atomic_store(&image.memory->epoch, 1);
	expect_bad(RING_BROKEN);
	cr_assert_eq(image.reader.epoch, 1);
}

Test(ring_hostile, garbage_header_of_a_lapped_record_is_lapped_and_not_broken)
{
	image_put_word(&image, 0, UINT64_C(0xfedcba9876543210));
	atomic_store(&image.memory->tail, 64);
	atomic_store(&image.memory->tail_intent, IMAGE_SIZE + 64);
	expect_bad(RING_LAPPED);
	cr_assert_eq(image.reader.lapped_by, 64);
}

Test(ring_hostile, lag_of_a_tail_before_the_cursor_is_none)
{
	image.reader.cursor = 4096;
	image_set_tails(&image, 64);
	cr_assert_eq(ring_reader_lag(&image.reader), 0);
}

static uint64_t random_state;

/* Any word becomes a header whose mark is right, so that lengths and types are what gets tried. */
static void put_random_header(void)
{
	uint64_t at = image.reader.cursor +
		      (random_next(&random_state) % 2 ? 0 : random_next(&random_state) % 4 * 8);
	uint16_t type = (uint16_t)(random_next(&random_state) % 3);
	uint64_t until_end = IMAGE_SIZE - at % IMAGE_SIZE;
	uint64_t lengths[] = {0,
			      1,
			      8,
			      random_next(&random_state) % 256,
			      random_next(&random_state),
			      until_end,
			      until_end - 8,
			      until_end + 8,
			      ring_payload_max(IMAGE_SIZE),
			      ring_payload_max(IMAGE_SIZE) + 1};
	image_put_header(&image, at & ~UINT64_C(7), type,
			 (uint32_t)lengths[random_next(&random_state) % ARRAY_LEN(lengths)]);
}

static void spoil_something(void)
{
	uint64_t near = image.reader.cursor + random_next(&random_state) % 64 * 8;
	switch (random_next(&random_state) % 8) {
	case 0:
		atomic_store(&image.memory->tail, near);
		break;
	case 1:
		atomic_store(&image.memory->tail_intent,
			     near + (random_next(&random_state) % 2 ? IMAGE_SIZE : 0));
		break;
	case 2:
		image_set_tails(&image, random_next(&random_state) % 16
						? near
						: random_next(&random_state));
		break;
	case 3:
		image_put_word(&image, near, random_next(&random_state));
		break;
	default:
		put_random_header();
		image_set_tails(&image, near);
		break;
	}
}

Test(ring_hostile, random_spoiling_never_faults_nor_spins)
{
	uint64_t seed = random_state = random_seed("ring_hostile");
	uint64_t answers[4] = {0};
	for (int i = 0; i < 300000; i++) {
		if (i % 64 == 0) /* else all time goes into positions the writer never visits */
			image.reader.cursor =
				random_next(&random_state) % (4 * IMAGE_SIZE) & ~UINT64_C(7);
		spoil_something();
		uint64_t tail = atomic_load(&image.memory->tail);
		image.out.len = random_next(&random_state) % 8 ? 0 : image.out.len;
		size_t before_len = image.out.len;
		uint64_t before = image.reader.cursor;
		enum ring_answer answer = ring_read(&image.reader, &image.out, &image.type);
		answers[answer]++;
		if (answer == RING_RECORD) {
			cr_assert(image.reader.cursor > before && image.reader.cursor <= tail,
				  "seed %#lx turn %d", seed, i);
			cr_assert(image.out.len - before_len <= ring_payload_max(IMAGE_SIZE),
				  "seed %#lx turn %d", seed, i);
		} else {
			cr_assert_eq(image.reader.cursor, tail, "seed %#lx turn %d", seed, i);
			cr_assert_eq(image.out.len, before_len, "seed %#lx turn %d", seed, i);
		}
	}
	for (size_t i = 0; i < ARRAY_LEN(answers); i++)
		cr_assert_gt(answers[i], 100, "seed %#lx: answer %zu came only %lu times", seed, i,
			     answers[i]);
}
