/* test_redis_move.c — sentinel://, while the name that a Sentinel gives is looked up. The Sentinel
 * is one of the test's own. */
#include "dns_fixture.h"
#include "redis_seen.h"

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

struct moved {
	struct redis_seen seen;
	struct dns_fixture dns;
	struct sentinel sentinel;
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

static void open_all(struct moved *moved, int64_t timeout_ms, double answer_after_s)
{
	char url[128];
	*moved = (struct moved){.sentinel.after_s = answer_after_s};
	fixture_open(&moved->seen.fixture, NULL);
	dns_open(&moved->dns, moved->seen.fixture.loop);
	dns_set(&moved->dns, "silent.test", NULL);
	sentinel_open(&moved->sentinel, moved->seen.fixture.loop);
	snprintf(url, sizeof(url), "sentinel://127.0.0.1:%u/name", moved->sentinel.port);
	const struct redis_options options = {
		.url = url, .timeout_ms = timeout_ms, .name_servers = moved->dns.servers};
	seen_connect_with(&moved->seen, &options);
}

static void close_all(struct moved *moved)
{
	sentinel_close(&moved->sentinel);
	dns_close(&moved->dns);
	seen_close(&moved->seen);
}

Test(redis_move, a_lookup_is_given_up_for_where_the_primary_is_now)
{
	struct moved moved;
	open_all(&moved, 3000, 0.);
	fixture_run_until(&moved.seen.fixture, &moved.dns.asked, 1);
	redis_move(moved.seen.redis, "127.0.0.1", moved.seen.fixture.port);
	seen_until_ready(&moved.seen, 1);
	cr_assert_eq(moved.seen.lost, 0, "%s", moved.seen.reason);
	/* It was told once: the next attempt asks again. */
	redis_reconnect(moved.seen.redis, "test");
	seen_until_lost(&moved.seen, 2);
	cr_assert(strstr(moved.seen.reason, "silent.test: name lookup: "), "%s", moved.seen.reason);
	close_all(&moved);
}

Test(redis_move, while_the_lookup_lasts_longer_than_the_sentinel_had_left_the_loop_rests)
{
	struct moved moved;
	open_all(&moved, 2000, 0.5);
	fixture_run_until(&moved.seen.fixture, &moved.dns.asked, 1);
	unsigned before = ev_iteration(moved.seen.fixture.loop);
	seen_until_lost(&moved.seen, 1);
	cr_assert(strstr(moved.seen.reason, "silent.test: name lookup: "), "%s", moved.seen.reason);
	unsigned turns = ev_iteration(moved.seen.fixture.loop) - before;
	cr_assert(turns < 100, "%u turns", turns);
	close_all(&moved);
}
