/* test_redis.c — one connection to a server of the test's own, in all weathers. */
#include "redis.h"
#include "redis_fixture.h"

#include <criterion/criterion.h>
#include <hiredis/hiredis.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

TestSuite(redis, .timeout = 100);

#define TIMEOUT_MS 30000 /* not to be met, however long the machine stands still */
#define SHORT_MS 250

/* Everything a test learns from callbacks. */
struct seen {
	struct redis_fixture fixture;
	struct redis *redis;
	int ready, lost, answered, pushed, loading;
	int lost_before_answer; /* of the last one */
	char reason[320];
	int64_t retry_ms;
	int error;            /* of the last answer */
	char reply[256];      /* of the last answer or push */
	char order[64];       /* first bytes of all answers */
	bool asks_when_ready; /* gives a command from inside READY */
	const char *reconnects_with;
};

static void on_answer(const redisReply *reply, int error, void *arg)
{
	struct seen *seen = arg;
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

static void ask(struct seen *seen, const char *verb, const char *a, const char *b)
{
	const char *argv[] = {verb, a, b};
	int argc = b ? 3 : a ? 2 : 1;
	cr_assert_eq(redis_command(seen->redis, on_answer, seen, argc, argv, NULL), 0);
}

static void on_state(struct redis *redis, enum redis_state state, const char *reason,
		     int64_t retry_ms, void *arg)
{
	struct seen *seen = arg;
	(void)redis;
	if (state == REDIS_READY) {
		seen->ready++;
		if (seen->asks_when_ready)
			ask(seen, "ECHO", "0", NULL);
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

static void connect_with(struct seen *seen, const char *url, const char *password_file,
			 int64_t timeout_ms)
{
	struct redis_options options = {.url = url,
					.password_file = password_file,
					.timeout_ms = timeout_ms,
					.name = "test"};
	seen->redis = redis_create(seen->fixture.loop, &options, on_state, seen);
}

static void open_with(struct seen *seen, const char *const *extra, int64_t timeout_ms)
{
	fixture_open(&seen->fixture, extra);
	connect_with(seen, seen->fixture.url, NULL, timeout_ms);
}

static void close_all(struct seen *seen)
{
	redis_destroy(seen->redis);
	fixture_close(&seen->fixture);
}

static void until_ready(struct seen *seen, int times)
{
	fixture_run_until(&seen->fixture, &seen->ready, times);
}

static void until_answered(struct seen *seen, int times)
{
	fixture_run_until(&seen->fixture, &seen->answered, times);
}

Test(redis, connects_over_a_unix_socket_and_answers)
{
	struct seen seen = {0};
	open_with(&seen, NULL, TIMEOUT_MS);
	until_ready(&seen, 1);
	ask(&seen, "ECHO", "hello", NULL);
	until_answered(&seen, 1);
	cr_assert_str_eq(seen.reply, "hello");
	cr_assert(strstr(fixture_ask(&seen.fixture, "CLIENT LIST"), "name=test"));
	cr_assert_eq(redis_reconnects(seen.redis), 0);
	close_all(&seen);
}

Test(redis, connects_over_tcp_and_selects_the_database)
{
	struct seen seen = {0};
	char url[64];
	fixture_open(&seen.fixture, NULL);
	snprintf(url, sizeof(url), "redis://127.0.0.1:%u/3", seen.fixture.port);
	connect_with(&seen, url, NULL, TIMEOUT_MS);
	ask(&seen, "SET", "key", "in three");
	until_answered(&seen, 1);
	cr_assert_str_eq(fixture_ask(&seen.fixture, "GET key"), "(nil)");
	fixture_ask(&seen.fixture, "SELECT 3");
	cr_assert_str_eq(fixture_ask(&seen.fixture, "GET key"), "in three");
	close_all(&seen);
}

Test(redis, a_unix_url_selects_the_database_too)
{
	struct seen seen = {0};
	char url[128];
	fixture_open(&seen.fixture, NULL);
	snprintf(url, sizeof(url), "%s?db=2", seen.fixture.url);
	connect_with(&seen, url, NULL, TIMEOUT_MS);
	ask(&seen, "SET", "key", "in two");
	until_answered(&seen, 1);
	fixture_ask(&seen.fixture, "SELECT 2");
	cr_assert_str_eq(fixture_ask(&seen.fixture, "GET key"), "in two");
	close_all(&seen);
}

Test(redis, a_password_in_the_url_logs_in)
{
	static const char *const extra[] = {"--requirepass", "p@ss/w:rd", NULL};
	struct seen seen = {0};
	char url[64];
	fixture_open(&seen.fixture, extra);
	snprintf(url, sizeof(url), "redis://:p%%40ss/w:rd@127.0.0.1:%u", seen.fixture.port);
	connect_with(&seen, url, NULL, TIMEOUT_MS);
	ask(&seen, "ECHO", "in", NULL);
	until_answered(&seen, 1);
	cr_assert_str_eq(seen.reply, "in");
	close_all(&seen);
}

static void password_write(const struct seen *seen, char path[128], const char *text)
{
	snprintf(path, 128, "%s/password", seen->fixture.directory);
	FILE *file = fopen(path, "w");
	cr_assert(file);
	fputs(text, file);
	fclose(file);
	cr_assert(chmod(path, 0640) == 0);
}

Test(redis, a_password_file_logs_in_and_is_read_again_at_every_attempt)
{
	static const char *const extra[] = {"--requirepass", "right", NULL};
	struct seen seen = {0};
	char path[128];
	fixture_open(&seen.fixture, extra);
	password_write(&seen, path, "wrong\n");
	connect_with(&seen, seen.fixture.url, path, TIMEOUT_MS);
	fixture_run_until(&seen.fixture, &seen.lost, 1);
	cr_assert(strstr(seen.reason, "AUTH refused: WRONGPASS"), "%s", seen.reason);
	password_write(&seen, path, "right\nsecond line\n");
	until_ready(&seen, 1);
	close_all(&seen);
}

Test(redis, a_user_of_the_acl_logs_in_with_the_password_file)
{
	static const char *const extra[] = {"--user", "sync", "on",    ">secret",
					    "~*",     "&*",   "+@all", NULL};
	struct seen seen = {0};
	char path[128], url[64];
	fixture_open(&seen.fixture, extra);
	password_write(&seen, path, "secret");
	snprintf(url, sizeof(url), "redis://sync@127.0.0.1:%u", seen.fixture.port);
	connect_with(&seen, url, path, TIMEOUT_MS);
	const char *argv[] = {"ACL", "WHOAMI"};
	cr_assert_eq(redis_command(seen.redis, on_answer, &seen, 2, argv, NULL), 0);
	until_answered(&seen, 1);
	cr_assert_str_eq(seen.reply, "sync");
	close_all(&seen);
}

Test(redis, a_missing_password_file_or_password_is_told)
{
	static const char *const extra[] = {"--requirepass", "right", NULL};
	struct seen seen = {0};
	fixture_open(&seen.fixture, extra);
	connect_with(&seen, seen.fixture.url, "/nowhere/password", TIMEOUT_MS);
	fixture_run_until(&seen.fixture, &seen.lost, 1);
	cr_assert(strstr(seen.reason, "/nowhere/password: No such file"), "%s", seen.reason);
	redis_destroy(seen.redis);
	seen.lost = 0;
	connect_with(&seen, seen.fixture.url, NULL, TIMEOUT_MS);
	fixture_run_until(&seen.fixture, &seen.lost, 1);
	cr_assert(strstr(seen.reason, "NOAUTH"), "%s", seen.reason);
	close_all(&seen);
}

Test(redis, what_should_be_a_password_file_and_is_none_is_told_without_waiting_for_it)
{
	static const char *const extra[] = {"--requirepass", "right", NULL};
	static const struct {
		const char *what, *text, *told;
		mode_t mode; /* 0: as it is made */
	} table[] = {
		{"a FIFO", NULL, "is no regular file", 0},
		{"a directory", NULL, "is no regular file", 0},
		{"one that all may read", "right", "may not be open to others", 0644},
		{"one that the group may write", "right", "nor writable by its group", 0660},
		{"an empty one", "", "it is empty", 0600},
		{"an empty line", "\nright", "its first line is empty", 0600},
	};
	struct seen seen = {0};
	char path[128];
	fixture_open(&seen.fixture, extra);
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		snprintf(path, sizeof(path), "%s/password%zu", seen.fixture.directory, i);
		if (table[i].text) {
			password_write(&seen, path, table[i].text);
			cr_assert_eq(chmod(path, table[i].mode), 0);
		} else {
			cr_assert_eq(i ? mkdir(path, 0700) : mkfifo(path, 0600), 0);
		}
		seen.lost = 0;
		connect_with(&seen, seen.fixture.url, path, TIMEOUT_MS);
		fixture_run_until(&seen.fixture, &seen.lost, 1);
		cr_expect(strstr(seen.reason, "redis.password_file: ") &&
				  strstr(seen.reason, table[i].told),
			  "%s: %s", table[i].what, seen.reason);
		redis_destroy(seen.redis);
	}
	fixture_close(&seen.fixture);
}

Test(redis, commands_given_before_it_is_ready_go_out_in_order_behind_those_of_the_ready_callback)
{
	struct seen seen = {.asks_when_ready = true};
	open_with(&seen, NULL, TIMEOUT_MS);
	ask(&seen, "ECHO", "1", NULL);
	ask(&seen, "ECHO", "2", NULL);
	ask(&seen, "ECHO", "3", NULL);
	until_answered(&seen, 4);
	cr_assert_str_eq(seen.order, "0123");
	close_all(&seen);
}

Test(redis, binary_arguments_are_kept)
{
	struct seen seen = {0};
	open_with(&seen, NULL, TIMEOUT_MS);
	const char *argv[] = {"SET", "key", "a\0b\r\nc"};
	size_t len[] = {3, 3, 6};
	cr_assert_eq(redis_command(seen.redis, on_answer, &seen, 3, argv, len), 0);
	until_answered(&seen, 1);
	cr_assert_str_eq(fixture_ask(&seen.fixture, "STRLEN key"), "6");
	close_all(&seen);
}

Test(redis, more_than_the_socket_takes_at_once_arrives_whole)
{
	enum { BYTES = 9000000 };
	struct seen seen = {0};
	char *large = malloc(BYTES);
	cr_assert(large);
	memset(large, 'x', BYTES);
	open_with(&seen, NULL, TIMEOUT_MS * 2);
	until_ready(&seen, 1);
	const char *argv[] = {"SET", "key", large};
	size_t len[] = {3, 3, BYTES};
	cr_assert_eq(redis_command(seen.redis, on_answer, &seen, 3, argv, len), 0);
	ask(&seen, "STRLEN", "key", NULL);
	until_answered(&seen, 2);
	cr_assert_str_eq(seen.reply, "9000000");
	free(large);
	close_all(&seen);
}

Test(redis, without_a_server_a_command_ends_at_its_deadline_as_never_sent)
{
	struct seen seen = {0};
	fixture_open(&seen.fixture, NULL);
	fixture_kill(&seen.fixture);
	connect_with(&seen, seen.fixture.url, NULL, SHORT_MS);
	ask(&seen, "PING", NULL, NULL);
	ev_tstamp start = ev_time();
	until_answered(&seen, 1);
	double took = ev_time() - start;
	cr_assert_eq(seen.error, -ENOTCONN);
	cr_assert(took > 0.2 && took < 20, "%f s", took);
	cr_assert_geq(seen.lost, 1);
	cr_assert_eq(seen.answered, 1);
	close_all(&seen);
}

Test(redis, attempts_back_off_with_jitter)
{
	struct seen seen = {0};
	int64_t most = 50;
	fixture_open(&seen.fixture, NULL);
	fixture_kill(&seen.fixture);
	connect_with(&seen, seen.fixture.url, NULL, SHORT_MS);
	for (int i = 1; i <= 6; i++) {
		fixture_run_until(&seen.fixture, &seen.lost, i);
		cr_assert(seen.retry_ms >= 1 && seen.retry_ms <= most, "attempt %d: %lld ms", i,
			  (long long)seen.retry_ms);
		most *= 2;
	}
	close_all(&seen);
}

Test(redis, waiting_commands_are_bounded)
{
	struct seen seen = {0};
	const char *argv[] = {"PING"};
	fixture_open(&seen.fixture, NULL);
	fixture_kill(&seen.fixture);
	connect_with(&seen, seen.fixture.url, NULL, TIMEOUT_MS);
	for (int i = 0; i < 10000; i++)
		ask(&seen, "PING", NULL, NULL);
	cr_assert_eq(redis_command(seen.redis, on_answer, &seen, 1, argv, NULL), -ENOBUFS);
	cr_assert_eq(seen.answered, 0);
	redis_destroy(seen.redis);
	cr_assert_eq(seen.answered, 10000);
	cr_assert_eq(seen.error, -ECANCELED);
	fixture_close(&seen.fixture);
}

Test(redis, destroy_cancels_what_was_sent_and_what_waits_once_each)
{
	struct seen seen = {0};
	open_with(&seen, NULL, TIMEOUT_MS);
	until_ready(&seen, 1);
	fixture_signal(&seen.fixture, SIGSTOP);
	ask(&seen, "PING", NULL, NULL);
	ask(&seen, "PING", NULL, NULL);
	fixture_run_for(&seen.fixture, 20);
	redis_destroy(seen.redis);
	cr_assert_eq(seen.answered, 2);
	cr_assert_eq(seen.error, -ECANCELED);
	fixture_close(&seen.fixture);
}

Test(redis, a_stalled_server_misses_the_deadline_and_is_left_after_two)
{
	struct seen seen = {0};
	open_with(&seen, NULL, SHORT_MS);
	until_ready(&seen, 1);
	/* A busy machine may have needed more than one attempt. */
	int lost = seen.lost, ready = seen.ready;
	uint64_t reconnects = redis_reconnects(seen.redis);
	fixture_signal(&seen.fixture, SIGSTOP);
	ask(&seen, "PING", NULL, NULL);
	until_answered(&seen, 1);
	cr_assert_eq(seen.error, -ETIMEDOUT);
	cr_assert_eq(seen.lost_before_answer, lost);
	fixture_run_until(&seen.fixture, &seen.lost, lost + 1);
	cr_assert_str_eq(seen.reason, "no reply for two timeouts");
	fixture_signal(&seen.fixture, SIGCONT);
	until_ready(&seen, ready + 1);
	cr_assert_eq(redis_reconnects(seen.redis), reconnects + 1);
	cr_assert_eq(seen.answered, 1);
	ask(&seen, "ECHO", "again", NULL);
	until_answered(&seen, 2);
	cr_assert_str_eq(seen.reply, "again");
	close_all(&seen);
}

Test(redis, a_stalled_server_does_not_keep_an_attempt_to_connect_for_ever)
{
	struct seen seen = {0};
	fixture_open(&seen.fixture, NULL);
	fixture_signal(&seen.fixture, SIGSTOP);
	connect_with(&seen, seen.fixture.url, NULL, SHORT_MS);
	fixture_run_until(&seen.fixture, &seen.lost, 1);
	cr_assert_str_eq(seen.reason, "connecting timed out");
	fixture_signal(&seen.fixture, SIGCONT);
	until_ready(&seen, 1);
	close_all(&seen);
}

Test(redis, a_late_reply_is_dropped_and_the_next_command_gets_its_own)
{
	struct seen seen = {0};
	open_with(&seen, NULL, 2000);
	until_ready(&seen, 1);
	fixture_signal(&seen.fixture, SIGSTOP);
	ask(&seen, "ECHO", "late", NULL);
	until_answered(&seen, 1);
	cr_assert_eq(seen.error, -ETIMEDOUT);
	ask(&seen, "ECHO", "mine", NULL);
	fixture_signal(&seen.fixture, SIGCONT);
	until_answered(&seen, 2);
	cr_assert_str_eq(seen.reply, "mine");
	cr_assert_eq(seen.lost, 0);
	close_all(&seen);
}

Test(redis, a_killed_server_resets_what_was_sent_and_what_waits_goes_out_when_it_is_back)
{
	struct seen seen = {0};
	open_with(&seen, NULL, TIMEOUT_MS);
	until_ready(&seen, 1);
	fixture_signal(&seen.fixture, SIGSTOP);
	ask(&seen, "PING", NULL, NULL);
	fixture_run_for(&seen.fixture, 20);
	fixture_kill(&seen.fixture);
	until_answered(&seen, 1);
	cr_assert_eq(seen.error, -ECONNRESET);
	cr_assert_geq(seen.lost, 1);
	cr_assert_neq(redis_state_of(seen.redis), REDIS_READY);
	ask(&seen, "ECHO", "waited", NULL);
	fixture_start(&seen.fixture, NULL);
	until_answered(&seen, 2);
	cr_assert_eq(seen.error, 0);
	cr_assert_str_eq(seen.reply, "waited");
	cr_assert_eq(redis_reconnects(seen.redis), 1);
	close_all(&seen);
}

Test(redis, a_reconnect_from_inside_a_reply_resets_the_others)
{
	struct seen seen = {.reconnects_with = "heartbeat missed"};
	open_with(&seen, NULL, TIMEOUT_MS);
	ask(&seen, "ECHO", "1", NULL);
	ask(&seen, "ECHO", "2", NULL);
	ask(&seen, "ECHO", "3", NULL);
	until_ready(&seen, 2);
	cr_assert_str_eq(seen.reason, "heartbeat missed");
	cr_assert_eq(seen.answered, 3);
	cr_assert_eq(seen.error, -ECONNRESET);
	ask(&seen, "ECHO", "4", NULL);
	until_answered(&seen, 4);
	cr_assert_str_eq(seen.reply, "4");
	close_all(&seen);
}

static void ask_until_lost(struct seen *seen, const char *script)
{
	for (int i = 0; i < 400 && !seen->lost; i++) {
		const char *argv[] = {"EVAL", script, "0"};
		int answers = seen->answered + 2;
		cr_assert_eq(redis_command(seen->redis, on_answer, seen, 3, argv, NULL), 0);
		ask(seen, "SET", "k", "v");
		until_answered(seen, answers);
		cr_assert_eq(seen->error, 0,
			     "what was sent is answered before the connection goes");
		cr_assert(strstr(seen->reply, "READONLY"), "%s", seen->reply);
		fixture_run_for(&seen->fixture, 10);
	}
}

Test(redis, a_primary_that_became_a_replica_is_left_when_all_is_answered_but_not_too_often)
{
	struct seen seen = {0};
	open_with(&seen, NULL, TIMEOUT_MS);
	until_ready(&seen, 1);
	fixture_ask(&seen.fixture, "REPLICAOF 127.0.0.1 1");
	ask(&seen, "SET", "k", "v");
	until_answered(&seen, 1);
	cr_assert(strstr(seen.reply, "READONLY"));
	cr_assert_eq(seen.lost, 0, "it has only just been connected to");
	ask_until_lost(&seen, "return redis.call('SET', 'k', 'v')");
	cr_assert_eq(seen.lost, 1);
	cr_assert_str_eq(seen.reason, "it has become a replica (READONLY)");
	fixture_ask(&seen.fixture, "REPLICAOF NO ONE");
	int answers = seen.answered + 1;
	ask(&seen, "SET", "k", "v");
	until_answered(&seen, answers);
	cr_assert_str_eq(seen.reply, "OK");
	cr_assert_eq(redis_reconnects(seen.redis), 1);
	close_all(&seen);
}

Test(redis, while_the_server_loads_its_data_it_is_waited_for_and_not_left)
{
	/* Longer than the machine stands still; loading takes much longer than what is done here.
	 */
	enum { PATIENCE_MS = 1500 };
	static const char *const slow[] = {"--key-load-delay", "2000",
					   "--loading-process-events-interval-bytes", "1024", NULL};
	struct seen seen = {0};
	fixture_open(&seen.fixture, NULL);
	fixture_ask(&seen.fixture, "EVAL %s 0",
		    "for i = 1, 20000 do redis.call('SET', 'key:' .. i, 'value:' .. i) end");
	cr_assert_str_eq(fixture_ask(&seen.fixture, "SAVE"), "OK");
	fixture_kill(&seen.fixture);
	fixture_start(&seen.fixture, slow);
	connect_with(&seen, seen.fixture.url, NULL, PATIENCE_MS);
	fixture_run_until(&seen.fixture, &seen.loading, 1);
	ask(&seen, "GET", "key:1", NULL);
	until_answered(&seen, 1);
	cr_assert_eq(seen.error, -ENOTCONN, "surely not done");
	fixture_run_for(&seen.fixture, 3 * PATIENCE_MS);
	cr_assert_eq(seen.ready, 0);
	cr_assert_str_eq(fixture_ask(&seen.fixture, "CONFIG SET key-load-delay 0"), "OK");
	until_ready(&seen, 1);
	cr_assert_eq(seen.lost, 0, "%s", seen.reason);
	cr_assert_eq(seen.loading, 1, "told once");
	ask(&seen, "GET", "key:1", NULL);
	until_answered(&seen, 2);
	cr_assert_str_eq(seen.reply, "value:1");
	close_all(&seen);
}

static void on_push(const redisReply *reply, void *arg)
{
	struct seen *seen = arg;
	cr_assert_eq(reply->type, REDIS_REPLY_ARRAY);
	if (strcmp(reply->element[0]->str, "message") != 0 &&
	    strcmp(reply->element[0]->str, "pmessage") != 0)
		return;
	snprintf(seen->reply, sizeof(seen->reply), "%s", reply->element[reply->elements - 1]->str);
	seen->pushed++;
}

static void until_subscribed(struct seen *seen)
{
	for (int i = 0; i < 200; i++) {
		fixture_run_for(&seen->fixture, 10);
		if (strcmp(fixture_ask(&seen->fixture, "PUBSUB NUMPAT"), "1") == 0)
			return;
	}
	cr_assert_fail("not subscribed");
}

Test(redis, a_subscription_gets_messages_and_is_made_again_after_a_reconnect)
{
	static const char *const channels[] = {"one", "two"}, *const patterns[] = {"many:*"};
	struct seen seen = {0};
	open_with(&seen, NULL, SHORT_MS);
	redis_subscribe(seen.redis, channels, 2, patterns, 1, on_push, &seen);
	until_subscribed(&seen);
	fixture_ask(&seen.fixture, "PUBLISH two 22");
	fixture_run_until(&seen.fixture, &seen.pushed, 1);
	cr_assert_str_eq(seen.reply, "22");
	fixture_kill(&seen.fixture);
	fixture_run_until(&seen.fixture, &seen.lost, 1);
	fixture_start(&seen.fixture, NULL);
	until_ready(&seen, 2);
	until_subscribed(&seen);
	fixture_ask(&seen.fixture, "PUBLISH many:x 33");
	fixture_run_until(&seen.fixture, &seen.pushed, 2);
	cr_assert_str_eq(seen.reply, "33");
	/* It has no deadline. */
	int lost = seen.lost;
	fixture_run_for(&seen.fixture, 3 * SHORT_MS);
	cr_assert_eq(seen.lost, lost);
	redis_reconnect(seen.redis, "heartbeat missed");
	cr_assert_eq(seen.lost, lost + 1);
	until_subscribed(&seen);
	close_all(&seen);
}
