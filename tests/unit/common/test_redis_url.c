/* test_redis_url.c — addresses of Redis and of Sentinels, and what a Sentinel and a server say of
 * themselves. */
#include "buffer.h"
#include "redis_sentinel.h"
#include "redis_url.h"

#include <criterion/criterion.h>
#include <hiredis/hiredis.h>

TestSuite(redis_url, .timeout = 100);

Test(redis_url, urls_are_taken_apart)
{
	const char *reason = NULL;
	struct redis_url url;
	cr_assert_eq(redis_url_parse("redis://u%20x:p%3a@[::1]:7000/12", &url, &reason), 0);
	cr_assert_str_eq(url.host, "::1");
	cr_assert_eq(url.port, 7000);
	cr_assert_str_eq(url.user, "u x");
	cr_assert_str_eq(url.password, "p:");
	cr_assert_eq(url.database, 12);
	redis_url_fini(&url);
	cr_assert_eq(redis_url_parse("unix:///run/r%20s.sock?db=4", &url, &reason), 0);
	cr_assert_str_eq(url.path, "/run/r s.sock");
	cr_assert_eq(url.database, 4);
	cr_assert_null(url.host);
	redis_url_fini(&url);
	cr_assert_eq(redis_url_parse("redis://host", &url, &reason), 0);
	cr_assert_eq(url.port, 6379);
	cr_assert_null(url.password);
	redis_url_fini(&url);
}

Test(redis_url, sentinel_urls_are_taken_apart)
{
	const char *reason = NULL;
	struct redis_url url;
	cr_assert_eq(
		redis_url_parse("sentinel://u:p/w@a,b:5000,[::1]:6000/my%20name/3", &url, &reason),
		0);
	cr_assert_eq(url.host_count, 3);
	cr_assert_str_eq(url.hosts[0].name, "a");
	cr_assert_eq(url.hosts[0].port, 26379);
	cr_assert_str_eq(url.hosts[1].name, "b");
	cr_assert_eq(url.hosts[1].port, 5000);
	cr_assert_str_eq(url.hosts[2].name, "::1");
	cr_assert_eq(url.hosts[2].port, 6000);
	cr_assert_str_eq(url.primary, "my name");
	cr_assert_str_eq(url.password, "p/w");
	cr_assert_eq(url.database, 3);
	cr_assert_null(url.host);
	redis_url_fini(&url);
	cr_assert_eq(redis_url_parse("sentinel://a/m", &url, &reason), 0);
	cr_assert_eq(url.host_count, 1);
	cr_assert_eq(url.database, 0);
	redis_url_fini(&url);
}

static redisReply *reply_of(const char *resp)
{
	redisReader *reader = redisReaderCreate();
	void *reply = NULL;
	cr_assert_eq(redisReaderFeed(reader, resp, strlen(resp)), REDIS_OK);
	cr_assert_eq(redisReaderGetReply(reader, &reply), REDIS_OK);
	redisReaderFree(reader);
	return reply;
}

static int address_of(const char *resp, char host[64], unsigned *ret_port)
{
	const char *name;
	redisReply *reply = reply_of(resp);
	int error = sentinel_parse_address(reply, &name, ret_port);
	if (!error)
		snprintf(host, 64, "%s", name);
	freeReplyObject(reply);
	return error;
}

Test(redis_url, what_a_sentinel_says_is_checked)
{
	char host[64];
	unsigned port;
	cr_assert_eq(address_of("*2\r\n$8\r\n10.0.0.7\r\n$4\r\n6380\r\n", host, &port), 0);
	cr_assert_str_eq(host, "10.0.0.7");
	cr_assert_eq(port, 6380);
	cr_assert_eq(address_of("*-1\r\n", host, &port), -ENOENT);
	static const char *const bad[] = {
		"-ERR no\r\n",
		"*0\r\n",
		"*1\r\n$1\r\na\r\n",
		"*2\r\n$0\r\n\r\n$4\r\n6380\r\n",
		"*2\r\n$1\r\na\r\n$1\r\n0\r\n",
		"*2\r\n$1\r\na\r\n$5\r\n65536\r\n",
		"*2\r\n$1\r\na\r\n$3\r\n63x\r\n",
		"*2\r\n$1\r\na\r\n:6380\r\n",
		"+OK\r\n",
	};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		cr_expect_eq(address_of(bad[i], host, &port), -EBADMSG, "%s", bad[i]);
}

Test(redis_url, roles_other_than_primary_do_not_fit)
{
	static const struct {
		const char *resp;
		bool fits;
	} roles[] = {
		{"*3\r\n$6\r\nmaster\r\n:1\r\n*0\r\n", true},
		{"*3\r\n$5\r\nslave\r\n:1\r\n*0\r\n", false},
		{"*2\r\n$8\r\nsentinel\r\n*0\r\n", false},
		{"-NOPERM this user has no permissions\r\n", true},
		{"*0\r\n", true},
	};
	for (size_t i = 0; i < ARRAY_LEN(roles); i++) {
		redisReply *reply = reply_of(roles[i].resp);
		cr_expect_eq(sentinel_role_fits(reply), roles[i].fits, "%s", roles[i].resp);
		freeReplyObject(reply);
	}
}

#define TOO_LONG                                                                                   \
	"unix:///0123456789012345678901234567890123456789012345678901234567890123456789"           \
	"0123456789012345678901234567890123456789"

Test(redis_url, bad_urls_are_refused_with_a_reason)
{
	static const char *const bad[] = {
		"",
		"redis",
		"redis:/host",
		"redis://",
		"redis://:6379",
		"redis://host:0",
		"redis://host:65536",
		"redis://host:x",
		"redis://host:",
		"redis://host/x",
		"redis://host/1/2",
		"redis://host/-1",
		"redis://[::1",
		"redis://[::1]x",
		"redis://u:%zz@host",
		"redis://u:%0",
		"redis://u:%00@host",
		"redis://ho st",
		"rediss://host",
		"sentinel://",
		"sentinel://a",
		"sentinel://a/",
		"sentinel:///name",
		"sentinel://a,/name",
		"sentinel://,a/name",
		"sentinel://a:0/name",
		"sentinel://a/name/x",
		"sentinel://a//1",
		"sentinel://a/na%me",
		"sentinel://a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a/name",
		"http://host",
		"unix://",
		"unix://relative",
		"unix:///",
		"unix:///x?db=",
		"unix:///x?db=y",
		"unix:///x?other=1",
		TOO_LONG,
		"embedded",
	};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		const char *reason = NULL;
		cr_assert_eq(redis_url_check(bad[i], &reason), -EINVAL, "%s", bad[i]);
		cr_assert(reason && *reason, "%s", bad[i]);
	}
}

Test(redis_url, the_url_of_a_sentinel_itself_leads_to_it)
{
	static const struct {
		const char *url, *user, *formatted, *host;
		unsigned index, port;
	} table[] = {
		{"sentinel://a,b:7/m", NULL, "redis://[b]:7", "b", 1, 7},
		{"sentinel://u:p@redis-1.lan/m/2", NULL, "redis://[redis-1.lan]:26379",
		 "redis-1.lan", 0, 26379},
		{"sentinel://[fe80::1%25eth0]:1/m", "sync@doc:/",
		 "redis://sync%40doc%3A%2F@[fe80%3A%3A1%25eth0]:1", "fe80::1%eth0", 0, 1},
	};
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct redis_url url, own;
		const char *reason;
		CLEANUP(buffer_fini) struct buffer text = {0};
		cr_assert_eq(redis_url_parse(table[i].url, &url, &reason), 0, "%s", reason);
		redis_url_format_sentinel(&url, table[i].index, table[i].user, &text);
		buffer_append_char(&text, '\0');
		cr_assert_str_eq(text.at, table[i].formatted);
		cr_assert_eq(redis_url_parse(text.at, &own, &reason), 0, "%s", reason);
		cr_assert_str_eq(own.host, table[i].host);
		cr_assert_eq(own.port, table[i].port);
		cr_assert_eq(own.user == NULL, table[i].user == NULL);
		if (own.user)
			cr_assert_str_eq(own.user, table[i].user);
		redis_url_fini(&own);
		redis_url_fini(&url);
	}
}
