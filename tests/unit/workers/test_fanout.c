/* test_fanout.c — from the ring to the sockets: members that die, stall or fall behind. */
#include "websocket_fixture.h"
#include "ring_layout.h"
#include "ws_deflate.h"

#include <unistd.h>

TestSuite(fanout, .init = fixture_init, .fini = fixture_fini, .timeout = 100);

static struct websockets *set(void)
{
	return fixture.worker.websockets;
}

static struct peer subscriber(int sndbuf)
{
	struct peer peer = peer_connect(sndbuf);

	peer_send_text(&peer, "{\"type\":\"subscribe\",\"topic\":\"sync.s.*\"}");
	peer_expect_part(&peer, "\"subscribed\"");
	return peer;
}

Test(fanout, members_may_die_in_the_midst_of_a_pass)
{
	fixture_start();
	fixture_activate("p-1");
	struct peer peers[5];

	for (int i = 0; i < 5; i++)
		peers[i] = subscriber(0);
	close(peers[1].fd);
	close(peers[3].fd);
	peers[1].fd = peers[3].fd = -1;
	fixture_publish("d", 2, SPAN("{}"));
	fixture_publish("d", 3, SPAN("{}"));
	for (int i = 0; i < 5; i += 2) {
		peer_expect_part(&peers[i], "\"revision\":2");
		peer_expect_part(&peers[i], "\"revision\":3");
	}
	cr_assert_eq(set()->count, 3);
	cr_assert_eq(stat_read(fixture.worker.slot, STAT_deliveries_total), 6);
	for (int i = 0; i < 5; i++)
		peer_fini(&peers[i]);
}

Test(fanout, a_slow_subscriber_gets_the_newest_and_the_others_lose_nothing)
{
	fixture_start();
	fixture_activate("p-1");
	struct peer slow = subscriber(1), fast = subscriber(0);

	for (uint64_t revision = 2; revision < 80; revision++) {
		char part[40];

		fixture_publish_run(revision, 6000);
		snprintf(part, sizeof(part), "\"revision\":%d,", (int)revision);
		peer_expect_part(&fast, part);
	}
	cr_assert_eq(slow.connection->state, CONNECTION_OPEN);
	struct frame frame = {0};
	int events = 0, joined = 0;
	while (peer_next(&slow, &frame)) {
		events++;
		joined += strstr(frame.payload.at, "\"revision\":79,\"fromRevision\":") ? 1 : 0;
	}
	cr_assert_gt(events, 20);
	cr_assert_lt(events, 78);
	cr_assert_eq(joined, 1);
	buffer_fini(&frame.payload);
	peer_fini(&slow);
	peer_fini(&fast);
}

Test(fanout, over_ws_queue_total_within_a_pass_the_index_stays_whole)
{
	fixture.config->ws_queue_total = 20000;
	fixture.config->ws_queue = 1 << 20;
	fixture_start();
	fixture_activate("p-1");
	struct peer peers[6];

	for (int i = 0; i < 6; i++)
		peers[i] = subscriber(1);
	for (uint64_t revision = 2; revision < 9; revision++) {
		fixture_publish_run(revision, 6000);
		fixture_turn();
	}
	cr_assert_leq(set()->queue_bytes - set()->queue_bytes_leaving, 20000);
	cr_assert_geq(stat_read(fixture.worker.slot, STAT_closed_overload), 1);
	for (int i = 0; i < 6; i++)
		peer_fini(&peers[i]);
	fixture_turn();
	cr_assert_eq(set()->count, 0);
	cr_assert_eq(set()->queue_bytes, 0);
	cr_assert_eq(set()->queue_bytes_leaving, 0);
}

/* Until what is in the ring and not read takes `len` bytes. */
static void fall_behind(uint64_t *revision, uint64_t len)
{
	const struct ring_memory *memory = fixture.ring.memory;
	uint64_t from = atomic_load(&memory->tail);

	while (atomic_load(&memory->tail) - from <= len)
		fixture_publish("d", ++*revision, SPAN("{\"n\":1}"));
}

Test(fanout, half_a_ring_behind_is_counted_once_each_time_before_anything_is_lost)
{
	fixture_start();
	fixture_activate("p-1");
	const uint64_t half = fixture.config->ring_size / 2;
	uint64_t revision = 1;

	fall_behind(&revision, half / 2);
	fixture_turn();
	cr_assert_eq(stat_read(fixture.worker.slot, STAT_ring_behind), 0);
	for (uint64_t times = 1; times < 3; times++) {
		fall_behind(&revision, half);
		fixture_turn();
		cr_assert_eq(stat_read(fixture.worker.slot, STAT_ring_behind), times);
		fall_behind(&revision, 0);
		fixture_turn();
		cr_assert_eq(stat_read(fixture.worker.slot, STAT_ring_behind), times);
	}
	cr_assert_eq(stat_read(fixture.worker.slot, STAT_ring_lapped), 0);
}

Test(fanout, overtaken_by_the_ring_each_subscription_gets_one_resync)
{
	fixture_start();
	fixture_activate("p-1");
	struct peer peer = subscriber(0);

	peer_send_text(&peer, "{\"type\":\"subscribe\",\"topic\":\"sync.*.updated\","
			      "\"documentPrefix\":\"u\"}");
	peer_expect_part(&peer, "\"subscribed\"");
	for (uint64_t revision = 2; revision < 40; revision++)
		fixture_publish_run(revision, 5000);
	struct frame frame = {0};
	int wide = 0, narrow = 0;
	while (peer_next(&peer, &frame)) {
		wide += !strcmp(frame.payload.at, "{\"type\":\"resync\",\"topic\":\"sync.s.*\","
						  "\"reason\":\"lapped\"}");
		narrow += !strcmp(frame.payload.at,
				  "{\"type\":\"resync\",\"topic\":\"sync.*.updated\","
				  "\"documentPrefix\":\"u\",\"reason\":\"lapped\"}");
	}
	cr_assert_eq(wide, 1);
	cr_assert_eq(narrow, 1);
	cr_assert_eq(stat_read(fixture.worker.slot, STAT_ring_lapped), 1);
	buffer_fini(&frame.payload);
	peer_fini(&peer);
}

Test(fanout, a_record_that_makes_no_sense_is_not_passed_over_in_silence)
{
	fixture_start();
	fixture_activate("p-1");
	struct peer peer = subscriber(0);

	cr_assert_eq(ring_publish(&fixture.ring, 1, SPAN("no record of ours")), 0);
	peer_expect_part(&peer, "{\"type\":\"resync\",\"topic\":\"sync.s.*\"");
	cr_assert_eq(stat_read(fixture.worker.slot, STAT_ring_broken), 1);
	peer_fini(&peer);
}

/* --- permessage-deflate --- */

static struct peer deflate_subscriber(const char *mode)
{
	struct peer peer = peer_connect(0);
	char text[120];

	peer.connection->member.kind = AUDIENCE_DEFLATE; /* as the handshake would have said */
	snprintf(text, sizeof(text),
		 "{\"type\":\"subscribe\",\"topic\":\"sync.s.*\",\"returnMode\":\"%s\"}", mode);
	peer_send_text(&peer, text);
	peer_expect_part(&peer, "\"subscribed\"");
	return peer;
}

/* What the socket has, in frames that the fixture may not know. */
static void read_raw(struct peer *peer)
{
	fixture_turn();
	peer_read(peer, SIZE_MAX);
}

Test(fanout, an_event_is_compressed_once_per_mode_and_never_for_plain_members)
{
	fixture_start();
	fixture_activate("p-1");
	struct peer plain = subscriber(0), a = deflate_subscriber("full"),
		    b = deflate_subscriber("full"), both = deflate_subscriber("both");
	const struct slot *slot = fixture.worker.slot;

	/* The same set as `a` and `b` in another audience, and a wider set in the same mode. */
	peer_send_text(&b, "{\"type\":\"subscribe\",\"topic\":\"sync.other.*\"}");
	peer_expect_part(&b, "\"subscribed\"");
	cr_assert_eq(subscription_index_audiences(set()->index), 4);
	fixture_publish_run(2, 6000);
	read_raw(&a);
	read_raw(&b);
	read_raw(&both);
	cr_assert_eq((unsigned char)a.got.at[0], 0xc1);
	cr_assert_lt(a.got.len, 600);
	cr_assert(span_equals(buffer_span(&a.got), buffer_span(&b.got)));
	cr_assert_not(span_equals(buffer_span(&a.got), buffer_span(&both.got)));
	peer_expect_part(&plain, "\"revision\":2");
	cr_assert_eq(stat_read(slot, STAT_events_compressed), 2);
	cr_assert_gt(stat_read(slot, STAT_compressed_from_bytes), 12000);
	cr_assert_lt(stat_read(slot, STAT_compressed_to_bytes), 1200);

	/* Short: plain for everybody. */
	a.got.len = 0;
	fixture_publish_run(3, 10);
	peer_expect_part(&a, "\"revision\":3");
	cr_assert_eq(stat_read(slot, STAT_events_compressed), 2);
	peer_fini(&plain);
	peer_fini(&a);
	peer_fini(&b);
	peer_fini(&both);
}

Test(fanout, compressed_events_of_one_pass_follow_each_other)
{
	fixture_start();
	fixture_activate("p-1");
	struct peer peer = deflate_subscriber("full");

	for (uint64_t revision = 2; revision < 6; revision++)
		fixture_publish_run(revision, 300);
	fixture_publish_run(6, 10);
	read_raw(&peer);
	for (int i = 0; i < 4; i++) {
		cr_assert_eq((unsigned char)peer.got.at[0], 0xc1);
		cr_assert_lt((unsigned char)peer.got.at[1], 127);
		size_t header = peer.got.at[1] == 126 ? 4 : 2;
		size_t len = header == 2 ? (size_t)peer.got.at[1]
					 : (size_t)(unsigned char)peer.got.at[2] << 8 |
						   (unsigned char)peer.got.at[3];
		char part[40];
		struct span text;

		cr_assert_eq(ws_deflate_inflate(fixture.worker.deflate,
						span_of(peer.got.at + header, len), 4096, &text),
			     0);
		snprintf(part, sizeof(part), "\"revision\":%d,", i + 2);
		cr_assert(memmem(text.at, text.len, part, strlen(part)), "%s", part);
		buffer_consume(&peer.got, header + len);
	}
	peer_expect_part(&peer, "\"revision\":6");
	peer_fini(&peer);
}

/* --- taps -------------------------------------------------------------------- */

/* Writes down what it is told: a revision, `r` for a resync, `!` lost, `.` end of a pass. */
struct recorder {
	struct fanout_tap tap;
	struct buffer seen;
};

static void record_record(struct fanout_tap *tap, const struct event_record *record)
{
	struct recorder *recorder = CONTAINER_OF(tap, struct recorder, tap);

	if (record->kind == EVENT_RECORD_EVENT)
		buffer_append_u64(&recorder->seen, record->revision);
	else
		buffer_append_char(&recorder->seen,
				   record->kind == EVENT_RECORD_RESYNC ? 'r' : '?');
}

static void record_lost(struct fanout_tap *tap)
{
	buffer_append_char(&CONTAINER_OF(tap, struct recorder, tap)->seen, '!');
}

/* Passes in which nothing came are not written down. */
static void record_pass(struct fanout_tap *tap)
{
	struct buffer *seen = &CONTAINER_OF(tap, struct recorder, tap)->seen;

	if (seen->len && seen->at[seen->len - 1] != '.')
		buffer_append_char(seen, '.');
}

static struct recorder recorder = {
	.tap = {.on_record = record_record, .on_lost = record_lost, .on_pass = record_pass}};

static void expect_recorded(const char *expected)
{
	cr_assert(span_equals(buffer_span(&recorder.seen), span_string(expected)),
		  "%.*s instead of %s", SPAN_ARGS(buffer_span(&recorder.seen)), expected);
	recorder.seen.len = 0;
}

Test(fanout, a_tap_sees_events_that_no_connection_wants_but_no_marks)
{
	fixture_start();
	fanout_add_tap(fixture.worker.fanout, &recorder.tap);
	fixture_activate("p-1");
	fixture_turn();
	expect_recorded("");
	fixture_publish("d", 2, SPAN("{}"));
	fixture_publish("d", 3, SPAN("{}"));
	fixture_mark("p-2");
	fixture_turn();
	expect_recorded("23.");
	buffer_fini(&recorder.seen);
}

Test(fanout, what_a_tap_saw_before_a_loss_ends_before_it)
{
	fixture_start();
	fanout_add_tap(fixture.worker.fanout, &recorder.tap);
	fixture_activate("p-1");
	fixture_publish("d", 2, SPAN("{}"));
	cr_assert_eq(ring_publish(&fixture.ring, 1, SPAN("no record of ours")), 0);
	fixture_publish("d", 3, SPAN("{}"));
	fixture_turn();
	expect_recorded("2.!3.");
	buffer_fini(&recorder.seen);
}
