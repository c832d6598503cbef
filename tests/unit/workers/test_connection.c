/* test_connection.c — bytes in, and the end of a connection from either side. */
#include "websocket_fixture.h"

#include <sys/socket.h>
#include <unistd.h>

#define TEXT_FRAME 0x81
#define PING_FRAME 0x89
#define PONG_FRAME 0x8a
#define SMALL_SNDBUF 1 /* the kernel takes its least: some KiB */

TestSuite(connection, .init = fixture_init, .fini = fixture_fini, .timeout = 100);

static struct websockets *set(void)
{
	return fixture.worker.websockets;
}

Test(connection, struct_of_an_idle_one_is_small)
{
	fixture_start();
	cr_assert_leq(sizeof(struct connection), 256);
}

/* --- close ------------------------------------------------------------------- */

Test(connection, the_status_of_the_peers_close_comes_back_and_then_the_end)
{
	static const uint16_t codes[] = {1000, 1001, 1014, 3000, 4999};

	fixture_start();
	for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
		struct peer peer = peer_connect(0);

		peer_send_close(&peer, codes[i]);
		peer_expect_close(&peer, codes[i]);
		peer_expect_end(&peer);
		peer_fini(&peer);
	}
	struct peer peer = peer_connect(0);
	peer_send_close(&peer, 0);
	peer_expect_close(&peer, WS_CLOSE_NO_STATUS);
	peer_expect_end(&peer);
	peer_fini(&peer);
	cr_assert_eq(set()->count, 0);
}

Test(connection, nothing_behind_the_peers_close_is_handled)
{
	fixture_start();
	struct peer peer = peer_connect(SMALL_SNDBUF);

	peer_be_sent(&peer, 'x', 200000); /* so that our Close has to wait */
	peer_send_close(&peer, 1000);
	peer_send_text(&peer, "{\"type\":\"ping\"}");
	fixture_turn();
	peer_send(&peer, 0xff, SPAN("no frame at all"));
	peer_send_close(&peer, 4000);
	fixture_turn();
	cr_assert_eq(peer.connection->state, CONNECTION_CLOSING);
	peer_expect_run(&peer, 'x', 200000);
	peer_expect_close(&peer, 1000);
	peer_expect_end(&peer);
	cr_assert_eq(stat_read(fixture.worker.slot, STAT_messages_received), 0);
	cr_assert_eq(stat_read(fixture.worker.slot, STAT_protocol_faults), 0);
	peer_fini(&peer);
}

Test(connection, after_our_close_only_the_peers_counts)
{
	fixture_start();
	struct peer peer = peer_connect(0);

	connection_close(peer.connection, WS_CLOSE_RESTART, "why", false);
	peer_expect_close(&peer, WS_CLOSE_RESTART);
	peer_send_text(&peer, "{\"type\":\"ping\"}");
	peer_send(&peer, PING_FRAME, SPAN("x"));
	peer_expect_nothing(&peer);
	connection_send_text(peer.connection, SPAN("late"));
	peer_expect_nothing(&peer);
	peer_send_close(&peer, WS_CLOSE_RESTART);
	peer_expect_end(&peer);
	peer_fini(&peer);
}

Test(connection, after_our_close_patience_ends_in_5_seconds)
{
	fixture_start();
	struct peer peer = peer_connect(0);

	connection_close(peer.connection, WS_CLOSE_RESTART, "", false);
	peer_expect_close(&peer, WS_CLOSE_RESTART);
	fixture.now_ms += 4999;
	websockets_each_second(set());
	peer_expect_nothing(&peer);
	fixture.now_ms += 1;
	websockets_each_second(set());
	peer_expect_end(&peer);
	peer_fini(&peer);
}

Test(connection, the_peers_fin_ends_it)
{
	fixture_start();
	struct peer peer = peer_connect(0);

	peer_send_text(&peer, "{\"type\":\"ping\"}");
	shutdown(peer.fd, SHUT_WR);
	peer_expect(&peer, "{\"type\":\"pong\"}");
	peer_expect_end(&peer);
	cr_assert_eq(set()->count, 0);
	peer_fini(&peer);
}

static void fault(unsigned char first, struct span payload, uint16_t code)
{
	struct peer peer = peer_connect(0);

	peer_send(&peer, first, payload);
	peer_send_text(&peer, "{\"type\":\"ping\"}");
	peer_expect_close(&peer, code);
	peer_send_close(&peer, code);
	peer_send_text(&peer, "more that is not looked at");
	peer_expect_nothing(&peer);
	shutdown(peer.fd, SHUT_WR);
	peer_expect_end(&peer);
	peer_fini(&peer);
}

Test(connection, faults_close_with_their_code_and_the_rest_is_read_and_forgotten)
{
	fixture_start();
	fault(0xc1, SPAN("rsv"), WS_CLOSE_PROTOCOL);
	fault(0x83, SPAN("opcode"), WS_CLOSE_PROTOCOL);
	fault(0x80, SPAN("continuation"), WS_CLOSE_PROTOCOL);
	fault(0x82, SPAN("binary"), WS_CLOSE_UNSUPPORTED);
	fault(0x81, SPAN("\xff"), WS_CLOSE_INVALID_DATA);
	fault(0x88, SPAN("\x03\xe8\xff"), WS_CLOSE_INVALID_DATA);
	fault(0x88, SPAN("x"), WS_CLOSE_PROTOCOL);
	cr_assert_eq(stat_read(fixture.worker.slot, STAT_protocol_faults), 7);
	cr_assert_eq(stat_read(fixture.worker.slot, STAT_messages_received), 0);
}

Test(connection, too_big_is_an_error_with_the_id_and_then_1009)
{
	fixture_start();
	struct peer peer = peer_connect(0);
	struct buffer text = {0};

	buffer_append_string(&text, "{\"x\":{\"id\":9},\"id\":\"mine\",\"y\":\"");
	for (int i = 0; i < 9000; i++)
		buffer_append_char(&text, 'y');
	peer_send(&peer, TEXT_FRAME, buffer_span(&text));
	peer_expect(&peer, "{\"type\":\"error\",\"id\":\"mine\",\"code\":\"message_too_big\","
			   "\"status\":413,\"message\":\"a message may have at most 8192 bytes\"}");
	peer_expect_close(&peer, WS_CLOSE_TOO_BIG);
	buffer_fini(&text);
	peer_fini(&peer);
}

/* --- input ------------------------------------------------------------------- */

Test(connection, frames_cut_anywhere_are_answered_alike)
{
	struct buffer bytes = {0};

	fixture_start();
	peer_frame(&bytes, 0x01, SPAN("{\"type\":"));
	peer_frame(&bytes, PING_FRAME, SPAN("p"));
	peer_frame(&bytes, 0x00, SPAN("\"ping\","));
	peer_frame(&bytes, 0x80, SPAN("\"id\":1}"));
	peer_frame(&bytes, TEXT_FRAME, SPAN("{\"type\":\"ping\",\"id\":2}"));
	peer_frame(&bytes, 0x88, SPAN("\x03\xe8"));
	for (size_t cut = 0; cut < bytes.len; cut++)
		for (size_t step = 1; step < 3; step++) {
			struct peer peer = peer_connect(0);
			size_t at = 0;

			while (at < bytes.len) {
				size_t len = step == 1 || at ? bytes.len - at : cut;
				if (step == 1 && at < cut)
					len = 1;
				peer_send_bytes(&peer, span_of(bytes.at + at, len));
				ev_run(fixture.worker.loop, EVRUN_NOWAIT);
				at += len ? len : 1;
				if (!len)
					peer_send_bytes(&peer, span_of(bytes.at, 1));
			}
			peer_expect_opcode(&peer, WS_PONG);
			peer_expect(&peer, "{\"type\":\"pong\",\"id\":1}");
			peer_expect(&peer, "{\"type\":\"pong\",\"id\":2}");
			peer_expect_close(&peer, 1000);
			peer_expect_end(&peer);
			peer_fini(&peer);
		}
	buffer_fini(&bytes);
}

Test(connection, bytes_behind_the_handshake_are_the_first_input)
{
	fixture_start();
	struct in6_addr address = {0};
	struct buffer bytes = {0};
	struct peer peer = {0};
	int fds[2];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	peer_frame(&bytes, TEXT_FRAME, SPAN("{\"type\":\"ping\",\"id\":1}"));
	peer_frame(&bytes, TEXT_FRAME, SPAN("{\"type\":\"ping\",\"id\":2}"));
	peer.fd = fds[1];
	const struct connection_socket socket = {.fd = fds[0],
						 .unread = span_of(bytes.at, bytes.len - 3)};
	websockets_add(set(), &socket, &address, AUDIENCE_PLAIN, NULL);
	peer_send_bytes(&peer, span_of(bytes.at + bytes.len - 3, 3));
	peer_expect_part(&peer, "\"welcome\"");
	peer_expect(&peer, "{\"type\":\"pong\",\"id\":1}");
	peer_expect(&peer, "{\"type\":\"pong\",\"id\":2}");
	buffer_fini(&bytes);
	peer_fini(&peer);
}

Test(connection, no_memory_of_a_message_stays_when_it_is_done)
{
	fixture_start();
	struct peer peer = peer_connect(0);
	char spaces[6000];

	memset(spaces, ' ', sizeof(spaces));
	peer_send(&peer, 0x01, span_of(spaces, sizeof(spaces)));
	fixture_turn();
	cr_assert_gt(ws_reader_held(&peer.connection->reader), 6000);
	peer_send(&peer, 0x80, SPAN("{\"type\":\"ping\"}"));
	peer_expect(&peer, "{\"type\":\"pong\"}");
	cr_assert_eq(ws_reader_held(&peer.connection->reader), 0);
	peer_fini(&peer);
}

/* --- pings ------------------------------------------------------------------- */

static void wheel_round(void)
{
	for (int64_t i = 0; i < fixture.config->ws_ping_interval_ms / 1000; i++)
		websockets_each_second(set());
}

Test(connection, whose_socket_takes_nothing_is_left_to_the_stall_timeout)
{
	fixture_start();
	struct peer peer = peer_connect(SMALL_SNDBUF);

	peer_be_sent(&peer, 'x', 100000);
	for (int round = 0; round < 4; round++)
		wheel_round();
	cr_assert_eq(peer.connection->state, CONNECTION_OPEN);
	peer_expect_run(&peer, 'x', 100000);
	peer_expect_nothing(&peer);
	peer_fini(&peer);
}

Test(connection, each_is_pinged_once_an_interval_and_dropped_after_two_missed)
{
	fixture_start();
	struct peer peers[40];
	struct frame frame = {0};

	for (size_t i = 0; i < ARRAY_LEN(peers); i++)
		peers[i] = peer_connect(0);
	for (int round = 0; round < 2; round++) {
		wheel_round();
		for (size_t i = 0; i < ARRAY_LEN(peers); i++) {
			peer_expect_opcode(&peers[i], WS_PING);
			peer_expect_nothing(&peers[i]);
		}
	}
	peer_send(&peers[0], PONG_FRAME, SPAN_NONE);
	peer_send_text(&peers[1], "{\"type\":\"ping\"}");
	fixture_turn();
	wheel_round();
	fixture_turn();
	cr_assert_eq(set()->count, 2);
	peer_expect_opcode(&peers[0], WS_PING);
	peer_expect(&peers[1], "{\"type\":\"pong\"}");
	peer_expect_opcode(&peers[1], WS_PING);
	for (size_t i = 0; i < ARRAY_LEN(peers); i++) {
		cr_assert(!peer_next(&peers[i], &frame));
		cr_assert_eq(peers[i].ended, i > 1);
		peer_fini(&peers[i]);
	}
}
