/* test_redis_dial.c — redis:// by name: a connection through a name server of the test's own. */
#include "dns_fixture.h"
#include "redis.h"
#include "redis_fixture.h"

#include <criterion/criterion.h>

TestSuite(redis_dial, .timeout = 100);

#define TIMEOUT_MS 30000 /* not to be met, however long the machine stands still */

struct seen {
	struct redis_fixture fixture;
	struct dns_fixture dns;
	struct redis *redis;
	int ready, lost, answered;
	char reason[320], reply[64];
	int error;
};

static void on_state(struct redis *redis, enum redis_state state, const char *reason,
		     int64_t retry_ms, void *arg)
{
	struct seen *seen = arg;
	(void)redis, (void)retry_ms;
	if (state == REDIS_READY)
		seen->ready++;
	else
		seen->lost++;
	snprintf(seen->reason, sizeof(seen->reason), "%s", reason);
}

static void on_answer(const redisReply *reply, int error, void *arg)
{
	struct seen *seen = arg;
	seen->answered++;
	seen->error = error;
	snprintf(seen->reply, sizeof(seen->reply), "%s", reply ? reply->str : "");
}

static void open_all(struct seen *seen)
{
	*seen = (struct seen){0};
	fixture_open(&seen->fixture, NULL);
	dns_open(&seen->dns, seen->fixture.loop);
}

static void connect_within(struct seen *seen, const char *name, int64_t timeout_ms)
{
	char url[128];
	snprintf(url, sizeof(url), "redis://%s:%u", name, seen->fixture.port);
	struct redis_options options = {
		.url = url, .timeout_ms = timeout_ms, .name_servers = seen->dns.servers};
	seen->redis = redis_create(seen->fixture.loop, &options, on_state, seen);
}

static void connect_to(struct seen *seen, const char *name)
{
	connect_within(seen, name, TIMEOUT_MS);
}

static void close_all(struct seen *seen)
{
	redis_destroy(seen->redis);
	dns_close(&seen->dns);
	fixture_close(&seen->fixture);
}

Test(redis_dial, a_name_leads_to_the_server)
{
	struct seen seen;
	const char *argv[] = {"ECHO", "hello"};
	open_all(&seen);
	dns_set(&seen.dns, "redis.test", "127.0.0.1");
	connect_to(&seen, "redis.test");
	cr_assert_eq(redis_command(seen.redis, on_answer, &seen, 2, argv, NULL), 0);
	fixture_run_until(&seen.fixture, &seen.answered, 1);
	cr_assert_str_eq(seen.reply, "hello");
	cr_assert_eq(seen.lost, 0);
	close_all(&seen);
}

Test(redis_dial, where_the_first_address_refuses_the_next_one_is_tried)
{
	struct seen seen;
	open_all(&seen);
	/* It listens on 127.0.0.1 only. */
	dns_set(&seen.dns, "redis.test", "127.0.0.7 127.0.0.6 127.0.0.1");
	connect_to(&seen, "redis.test");
	fixture_run_until(&seen.fixture, &seen.ready, 1);
	cr_assert_eq(seen.lost, 0, "%s", seen.reason);
	close_all(&seen);
}

Test(redis_dial, where_all_addresses_refuse_that_is_told_and_the_name_is_asked_for_again)
{
	struct seen seen;
	open_all(&seen);
	dns_set(&seen.dns, "redis.test", "127.0.0.7 127.0.0.6");
	connect_to(&seen, "redis.test");
	fixture_run_until(&seen.fixture, &seen.lost, 1);
	cr_assert(strstr(seen.reason, "redis.test (127.0.0.") &&
			  strstr(seen.reason, "the last of 2 addresses): Connection refused"),
		  "%s", seen.reason);
	dns_set(&seen.dns, "redis.test", "127.0.0.1"); /* failover by DNS */
	fixture_run_until(&seen.fixture, &seen.ready, 1);
	close_all(&seen);
}

Test(redis_dial, a_name_that_does_not_exist_is_told_and_found_when_it_does)
{
	struct seen seen;
	open_all(&seen);
	connect_to(&seen, "nobody.test");
	fixture_run_until(&seen.fixture, &seen.lost, 2);
	cr_assert_str_eq(seen.reason, "nobody.test: name lookup: Domain name not found");
	dns_set(&seen.dns, "nobody.test", "127.0.0.1");
	fixture_run_until(&seen.fixture, &seen.ready, 1);
	close_all(&seen);
}

Test(redis_dial, with_a_silent_name_server_commands_still_end_at_their_deadline)
{
	struct seen seen;
	const char *argv[] = {"PING"};
	open_all(&seen);
	dns_set(&seen.dns, "silent.test", NULL);
	connect_within(&seen, "silent.test", 1000);
	cr_assert_eq(redis_command(seen.redis, on_answer, &seen, 1, argv, NULL), 0);
	fixture_run_until(&seen.fixture, &seen.answered, 1);
	cr_assert_eq(seen.error, -ENOTCONN);
	fixture_run_until(&seen.fixture, &seen.lost, 1);
	cr_assert(strstr(seen.reason, "silent.test: name lookup: "), "%s", seen.reason);
	close_all(&seen);
}

Test(redis_dial, given_up_while_the_name_is_looked_up_nothing_is_left)
{
	struct seen seen;
	open_all(&seen);
	dns_set(&seen.dns, "silent.test", NULL);
	connect_to(&seen, "silent.test");
	fixture_run_until(&seen.fixture, &seen.dns.asked, 1);
	redis_reconnect(seen.redis, "no effect: it is connecting");
	cr_assert_eq(seen.lost, 0);
	close_all(&seen); /* the sanitizers look */
	cr_assert_eq(seen.ready + seen.lost, 0);
}

Test(redis_dial, an_address_that_swallows_packets_leaves_time_for_the_next)
{
	struct seen seen;
	open_all(&seen);
	/* Nobody answers in 192.0.2.0/24; where there is no route at all it is refused at once. */
	dns_set(&seen.dns, "redis.test", "192.0.2.1 127.0.0.1");
	connect_within(&seen, "redis.test", 4000);
	fixture_run_until(&seen.fixture, &seen.ready, 1);
	cr_assert_eq(seen.lost, 0, "%s", seen.reason);
	close_all(&seen);
}
