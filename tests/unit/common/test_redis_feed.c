/* test_redis_feed.c — commands that are larger than what is given to hiredis at once. */
#include "buffer.h"
#include "redis.h"
#include "redis_fixture.h"
#include "resp.h"

#include <criterion/criterion.h>
#include <signal.h>

TestSuite(redis_feed, .timeout = 40);

#define COUNT 12
#define LARGE 1500000

struct seen {
	struct redis_fixture fixture;
	struct redis *redis;
	int ready, answered, failed;
	size_t wanted[3 * COUNT]; /* length of each answer, in order */
};

static void on_state(struct redis *redis, enum redis_state state, const char *reason,
		     int64_t retry_ms, void *arg)
{
	struct seen *seen = arg;

	(void)redis, (void)reason, (void)retry_ms;
	seen->ready += state == REDIS_READY;
}

/* Echoed bytes: x from the first to the last. */
static void on_echo(const redisReply *reply, int error, void *arg)
{
	struct seen *seen = arg;

	if (error) {
		cr_assert_eq(error, -ECONNRESET);
		seen->failed++;
	} else {
		cr_assert_eq(reply->type, REDIS_REPLY_STRING);
		cr_assert_eq((size_t)reply->len, seen->wanted[seen->answered]);
		cr_assert_eq(strspn(reply->str, "x"), (size_t)reply->len);
	}
	seen->answered++;
}

static void open_seen(struct seen *seen)
{
	struct redis_options options = {.timeout_ms = 20000, .name = "test"};

	*seen = (struct seen){0};
	fixture_open(&seen->fixture, NULL);
	options.url = seen->fixture.url;
	seen->redis = redis_create(seen->fixture.loop, &options, on_state, seen);
}

static void close_seen(struct seen *seen)
{
	redis_destroy(seen->redis);
	fixture_close(&seen->fixture);
}

static void echo(struct seen *seen, int i, const char *bytes, size_t len)
{
	const char *argv[] = {"ECHO", bytes};
	const size_t lens[] = {4, len};

	seen->wanted[i] = len;
	cr_assert_eq(redis_command(seen->redis, on_echo, seen, 2, argv, lens), 0);
}

static void echo_text(struct seen *seen, int i, const char *bytes, size_t len)
{
	struct text *text = text_reserve(4 * RESP_AROUND_MAX + len);
	char *at = resp_put_item(resp_put_count(text->at, 2), "ECHO", 4);

	at = resp_put_item(at, bytes, len);
	text->len = (size_t)(at - text->at);
	seen->wanted[i] = len;
	cr_assert_eq(redis_command_text(seen->redis, on_echo, seen, text), 0);
	text_put(text); /* what is not sent yet has a reference of its own */
}

/* Small ones before, between and behind large ones of both kinds. */
static void echo_all(struct seen *seen, const char *bytes)
{
	for (int i = 0; i < COUNT; i++) {
		echo(seen, 3 * i, bytes, 1 + (size_t)i);
		echo_text(seen, 3 * i + 1, bytes, LARGE - (size_t)i * 99991);
		echo(seen, 3 * i + 2, bytes, i % 3 ? 200 : LARGE / 3);
	}
}

static char *make_bytes(void)
{
	char *bytes = malloc(LARGE);

	MUST(bytes);
	return memset(bytes, 'x', LARGE);
}

Test(redis_feed, small_and_large_commands_arrive_whole_and_in_order)
{
	struct seen seen;
	char *bytes = make_bytes();

	open_seen(&seen);
	fixture_run_until(&seen.fixture, &seen.ready, 1);
	echo_all(&seen, bytes);
	free(bytes);
	fixture_run_until(&seen.fixture, &seen.answered, 3 * COUNT);
	cr_assert_eq(seen.failed, 0);
	close_seen(&seen);
}

Test(redis_feed, what_was_given_before_it_was_ready_too)
{
	struct seen seen;
	char *bytes = make_bytes();

	open_seen(&seen);
	echo_all(&seen, bytes);
	free(bytes);
	fixture_run_until(&seen.fixture, &seen.answered, 3 * COUNT);
	cr_assert_eq(seen.failed, 0);
	close_seen(&seen);
}

Test(redis_feed, lost_in_the_middle_each_is_told_once_and_it_goes_on)
{
	struct seen seen;
	char *bytes = make_bytes();

	open_seen(&seen);
	fixture_run_until(&seen.fixture, &seen.ready, 1);
	fixture_signal(&seen.fixture, SIGSTOP);
	echo_all(&seen, bytes);
	/* It takes what its socket holds, and a large one is under way. */
	fixture_run_for(&seen.fixture, 50);
	cr_assert_eq(seen.answered, 0);
	fixture_kill(&seen.fixture);
	fixture_run_until(&seen.fixture, &seen.answered, 3 * COUNT);
	cr_assert_eq(seen.failed, 3 * COUNT);

	fixture_start(&seen.fixture, NULL);
	seen.answered = 0;
	echo_all(&seen, bytes);
	free(bytes);
	fixture_run_until(&seen.fixture, &seen.answered, 3 * COUNT);
	cr_assert_eq(seen.failed, 3 * COUNT);
	close_seen(&seen);
}

Test(redis_feed, given_up_in_the_middle_nothing_is_left)
{
	struct seen seen;
	char *bytes = make_bytes();

	open_seen(&seen);
	fixture_run_until(&seen.fixture, &seen.ready, 1);
	fixture_signal(&seen.fixture, SIGSTOP);
	echo_text(&seen, 0, bytes, LARGE);
	free(bytes);
	fixture_run_for(&seen.fixture, 20);
	fixture_signal(&seen.fixture, SIGCONT);
	redis_reconnect(seen.redis, "the test");
	cr_assert_eq(seen.failed, 1);
	close_seen(&seen);
}
