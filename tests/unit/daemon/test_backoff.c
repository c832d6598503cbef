/* When a dead process is started again. */
#include "backoff.h"

#include <criterion/criterion.h>

TestSuite(backoff, .timeout = 100);

Test(backoff, the_first_death_is_followed_at_once)
{
	struct backoff backoff = {0};
	cr_assert_eq(backoff_delay_ms(&backoff, 5), 0);
}

Test(backoff, repeated_deaths_wait_from_100_ms_doubling_to_5_s)
{
	struct backoff backoff = {0};
	const int64_t expected[] = {0, 100, 200, 400, 800, 1600, 3200, 5000, 5000, 5000};
	for (size_t i = 0; i < ARRAY_LEN(expected); i++)
		cr_assert_eq(backoff_delay_ms(&backoff, 1), expected[i], "death %zu", i);
}

Test(backoff, thirty_seconds_of_health_start_over)
{
	struct backoff backoff = {0};
	for (int i = 0; i < 8; i++)
		backoff_delay_ms(&backoff, 1);
	cr_assert_eq(backoff_delay_ms(&backoff, BACKOFF_HEALTHY_MS - 1), 5000);
	cr_assert_eq(backoff_delay_ms(&backoff, BACKOFF_HEALTHY_MS), 0);
	cr_assert_eq(backoff_delay_ms(&backoff, 1), 100);
}

Test(backoff, the_log_line_says_at_once_or_how_long)
{
	char text[64];
	backoff_describe(0, text, sizeof(text));
	cr_assert_str_eq(text, "starting again at once");
	backoff_describe(400, text, sizeof(text));
	cr_assert_str_eq(text, "starting again in 400 ms");
}
