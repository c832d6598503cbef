/* test_base.c — the last words of a process. */
#include "base.h"

#include <criterion/criterion.h>
#include <signal.h>

TestSuite(base, .timeout = 10);

/* As the log would, where there is no memory left for its line. */
static void tell_in_vain(const char *file, int line, const char *condition)
{
	(void)file, (void)line;
	MUST(strcmp(condition, "never") == 0);
}

Test(base, what_fails_while_it_is_told_ends_the_process_too, .signal = SIGABRT)
{
	bool holds = false;

	must_tell = tell_in_vain;
	MUST(holds);
}
