/* test_session.c — messages: their limits, their answers, and what comes after the socket is gone.
 */
#include "websocket_fixture.h"

#include <sys/socket.h>
#include <unistd.h>

#define PING_FRAME 0x89

TestSuite(session, .init = fixture_init, .fini = fixture_fini, .timeout = 100);

static struct websockets *set(void)
{
	return fixture.worker.websockets;
}

static void send_pings(struct peer *peer, int from, int until)
{
	char text[64];

	for (int i = from; i < until; i++) {
		snprintf(text, sizeof(text), "{\"type\":\"ping\",\"id\":%d}", i);
		peer_send_text(peer, text);
	}
}

static void expect_pongs(struct peer *peer, int from, int until)
{
	char text[64];

	for (int i = from; i < until; i++) {
		snprintf(text, sizeof(text), "{\"type\":\"pong\",\"id\":%d}", i);
		peer_expect(peer, text);
	}
}

static void pass_time(int64_t ms)
{
	fixture.now_ms += ms;
	websockets_look_at_paused(set());
	fixture_turn();
}

/* --- answers ----------------------------------------------------------------- */

Test(session, welcome_says_what_a_client_must_know)
{
	fixture_start();
	int fds[2];
	struct in6_addr address = {0};
	struct peer peer = {0};
	char text[200];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	peer.fd = fds[1];
	const struct connection_socket socket = {.fd = fds[0]};
	struct connection *connection =
		websockets_add(set(), &socket, &address, AUDIENCE_PLAIN, NULL);
	snprintf(text, sizeof(text),
		 "{\"type\":\"welcome\",\"connectionId\":\"%.16s\",\"server\":\"syncdoc/%s\","
		 "\"pingInterval\":25000,\"maxMessage\":8192}",
		 connection->id, SYNCDOC_VERSION);
	peer_expect(&peer, text);
	peer_fini(&peer);
}

Test(session, results_come_with_the_id_as_it_was_sent)
{
	fixture_start();
	struct peer peer = peer_connect(0);

	peer_send_text(&peer, "{\"type\":\"sync.get\",\"service\":\"s\",\"documentId\":\"d\","
			      "\"id\":1.50}");
	peer_send_text(&peer, "{\"type\":\"sync.merge\",\"service\":\"s\",\"documentId\":\"d\","
			      "\"data\":{},\"id\":\"\\u0041\"}");
	peer_send_text(&peer, "{\"type\":\"sync.delete\",\"service\":\"s\",\"documentId\":\"d\"}");
	fixture_turn();
	cr_assert_eq(fixture.asked_count, 3);
	fixture_answer("{\"a\":1}");
	peer_expect(&peer, "{\"type\":\"result\",\"id\":1.50,\"document\":{\"a\":1}}");
	fixture_answer("{}");
	peer_expect(&peer, "{\"type\":\"result\",\"id\":\"\\u0041\",\"document\":{}}");
	fixture_answer("{}");
	peer_expect(&peer, "{\"type\":\"result\",\"document\":{}}");
	cr_assert_eq(peer.connection->pending, 0);
	peer_fini(&peer);
}

Test(session, text_that_is_no_strict_json_is_answered_with_its_own_id)
{
	fixture_start();
	struct peer peer = peer_connect(0);

	peer_send_text(&peer, "{\"data\":{\"id\":1,\"x\":NaN},\"id\":7}");
	peer_expect_part(&peer, "{\"type\":\"error\",\"id\":7,\"code\":\"json_not_representable\"");
	peer_send_text(&peer, "{\"type\":\"ping\",\"id\":\"a\"");
	peer_expect_part(&peer, "{\"type\":\"error\",\"id\":\"a\",\"code\":\"json_malformed\"");
	peer_send_text(&peer, "nonsense");
	peer_expect_part(&peer, "{\"type\":\"error\",\"code\":\"json_malformed\"");
	peer_fini(&peer);
}

Test(session, a_delete_with_data_or_expiry_is_refused)
{
	fixture_start();
	struct peer peer = peer_connect(0);

	peer_send_text(&peer, "{\"type\":\"sync.delete\",\"service\":\"s\",\"documentId\":\"d\","
			      "\"data\":{},\"id\":1}");
	peer_expect_part(&peer, "\"status\":422");
	cr_assert_eq(fixture.asked_count, 0);
	peer_fini(&peer);
}

/* --- ws.rate ----------------------------------------------------------------- */

Test(session, over_ws_rate_one_message_is_refused_and_the_rest_waits_for_tokens)
{
	fixture.config->ws_rate = 10;
	fixture.config->ws_burst = 5;
	fixture_start();
	struct peer peer = peer_connect(0);

	send_pings(&peer, 0, 12);
	expect_pongs(&peer, 0, 5);
	peer_expect(&peer, "{\"type\":\"error\",\"id\":5,\"code\":\"rate_limited\",\"status\":429,"
			   "\"message\":\"more than 10 messages a second\"}");
	peer_expect_nothing(&peer);
	send_pings(&peer, 12, 14); /* stays in the socket */
	pass_time(99);
	peer_expect_nothing(&peer);
	cr_assert_eq(stat_read(fixture.worker.slot, STAT_messages_received), 6);
	pass_time(1);
	expect_pongs(&peer, 6, 7);
	peer_expect_part(&peer, "\"id\":7,\"code\":\"rate_limited\"");
	peer_expect_nothing(&peer);
	pass_time(400);
	expect_pongs(&peer, 8, 12);
	peer_expect_part(&peer, "\"id\":12,\"code\":\"rate_limited\"");
	pass_time(100000);
	expect_pongs(&peer, 13, 14);
	send_pings(&peer, 14, 19);
	expect_pongs(&peer, 14, 18);
	peer_expect_part(&peer, "\"id\":18,\"code\":\"rate_limited\"");
	cr_assert_eq(stat_read(fixture.worker.slot, STAT_messages_rate_limited), 4);
	peer_fini(&peer);
}

Test(session, tokens_add_up_exactly_however_often_they_are_counted)
{
	fixture.config->ws_rate = 1;
	fixture.config->ws_burst = 1000000;
	fixture_start();
	struct peer peer = peer_connect(0);

	peer.connection->tokens = 999000 * 1000u;
	for (int i = 0; i < 10000; i++) {
		fixture.now_ms++;
		session_may_go_on(peer.connection);
	}
	cr_assert_eq(peer.connection->tokens, 999010 * 1000u);
	fixture.now_ms += 5000000;
	session_may_go_on(peer.connection);
	cr_assert_eq(peer.connection->tokens, 1000000 * 1000u);
	peer_fini(&peer);
}

Test(session, control_frames_behind_held_messages_keep_their_place)
{
	fixture.config->ws_rate = fixture.config->ws_burst = 1;
	fixture_start();
	struct peer peer = peer_connect(0);
	struct frame frame = {0};

	send_pings(&peer, 0, 3);
	peer_send(&peer, PING_FRAME, SPAN("x"));
	peer_send_close(&peer, 3001);
	expect_pongs(&peer, 0, 1);
	peer_expect_part(&peer, "\"id\":1,\"code\":\"rate_limited\"");
	peer_expect_nothing(&peer);
	pass_time(1000);
	expect_pongs(&peer, 2, 3);
	cr_assert(peer_next(&peer, &frame));
	cr_assert_eq(frame.opcode, WS_PONG);
	peer_expect_close(&peer, 3001);
	peer_expect_end(&peer);
	buffer_fini(&frame.payload);
	peer_fini(&peer);
}

Test(session, fragments_and_control_frames_cost_no_tokens)
{
	fixture.config->ws_rate = fixture.config->ws_burst = 1;
	fixture_start();
	struct peer peer = peer_connect(0);
	struct frame frame = {0};

	for (int i = 0; i < 20; i++) {
		peer_send(&peer, i ? 0x00 : 0x01, SPAN(" "));
		peer_send(&peer, PING_FRAME, SPAN("x"));
	}
	peer_send(&peer, 0x80, SPAN("{\"type\":\"ping\"}"));
	for (int i = 0; i < 20; i++) {
		cr_assert(peer_next(&peer, &frame));
		cr_assert_eq(frame.opcode, WS_PONG);
	}
	peer_expect(&peer, "{\"type\":\"pong\"}");
	buffer_fini(&frame.payload);
	peer_fini(&peer);
}

Test(session, a_paused_connection_is_not_taken_for_dead)
{
	fixture.config->ws_rate = fixture.config->ws_burst = 1;
	fixture.config->ws_ping_interval_ms = 1000;
	fixture_start();
	struct peer peer = peer_connect(0);

	send_pings(&peer, 0, 30);
	fixture_turn();
	for (int i = 0; i < 14; i++) {
		websockets_each_second(set());
		pass_time(1000);
		cr_assert_eq(peer.connection->state, CONNECTION_OPEN, "after %d s", i);
	}
	peer_fini(&peer);
}

Test(session, our_close_ends_the_pause_and_the_peers_close_is_found_behind_what_was_held)
{
	fixture.config->ws_rate = fixture.config->ws_burst = 1;
	fixture_start();
	struct peer peer = peer_connect(0);

	send_pings(&peer, 0, 5);
	expect_pongs(&peer, 0, 1);
	peer_expect_part(&peer, "rate_limited");
	cr_assert_not_null(peer.connection->held);
	connection_close(peer.connection, WS_CLOSE_RESTART, "", false);
	peer_expect_close(&peer, WS_CLOSE_RESTART);
	peer_expect_nothing(&peer);
	cr_assert_null(peer.connection->held);
	peer_send_close(&peer, WS_CLOSE_RESTART);
	peer_expect_end(&peer);
	cr_assert_eq(stat_read(fixture.worker.slot, STAT_messages_received), 2);
	peer_fini(&peer);
}

Test(session, a_paused_connection_that_dies_is_forgotten)
{
	fixture.config->ws_rate = fixture.config->ws_burst = 1;
	fixture_start();
	struct peer peers[3];

	for (int i = 0; i < 3; i++) {
		peers[i] = peer_connect(0);
		send_pings(&peers[i], 0, 5);
	}
	fixture_turn();
	websockets_mark_dead(peers[1].connection);
	fixture_turn();
	cr_assert_eq(set()->count, 2);
	pass_time(1000);
	for (int i = 0; i < 3; i++)
		peer_fini(&peers[i]);
}

/* --- invalid messages -------------------------------------------------------- */

Test(session, ten_invalid_messages_within_a_minute_are_closed_1008)
{
	static const char *const invalid[] = {"x", "[]", "{}", "{\"type\":\"no\"}", "{\"type\":1}"};

	fixture_start();
	struct peer peer = peer_connect(0);

	fixture.now_ms = 18 * 60000 - 500; /* a minute of the clock ends in between */
	for (int i = 0; i < 10; i++) {
		peer_send_text(&peer, invalid[i % 5]);
		peer_expect_part(&peer, "\"status\":400");
		fixture.now_ms += 100;
	}
	peer_expect_close(&peer, WS_CLOSE_POLICY);
	cr_assert_eq(stat_read(fixture.worker.slot, STAT_messages_invalid), 10);
	peer_fini(&peer);
}

Test(session, nine_invalid_messages_a_minute_are_borne)
{
	fixture_start();
	struct peer peer = peer_connect(0);

	for (int i = 0; i < 40; i++) {
		peer_send_text(&peer, "x");
		peer_expect_part(&peer, "\"status\":400");
		fixture.now_ms += 7000;
	}
	peer_expect_nothing(&peer);
	peer_fini(&peer);
}

/* --- operations under way ---------------------------------------------------- */

static void send_gets(struct peer *peer, int count)
{
	for (int i = 0; i < count; i++)
		peer_send_text(peer, "{\"type\":\"sync.get\",\"service\":\"s\","
				     "\"documentId\":\"d\",\"id\":1}");
}

Test(session, answers_that_come_after_the_socket_is_gone_are_dropped)
{
	fixture_start();
	struct peer peer = peer_connect(0), other = peer_connect(0);

	send_gets(&peer, 3);
	fixture_turn();
	cr_assert_eq(fixture.asked_count, 3);
	peer_fini(&peer);
	fixture_answer("{}"); /* the socket is dead, and nobody knows yet */
	fixture_turn();
	cr_assert_eq(set()->count, 1);
	fixture_answer("{}");
	fixture_answer("{}");
	peer_expect_nothing(&other);
	peer_fini(&other);
}

Test(session, answers_that_come_after_our_close_are_dropped)
{
	fixture_start();
	struct peer peer = peer_connect(0);

	send_gets(&peer, 1);
	fixture_turn();
	connection_close(peer.connection, WS_CLOSE_RESTART, "", false);
	fixture_answer("{}");
	peer_expect_close(&peer, WS_CLOSE_RESTART);
	peer_expect_nothing(&peer);
	peer_fini(&peer);
}

Test(session, the_set_may_go_before_the_answers_come)
{
	fixture_start();
	struct peer peer = peer_connect(0);

	send_gets(&peer, 2);
	fixture_turn();
	websockets_destroy(set());
	cr_assert_null(fixture.worker.websockets);
	peer_expect_close(&peer, WS_CLOSE_RESTART);
	peer_expect_end(&peer);
	fixture_answer("{}");
	fixture_answer("{}");
	peer_fini(&peer);
}

Test(session, with_many_operations_under_way_the_socket_is_not_read)
{
	fixture.config->ws_burst = 1000;
	fixture_start();
	struct peer peer = peer_connect(0);

	send_gets(&peer, CONNECTION_PENDING_MAX + 20);
	fixture_turn();
	cr_assert_eq(fixture.asked_count, CONNECTION_PENDING_MAX);
	cr_assert_eq(stat_read(fixture.worker.slot, STAT_reads_paused), 1);
	fixture_answer("{}");
	fixture_turn();
	cr_assert_eq(fixture.asked_count, CONNECTION_PENDING_MAX + 1);
	for (int i = 0; i < CONNECTION_PENDING_MAX + 19; i++) {
		fixture_answer("{}");
		fixture_turn();
	}
	cr_assert_eq(peer.connection->pending, 0);
	for (int i = 0; i < CONNECTION_PENDING_MAX + 20; i++)
		peer_expect_part(&peer, "\"result\"");
	peer_expect_nothing(&peer);
	peer_fini(&peer);
}

Test(session, answers_may_come_at_once)
{
	fixture.answer_at_once = true;
	fixture_start();
	struct peer peer = peer_connect(0);

	for (int i = 0; i < 300; i++) {
		if (i % 100 == 0)
			send_gets(&peer, 100);
		peer_expect(&peer, "{\"type\":\"result\",\"id\":1,\"document\":{\"at\":\"once\"}}");
	}
	peer_fini(&peer);
}
