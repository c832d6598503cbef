/* test_redis_feed.c — commands that are larger than what is given to hiredis at once. */
#include "buffer.h"
#include "redis_seen.h"
#include "resp.h"

#include <criterion/criterion.h>
#include <signal.h>

TestSuite(redis_feed, .timeout = 40);

#define COUNT 12
#define LARGE 1500000

struct echoes {
	struct redis_seen seen;
	int failed;
	size_t wanted[3 * COUNT]; /* length of each answer, in order */
};

/* Echoed bytes: x from the first to the last. */
static void on_echo(const redisReply *reply, int error, void *arg)
{
	struct echoes *echoes = arg;

	if (error) {
		cr_assert_eq(error, -ECONNRESET);
		echoes->failed++;
	} else {
		cr_assert_eq(reply->type, REDIS_REPLY_STRING);
		cr_assert_eq((size_t)reply->len, echoes->wanted[echoes->seen.answered]);
		cr_assert_eq(strspn(reply->str, "x"), (size_t)reply->len);
	}
	echoes->seen.answered++;
}

static void echo(struct echoes *echoes, int i, const char *bytes, size_t len)
{
	const char *argv[] = {"ECHO", bytes};
	const size_t lens[] = {4, len};

	echoes->wanted[i] = len;
	cr_assert_eq(redis_command(echoes->seen.redis, on_echo, echoes, 2, argv, lens), 0);
}

static void echo_text(struct echoes *echoes, int i, const char *bytes, size_t len)
{
	struct text *text = text_reserve(4 * RESP_AROUND_MAX + len);
	char *at = resp_put_item(resp_put_count(text->at, 2), "ECHO", 4);

	at = resp_put_item(at, bytes, len);
	text->len = (size_t)(at - text->at);
	echoes->wanted[i] = len;
	cr_assert_eq(redis_command_text(echoes->seen.redis, on_echo, echoes, text), 0);
	text_put(text); /* what is not sent yet has a reference of its own */
}

/* Small ones before, between and behind large ones of both kinds. */
static void echo_all(struct echoes *echoes, const char *bytes)
{
	for (int i = 0; i < COUNT; i++) {
		echo(echoes, 3 * i, bytes, 1 + (size_t)i);
		echo_text(echoes, 3 * i + 1, bytes, LARGE - (size_t)i * 99991);
		echo(echoes, 3 * i + 2, bytes, i % 3 ? 200 : LARGE / 3);
	}
}

static char *make_bytes(void)
{
	char *bytes = malloc(LARGE);

	MUST(bytes);
	return memset(bytes, 'x', LARGE);
}

static void expect_all_answered(bool when_ready)
{
	struct echoes echoes = {0};
	char *bytes = make_bytes();

	seen_open(&echoes.seen, NULL, SEEN_TIMEOUT_MS);
	if (when_ready)
		seen_until_ready(&echoes.seen, 1);
	echo_all(&echoes, bytes);
	free(bytes);
	seen_until_answered(&echoes.seen, 3 * COUNT);
	cr_assert_eq(echoes.failed, 0);
	seen_close(&echoes.seen);
}

Test(redis_feed, small_and_large_commands_arrive_whole_and_in_order)
{
	expect_all_answered(true);
}

Test(redis_feed, what_was_given_before_it_was_ready_too)
{
	expect_all_answered(false);
}

Test(redis_feed, lost_in_the_middle_each_is_told_once_and_it_goes_on)
{
	struct echoes echoes = {0};
	char *bytes = make_bytes();

	seen_open(&echoes.seen, NULL, SEEN_TIMEOUT_MS);
	seen_until_ready(&echoes.seen, 1);
	fixture_signal(&echoes.seen.fixture, SIGSTOP);
	echo_all(&echoes, bytes);
	/* It takes what its socket holds, and a large one is under way. */
	fixture_run_for(&echoes.seen.fixture, 50);
	cr_assert_eq(echoes.seen.answered, 0);
	fixture_kill(&echoes.seen.fixture);
	seen_until_answered(&echoes.seen, 3 * COUNT);
	cr_assert_eq(echoes.failed, 3 * COUNT);

	fixture_start(&echoes.seen.fixture, NULL);
	echoes.seen.answered = 0;
	echo_all(&echoes, bytes);
	free(bytes);
	seen_until_answered(&echoes.seen, 3 * COUNT);
	cr_assert_eq(echoes.failed, 3 * COUNT);
	seen_close(&echoes.seen);
}

Test(redis_feed, given_up_in_the_middle_nothing_is_left)
{
	struct echoes echoes = {0};
	char *bytes = make_bytes();

	seen_open(&echoes.seen, NULL, SEEN_TIMEOUT_MS);
	seen_until_ready(&echoes.seen, 1);
	fixture_signal(&echoes.seen.fixture, SIGSTOP);
	echo_text(&echoes, 0, bytes, LARGE);
	free(bytes);
	fixture_run_for(&echoes.seen.fixture, 20);
	fixture_signal(&echoes.seen.fixture, SIGCONT);
	redis_reconnect(echoes.seen.redis, "the test");
	cr_assert_eq(echoes.failed, 1);
	seen_close(&echoes.seen);
}
