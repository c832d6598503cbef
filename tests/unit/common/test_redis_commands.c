/* test_redis_commands.c — what hiredis is given. */
#include "redis_link.h"

#include <criterion/criterion.h>

/* Of a command of one word it reads the byte behind the last one. */
Test(redis_commands, a_nul_stands_behind_a_command_and_does_not_count)
{
	static const char *const argv[] = {"PING"};
	const struct span expected = SPAN("*1\r\n$4\r\nPING\r\n");
	struct buffer text = {0};

	memset(buffer_reserve(&text, 256), '$', 256);
	command_format(&text, 1, argv, NULL);
	cr_expect(span_equals(buffer_span(&text), expected));
	cr_expect_eq(text.at[text.len], '\0');
	buffer_fini(&text);
}
