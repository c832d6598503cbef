/* test_connection_send.c — what a socket does not take: it waits, in order and within bounds. */
#include "websocket_fixture.h"

#include <sys/socket.h>

#define PING_FRAME 0x89
#define SMALL_SNDBUF 1 /* the kernel takes its least: some KiB */

TestSuite(connection_send, .init = fixture_init, .fini = fixture_fini, .timeout = 100);

static struct websockets *set(void)
{
	return fixture.worker.websockets;
}

Test(connection_send, what_the_socket_does_not_take_arrives_later_whole_and_in_order)
{
	fixture.config->ws_queue = fixture.config->ws_queue_total = 1 << 30;
	fixture_start();
	struct peer peer = peer_connect(SMALL_SNDBUF);
	size_t lens[] = {100, 300000, 5, 70000, 4096, 4097, 0, 125, 126};

	for (size_t round = 0; round < 20; round++)
		for (size_t i = 0; i < ARRAY_LEN(lens); i++)
			peer_be_sent(&peer, (char)('a' + i), lens[i]);
	cr_assert_gt(connection_queue_bytes(peer.connection), 20 * 300000);
	for (size_t round = 0; round < 20; round++)
		for (size_t i = 0; i < ARRAY_LEN(lens); i++)
			peer_expect_run(&peer, (char)('a' + i), lens[i]);
	cr_assert_null(peer.connection->queue);
	cr_assert_eq(set()->queue_bytes, 0);
	cr_assert(TAILQ_EMPTY(&set()->stalled));
	peer_fini(&peer);
}

Test(connection_send, a_batch_of_more_runs_than_one_sendmsg_takes_is_sent_at_once)
{
	fixture_start();
	struct peer peer = peer_connect(8 << 20);
	struct batch *batch = batch_create();
	struct buffer payload = {0}, frame = {0};

	memset(buffer_reserve(&payload, 5000), 'x', 5000);
	payload.len = 5000;
	ws_frame_append(&frame, WS_TEXT, buffer_span(&payload));
	struct text *arena = text_create(buffer_span(&frame));
	for (int i = 0; i < 100; i++) {
		struct iovec part = {arena->at, arena->len};
		batch_append(batch, &part, 1, arena);
	}
	int sndbuf = 0;
	socklen_t len = sizeof(sndbuf);
	getsockopt(peer.connection->io.fd, SOL_SOCKET, SO_SNDBUF, &sndbuf, &len);
	if ((size_t)sndbuf < 3 * batch_len(batch) &&
	    setsockopt(peer.connection->io.fd, SOL_SOCKET, SO_SNDBUFFORCE, &(int){8 << 20},
		       sizeof(int)))
		cr_skip_test("no send buffer of that size to be had");
	cr_assert(connection_send(peer.connection, batch));
	cr_assert_null(peer.connection->queue);
	for (int i = 0; i < 100; i++)
		peer_expect_run(&peer, 'x', 5000);
	batch_put(batch);
	text_put(arena);
	buffer_fini(&payload);
	buffer_fini(&frame);
	peer_fini(&peer);
}

Test(connection_send, one_message_may_wait_whatever_its_size)
{
	fixture_start();
	struct peer peer = peer_connect(SMALL_SNDBUF);

	peer_be_sent(&peer, 'x', 4 << 20);
	cr_assert_eq(peer.connection->state, CONNECTION_OPEN);
	cr_assert_gt(connection_queue_bytes(peer.connection), fixture.config->ws_queue);
	peer_expect_run(&peer, 'x', 4 << 20);
	peer_fini(&peer);
}

Test(connection_send, over_ws_queue_it_stays_open_and_batches_without_events_are_dropped)
{
	fixture_start();
	struct peer peer = peer_connect(SMALL_SNDBUF);

	peer_be_sent(&peer, 'x', 150000);
	peer_be_sent(&peer, 'y', 40000);
	peer_be_sent(&peer, 'z', 40000);
	cr_assert_eq(peer.connection->state, CONNECTION_OPEN);
	cr_assert_eq(stat_read(fixture.worker.slot, STAT_closed_overload), 0);
	peer_expect_run(&peer, 'x', 150000);
	peer_expect_run(&peer, 'y', 40000);
	peer_expect_nothing(&peer);
	cr_assert_eq(set()->queue_bytes, 0);
	cr_assert_eq(set()->conflating, 0);
	peer_be_sent(&peer, 'n', 1);
	peer_expect_run(&peer, 'n', 1);
	peer_fini(&peer);
}

Test(connection_send, over_ws_queue_the_socket_is_not_read_and_pings_do_not_close_it)
{
	fixture_start();
	struct peer peer = peer_connect(SMALL_SNDBUF);

	peer_be_sent(&peer, 'x', 1 << 20);
	peer_send_text(&peer, "{\"type\":\"ping\",\"id\":1}");
	fixture_turn();
	cr_assert_eq(stat_read(fixture.worker.slot, STAT_messages_received), 0);
	for (int64_t i = 0; i < 4 * fixture.config->ws_ping_interval_ms / 1000; i++)
		websockets_each_second(set());
	cr_assert_eq(peer.connection->state, CONNECTION_OPEN);
	peer_expect_run(&peer, 'x', 1 << 20);
	peer_expect(&peer, "{\"type\":\"pong\",\"id\":1}");
	peer_fini(&peer);
}

Test(connection_send, who_floods_with_pings_and_reads_nothing_is_not_read_until_the_stall_timeout)
{
	fixture_start();
	struct peer peer = peer_connect(SMALL_SNDBUF);
	char payload[125] = {0};

	peer_be_sent(&peer, 'x', 250000);
	for (int i = 0; i < 2000; i++) {
		struct buffer bytes = {0};

		peer_frame(&bytes, PING_FRAME, span_of(payload, sizeof(payload)));
		/* Once nobody reads it, the socket is full. */
		ssize_t sent = send(peer.fd, bytes.at, bytes.len, MSG_NOSIGNAL);
		buffer_fini(&bytes);
		if (sent < 0)
			break;
		fixture_turn();
		cr_assert_leq(connection_queue_bytes(peer.connection),
			      fixture.config->ws_queue + 200);
	}
	cr_assert_eq(peer.connection->state, CONNECTION_OPEN);
	fixture.now_ms += fixture.config->ws_stall_timeout_ms;
	websockets_each_second(set());
	cr_assert_eq(peer.connection->state, CONNECTION_CLOSING);
	peer_fini(&peer);
}

Test(connection_send, small_frames_that_wait_share_their_memory)
{
	fixture_start();
	struct peer peer = peer_connect(SMALL_SNDBUF);

	peer_be_sent(&peer, 'x', 200000);
	for (int i = 0; i < 1000; i++)
		connection_send_text(peer.connection, SPAN("0123456789"));
	cr_assert_leq(peer.connection->queue->count, 5);
	peer_expect_run(&peer, 'x', 200000);
	for (int i = 0; i < 1000; i++)
		peer_expect(&peer, "0123456789");
	peer_fini(&peer);
}

Test(connection_send, over_ws_queue_total_the_longest_stalled_is_closed_1013_and_no_other)
{
	fixture.config->ws_queue = 1 << 20;
	fixture.config->ws_queue_total = 1000000;
	fixture_start();
	struct peer a = peer_connect(SMALL_SNDBUF), b = peer_connect(SMALL_SNDBUF),
		    c = peer_connect(SMALL_SNDBUF);

	peer_be_sent(&a, 'x', 400000);
	fixture.now_ms += 10;
	peer_be_sent(&b, 'x', 400000);
	fixture.now_ms += 10;
	peer_read(&a, 20000); /* a goes on, so b is the longest stalled now */
	fixture_turn();
	fixture.now_ms += 10;
	peer_be_sent(&c, 'x', 400000);
	cr_assert_eq(a.connection->state, CONNECTION_OPEN);
	cr_assert_eq(b.connection->state, CONNECTION_CLOSING);
	cr_assert_eq(c.connection->state, CONNECTION_OPEN);
	peer_be_sent(&c, 'y', 50000);
	cr_assert_eq(a.connection->state, CONNECTION_OPEN, "what b still has does not count");
	peer_expect_run(&b, 'x', 400000);
	peer_expect_close(&b, WS_CLOSE_OVERLOAD);
	peer_expect_run(&a, 'x', 400000);
	peer_expect_run(&c, 'x', 400000);
	peer_expect_run(&c, 'y', 50000);
	cr_assert_eq(set()->queue_bytes, 0);
	peer_fini(&a);
	peer_fini(&b);
	peer_fini(&c);
}

Test(connection_send, stalled_for_ws_stall_timeout_is_closed_1013_progress_counts)
{
	fixture_start();
	struct peer stalled = peer_connect(SMALL_SNDBUF), slow = peer_connect(SMALL_SNDBUF);

	peer_be_sent(&stalled, 'x', 200000);
	peer_be_sent(&slow, 'x', 200000);
	fixture.now_ms += fixture.config->ws_stall_timeout_ms - 1;
	websockets_each_second(set());
	cr_assert_eq(stalled.connection->state, CONNECTION_OPEN);
	peer_read(&slow, 20000);
	fixture_turn();
	fixture.now_ms += 1;
	websockets_each_second(set());
	cr_assert_eq(stalled.connection->state, CONNECTION_CLOSING);
	cr_assert_eq(slow.connection->state, CONNECTION_OPEN);
	peer_expect_run(&stalled, 'x', 200000);
	peer_expect_close(&stalled, WS_CLOSE_OVERLOAD);
	peer_expect_run(&slow, 'x', 200000);
	fixture.now_ms += fixture.config->ws_stall_timeout_ms;
	websockets_each_second(set());
	cr_assert_eq(slow.connection->state, CONNECTION_OPEN, "an empty queue is not stalled");
	peer_fini(&stalled);
	peer_fini(&slow);
}

Test(connection_send, a_socket_that_dies_with_a_queue_leaves_no_bytes_counted)
{
	fixture_start();
	struct peer peer = peer_connect(SMALL_SNDBUF), closing = peer_connect(SMALL_SNDBUF);

	peer_be_sent(&peer, 'x', 200000);
	peer_be_sent(&closing, 'x', 200000);
	connection_close(closing.connection, WS_CLOSE_RESTART, "", false);
	fixture_turn();
	cr_assert_gt(set()->queue_bytes, 300000);
	peer_fini(&peer);
	peer_fini(&closing);
	fixture_turn();
	cr_assert_eq(set()->count, 0);
	cr_assert_eq(set()->queue_bytes, 0);
	cr_assert_eq(set()->queue_bytes_leaving, 0);
	cr_assert(TAILQ_EMPTY(&set()->stalled));
}
