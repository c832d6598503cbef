/* test_buffer.c — growing bytes, and shared immutable bytes. */
#include "buffer.h"
#include <criterion/criterion.h>
#include <signal.h>

TestSuite(buffer, .timeout = 100);

#define EXPECT_BYTES(buffer, literal)                                                              \
	cr_expect(span_equals(buffer_span(&(buffer)), SPAN(literal)), "got %.*s",                  \
		  SPAN_ARGS(buffer_span(&(buffer))))

Test(buffer, all_zero_is_empty_and_appending_nothing_allocates_nothing)
{
	struct buffer buffer = {0};

	buffer_append(&buffer, NULL, 0);
	buffer_append_span(&buffer, SPAN_NONE);
	buffer_append_string(&buffer, "");
	buffer_consume(&buffer, 0);
	cr_expect_eq(buffer.len, 0);
	cr_expect_null(buffer.at);
	buffer_fini(&buffer);
}

Test(buffer, bytes_come_out_in_the_order_they_went_in)
{
	struct buffer buffer CLEANUP(buffer_fini) = {0};

	buffer_append(&buffer, "a\0b", 3);
	buffer_append_span(&buffer, SPAN("cd"));
	buffer_append_string(&buffer, "ef");
	buffer_append_char(&buffer, 'g');
	EXPECT_BYTES(buffer, "a\0bcdefg");
}

Test(buffer, growth_keeps_what_is_there_and_is_geometric)
{
	struct buffer buffer CLEANUP(buffer_fini) = {0};
	unsigned moves = 0;

	for (size_t i = 0; i < 100000; i++) {
		size_t cap = buffer.cap;
		buffer_append_char(&buffer, (char)(i * 7));
		moves += buffer.cap != cap;
	}
	cr_expect_eq(buffer.len, 100000);
	cr_expect_leq(moves, 12);
	for (size_t i = 0; i < buffer.len; i++)
		cr_assert_eq(buffer.at[i], (char)(i * 7));
}

Test(buffer, reserve_gives_room_behind_len_and_leaves_len_to_the_caller)
{
	struct buffer buffer CLEANUP(buffer_fini) = {0};

	buffer_append_string(&buffer, "abc");
	char *at = buffer_reserve(&buffer, 1000);
	cr_expect_eq(buffer.len, 3);
	cr_expect_eq(at, buffer.at + 3);
	memset(at, 'x', 1000); /* ASan watches the end */
	buffer.len += 1000;
	cr_expect_eq(buffer.at[1002], 'x');
}

Test(buffer, an_empty_reservation_of_an_empty_buffer_is_a_place)
{
	struct buffer buffer CLEANUP(buffer_fini) = {0};

	cr_expect_not_null(buffer_reserve(&buffer, 0));
}

Test(buffer, a_reservation_beyond_memory_ends_the_process, .signal = SIGABRT)
{
	struct buffer buffer = {0};

	buffer_append_char(&buffer, 'a');
	buffer_reserve(&buffer, SIZE_MAX);
}

Test(buffer, fini_leaves_it_empty_and_usable)
{
	struct buffer buffer = {0};

	buffer_append_string(&buffer, "abc");
	buffer_fini(&buffer);
	cr_expect_eq(buffer.len, 0);
	cr_expect_eq(buffer.cap, 0);
	buffer_append_string(&buffer, "d");
	EXPECT_BYTES(buffer, "d");
	buffer_fini(&buffer);
	buffer_fini(&buffer);
}

Test(buffer, numbers_are_decimal_up_to_both_ends_of_their_range)
{
	struct buffer buffer CLEANUP(buffer_fini) = {0};

	buffer_append_u64(&buffer, 0);
	buffer_append_char(&buffer, ' ');
	buffer_append_u64(&buffer, UINT64_MAX);
	buffer_append_char(&buffer, ' ');
	buffer_append_i64(&buffer, INT64_MIN);
	buffer_append_char(&buffer, ' ');
	buffer_append_i64(&buffer, INT64_MAX);
	buffer_append_char(&buffer, ' ');
	buffer_append_i64(&buffer, -10);
	EXPECT_BYTES(buffer, "0 18446744073709551615 -9223372036854775808 9223372036854775807 -10");
}

Test(buffer, printf_appends_whole_lines_of_any_length_without_a_nul)
{
	struct buffer buffer CLEANUP(buffer_fini) = {0};

	for (int len = 0; len < 600; len++) {
		size_t before = buffer.len;
		buffer_printf(&buffer, "%0*d|", len, 7);
		cr_assert_eq(buffer.len - before, (size_t)(len ? len : 1) + 1);
		cr_assert_eq(buffer.at[buffer.len - 1], '|');
		cr_assert_eq(buffer.at[buffer.len - 2], '7');
	}
}

Test(buffer, json_strings_escape_what_must_be_and_nothing_else)
{
	struct buffer buffer CLEANUP(buffer_fini) = {0};

	buffer_append_json(&buffer, SPAN("a\"b\\c/d\b\f\n\r\t\x01\x1f\x7f é €"));
	EXPECT_BYTES(buffer, "\"a\\\"b\\\\c/d\\b\\f\\n\\r\\t\\u0001\\u001f\x7f é €\"");
}

Test(buffer, json_strings_may_be_empty_or_hold_nul)
{
	struct buffer buffer CLEANUP(buffer_fini) = {0};

	buffer_append_json(&buffer, SPAN_NONE);
	buffer_append_json(&buffer, SPAN("\0"));
	buffer_append_json(&buffer, SPAN("x"));
	EXPECT_BYTES(buffer, "\"\"\"\\u0000\"\"x\"");
}

Test(buffer, every_control_character_is_escaped)
{
	for (int c = 0; c < 0x20; c++) {
		struct buffer buffer CLEANUP(buffer_fini) = {0};
		char byte = (char)c;
		buffer_append_json(&buffer, span_of(&byte, 1));
		cr_expect_geq(buffer.len, 4, "%d", c);
		cr_expect_eq(buffer.at[1], '\\', "%d", c);
	}
}

Test(buffer, consume_takes_from_the_front)
{
	struct buffer buffer CLEANUP(buffer_fini) = {0};

	buffer_append_string(&buffer, "abcdef");
	buffer_consume(&buffer, 2);
	EXPECT_BYTES(buffer, "cdef");
	buffer_append_char(&buffer, 'g');
	buffer_consume(&buffer, 5);
	cr_expect_eq(buffer.len, 0);
}

Test(buffer, consuming_more_than_there_is_is_our_bug, .signal = SIGABRT)
{
	struct buffer buffer CLEANUP(buffer_fini) = {0};

	buffer_append_string(&buffer, "ab");
	buffer_consume(&buffer, 3);
}

Test(buffer, text_lives_until_its_last_owner_lets_go)
{
	char source[] = "hello";
	struct text *text = text_create(span_string(source));

	source[0] = 'j';
	cr_expect_eq(text_get(text), text);
	text_put(text);
	cr_expect(span_equals(text_span(text), SPAN("hello")));
	text_put(text); /* LeakSanitizer sees if this did not free it */
}

Test(buffer, empty_and_absent_text_are_fine)
{
	struct text *text = text_create(SPAN_NONE);

	cr_expect_eq(text_span(text).len, 0);
	text_put(text);
	cr_expect_null(text_get(NULL));
	cr_expect_eq(text_span(NULL).len, 0);
	text_put(NULL);
}
