#include <criterion/criterion.h>

#include "long_poll.h"

TestSuite(long_poll, .timeout = 100);

Test(long_poll, wait_is_one_to_sixty_seconds)
{
	static const struct {
		const char *text;
		unsigned seconds;
	} table[] = {{"1", 1},    {"1s", 1},  {"09", 9},  {"30", 30},
		     {"30s", 30}, {"60", 60}, {"60s", 60}};

	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		unsigned seconds = 0;

		cr_expect_eq(long_poll_parse_wait(table[i].text, &seconds), 0, "%s", table[i].text);
		cr_expect_eq(seconds, table[i].seconds, "%s", table[i].text);
	}
}

Test(long_poll, anything_else_is_refused_and_changes_nothing)
{
	static const char *const table[] = {
		"",   "0",  "0s", "00",  "61", "61s",  "99",  "100", "1.5", "-1",         "+1",
		" 1", "1 ", "s",  "1ms", "1m", "30ss", "30S", "0x1", "1e1", "99999999999"};

	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		unsigned seconds = 77;

		cr_expect_eq(long_poll_parse_wait(table[i], &seconds), -EINVAL, "%s", table[i]);
		cr_expect_eq(seconds, 77);
	}
}
