/* Positions of this host: what comes through the subscription, and when it does not. */
#include "host_fixture.h"

#include <criterion/criterion.h>

static void begin(void)
{
	host_fixture_open(1000);
}

TestSuite(marks, .init = begin, .fini = host_fixture_close, .timeout = 100);

/* Reads one record and compares; SPAN_NONE: there is none. */
static void expect_mark(struct span position)
{
	if (!position.at) {
		host_expect_nothing();
		return;
	}
	struct event_record record = host_next_record();
	cr_assert_eq(record.kind, EVENT_RECORD_MARK);
	cr_assert(span_equals(record.full, position), "got %.*s", SPAN_ARGS(record.full));
}

Test(marks, the_first_mark_after_the_subscription_makes_the_host_active)
{
	cr_assert(!publisher_is_active(&host.publisher));
	marks_receive(&host.marks, SPAN("41"), 1100);
	cr_assert(publisher_is_active(&host.publisher));
	cr_assert(span_equals(marks_position(&host.marks), SPAN("0123abcd-41")));
	expect_mark(SPAN("0123abcd-41"));
}

Test(marks, a_new_position_is_published_at_once_and_an_old_one_once_a_second)
{
	marks_receive(&host.marks, SPAN("41"), 1100);
	expect_mark(SPAN("0123abcd-41"));
	marks_receive(&host.marks, SPAN("41"), 1350);
	expect_mark(SPAN_NONE);
	marks_receive(&host.marks, SPAN("42"), 1600);
	expect_mark(SPAN("0123abcd-42"));
	marks_receive(&host.marks, SPAN("42"), 2599);
	expect_mark(SPAN_NONE);
	marks_receive(&host.marks, SPAN("42"), 2600);
	expect_mark(SPAN("0123abcd-42"));
}

Test(marks, another_primary_gives_another_position_for_the_same_sequence)
{
	marks_receive(&host.marks, SPAN("41"), 1100);
	expect_mark(SPAN("0123abcd-41"));
	marks_set_run_id(&host.marks, "ffffffff");
	marks_receive(&host.marks, SPAN("41"), 1200);
	expect_mark(SPAN("ffffffff-41"));
}

Test(marks, what_is_no_number_is_counted_and_changes_nothing)
{
	const char *const texts[] = {"", "-1", "4 ", "0x1", "12345678901234567890", "41\"", "\xff"};
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		marks_receive(&host.marks, span_string(texts[i]), 1100);
	cr_assert_eq(host.marks.malformed, ARRAY_LEN(texts));
	cr_assert(!publisher_is_active(&host.publisher));
	expect_mark(SPAN_NONE);
}

Test(marks, a_lost_subscription_is_not_active_and_takes_no_late_mark)
{
	marks_receive(&host.marks, SPAN("41"), 1100);
	expect_mark(SPAN("0123abcd-41"));
	marks_lose(&host.marks);
	cr_assert(!publisher_is_active(&host.publisher));
	marks_receive(&host.marks, SPAN("42"), 1200);
	cr_assert(!publisher_is_active(&host.publisher));
	expect_mark(SPAN_NONE);
}

Test(marks, silence_ends_active_but_redis_that_answers_nothing_is_not_a_deaf_subscription)
{
	marks_receive(&host.marks, SPAN("41"), 1100);
	cr_assert(!marks_tick(&host.marks, 1100 + MARKS_SILENCE_MS - 1));
	cr_assert(publisher_is_active(&host.publisher));
	cr_assert(!marks_tick(&host.marks, 1100 + MARKS_SILENCE_MS));
	cr_assert(!publisher_is_active(&host.publisher));
	marks_receive(&host.marks, SPAN("41"), 9000);
	cr_assert(publisher_is_active(&host.publisher));
}

Test(marks, silence_while_the_script_is_answered_is_a_deaf_subscription)
{
	marks_receive(&host.marks, SPAN("41"), 1100);
	for (unsigned i = 0; i < MARKS_DEAF_ANSWERS; i++) {
		cr_assert(!marks_tick(&host.marks, 1100 + MARKS_SILENCE_MS));
		marks_answered(&host.marks);
	}
	cr_assert(marks_tick(&host.marks, 1100 + MARKS_SILENCE_MS));
}

Test(marks, a_subscription_that_never_brought_a_mark_is_deaf_too)
{
	for (unsigned i = 0; i < MARKS_DEAF_ANSWERS; i++)
		marks_answered(&host.marks);
	cr_assert(!marks_tick(&host.marks, 1000 + MARKS_SILENCE_MS - 1));
	cr_assert(marks_tick(&host.marks, 1000 + MARKS_SILENCE_MS));
}

Test(marks, run_id_is_found_at_the_start_of_its_line_only)
{
	char run_id[9] = "unset";
	cr_assert_eq(
		marks_parse_run_id(SPAN("# Server\r\nredis_version:7.0.15\r\nx_run_id:ffffffff\r\n"
					"run_id:0931ed3dbf17c03d0931ed3dbf17c03d0931ed3d\r\n"),
				   run_id),
		0);
	cr_assert_str_eq(run_id, "0931ed3d");
}

Test(marks, an_info_without_a_usable_run_id_is_refused)
{
	char run_id[9] = "unset";
	const char *const texts[] = {"",
				     "run_id:",
				     "run_id:1234567",
				     "run_id:0931ED3D00\r\n",
				     "run_id:\"a\",\"b\":1",
				     "# Server\r\nx:1\r\n"};
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		cr_assert_eq(marks_parse_run_id(span_string(texts[i]), run_id), -EBADMSG, "%s",
			     texts[i]);
	cr_assert_str_eq(run_id, "unset");
}
