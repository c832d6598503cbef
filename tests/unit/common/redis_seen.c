#include "redis_seen.h"

#include <criterion/criterion.h>

void seen_on_answer(const redisReply *reply, int error, void *arg)
{
	struct redis_seen *seen = arg;
	seen->error = error;
	seen->lost_before_answer = seen->lost;
	cr_assert_eq(reply == NULL, error != 0);
	if (reply && reply->type == REDIS_REPLY_INTEGER)
		snprintf(seen->reply, sizeof(seen->reply), "%lld", reply->integer);
	else
		snprintf(seen->reply, sizeof(seen->reply), "%s",
			 reply && reply->str ? reply->str : "-");
	if (seen->answered < (int)sizeof(seen->order) - 1)
		seen->order[seen->answered] = seen->reply[0];
	seen->answered++;
	if (seen->reconnects_with) {
		const char *reason = seen->reconnects_with;
		seen->reconnects_with = NULL;
		redis_reconnect(seen->redis, reason);
	}
}

void seen_ask(struct redis_seen *seen, const char *verb, const char *a, const char *b)
{
	const char *argv[] = {verb, a, b};
	int argc = b ? 3 : a ? 2 : 1;
	cr_assert_eq(redis_command(seen->redis, seen_on_answer, seen, argc, argv, NULL), 0);
}

static void on_state(struct redis *redis, enum redis_state state, const char *reason,
		     int64_t retry_ms, void *arg)
{
	struct redis_seen *seen = arg;
	(void)redis;
	if (state == REDIS_READY) {
		seen->ready++;
		if (seen->asks_when_ready)
			seen_ask(seen, "ECHO", "0", NULL);
	} else if (state == REDIS_CONNECTING) {
		cr_assert_str_eq(reason, "waiting for Redis to load its data");
		seen->loading++;
	} else {
		cr_assert_eq(state, REDIS_LOST);
		seen->lost++;
		seen->retry_ms = retry_ms;
		snprintf(seen->reason, sizeof(seen->reason), "%s", reason);
	}
}

void seen_connect_with(struct redis_seen *seen, const struct redis_options *options)
{
	seen->redis = redis_create(seen->fixture.loop, options, on_state, seen);
}

void seen_connect(struct redis_seen *seen, const char *url, int64_t timeout_ms)
{
	const struct redis_options options = {.url = url, .timeout_ms = timeout_ms, .name = "test"};
	seen_connect_with(seen, &options);
}

void seen_open(struct redis_seen *seen, const char *const *extra, int64_t timeout_ms)
{
	fixture_open(&seen->fixture, extra);
	seen_connect(seen, seen->fixture.url, timeout_ms);
}

void seen_close(struct redis_seen *seen)
{
	redis_destroy(seen->redis);
	fixture_close(&seen->fixture);
}

void seen_until_ready(struct redis_seen *seen, int times)
{
	fixture_run_until(&seen->fixture, &seen->ready, times);
}

void seen_until_lost(struct redis_seen *seen, int times)
{
	fixture_run_until(&seen->fixture, &seen->lost, times);
}

void seen_until_answered(struct redis_seen *seen, int times)
{
	fixture_run_until(&seen->fixture, &seen->answered, times);
}
