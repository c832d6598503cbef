/* test_redis.c — one connection to a server of the test's own: how it is made, and what goes over
 * it. What becomes of it in bad weather: test_redis_lost.c. */
#include "redis_seen.h"

#include <criterion/criterion.h>
#include <sys/stat.h>
#include <unistd.h>

TestSuite(redis, .timeout = 100);

Test(redis, connects_over_a_unix_socket_and_answers)
{
	struct redis_seen seen = {0};
	seen_open(&seen, NULL, SEEN_TIMEOUT_MS);
	seen_until_ready(&seen, 1);
	seen_ask(&seen, "ECHO", "hello", NULL);
	seen_until_answered(&seen, 1);
	cr_assert_str_eq(seen.reply, "hello");
	cr_assert(strstr(fixture_ask(&seen.fixture, "CLIENT LIST"), "name=test"));
	cr_assert_eq(redis_reconnects(seen.redis), 0);
	seen_close(&seen);
}

static void expect_database(struct redis_seen *seen, const char *url, int number)
{
	seen_connect(seen, url, SEEN_TIMEOUT_MS);
	seen_ask(seen, "SET", "key", "in there");
	seen_until_answered(seen, 1);
	cr_assert_str_eq(fixture_ask(&seen->fixture, "GET key"), "(nil)");
	fixture_ask(&seen->fixture, "SELECT %d", number);
	cr_assert_str_eq(fixture_ask(&seen->fixture, "GET key"), "in there");
	seen_close(seen);
}

Test(redis, connects_over_tcp_and_selects_the_database)
{
	struct redis_seen seen = {0};
	char url[64];
	fixture_open(&seen.fixture, NULL);
	snprintf(url, sizeof(url), "redis://127.0.0.1:%u/3", seen.fixture.port);
	expect_database(&seen, url, 3);
}

Test(redis, a_unix_url_selects_the_database_too)
{
	struct redis_seen seen = {0};
	char url[128];
	fixture_open(&seen.fixture, NULL);
	snprintf(url, sizeof(url), "%s?db=2", seen.fixture.url);
	expect_database(&seen, url, 2);
}

Test(redis, a_password_in_the_url_logs_in)
{
	static const char *const extra[] = {"--requirepass", "p@ss/w:rd", NULL};
	struct redis_seen seen = {0};
	char url[64];
	fixture_open(&seen.fixture, extra);
	snprintf(url, sizeof(url), "redis://:p%%40ss/w:rd@127.0.0.1:%u", seen.fixture.port);
	seen_connect(&seen, url, SEEN_TIMEOUT_MS);
	seen_ask(&seen, "ECHO", "in", NULL);
	seen_until_answered(&seen, 1);
	cr_assert_str_eq(seen.reply, "in");
	seen_close(&seen);
}

static void password_write(const struct redis_seen *seen, char path[128], const char *text)
{
	snprintf(path, 128, "%s/password", seen->fixture.directory);
	FILE *file = fopen(path, "w");
	cr_assert(file);
	fputs(text, file);
	fclose(file);
	cr_assert(chmod(path, 0640) == 0);
}

static void connect_by_file(struct redis_seen *seen, const char *url, const char *path)
{
	const struct redis_options options = {
		.url = url, .password_file = path, .timeout_ms = SEEN_TIMEOUT_MS, .name = "test"};
	seen_connect_with(seen, &options);
}

Test(redis, a_password_file_logs_in_and_is_read_again_at_every_attempt)
{
	static const char *const extra[] = {"--requirepass", "right", NULL};
	struct redis_seen seen = {0};
	char path[128];
	fixture_open(&seen.fixture, extra);
	password_write(&seen, path, "wrong\n");
	connect_by_file(&seen, seen.fixture.url, path);
	seen_until_lost(&seen, 1);
	cr_assert(strstr(seen.reason, "AUTH refused: WRONGPASS"), "%s", seen.reason);
	password_write(&seen, path, "right\nsecond line\n");
	seen_until_ready(&seen, 1);
	seen_close(&seen);
}

Test(redis, a_user_of_the_acl_logs_in_with_the_password_file)
{
	static const char *const extra[] = {"--user", "sync", "on",    ">secret",
					    "~*",     "&*",   "+@all", NULL};
	struct redis_seen seen = {0};
	char path[128], url[64];
	fixture_open(&seen.fixture, extra);
	password_write(&seen, path, "secret");
	snprintf(url, sizeof(url), "redis://sync@127.0.0.1:%u", seen.fixture.port);
	connect_by_file(&seen, url, path);
	const char *argv[] = {"ACL", "WHOAMI"};
	cr_assert_eq(redis_command(seen.redis, seen_on_answer, &seen, 2, argv, NULL), 0);
	seen_until_answered(&seen, 1);
	cr_assert_str_eq(seen.reply, "sync");
	seen_close(&seen);
}

Test(redis, a_missing_password_file_or_password_is_told)
{
	static const char *const extra[] = {"--requirepass", "right", NULL};
	struct redis_seen seen = {0};
	fixture_open(&seen.fixture, extra);
	connect_by_file(&seen, seen.fixture.url, "/nowhere/password");
	seen_until_lost(&seen, 1);
	cr_assert(strstr(seen.reason, "/nowhere/password: No such file"), "%s", seen.reason);
	redis_destroy(seen.redis);
	seen.lost = 0;
	seen_connect(&seen, seen.fixture.url, SEEN_TIMEOUT_MS);
	seen_until_lost(&seen, 1);
	cr_assert(strstr(seen.reason, "NOAUTH"), "%s", seen.reason);
	seen_close(&seen);
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
	struct redis_seen seen = {0};
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
		connect_by_file(&seen, seen.fixture.url, path);
		seen_until_lost(&seen, 1);
		cr_expect(strstr(seen.reason, "redis.password_file: ") &&
				  strstr(seen.reason, table[i].told),
			  "%s: %s", table[i].what, seen.reason);
		redis_destroy(seen.redis);
	}
	fixture_close(&seen.fixture);
}

Test(redis, commands_given_before_it_is_ready_go_out_in_order_behind_those_of_the_ready_callback)
{
	struct redis_seen seen = {.asks_when_ready = true};
	seen_open(&seen, NULL, SEEN_TIMEOUT_MS);
	seen_ask(&seen, "ECHO", "1", NULL);
	seen_ask(&seen, "ECHO", "2", NULL);
	seen_ask(&seen, "ECHO", "3", NULL);
	seen_until_answered(&seen, 4);
	cr_assert_str_eq(seen.order, "0123");
	seen_close(&seen);
}

Test(redis, binary_arguments_are_kept)
{
	struct redis_seen seen = {0};
	seen_open(&seen, NULL, SEEN_TIMEOUT_MS);
	const char *argv[] = {"SET", "key", "a\0b\r\nc"};
	size_t len[] = {3, 3, 6};
	cr_assert_eq(redis_command(seen.redis, seen_on_answer, &seen, 3, argv, len), 0);
	seen_until_answered(&seen, 1);
	cr_assert_str_eq(fixture_ask(&seen.fixture, "STRLEN key"), "6");
	seen_close(&seen);
}

Test(redis, more_than_the_socket_takes_at_once_arrives_whole)
{
	enum { BYTES = 9000000 };
	struct redis_seen seen = {0};
	char *large = malloc(BYTES);
	cr_assert(large);
	memset(large, 'x', BYTES);
	seen_open(&seen, NULL, SEEN_TIMEOUT_MS * 2);
	seen_until_ready(&seen, 1);
	const char *argv[] = {"SET", "key", large};
	size_t len[] = {3, 3, BYTES};
	cr_assert_eq(redis_command(seen.redis, seen_on_answer, &seen, 3, argv, len), 0);
	seen_ask(&seen, "STRLEN", "key", NULL);
	seen_until_answered(&seen, 2);
	cr_assert_str_eq(seen.reply, "9000000");
	free(large);
	seen_close(&seen);
}

Test(redis, without_a_server_a_command_ends_at_its_deadline_as_never_sent)
{
	struct redis_seen seen = {0};
	fixture_open(&seen.fixture, NULL);
	fixture_kill(&seen.fixture);
	seen_connect(&seen, seen.fixture.url, SEEN_SHORT_MS);
	seen_ask(&seen, "PING", NULL, NULL);
	ev_tstamp start = ev_time();
	seen_until_answered(&seen, 1);
	double took = ev_time() - start;
	cr_assert_eq(seen.error, -ENOTCONN);
	cr_assert(took > 0.2 && took < 20, "%f s", took);
	cr_assert_geq(seen.lost, 1);
	cr_assert_eq(seen.answered, 1);
	seen_close(&seen);
}

Test(redis, attempts_back_off_with_jitter)
{
	struct redis_seen seen = {0};
	int64_t most = 50;
	fixture_open(&seen.fixture, NULL);
	fixture_kill(&seen.fixture);
	seen_connect(&seen, seen.fixture.url, SEEN_SHORT_MS);
	for (int i = 1; i <= 6; i++) {
		seen_until_lost(&seen, i);
		cr_assert(seen.retry_ms >= 1 && seen.retry_ms <= most, "attempt %d: %lld ms", i,
			  (long long)seen.retry_ms);
		most *= 2;
	}
	seen_close(&seen);
}

Test(redis, waiting_commands_are_bounded)
{
	struct redis_seen seen = {0};
	const char *argv[] = {"PING"};
	fixture_open(&seen.fixture, NULL);
	fixture_kill(&seen.fixture);
	seen_connect(&seen, seen.fixture.url, SEEN_TIMEOUT_MS);
	for (int i = 0; i < 10000; i++)
		seen_ask(&seen, "PING", NULL, NULL);
	cr_assert_eq(redis_command(seen.redis, seen_on_answer, &seen, 1, argv, NULL), -ENOBUFS);
	cr_assert_eq(seen.answered, 0);
	redis_destroy(seen.redis);
	cr_assert_eq(seen.answered, 10000);
	cr_assert_eq(seen.error, -ECANCELED);
	fixture_close(&seen.fixture);
}
