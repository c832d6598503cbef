/* test_connection_gather.c — a pass of the fan-out whose sends go to the kernel together. The tests
 * of fanout, websockets and connection_conflate run a second time with it, too. */
#include "websocket_fixture.h"

#include "connection_gather.h"
#include "forbid_call.h"
#include "send_ring.h"

#include <errno.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MANY 600
#define SMALL_SNDBUF 1 /* the kernel takes its least: some KiB */

static void init(void)
{
	fixture_init();
	fixture.config->fanout_io_uring = true;
}

TestSuite(connection_gather, .init = init, .fini = fixture_fini, .timeout = 60);

static struct peer peers[MANY];

static uint64_t figure(enum statistic name)
{
	return stat_read(fixture.worker.slot, name);
}

static void subscribe(unsigned place, int sndbuf, const char *message)
{
	peers[place] = peer_connect(sndbuf);
	peer_send_text(&peers[place], message);
	peer_expect_part(&peers[place], "\"subscribed\"");
}

#define ALL "{\"type\":\"subscribe\",\"topic\":\"sync.s.*\"}"
#define DIFFS "{\"type\":\"subscribe\",\"topic\":\"sync.s.*\",\"returnMode\":\"both\"}"

static void start(void)
{
	struct rlimit limit;

	fixture_start();
	if (!figure(STAT_io_uring))
		cr_skip_test("no io_uring in this build or here");
	cr_assert_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = limit.rlim_max;
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	fixture_activate("p-1");
}

static void expect_revision(unsigned place, int revision)
{
	char part[40];

	snprintf(part, sizeof(part), "\"revision\":%d,", revision);
	peer_expect_part(&peers[place], part);
}

static void leave(unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		peer_fini(&peers[i]);
}

Test(connection_gather, six_hundred_get_all_events_in_order_by_two_calls_a_pass)
{
	start();
	for (unsigned i = 0; i < MANY; i++)
		subscribe(i, 0, i % 3 ? ALL : DIFFS);
	uint64_t sends = figure(STAT_sends_total), bytes = figure(STAT_sent_bytes);
	for (int pass = 0; pass < 3; pass++) {
		fixture_publish("d", (uint64_t)pass * 2 + 2, SPAN("{}"));
		fixture_publish("d", (uint64_t)pass * 2 + 3, SPAN("{}"));
		fixture_turn();
		cr_assert_eq(figure(STAT_sends_gathered), (uint64_t)pass * 2 + 2);
	}
	cr_assert_eq(figure(STAT_sends_total) - sends, 3 * MANY);
	cr_assert_eq(figure(STAT_deliveries_total), 6 * MANY);
	cr_assert_gt(figure(STAT_sent_bytes) - bytes, 6 * MANY * 100);
	for (unsigned i = 0; i < MANY; i++) {
		for (int revision = 2; revision < 8; revision++)
			expect_revision(i, revision);
		peer_expect_nothing(&peers[i]);
	}
	leave(MANY);
}

static void expect_one_by_one(unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		subscribe(i, 0, ALL);
	fixture_publish("d", 2, SPAN("{}"));
	for (unsigned i = 0; i < count; i++)
		expect_revision(i, 2);
	cr_assert_eq(figure(STAT_sends_gathered), 0);
	cr_assert_eq(figure(STAT_deliveries_total), count);
	leave(count);
}

Test(connection_gather, a_handful_is_sent_one_by_one)
{
	start();
	expect_one_by_one(3);
}

Test(connection_gather, a_batch_in_many_pieces_goes_the_usual_way)
{
	start();
	for (unsigned i = 0; i < 10; i++)
		subscribe(i, 0, DIFFS);
	fixture_publish_run(2, 6000);
	for (unsigned i = 0; i < 10; i++)
		expect_revision(i, 2);
	cr_assert_eq(figure(STAT_sends_gathered), 0);
	leave(10);
}

Test(connection_gather, members_that_have_gone_die_and_the_others_get_theirs)
{
	start();
	for (unsigned i = 0; i < 20; i++)
		subscribe(i, 0, ALL);
	for (unsigned i = 0; i < 20; i += 4) {
		close(peers[i].fd);
		peers[i].fd = -1;
	}
	fixture_publish("d", 2, SPAN("{}"));
	fixture_turn();
	cr_assert_eq(figure(STAT_sends_gathered), 1);
	cr_assert_eq(figure(STAT_deliveries_total), 15);
	cr_assert_eq(fixture.worker.websockets->count, 15);
	fixture_publish("d", 3, SPAN("{}"));
	for (unsigned i = 0; i < 20; i++)
		if (i % 4) {
			expect_revision(i, 2);
			expect_revision(i, 3);
		}
	cr_assert_eq(figure(STAT_deliveries_total), 30);
	leave(20);
}

Test(connection_gather, what_a_socket_does_not_take_comes_later_whole_and_in_order)
{
	fixture.config->ws_queue = 4 << 20;
	start();
	for (unsigned i = 0; i < 8; i++)
		subscribe(i, i == 5 ? SMALL_SNDBUF : 0, ALL);
	for (uint64_t revision = 2; revision < 60; revision++) {
		fixture_publish_run(revision, 3000);
		for (unsigned i = 0; i < 8; i++)
			if (i != 5)
				expect_revision(i, (int)revision);
	}
	cr_assert_eq(figure(STAT_sends_gathered), 58);
	cr_assert_geq(figure(STAT_sends_partial), 1);
	cr_assert_gt(connection_queue_bytes(peers[5].connection), 50000);
	cr_assert_eq(figure(STAT_deliveries_total), 58 * 8);
	for (int revision = 2; revision < 60; revision++)
		expect_revision(5, revision);
	cr_assert_null(peers[5].connection->queue);
	cr_assert_eq(fixture.worker.websockets->queue_bytes, 0);
	fixture_publish_run(60, 10);
	expect_revision(5, 60);
	leave(8);
}

/* While the results of a pass are looked at, each queue that begins is over ws.queue_total, and the
 * one that stalls longest is closed: never one whose result is still to come. */
Test(connection_gather, over_ws_queue_total_only_those_are_closed_whose_sends_are_over)
{
	fixture.config->ws_queue_total = 64 << 10;
	start();
	for (unsigned i = 0; i < 40; i++)
		subscribe(i, SMALL_SNDBUF, ALL);
	struct connection_gather *gather = fixture.worker.websockets->gather;
	struct batch *batch = fixture_batch('x', 60000);
	for (unsigned i = 0; i < 40; i++)
		cr_assert_not(connection_gather_add(gather, peers[i].connection, batch));
	batch_put(batch); /* gathered ones keep it */
	connection_gather_send(gather);
	cr_assert_eq(figure(STAT_sends_gathered), 1);
	for (unsigned i = 0; i < 39; i++)
		cr_assert_eq(peers[i].connection->state, CONNECTION_CLOSING, "%u", i);
	cr_assert_eq(figure(STAT_deliveries_total), 40);
	cr_assert_eq(figure(STAT_closed_overload), 39);
	for (unsigned i = 0; i < 40; i++)
		peer_expect_run(&peers[i], 'x', 60000);
	cr_assert_eq(peers[39].connection->state, CONNECTION_OPEN);
	peer_expect_close(&peers[0], WS_CLOSE_OVERLOAD);
	leave(40);
}

Test(connection_gather, a_ring_that_breaks_in_service_loses_nothing)
{
	start();
	for (unsigned i = 0; i < 10; i++)
		subscribe(i, 0, ALL);
	fixture_publish("d", 2, SPAN("{}"));
	fixture_turn();
	cr_assert_eq(figure(STAT_sends_gathered), 1);
	forbid_call(SYS_io_uring_enter, EPERM);
	fixture_publish("d", 3, SPAN("{}"));
	fixture_turn();
	cr_assert_eq(figure(STAT_io_uring), 0);
	fixture_publish("d", 4, SPAN("{}"));
	for (unsigned i = 0; i < 10; i++)
		for (int revision = 2; revision < 5; revision++)
			expect_revision(i, revision);
	cr_assert_eq(fixture.worker.websockets->count, 10);
	cr_assert_eq(figure(STAT_deliveries_total), 30);
	leave(10);
}

Test(connection_gather, where_it_is_not_to_be_had_each_send_is_a_call)
{
	forbid_call(SYS_io_uring_setup, ENOSYS);
	fixture_start();
	cr_assert_eq(figure(STAT_io_uring), 0);
	cr_assert_not(websockets_has_ring(fixture.worker.websockets));
	fixture_activate("p-1");
	expect_one_by_one(10);
}
