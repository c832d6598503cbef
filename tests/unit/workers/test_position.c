/* test_position.c — positions, and how far a replay has come, as text and back. */
#include "position.h"

#include <criterion/criterion.h>

TestSuite(position, .timeout = 100);

Test(position, is_a_run_and_a_sequence)
{
	struct position position;

	cr_assert_eq(position_parse(SPAN("0123abcd-42"), &position), 0);
	cr_assert_str_eq(position.run, "0123abcd");
	cr_assert_eq(position.sequence, 42);
}

Test(position, anything_else_is_refused_and_writes_nothing)
{
	static const char *const bad[] = {
		"",
		"1",
		"0123abcd",
		"0123abcd-",
		"0123abcd-x",
		"0123abcd--1",
		"0123abcd-1 ",
		"0123ABCD-1",
		"0123abcg-1",
		"0123abc-11",
		"0123abcd-12345678901234567890",
		"0123abcd-1.2",
	};
	struct position position = {.sequence = 7};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		cr_assert_eq(position_parse(span_string(bad[i]), &position), -EINVAL, "%s", bad[i]);
	cr_assert_eq(position.sequence, 7);
}

Test(position, progress_goes_to_text_and_back)
{
	static const char *const texts[] = {"0123abcd-0", "0123abcd-42", "0123abcd-42.43",
					    "ffffffff-0.9000000000000000"};

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct progress progress;
		struct buffer text = {0};

		cr_assert_eq(progress_parse(span_string(texts[i]), &progress), 0, "%s", texts[i]);
		progress_append(&text, &progress);
		cr_assert(span_equals(buffer_span(&text), span_string(texts[i])), "%s", texts[i]);
		buffer_fini(&text);
	}
}

Test(position, progress_that_cannot_be_is_refused)
{
	static const char *const bad[] = {
		"",
		".",
		"0123abcd.1",
		"0123abcd-5.",
		"0123abcd-5.x",
		"0123abcd-5.6.7",
		"0123abcd-5.5",
		"0123abcd-5.4",
		"0123abcd-5.12345678901234567890",
	};
	struct progress progress;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		cr_assert_eq(progress_parse(span_string(bad[i]), &progress), -EINVAL, "%s", bad[i]);
}
