/* test_redis_lost.c — one connection, and a server that stalls, dies, loads its data or turns into
 * a replica. */
#include "redis_seen.h"

#include <criterion/criterion.h>
#include <signal.h>

TestSuite(redis_lost, .timeout = 100);

Test(redis_lost, destroy_cancels_what_was_sent_and_what_waits_once_each)
{
	struct redis_seen seen = {0};
	seen_open(&seen, NULL, SEEN_TIMEOUT_MS);
	seen_until_ready(&seen, 1);
	fixture_signal(&seen.fixture, SIGSTOP);
	seen_ask(&seen, "PING", NULL, NULL);
	seen_ask(&seen, "PING", NULL, NULL);
	fixture_run_for(&seen.fixture, 20);
	redis_destroy(seen.redis);
	cr_assert_eq(seen.answered, 2);
	cr_assert_eq(seen.error, -ECANCELED);
	fixture_close(&seen.fixture);
}

Test(redis_lost, a_stalled_server_misses_the_deadline_and_is_left_after_two)
{
	struct redis_seen seen = {0};
	seen_open(&seen, NULL, SEEN_SHORT_MS);
	seen_until_ready(&seen, 1);
	/* A busy machine may have needed more than one attempt. */
	int lost = seen.lost, ready = seen.ready;
	uint64_t reconnects = redis_reconnects(seen.redis);
	fixture_signal(&seen.fixture, SIGSTOP);
	seen_ask(&seen, "PING", NULL, NULL);
	seen_until_answered(&seen, 1);
	cr_assert_eq(seen.error, -ETIMEDOUT);
	cr_assert_eq(seen.lost_before_answer, lost);
	seen_until_lost(&seen, lost + 1);
	cr_assert_str_eq(seen.reason, "no reply for two timeouts");
	fixture_signal(&seen.fixture, SIGCONT);
	seen_until_ready(&seen, ready + 1);
	cr_assert_eq(redis_reconnects(seen.redis), reconnects + 1);
	cr_assert_eq(seen.answered, 1);
	seen_ask(&seen, "ECHO", "again", NULL);
	seen_until_answered(&seen, 2);
	cr_assert_str_eq(seen.reply, "again");
	seen_close(&seen);
}

Test(redis_lost, a_stalled_server_does_not_keep_an_attempt_to_connect_for_ever)
{
	struct redis_seen seen = {0};
	fixture_open(&seen.fixture, NULL);
	fixture_signal(&seen.fixture, SIGSTOP);
	seen_connect(&seen, seen.fixture.url, SEEN_SHORT_MS);
	seen_until_lost(&seen, 1);
	cr_assert_str_eq(seen.reason, "connecting timed out");
	fixture_signal(&seen.fixture, SIGCONT);
	seen_until_ready(&seen, 1);
	seen_close(&seen);
}

Test(redis_lost, a_late_reply_is_dropped_and_the_next_command_gets_its_own)
{
	struct redis_seen seen = {0};
	seen_open(&seen, NULL, 2000);
	seen_until_ready(&seen, 1);
	fixture_signal(&seen.fixture, SIGSTOP);
	seen_ask(&seen, "ECHO", "late", NULL);
	seen_until_answered(&seen, 1);
	cr_assert_eq(seen.error, -ETIMEDOUT);
	seen_ask(&seen, "ECHO", "mine", NULL);
	fixture_signal(&seen.fixture, SIGCONT);
	seen_until_answered(&seen, 2);
	cr_assert_str_eq(seen.reply, "mine");
	cr_assert_eq(seen.lost, 0);
	seen_close(&seen);
}

Test(redis_lost, a_killed_server_resets_what_was_sent_and_what_waits_goes_out_when_it_is_back)
{
	struct redis_seen seen = {0};
	seen_open(&seen, NULL, SEEN_TIMEOUT_MS);
	seen_until_ready(&seen, 1);
	fixture_signal(&seen.fixture, SIGSTOP);
	seen_ask(&seen, "PING", NULL, NULL);
	fixture_run_for(&seen.fixture, 20);
	fixture_kill(&seen.fixture);
	seen_until_answered(&seen, 1);
	cr_assert_eq(seen.error, -ECONNRESET);
	cr_assert_geq(seen.lost, 1);
	cr_assert_neq(redis_state_of(seen.redis), REDIS_READY);
	seen_ask(&seen, "ECHO", "waited", NULL);
	fixture_start(&seen.fixture, NULL);
	seen_until_answered(&seen, 2);
	cr_assert_eq(seen.error, 0);
	cr_assert_str_eq(seen.reply, "waited");
	cr_assert_eq(redis_reconnects(seen.redis), 1);
	seen_close(&seen);
}

Test(redis_lost, a_reconnect_from_inside_a_reply_resets_the_others)
{
	struct redis_seen seen = {.reconnects_with = "heartbeat missed"};
	seen_open(&seen, NULL, SEEN_TIMEOUT_MS);
	seen_ask(&seen, "ECHO", "1", NULL);
	seen_ask(&seen, "ECHO", "2", NULL);
	seen_ask(&seen, "ECHO", "3", NULL);
	seen_until_ready(&seen, 2);
	cr_assert_str_eq(seen.reason, "heartbeat missed");
	cr_assert_eq(seen.answered, 3);
	cr_assert_eq(seen.error, -ECONNRESET);
	seen_ask(&seen, "ECHO", "4", NULL);
	seen_until_answered(&seen, 4);
	cr_assert_str_eq(seen.reply, "4");
	seen_close(&seen);
}

static void ask_until_lost(struct redis_seen *seen, const char *script)
{
	for (int i = 0; i < 400 && !seen->lost; i++) {
		const char *argv[] = {"EVAL", script, "0"};
		int answers = seen->answered + 2;
		cr_assert_eq(redis_command(seen->redis, seen_on_answer, seen, 3, argv, NULL), 0);
		seen_ask(seen, "SET", "k", "v");
		seen_until_answered(seen, answers);
		cr_assert_eq(seen->error, 0,
			     "what was sent is answered before the connection goes");
		cr_assert(strstr(seen->reply, "READONLY"), "%s", seen->reply);
		fixture_run_for(&seen->fixture, 10);
	}
}

Test(redis_lost, a_primary_that_became_a_replica_is_left_when_all_is_answered_but_not_too_often)
{
	struct redis_seen seen = {0};
	seen_open(&seen, NULL, SEEN_TIMEOUT_MS);
	seen_until_ready(&seen, 1);
	fixture_ask(&seen.fixture, "REPLICAOF 127.0.0.1 1");
	seen_ask(&seen, "SET", "k", "v");
	seen_until_answered(&seen, 1);
	cr_assert(strstr(seen.reply, "READONLY"));
	cr_assert_eq(seen.lost, 0, "it has only just been connected to");
	ask_until_lost(&seen, "return redis.call('SET', 'k', 'v')");
	cr_assert_eq(seen.lost, 1);
	cr_assert_str_eq(seen.reason, "it has become a replica (READONLY)");
	fixture_ask(&seen.fixture, "REPLICAOF NO ONE");
	int answers = seen.answered + 1;
	seen_ask(&seen, "SET", "k", "v");
	seen_until_answered(&seen, answers);
	cr_assert_str_eq(seen.reply, "OK");
	cr_assert_eq(redis_reconnects(seen.redis), 1);
	seen_close(&seen);
}

/* Whether the connection survives the loading; if so, all that must hold of one that did does. */
static bool survives_loading(int64_t timeout_ms)
{
	static const char *const slow[] = {"--key-load-delay", "1000",
					   "--loading-process-events-interval-bytes", "1024", NULL};
	struct redis_seen seen = {0};
	fixture_open(&seen.fixture, NULL);
	fixture_ask(&seen.fixture, "EVAL %s 0",
		    "for i = 1, 20000 do redis.call('SET', 'key:' .. i, 'value:' .. i) end");
	cr_assert_str_eq(fixture_ask(&seen.fixture, "SAVE"), "OK");
	fixture_kill(&seen.fixture);
	fixture_start(&seen.fixture, slow);
	seen_connect(&seen, seen.fixture.url, timeout_ms);
	fixture_run_until(&seen.fixture, &seen.loading, 1);
	seen_ask(&seen, "GET", "key:1", NULL);
	seen_until_answered(&seen, 1);
	cr_assert_eq(seen.error, -ENOTCONN, "surely not done");
	fixture_run_for(&seen.fixture, 2 * timeout_ms);
	cr_assert_eq(seen.ready, 0);
	cr_assert_str_eq(fixture_ask(&seen.fixture, "CONFIG SET key-load-delay 0"), "OK");
	seen_until_ready(&seen, 1);
	bool survived = seen.lost == 0;
	cr_assert(!survived || seen.loading == 1, "told once");
	seen_ask(&seen, "GET", "key:1", NULL);
	seen_until_answered(&seen, 2);
	cr_assert(!survived || strcmp(seen.reply, "value:1") == 0, "%s", seen.reply);
	seen_close(&seen);
	return survived;
}

Test(redis_lost, while_the_server_loads_its_data_it_is_waited_for_and_not_left)
{
	/* A server that a busy machine does not let answer in time is left, loading or not. */
	int64_t timeout_ms = SEEN_SHORT_MS;
	while (!survives_loading(timeout_ms)) {
		timeout_ms *= 4;
		cr_assert_leq(timeout_ms, 16 * SEEN_SHORT_MS);
	}
}

struct pushes {
	int count;
	char last[64];
};

static void on_push(const redisReply *reply, void *arg)
{
	struct pushes *pushes = arg;
	cr_assert_eq(reply->type, REDIS_REPLY_ARRAY);
	if (strcmp(reply->element[0]->str, "message") != 0 &&
	    strcmp(reply->element[0]->str, "pmessage") != 0)
		return;
	snprintf(pushes->last, sizeof(pushes->last), "%s",
		 reply->element[reply->elements - 1]->str);
	pushes->count++;
}

static void until_subscribed(struct redis_seen *seen)
{
	for (int i = 0; i < 200; i++) {
		fixture_run_for(&seen->fixture, 10);
		if (strcmp(fixture_ask(&seen->fixture, "PUBSUB NUMPAT"), "1") == 0)
			return;
	}
	cr_assert_fail("not subscribed");
}

Test(redis_lost, a_subscription_gets_messages_and_is_made_again_after_a_reconnect)
{
	static const char *const channels[] = {"one", "two"}, *const patterns[] = {"many:*"};
	struct pushes pushes = {0};
	struct redis_seen seen = {0};
	seen_open(&seen, NULL, SEEN_SHORT_MS);
	redis_subscribe(seen.redis, channels, 2, patterns, 1, on_push, &pushes);
	until_subscribed(&seen);
	fixture_ask(&seen.fixture, "PUBLISH two 22");
	fixture_run_until(&seen.fixture, &pushes.count, 1);
	cr_assert_str_eq(pushes.last, "22");
	fixture_kill(&seen.fixture);
	seen_until_lost(&seen, 1);
	fixture_start(&seen.fixture, NULL);
	seen_until_ready(&seen, 2);
	until_subscribed(&seen);
	fixture_ask(&seen.fixture, "PUBLISH many:x 33");
	fixture_run_until(&seen.fixture, &pushes.count, 2);
	cr_assert_str_eq(pushes.last, "33");
	/* It has no deadline. */
	int lost = seen.lost;
	fixture_run_for(&seen.fixture, 3 * SEEN_SHORT_MS);
	cr_assert_eq(seen.lost, lost);
	redis_reconnect(seen.redis, "heartbeat missed");
	cr_assert_eq(seen.lost, lost + 1);
	until_subscribed(&seen);
	seen_close(&seen);
}
