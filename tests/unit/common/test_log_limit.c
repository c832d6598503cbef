#include "log_fixture.h"

TestSuite(log_limit, .init = init, .fini = fini, .timeout = 100);

Test(log_limit, first_is_allowed_and_the_next_held_back)
{
	struct log_limit limit = {0};
	cr_assert(log_allow(&limit));
	cr_assert_not(log_allow(&limit));
	cr_assert_not(log_allow(&limit));
	cr_assert_eq(limit.held_back, 2);
}

Test(log_limit, limits_do_not_know_each_other)
{
	struct log_limit a = {0}, b = {0};
	cr_assert(log_allow(&a));
	cr_assert(log_allow(&b));
}

/* The minute is over: what the clock would do to the limit. */
static void pass_a_minute(struct log_limit *limit)
{
	limit->next_ms -= 60000;
}

Test(log_limit, one_minute_lies_between_two_lines)
{
	struct log_limit limit = {0};
	cr_assert(log_allow(&limit));
	limit.next_ms -= 50000; /* not yet */
	cr_assert_not(log_allow(&limit));
	limit.next_ms -= 10000;
	cr_assert(log_allow(&limit));
}

Test(log_limit, next_line_says_how_many_were_held_back)
{
	struct log_limit limit = {0};
	open_as(LOG_FORMAT_TEXT);
	cr_assert(log_allow(&limit));
	log_info("first");
	expect_match(read_file(path), "info: first\n$");
	log_allow(&limit);
	log_allow(&limit);
	pass_a_minute(&limit);
	cr_assert(log_allow(&limit));
	log_info("second");
	log_info("another");
	expect_match(read_file(path), "second \\(2 more held back\\)\n.*another\n$");
}

Test(log_limit, number_held_back_survives_the_cut)
{
	struct log_limit limit = {.held_back = 12};
	open_as(LOG_FORMAT_TEXT);
	cr_assert(log_allow(&limit));
	cr_assert_eq(write_long("", "x", 5000), 4096);
	expect_match(content.at, "xx\\.\\.\\. \\(12 more held back\\)\n$");
}

Test(log_limit, number_of_a_line_below_the_level_is_not_given_to_another)
{
	struct log_limit limit = {.held_back = 12};
	open_as(LOG_FORMAT_TEXT);
	cr_assert(log_allow(&limit));
	log_debug("not written");
	log_info("written");
	cr_assert_str_eq(read_message(), "written");
}
