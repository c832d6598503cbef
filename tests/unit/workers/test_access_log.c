#include "access_log.h"

#include <criterion/criterion.h>

TestSuite(access_log, .timeout = 100);

static void expect(const char *target, const char *path)
{
	struct span got = access_line_path(span_string(target));

	cr_expect(span_equals(got, span_string(path)), "%s: %.*s", target, SPAN_ARGS(got));
}

Test(access_log, queries_are_not_in_it)
{
	expect("/a/b?token=secret", "/a/b");
	expect("/?token=secret", "/");
	expect("/a%3Fb", "/a%3Fb");
	expect("/a?b?c", "/a");
	expect("/a", "/a");
}

Test(access_log, who_stands_in_an_absolute_target_is_not_in_it)
{
	expect("http://user:secret@host/a?b", "/a");
	expect("http://user:secret@host", "/");
	expect("http://user:secret@host?token=x/y", "/");
	expect("user:secret@host", "/");
	expect("", "");
	expect("*", "*");
}

Test(access_log, long_paths_are_cut)
{
	char target[ACCESS_PATH_MAX * 2];

	memset(target, '/', sizeof(target));
	cr_expect_eq(access_line_path(span_of(target, sizeof(target))).len, ACCESS_PATH_MAX);
}

Test(access_log, switched_off_it_costs_nothing)
{
	access_line_answered(NULL, 200, 1);
	access_line_add_bytes(NULL, 1);
	access_line_finish(NULL, NULL);
	access_line_destroy(NULL);
}
