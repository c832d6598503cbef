/* test_connection_conflate.c — clients that read too slowly: what they get in place of all events.
 */
#include "websocket_fixture.h"

#include "random.h"

#define QUEUE 16384
#define DOCUMENTS 5

TestSuite(connection_conflate, .init = fixture_init, .fini = fixture_fini, .timeout = 100);

static struct websockets *set(void)
{
	return fixture.worker.websockets;
}

static uint64_t figure(enum statistic stat)
{
	return stat_read(fixture.worker.slot, stat);
}

static void start(void)
{
	fixture.config->ws_queue = QUEUE;
	fixture_start();
	fixture_activate("p-1");
}

static struct peer subscriber(int sndbuf, const char *rest)
{
	struct peer peer = peer_connect(sndbuf);
	char text[200];

	snprintf(text, sizeof(text), "{\"type\":\"subscribe\",\"topic\":\"sync.s.updated\"%s}",
		 rest);
	peer_send_text(&peer, text);
	peer_expect_part(&peer, "\"subscribed\"");
	return peer;
}

static void publish(const char *id, uint64_t revision, size_t len)
{
	struct buffer data = {0};

	buffer_printf(&data, "{\"n\":%d,\"x\":\"%0*d\"}", (int)revision, (int)len, 0);
	fixture_publish(id, revision, buffer_span(&data));
	buffer_fini(&data);
	fixture_turn();
}

/* Document `f` fills the queue until events are remembered; returns its last revision. */
static uint64_t fill(struct peer *peer, uint64_t revision)
{
	for (int i = 0;
	     i < 100 && !(peer->connection->queue && peer->connection->queue->conflation); i++)
		publish("f", ++revision, 3000);
	cr_assert(peer->connection->queue->conflation);
	return revision;
}

static uint64_t number_behind(const char *text, const char *name)
{
	const char *at = strstr(text, name);

	return at ? strtoull(at + strlen(name), NULL, 10) : UINT64_MAX;
}

/* The event follows what the peer has: by itself, or by its fromRevision, which stands right behind
 * the revision. Returns its revision. */
static uint64_t check_follows(const char *text, uint64_t last)
{
	uint64_t revision = number_behind(text, "\"revision\":");
	uint64_t from = number_behind(text, "\"fromRevision\":");
	char wanted[80];

	cr_assert_gt(revision, last, "again, or backwards: %s", text);
	cr_assert_eq(number_behind(text, "\"n\":"), revision, "the data of that revision");
	if (from == UINT64_MAX) {
		cr_assert_eq(revision, last + 1, "a hole behind %d: %s", (int)last, text);
		return revision;
	}
	cr_assert_eq(from, last, "%d, had %d", (int)from, (int)last);
	snprintf(wanted, sizeof(wanted),
		 "\"revision\":%d,\"fromRevision\":%d,\"data\":", (int)revision, (int)last);
	cr_assert(strstr(text, wanted), "%s", text);
	return revision;
}

/* Reads all there is; every event is of service s and a document `<letter>`. */
static void read_and_check(struct peer *peer, uint64_t *last)
{
	struct frame frame = {0};

	while (peer_next(peer, &frame)) {
		cr_assert(strstr(frame.payload.at, "\"type\":\"event\""), "%s", frame.payload.at);
		const char *id = strstr(frame.payload.at, "\"documentId\":\"") + 14;
		uint64_t *one = &last[(unsigned char)*id];
		*one = check_follows(frame.payload.at, *one);
	}
	buffer_fini(&frame.payload);
}

static void expect_all_quiet(void)
{
	fixture_turn();
	cr_assert_eq(set()->queue_bytes, 0);
	cr_assert_eq(set()->conflated_bytes, 0);
	cr_assert_eq(set()->conflating, 0);
	cr_assert_eq(figure(STAT_connections_conflating), 0);
	cr_assert(TAILQ_EMPTY(&set()->stalled));
}

static void skip_to(struct peer *peer, const char *part)
{
	struct frame frame = {0};

	do
		cr_assert(peer_next(peer, &frame), "nothing with %s comes", part);
	while (!strstr(frame.payload.at, part));
	buffer_fini(&frame.payload);
}

Test(connection_conflate, the_newest_event_of_each_document_stands_for_those_before_it)
{
	start();
	struct peer slow = subscriber(1, ""), fast = subscriber(0, "");
	uint64_t slow_last[256] = {0}, fast_last[256] = {0};

	for (uint64_t revision = 1; revision <= 60; revision++) {
		publish("a", revision, 3000);
		publish("b", revision, 100);
		read_and_check(&fast, fast_last);
		cr_assert_eq(fast_last['a'], revision, "nobody else waits");
		cr_assert_leq(connection_queue_bytes(slow.connection), QUEUE);
	}
	cr_assert_eq(slow.connection->state, CONNECTION_OPEN);
	cr_assert_eq(figure(STAT_connections_conflating), 1);
	cr_assert_eq(figure(STAT_closed_overload), 0);
	read_and_check(&slow, slow_last);
	cr_assert_eq(slow_last['a'], 60);
	cr_assert_eq(slow_last['b'], 60);
	expect_all_quiet();
	cr_assert_gt(figure(STAT_events_conflated), 80);
	cr_assert_eq(figure(STAT_resyncs_slow), 0);
	cr_assert_eq(figure(STAT_events_conflated) + figure(STAT_deliveries_total), 4 * 60);
	publish("a", 61, 10);
	read_and_check(&slow, slow_last);
	cr_assert_eq(slow_last['a'], 61, "live again");
	peer_fini(&slow);
	peer_fini(&fast);
}

Test(connection_conflate, diff_and_both_get_one_resync_of_a_document_and_a_lone_event_itself)
{
	static const char *const modes[] = {",\"returnMode\":\"diff\"", ",\"returnMode\":\"both\""};

	start();
	for (int i = 0; i < 2; i++) {
		struct peer slow = subscriber(1, modes[i]);

		for (uint64_t revision = 1;
		     !slow.connection->queue || !slow.connection->queue->conflation; revision++)
			for (int many = 0; many < 20; many++)
				publish("f", revision * 20 + (uint64_t)many, 10);
		publish("d", 5, 10);
		publish("d", 6, 10);
		publish("lone", 3, 10);
		publish("d", 7, 10);
		skip_to(&slow, "\"resync\",\"topic\":\"sync.s.updated\",\"service\":\"s\","
			       "\"documentId\":\"f\",\"reason\":\"slow\"}");
		peer_expect(&slow, "{\"type\":\"resync\",\"topic\":\"sync.s.updated\","
				   "\"service\":\"s\",\"documentId\":\"d\",\"reason\":\"slow\"}");
		peer_expect_part(&slow, "\"documentId\":\"lone\",\"revision\":3,\"d");
		peer_expect_nothing(&slow);
		cr_assert_eq(figure(STAT_resyncs_slow), 2 * ((uint64_t)i + 1));
		expect_all_quiet();
		publish("d", 8, 10);
		peer_expect_part(&slow, "\"documentId\":\"d\",\"revision\":8,\"d");
		peer_fini(&slow);
		fixture_turn();
	}
}

Test(connection_conflate, documents_that_do_not_fit_end_in_one_resync_per_subscription)
{
	start();
	struct peer slow = subscriber(1, "");
	char id[16];

	peer_send_text(&slow, "{\"type\":\"subscribe\",\"topic\":\"sync.*.*\","
			      "\"documentPrefix\":\"u\"}");
	peer_expect_part(&slow, "\"subscribed\"");
	fill(&slow, 0);
	for (int i = 0; i < 500; i++) {
		snprintf(id, sizeof(id), "d%d", i);
		publish(id, 1, 10);
		cr_assert_leq(connection_queue_bytes(slow.connection), QUEUE);
	}
	struct frame frame = {0};
	int wide = 0, narrow = 0, events_behind = 0;
	while (peer_next(&slow, &frame)) {
		wide += !strcmp(frame.payload.at,
				"{\"type\":\"resync\",\"topic\":\"sync.s.updated\","
				"\"reason\":\"slow\"}");
		narrow +=
			!strcmp(frame.payload.at, "{\"type\":\"resync\",\"topic\":\"sync.*.*\","
						  "\"documentPrefix\":\"u\",\"reason\":\"slow\"}");
		events_behind += wide && strstr(frame.payload.at, "\"event\"") ? 1 : 0;
	}
	cr_assert_eq(wide, 1);
	cr_assert_eq(narrow, 1);
	cr_assert_eq(events_behind, 0);
	cr_assert_eq(figure(STAT_conflation_overflows), 1);
	cr_assert_eq(figure(STAT_resyncs_slow), 2);
	expect_all_quiet();
	publish("d1", 2, 10);
	peer_expect_part(&slow, "\"documentId\":\"d1\",\"revision\":2,\"data\"");
	buffer_fini(&frame.payload);
	peer_fini(&slow);
}

Test(connection_conflate, behind_one_huge_message_events_are_joined)
{
	start();
	struct peer slow = subscriber(1, "");

	peer_be_sent(&slow, 'x', 1 << 20);
	publish("d", 4, 10);
	publish("d", 5, 10);
	publish("e", 1, 10);
	cr_assert_eq(slow.connection->state, CONNECTION_OPEN);
	peer_expect_run(&slow, 'x', 1 << 20);
	peer_expect_part(&slow, "\"documentId\":\"d\",\"revision\":5,\"fromRevision\":3,\"data\"");
	peer_expect_part(&slow, "\"documentId\":\"e\",\"revision\":1,\"data\"");
	peer_expect_nothing(&slow);
	expect_all_quiet();
	peer_fini(&slow);
}

Test(connection_conflate, answers_are_not_joined_and_the_socket_is_read_below_ws_queue)
{
	start();
	struct peer slow = subscriber(1, "");

	fill(&slow, 0);
	publish("d", 1, 10);
	for (int i = 0; i < 3; i++)
		peer_send_text(&slow, "{\"type\":\"ping\",\"id\":7}");
	fixture_turn();
	for (int i = 0; i < 3; i++)
		skip_to(&slow, "{\"type\":\"pong\",\"id\":7}");
	skip_to(&slow, "\"documentId\":\"d\"");
	expect_all_quiet();
	peer_fini(&slow);
}

Test(connection_conflate, what_was_unsubscribed_meanwhile_is_not_told)
{
	start();
	struct peer slow = subscriber(1, ",\"documentPrefix\":\"d\"");

	peer_send_text(&slow, "{\"type\":\"subscribe\",\"topic\":\"sync.s.*\","
			      "\"documentPrefix\":\"f\"}");
	peer_expect_part(&slow, "\"subscribed\"");
	uint64_t newest = fill(&slow, 0);
	publish("d", 1, 10);
	publish("d", 2, 10);
	publish("f", newest + 1, 10);
	peer_send_text(&slow, "{\"type\":\"unsubscribe\",\"topic\":\"sync.s.updated\","
			      "\"documentPrefix\":\"d\"}");
	fixture_turn();
	struct frame frame = {0};
	bool newest_came = false;
	while (peer_next(&slow, &frame)) {
		cr_assert(!strstr(frame.payload.at, "\"documentId\":\"d\""), "%s",
			  frame.payload.at);
		newest_came |= number_behind(frame.payload.at, "\"revision\":") == newest + 1;
	}
	cr_assert(newest_came);
	expect_all_quiet();
	buffer_fini(&frame.payload);
	peer_fini(&slow);
}

/* The newest event of the document is one of those. */
Test(connection_conflate, what_an_unsubscribed_event_stood_for_is_not_lost)
{
	start();
	struct peer slow = subscriber(1, "");

	peer_send_text(&slow, "{\"type\":\"subscribe\",\"topic\":\"sync.s.deleted\"}");
	peer_expect_part(&slow, "\"subscribed\"");
	fill(&slow, 0);
	publish("d", 1, 10);
	fixture_publish_deleted("d", 2);
	fixture_publish_deleted("e", 2);
	peer_send_text(&slow, "{\"type\":\"unsubscribe\",\"topic\":\"sync.s.deleted\"}");
	fixture_turn();
	skip_to(&slow, "{\"type\":\"resync\",\"topic\":\"sync.s.*\",\"service\":\"s\","
		       "\"documentId\":\"d\",\"reason\":\"slow\"}");
	peer_expect_nothing(&slow);
	expect_all_quiet();
	peer_fini(&slow);
}

Test(connection_conflate, a_notice_of_the_ring_to_all_becomes_one_resync_per_subscription)
{
	struct buffer record = {0};

	start();
	struct peer slow = subscriber(1, "");
	fill(&slow, 0);
	publish("d", 1, 10);
	event_record_format_resync_all(&record, "gap");
	cr_assert_eq(ring_publish(&fixture.ring, 1, buffer_span(&record)), 0);
	fixture_turn();
	skip_to(&slow, "{\"type\":\"resync\",\"topic\":\"sync.s.updated\",\"reason\":\"slow\"}");
	peer_expect_nothing(&slow);
	expect_all_quiet();
	buffer_fini(&record);
	peer_fini(&slow);
}

Test(connection_conflate, who_dies_or_is_closed_meanwhile_leaves_nothing)
{
	start();
	struct peer dying = subscriber(1, ""), closed = subscriber(1, ""), late = subscriber(1, "");

	fill(&dying, 0);
	publish("d", 1, 2000);
	cr_assert_eq(set()->conflating, 3);
	cr_assert_gt(set()->conflated_bytes, 2000);
	peer_fini(&dying);
	fixture_turn();
	connection_close(closed.connection, WS_CLOSE_RESTART, "", false);
	fixture.now_ms += fixture.config->ws_stall_timeout_ms;
	websockets_each_second(set());
	cr_assert_eq(figure(STAT_closed_overload), 1, "the late one");
	cr_assert_eq(set()->conflating, 0);
	cr_assert_eq(set()->conflated_bytes, 0);
	skip_to(&closed, "\"event\"");
	peer_fini(&closed);
	peer_fini(&late);
	expect_all_quiet();
	cr_assert_eq(set()->queue_bytes_leaving, 0);
	cr_assert_eq(set()->count, 0);
}

Test(connection_conflate, over_ws_queue_total_events_remembered_count)
{
	fixture.config->ws_queue_total = 100000;
	start();
	fixture.config->ws_queue = 200000;
	struct peer slow = subscriber(1, "");
	char id[8];

	peer_be_sent(&slow, 'x', 60000);
	fixture.config->ws_queue = QUEUE;
	for (int i = 0; i < 60 && slow.connection->state == CONNECTION_OPEN; i++) {
		snprintf(id, sizeof(id), "d%d", i % 2);
		fixture.config->ws_queue_total = 60000 + 1000 * (size_t)(60 - i);
		publish(id, (uint64_t)i + 1, 5000);
	}
	cr_assert_eq(slow.connection->state, CONNECTION_CLOSING);
	cr_assert_eq(set()->conflated_bytes, 0);
	peer_fini(&slow);
	expect_all_quiet();
}

Test(connection_conflate, however_reading_and_writing_mix_no_document_has_a_hole_or_a_repeat)
{
	uint64_t state = random_seed("connection_conflate");
	uint64_t revisions[DOCUMENTS] = {0}, last[256] = {0};

	start();
	struct peer slow = subscriber(1, "");
	for (int step = 0; step < 3000; step++) {
		uint64_t dice = random_next(&state);
		int document = (int)((dice >> 8) % DOCUMENTS);
		char id[2] = {(char)('a' + document), '\0'};

		publish(id, ++revisions[document], (dice >> 16) % 2500);
		cr_assert_leq(connection_queue_bytes(slow.connection), 2 * QUEUE);
		if (dice % 3 == 0)
			peer_read(&slow, (dice >> 32) % 12000);
		if (dice % 97 == 0)
			read_and_check(&slow, last);
	}
	read_and_check(&slow, last);
	for (int i = 0; i < DOCUMENTS; i++)
		cr_assert_eq(last['a' + i], revisions[i]);
	cr_assert_gt(figure(STAT_events_conflated), 100);
	expect_all_quiet();
	peer_fini(&slow);
}
