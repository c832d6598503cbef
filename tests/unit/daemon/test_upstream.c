/* Redis URLs as the daemon makes and shows them. */
#include "embedded_redis.h"
#include "upstream.h"

#include <criterion/criterion.h>

TestSuite(upstream, .timeout = 100);

static const char *describe(const char *url)
{
	static char text[128];
	upstream_describe_url(url, text, sizeof(text));
	return text;
}

Test(upstream, what_stands_before_the_last_at_sign_is_never_shown)
{
	cr_assert_str_eq(describe("redis://user:secret@host:6379/0"), "redis://***@host:6379/0");
	cr_assert_str_eq(describe("redis://:p@ss/w@rd@host"), "redis://***@host");
}

Test(upstream, a_url_without_a_password_is_shown_as_it_is)
{
	cr_assert_str_eq(describe("redis://127.0.0.1:6379"), "redis://127.0.0.1:6379");
	cr_assert_str_eq(describe("sentinel://u:s@a,b/m"), "sentinel://***@a,b/m");
	cr_assert_str_eq(describe("sentinel://a,b/m"), "sentinel://a,b/m");
	cr_assert_str_eq(describe("unix:///run/a@b.sock"), "unix:///run/a@b.sock");
}

Test(upstream, a_long_url_is_cut_and_still_shows_no_password)
{
	char url[400] = "redis://user:";
	memset(url + strlen(url), 's', 300);
	strcpy(url + 313, "@host");
	cr_assert_str_eq(describe(url), "redis://***@host");
}

Test(upstream, the_url_of_the_embedded_socket_is_one_that_redis_h_reads)
{
	char url[128];
	const char *reason = NULL;
	cr_assert_eq(embedded_redis_format_url("/var/lib/a b%c?d/redis.sock", url, sizeof(url)), 0);
	cr_assert_str_eq(url, "unix:///var/lib/a%20b%25c%3Fd/redis.sock");
	cr_assert_eq(redis_url_check(url, &reason), 0, "%s", reason);
}

Test(upstream, a_url_that_does_not_fit_is_refused)
{
	char url[16];
	cr_assert_eq(embedded_redis_format_url("/var/lib/syncdoc/redis.sock", url, sizeof(url)),
		     -ENAMETOOLONG);
	cr_assert_eq(embedded_redis_format_url("/1234567", url, sizeof(url)),
		     0); /* 15 bytes and the end */
	cr_assert_eq(embedded_redis_format_url("/12345678", url, sizeof(url)), -ENAMETOOLONG);
}
