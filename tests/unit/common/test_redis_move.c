/* test_redis_move.c — sentinel://, while the name that a Sentinel gives is looked up. The Sentinel
 * is one of the test's own. */
#include "dns_fixture.h"
#include "redis.h"
#include "redis_fixture.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <sys/socket.h>
#include <unistd.h>

TestSuite(redis_move, .timeout = 40);

#define ANSWER "*2\r\n$11\r\nsilent.test\r\n$4\r\n6379\r\n"

/* Answers the first words of one connection at a time with ANSWER. */
struct sentinel {
	struct ev_loop *loop;
	unsigned port;
	double after_s;
	ev_io listener, client;
	ev_timer timer;
};

struct seen {
	struct redis_fixture fixture;
	struct dns_fixture dns;
	struct sentinel sentinel;
	struct redis *redis;
	int ready, lost;
	char reason[320];
};

static void on_time(struct ev_loop *loop, ev_timer *timer, int revents)
{
	struct sentinel *sentinel = timer->data;
	(void)loop, (void)revents;
	cr_assert(write(sentinel->client.fd, ANSWER, strlen(ANSWER)) == (ssize_t)strlen(ANSWER));
}

static void on_client(struct ev_loop *loop, ev_io *io, int revents)
{
	struct sentinel *sentinel = io->data;
	char words[512];
	(void)revents;
	if (read(io->fd, words, sizeof(words)) > 0) {
		ev_timer_set(&sentinel->timer, sentinel->after_s, 0.);
		ev_timer_start(loop, &sentinel->timer);
		return;
	}
	ev_io_stop(loop, io);
	close(io->fd);
}

static void on_listener(struct ev_loop *loop, ev_io *io, int revents)
{
	struct sentinel *sentinel = io->data;
	int fd = accept(io->fd, NULL, NULL);
	(void)revents;
	cr_assert(fd >= 0 && !ev_is_active(&sentinel->client));
	ev_io_set(&sentinel->client, fd, EV_READ);
	ev_io_start(loop, &sentinel->client);
}

static void sentinel_open(struct sentinel *sentinel, struct ev_loop *loop)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	socklen_t len = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	cr_assert(fd >= 0 && bind(fd, (void *)&address, len) == 0 && listen(fd, 4) == 0);
	cr_assert(getsockname(fd, (void *)&address, &len) == 0);
	sentinel->loop = loop;
	sentinel->port = ntohs(address.sin_port);
	ev_io_init(&sentinel->listener, on_listener, fd, EV_READ);
	ev_init(&sentinel->client, on_client);
	ev_init(&sentinel->timer, on_time);
	sentinel->listener.data = sentinel->client.data = sentinel->timer.data = sentinel;
	ev_io_start(loop, &sentinel->listener);
}

static void sentinel_close(struct sentinel *sentinel)
{
	ev_timer_stop(sentinel->loop, &sentinel->timer);
	ev_io_stop(sentinel->loop, &sentinel->listener);
	close(sentinel->listener.fd);
	if (!ev_is_active(&sentinel->client))
		return;
	ev_io_stop(sentinel->loop, &sentinel->client);
	close(sentinel->client.fd);
}

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

static void open_all(struct seen *seen, int64_t timeout_ms, double answer_after_s)
{
	char url[128];
	*seen = (struct seen){.sentinel.after_s = answer_after_s};
	fixture_open(&seen->fixture, NULL);
	dns_open(&seen->dns, seen->fixture.loop);
	dns_set(&seen->dns, "silent.test", NULL);
	sentinel_open(&seen->sentinel, seen->fixture.loop);
	snprintf(url, sizeof(url), "sentinel://127.0.0.1:%u/name", seen->sentinel.port);
	const struct redis_options options = {
		.url = url, .timeout_ms = timeout_ms, .name_servers = seen->dns.servers};
	seen->redis = redis_create(seen->fixture.loop, &options, on_state, seen);
}

static void close_all(struct seen *seen)
{
	redis_destroy(seen->redis);
	sentinel_close(&seen->sentinel);
	dns_close(&seen->dns);
	fixture_close(&seen->fixture);
}

Test(redis_move, a_lookup_is_given_up_for_where_the_primary_is_now)
{
	struct seen seen;
	open_all(&seen, 3000, 0.);
	fixture_run_until(&seen.fixture, &seen.dns.asked, 1);
	redis_move(seen.redis, "127.0.0.1", seen.fixture.port);
	fixture_run_until(&seen.fixture, &seen.ready, 1);
	cr_assert_eq(seen.lost, 0, "%s", seen.reason);
	/* It was told once: the next attempt asks again. */
	redis_reconnect(seen.redis, "test");
	fixture_run_until(&seen.fixture, &seen.lost, 2);
	cr_assert(strstr(seen.reason, "silent.test: name lookup: "), "%s", seen.reason);
	close_all(&seen);
}

Test(redis_move, while_the_lookup_lasts_longer_than_the_sentinel_had_left_the_loop_rests)
{
	struct seen seen;
	open_all(&seen, 2000, 0.5);
	fixture_run_until(&seen.fixture, &seen.dns.asked, 1);
	unsigned before = ev_iteration(seen.fixture.loop);
	fixture_run_until(&seen.fixture, &seen.lost, 1);
	cr_assert(strstr(seen.reason, "silent.test: name lookup: "), "%s", seen.reason);
	unsigned turns = ev_iteration(seen.fixture.loop) - before;
	cr_assert(turns < 100, "%u turns", turns);
	close_all(&seen);
}
