/* test_websockets.c — the set as a whole: whatever clients, Redis and time do, its books balance.
 */
#include "session_subscribe.h"
#include "websocket_fixture.h"

#include "log.h"
#include "random.h"
#include <sys/socket.h>
#include <unistd.h>

#define PEERS 12
#define STEPS 6000

TestSuite(websockets, .init = fixture_init, .fini = fixture_fini, .timeout = 100);

static struct websockets *set(void)
{
	return fixture.worker.websockets;
}

static size_t list_len(struct connection_list *list)
{
	struct connection *connection;
	size_t len = 0;

	TAILQ_FOREACH(connection, list, list)
	len++;
	return len;
}

static void check_books(void)
{
	size_t count = 0, bytes = 0, leaving = 0, stalled = 0, listed = 0;
	struct send_queue *queue;

	for (uint32_t s = 0; s < set()->wheel_size; s++)
		for (uint32_t i = 0; i < set()->wheel[s].count; i++) {
			struct connection *connection = set()->wheel[s].connections[i];
			bool open = connection->state == CONNECTION_OPEN;

			cr_assert_eq(connection->wheel_place, i);
			cr_assert_eq(connection->wheel_slot, s);
			cr_assert_neq(connection->state, CONNECTION_DEAD);
			count++;
			bytes += connection_queue_bytes(connection);
			leaving += open ? 0 : connection_queue_bytes(connection);
			stalled += open && connection->queue;
			listed += connection->flags & CONNECTION_LISTED ? 1 : 0;
			cr_assert(!connection->queue || connection->queue->bytes);
			cr_assert(!connection->held || !connection_takes_input(connection));
		}
	TAILQ_FOREACH(queue, &set()->stalled, link)
	stalled--;
	cr_assert_eq(count, set()->count);
	cr_assert_eq(bytes, set()->queue_bytes);
	cr_assert_eq(leaving, set()->queue_bytes_leaving);
	cr_assert_eq(stalled, 0);
	cr_assert_eq(listed, list_len(&set()->closing) + list_len(&set()->paused));
	cr_assert_leq(bytes - leaving, fixture.config->ws_queue_total);
	cr_assert(TAILQ_EMPTY(&set()->dead));
}

static void connect_peer(struct peer *peer, uint64_t dice)
{
	struct in6_addr address = {0};
	int fds[2], least = 1;

	MUST(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds));
	if (dice & 1)
		setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &least, sizeof(least));
	address.s6_addr[15] = dice >> 1 & 3;
	peer->fd = fds[1];
	const struct connection_socket socket = {.fd = fds[0]};
	websockets_add(set(), &socket, &address, AUDIENCE_PLAIN, NULL);
}

static void say_something(struct peer *peer, uint64_t dice)
{
	static const char *const texts[] = {
		"{\"type\":\"ping\",\"id\":1}",
		"{\"type\":\"subscribe\",\"topic\":\"sync.s.*\",\"id\":2}",
		"{\"type\":\"subscribe\",\"topic\":\"sync.*.updated\",\"documentId\":\"d1\"}",
		"{\"type\":\"subscribe\",\"topic\":\"sync.s.*\",\"returnMode\":\"diff\"}",
		"{\"type\":\"unsubscribe\",\"topic\":\"sync.s.*\"}",
		"{\"type\":\"sync.get\",\"service\":\"s\",\"documentId\":\"d\",\"id\":\"x\"}",
		"{\"type\":\"sync.merge\",\"service\":\"s\",\"documentId\":\"d\",\"data\":{}}",
		"nonsense",
	};
	struct buffer bytes = {0};

	for (uint64_t i = 0; i <= (dice >> 32) % 6; i++)
		peer_frame(&bytes, 0x81, span_string(texts[(dice >> 3 * i) % ARRAY_LEN(texts)]));
	if (dice % 31 == 0)
		peer_frame(&bytes, 0x88, SPAN("\x03\xe8"));
	if (dice % 17 == 0)
		peer_frame(&bytes, 0x89, SPAN("ping"));
	if (dice % 61 == 0)
		bytes.at[bytes.len / 2] ^= 0x55;
	/* What does not fit, or is left out, cuts a frame. */
	size_t len = dice % 13 == 0 ? bytes.len - 1 : bytes.len;
	if (send(peer->fd, bytes.at, len, MSG_NOSIGNAL) < 0)
		peer->ended = true;
	buffer_fini(&bytes);
}

static void peer_step(struct peer *peer, uint64_t dice)
{
	uint64_t what = dice % 16;

	dice >>= 4;
	if (peer->fd < 0) {
		connect_peer(peer, dice);
	} else if (what < 9) {
		say_something(peer, dice);
	} else if (what < 13) {
		peer_read(peer, dice % 100000);
		peer->got.len = 0;
	} else if (what == 13) {
		shutdown(peer->fd, SHUT_WR);
	} else if (peer->ended || dice % 4 == 0) {
		peer_fini(peer);
		*peer = (struct peer){.fd = -1};
	}
}

static void publish(uint64_t dice)
{
	struct buffer data = {0};
	size_t len = dice % 7 ? dice % 200 : dice % 7000;

	buffer_append_string(&data, "{\"x\":\"");
	for (size_t i = 0; i < len; i++)
		buffer_append_char(&data, 'x');
	buffer_append_string(&data, "\"}");
	fixture_publish(dice & 8 ? "d1" : "d2", 2, buffer_span(&data));
	buffer_fini(&data);
}

static void world_step(uint64_t dice)
{
	uint64_t what = dice % 12;

	dice >>= 8;
	if (what < 5) {
		for (uint64_t i = 0; i < dice % 12; i++)
			publish(dice >> i);
	} else if (what < 8) {
		for (uint64_t i = dice % 8 ? dice % 30 : SIZE_MAX;
		     i && fixture.answered_count < fixture.asked_count; i--)
			fixture_answer("{\"answer\":1}");
	} else if (what == 8) {
		atomic_store(&fixture.shared->subscription_active, dice & 1);
		fixture_mark("p-1");
	} else if (what == 9) {
		struct wheel_slot *slot = &set()->wheel[dice % set()->wheel_size];
		if (slot->count && dice % 5 == 0)
			connection_close(slot->connections[0], WS_CLOSE_RESTART, "", dice & 64);
	} else {
		fixture.now_ms += (int64_t)(dice % 300);
		websockets_look_at_paused(set());
		session_expire_waiting(set());
		websockets_each_second(set());
	}
}

Test(websockets, whatever_happens_the_books_balance)
{
	uint64_t state = random_seed("websockets");
	struct peer peers[PEERS];

	log_open("/dev/null", LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
	fixture.config->ws_queue = 8192;
	fixture.config->ws_queue_total = 15000;
	fixture.config->ws_rate = fixture.config->ws_burst = 20;
	fixture.config->ws_ping_interval_ms = 3000;
	fixture.config->ws_stall_timeout_ms = 2000;
	fixture_start();
	for (int i = 0; i < PEERS; i++)
		peers[i] = (struct peer){.fd = -1};
	for (int step = 0; step < STEPS; step++) {
		for (int i = 0; i < 3; i++)
			peer_step(&peers[random_next(&state) % PEERS], random_next(&state));
		world_step(random_next(&state));
		fixture_turn();
		check_books();
	}
	for (int i = 0; i < PEERS; i++)
		peer_fini(&peers[i]);
	/* Dozens of each in a run, with any seed: it was no idle one. */
	cr_assert_gt(stat_read(fixture.worker.slot, STAT_closed_overload), 0);
	cr_assert_gt(stat_read(fixture.worker.slot, STAT_messages_rate_limited), 0);
}

/* --- drain ------------------------------------------------------------------- */

static size_t count_goaways(struct peer *peers, size_t count)
{
	struct frame frame = {0};
	size_t goaways = 0;

	for (size_t i = 0; i < count; i++)
		while (peer_next(&peers[i], &frame))
			goaways +=
				frame.opcode == WS_TEXT &&
				strstr(frame.payload.at, "{\"type\":\"goaway\",\"retryAfterMs\":");
	buffer_fini(&frame.payload);
	return goaways;
}

Test(websockets, drain_tells_all_at_the_rate_and_then_closes_1012)
{
	fixture.config->drain_rate = 2;
	fixture_start();
	struct peer peers[5];

	for (size_t i = 0; i < 5; i++)
		peers[i] = peer_connect(0);
	websockets_drain(set());
	websockets_drain_step(set());
	cr_assert_eq(count_goaways(peers, 5), 1);
	for (int i = 0; i < 10; i++) {
		fixture.now_ms += 50;
		websockets_drain_step(set());
	}
	cr_assert_eq(count_goaways(peers, 5), 1, "the second after half a second");
	fixture.now_ms += 1500;
	websockets_drain_step(set());
	cr_assert_eq(count_goaways(peers, 5), 3);
	fixture.now_ms += 2000 + 3000;
	websockets_drain_step(set());
	for (size_t i = 0; i < 5; i++) {
		peer_expect_close(&peers[i], WS_CLOSE_RESTART);
		peer_send_close(&peers[i], WS_CLOSE_RESTART);
		peer_expect_end(&peers[i]);
		peer_fini(&peers[i]);
	}
	cr_assert_eq(set()->count, 0);
}

Test(websockets, drain_is_faster_than_its_rate_where_else_not_all_would_be_told_in_time)
{
	fixture.config->drain_rate = 1;
	fixture.config->drain_timeout_ms = 20000;
	fixture_start();
	struct peer peers[60];

	for (size_t i = 0; i < 60; i++)
		peers[i] = peer_connect(0);
	websockets_drain(set());
	/* The last 5 s are for those told last; the first is told at once. */
	for (size_t i = 0; i < 15; i++) {
		websockets_drain_step(set());
		cr_assert_eq(set()->drain_told, i * 4 + 1);
		fixture.now_ms += 1000;
	}
	websockets_drain_step(set());
	cr_assert_eq(count_goaways(peers, 60), 60);
	struct peer late = peer_connect(0);
	websockets_drain_step(set());
	peer_expect_part(&late, "{\"type\":\"goaway\"");
	fixture.now_ms += 5000;
	websockets_drain_step(set());
	peer_expect_close(&late, WS_CLOSE_RESTART);
	peer_fini(&late);
	for (size_t i = 0; i < 60; i++)
		peer_fini(&peers[i]);
}

Test(websockets, at_drain_timeout_all_are_closed_1012_the_untold_are_told)
{
	fixture.config->drain_rate = 1;
	fixture.config->drain_timeout_ms = 1500;
	fixture_start();
	struct peer peers[9];

	for (size_t i = 0; i < 9; i++)
		peers[i] = peer_connect(0);
	websockets_drain(set());
	fixture.now_ms += 1500;
	websockets_drain_step(set());
	for (size_t i = 0; i < 9; i++) {
		peer_expect_part(&peers[i], "{\"type\":\"goaway\",\"retryAfterMs\":");
		peer_expect_close(&peers[i], WS_CLOSE_RESTART);
		peer_fini(&peers[i]);
	}
}
