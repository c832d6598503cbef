/* test_redis_dial.c — redis:// by name: a connection through a name server of the test's own. */
#include "dns_fixture.h"
#include "redis_seen.h"

#include <criterion/criterion.h>

TestSuite(redis_dial, .timeout = 100);

#define TIMEOUT_MS 30000 /* not to be met, however long the machine stands still */

struct named {
	struct redis_seen seen;
	struct dns_fixture dns;
};

static void open_all(struct named *named)
{
	*named = (struct named){0};
	fixture_open(&named->seen.fixture, NULL);
	dns_open(&named->dns, named->seen.fixture.loop);
}

static void connect_within(struct named *named, const char *name, int64_t timeout_ms)
{
	char url[128];
	snprintf(url, sizeof(url), "redis://%s:%u", name, named->seen.fixture.port);
	const struct redis_options options = {
		.url = url, .timeout_ms = timeout_ms, .name_servers = named->dns.servers};
	seen_connect_with(&named->seen, &options);
}

static void connect_to(struct named *named, const char *name)
{
	connect_within(named, name, TIMEOUT_MS);
}

static void close_all(struct named *named)
{
	dns_close(&named->dns);
	seen_close(&named->seen);
}

Test(redis_dial, a_name_leads_to_the_server)
{
	struct named named;
	open_all(&named);
	dns_set(&named.dns, "redis.test", "127.0.0.1");
	connect_to(&named, "redis.test");
	seen_ask(&named.seen, "ECHO", "hello", NULL);
	seen_until_answered(&named.seen, 1);
	cr_assert_str_eq(named.seen.reply, "hello");
	cr_assert_eq(named.seen.lost, 0);
	close_all(&named);
}

Test(redis_dial, where_the_first_address_refuses_the_next_one_is_tried)
{
	struct named named;
	open_all(&named);
	/* It listens on 127.0.0.1 only. */
	dns_set(&named.dns, "redis.test", "127.0.0.7 127.0.0.6 127.0.0.1");
	connect_to(&named, "redis.test");
	seen_until_ready(&named.seen, 1);
	cr_assert_eq(named.seen.lost, 0, "%s", named.seen.reason);
	close_all(&named);
}

Test(redis_dial, where_all_addresses_refuse_that_is_told_and_the_name_is_asked_for_again)
{
	struct named named;
	open_all(&named);
	dns_set(&named.dns, "redis.test", "127.0.0.7 127.0.0.6");
	connect_to(&named, "redis.test");
	seen_until_lost(&named.seen, 1);
	cr_assert(strstr(named.seen.reason, "redis.test (127.0.0.") &&
			  strstr(named.seen.reason, "the last of 2 addresses): Connection refused"),
		  "%s", named.seen.reason);
	dns_set(&named.dns, "redis.test", "127.0.0.1"); /* failover by DNS */
	seen_until_ready(&named.seen, 1);
	close_all(&named);
}

Test(redis_dial, a_name_that_does_not_exist_is_told_and_found_when_it_does)
{
	struct named named;
	open_all(&named);
	connect_to(&named, "nobody.test");
	seen_until_lost(&named.seen, 2);
	cr_assert_str_eq(named.seen.reason, "nobody.test: name lookup: Domain name not found");
	dns_set(&named.dns, "nobody.test", "127.0.0.1");
	seen_until_ready(&named.seen, 1);
	close_all(&named);
}

Test(redis_dial, with_a_silent_name_server_commands_still_end_at_their_deadline)
{
	struct named named;
	open_all(&named);
	dns_set(&named.dns, "silent.test", NULL);
	connect_within(&named, "silent.test", 1000);
	seen_ask(&named.seen, "PING", NULL, NULL);
	seen_until_answered(&named.seen, 1);
	cr_assert_eq(named.seen.error, -ENOTCONN);
	seen_until_lost(&named.seen, 1);
	cr_assert(strstr(named.seen.reason, "silent.test: name lookup: "), "%s", named.seen.reason);
	close_all(&named);
}

Test(redis_dial, given_up_while_the_name_is_looked_up_nothing_is_left)
{
	struct named named;
	open_all(&named);
	dns_set(&named.dns, "silent.test", NULL);
	connect_to(&named, "silent.test");
	fixture_run_until(&named.seen.fixture, &named.dns.asked, 1);
	redis_reconnect(named.seen.redis, "no effect: it is connecting");
	cr_assert_eq(named.seen.lost, 0);
	close_all(&named); /* the sanitizers look */
	cr_assert_eq(named.seen.ready + named.seen.lost, 0);
}

Test(redis_dial, an_address_that_swallows_packets_leaves_time_for_the_next)
{
	struct named named;
	open_all(&named);
	/* Nobody answers in 192.0.2.0/24; where there is no route at all it is refused at once. */
	dns_set(&named.dns, "redis.test", "192.0.2.1 127.0.0.1");
	connect_within(&named, "redis.test", 4000);
	seen_until_ready(&named.seen, 1);
	cr_assert_eq(named.seen.lost, 0, "%s", named.seen.reason);
	close_all(&named);
}
