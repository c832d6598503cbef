/* test_redis_sentinel.c — what Sentinels say, read without them. */
#include "redis_sentinel.h"

#include <criterion/criterion.h>

TestSuite(redis_sentinel, .timeout = 100);

Test(redis_sentinel, a_switch_of_our_primary_is_read)
{
	struct span host;
	unsigned port;
	cr_assert_eq(sentinel_parse_switch(SPAN("mymaster 10.0.0.1 6379 10.0.0.2 6380"), "mymaster",
					   &host, &port),
		     0);
	cr_assert(span_equals(host, SPAN("10.0.0.2")));
	cr_assert_eq(port, 6380);
	cr_assert_eq(
		sentinel_parse_switch(SPAN("a b redis-1.lan 1 ::1 65535"), "a b", &host, &port), 0);
	cr_assert(span_equals(host, SPAN("::1")));
	cr_assert_eq(port, 65535);
}

Test(redis_sentinel, a_switch_of_another_one_is_none_of_ours)
{
	struct span host;
	unsigned port;
	static const char *const others[] = {"other 1.1.1.1 1 2.2.2.2 2",
					     "mymaster2 1.1.1.1 1 2.2.2.2 2",
					     "mymaste 1.1.1.1 1 2.2.2.2 2", "mymaster", ""};
	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		cr_assert_eq(
			sentinel_parse_switch(span_string(others[i]), "mymaster", &host, &port),
			-ENOENT, "%s", others[i]);
}

Test(redis_sentinel, what_makes_no_sense_is_refused)
{
	struct span host;
	unsigned port;
	static const char *const bad[] = {
		"m ",
		"m 1.1.1.1 1 2.2.2.2",
		"m 1.1.1.1 1 2.2.2.2 2 3",
		"m 1.1.1.1 1 2.2.2.2 0",
		"m 1.1.1.1 1 2.2.2.2 65536",
		"m 1.1.1.1 1 2.2.2.2 -1",
		"m 1.1.1.1 1 2.2.2.2 99999999999",
		"m 1.1.1.1 1  2",
		"m 1.1.1.1 1 2.2.2.2 ",
	};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		cr_assert_eq(sentinel_parse_switch(span_string(bad[i]), "m", &host, &port),
			     -EBADMSG, "%s", bad[i]);
}
