/* test_replay_room.c — replays of connections that do not read, and what goes on meanwhile. */
#include "replay_fixture.h"

#define QUEUE 16384
#define PAD 3000

static void open_all(void)
{
	fixture_init();
	fixture.config->ws_queue = QUEUE;
	store.pad = PAD;
}

TestSuite(replay_room, .init = open_all, .fini = fixture_fini, .timeout = 100);

/* A connection that gets events of `f` and reads none; *ret_revision is that of the last one. */
static struct peer start_stuck(uint64_t *ret_revision)
{
	struct peer peer = replay_start(4096);

	*ret_revision = 0;
	subscribe(&peer, SUBSCRIBE(",\"documentId\":\"f\",\"presence\":false"));
	peer_expect_part(&peer, "\"subscribed\"");
	return peer;
}

static void stop_reading(struct peer *peer, uint64_t *revision)
{
	while (!peer->connection->queue)
		publish_padded("f", ++*revision, PAD);
}

Test(replay_room, what_was_missed_waits_for_the_socket_and_comes_whole)
{
	uint64_t last;
	struct peer peer = start_stuck(&last);

	subscribe(&peer, SINCE("1", ""));
	stop_reading(&peer, &last);
	while (peer.connection->queue->bytes < QUEUE / 2)
		publish_padded("f", ++last, PAD);
	answer_revision(4, 12);
	cr_assert_leq(connection_queue_bytes(peer.connection), QUEUE);
	cr_assert_null(peer.connection->queue->conflation, "no live event did not fit");
	for (uint64_t revision = 1; revision <= last; revision++)
		cr_assert_eq(next_revision(&peer, "f"), revision);
	peer_expect_part(&peer, "\"outcome\":\"replayed\"");
	for (uint64_t revision = 2; revision <= 4; revision++)
		cr_assert_eq(next_revision(&peer, "d"), revision);
	peer_expect_nothing(&peer);
	cr_assert_eq(stat_read(fixture.worker.slot, STAT_resyncs_sent), 0);
	peer_fini(&peer);
}

Test(replay_room, a_replay_leaves_room_to_live_events)
{
	uint64_t last;
	struct peer peer = start_stuck(&last);

	subscribe(&peer, SINCE("1", ""));
	answer_revision(4, 12);
	fixture_turn();
	cr_assert_not_null(peer.connection->queue, "it is too large for the socket");
	for (int i = 0; i < 2; i++)
		publish_padded("f", ++last, PAD);
	cr_assert_null(peer.connection->queue->conflation);
	peer_expect_part(&peer, "\"outcome\":\"replayed\"");
	uint64_t d = 1, f = 0;
	while (d < 4 || f < last) {
		struct frame frame = {0};

		cr_assert(peer_next(&peer, &frame));
		bool is_d = strstr(frame.payload.at, "\"documentId\":\"d\"");
		char wanted[32];
		snprintf(wanted, sizeof(wanted), "\"revision\":%d,", (int)(is_d ? ++d : ++f));
		cr_assert(strstr(frame.payload.at, wanted), "%s %.200s", wanted, frame.payload.at);
		buffer_fini(&frame.payload);
	}
	peer_expect_nothing(&peer);
	peer_fini(&peer);
}

Test(replay_room, live_events_of_a_slow_connection_that_stands_apart_are_joined_not_given_up)
{
	uint64_t last;
	struct peer peer = start_stuck(&last);

	subscribe(&peer, SINCE("1", ""));
	cr_assert_not_null(peer.connection->replays);
	stop_reading(&peer, &last);
	while (!peer.connection->queue->conflation)
		publish_padded("f", ++last, PAD);
	for (int i = 0; i < 3; i++)
		publish_padded("f", ++last, PAD);
	answer_revision(4, 12);
	uint64_t d = 1, f = 0;
	while (d < 4 || f < last) {
		struct frame frame = {0};

		cr_assert(peer_next(&peer, &frame));
		cr_assert_not(strstr(frame.payload.at, "\"resync\""), "%s", frame.payload.at);
		const char *at = strstr(frame.payload.at, "\"revision\":");
		uint64_t revision = at ? strtoull(at + 11, NULL, 10) : 0;
		if (at && strstr(frame.payload.at, "\"documentId\":\"d\""))
			cr_assert_eq(revision, ++d);
		else if (at) {
			cr_assert_gt(revision, f);
			f = revision;
		}
		buffer_fini(&frame.payload);
	}
	peer_expect_nothing(&peer);
	peer_fini(&peer);
}

Test(replay_room, a_plain_subscribe_of_the_same_name_comes_into_force_behind_the_replay)
{
	struct peer peer = replay_start(0);

	store.pad = 0;
	subscribe(&peer, SINCE("3", ""));
	subscribe(&peer, SUBSCRIBE(",\"documentId\":\"other\",\"id\":2"));
	peer_expect_part(&peer, "\"id\":2,");
	subscribe(&peer, SUBSCRIBE(",\"documentId\":\"d\",\"returnMode\":\"diff\",\"id\":3"));
	peer_expect_nothing(&peer);
	answer_revision(4, 12);
	peer_expect_part(&peer, "\"outcome\":\"replayed\"");
	peer_expect_part(&peer, "\"revision\":4,\"data\":{\"n\":4},\"diff\":");
	peer_expect_part(&peer, "\"id\":3,");
	fixture_publish("d", 5, SPAN("{}"));
	peer_expect_part(&peer, "\"revision\":5,\"diff\":");
	peer_expect_nothing(&peer);
	peer_fini(&peer);
}

Test(replay_room, presence_that_was_held_does_not_follow_unsubscribed)
{
	struct peer peer = replay_start(0);

	subscribe(&peer, SUBSCRIBE(",\"documentId\":\"d\""));
	peer_expect_part(&peer, "\"subscribed\"");
	subscribe(&peer, UPDATED(",\"documentId\":\"d\",\"presence\":false,\"snapshot\":true"));
	fixture_publish_presence("d");
	peer_expect_nothing(&peer);
	subscribe(&peer, UNSUBSCRIBE(",\"documentId\":\"d\""));
	peer_expect_part(&peer, "\"unsubscribed\"");
	answer_revision(4, 12);
	peer_expect_part(&peer, "\"snapshot\"");
	peer_expect_nothing(&peer);
	peer_fini(&peer);
}

Test(replay_room, presence_that_was_held_and_is_still_wanted_comes)
{
	struct peer peer = replay_start(0);

	subscribe(&peer, SNAPSHOT);
	fixture_publish_presence("d");
	peer_expect_nothing(&peer);
	answer_revision(4, 12);
	peer_expect_part(&peer, "\"snapshot\"");
	peer_expect_part(&peer, "\"topic\":\"sync.s.presence\"");
	peer_fini(&peer);
}

Test(replay_room, an_event_that_a_later_read_will_have_is_not_held)
{
	struct peer peer = replay_start(0);
	struct store_since_document documents[] = {{SPAN("s"), SPAN("e"), 9},
						   {SPAN("s"), SPAN("d"), 10}};

	store.pad = 0;
	subscribe(&peer, AFTER(RUN "-8"));
	answer_changed(10, documents, 2);
	peer_expect_part(&peer, "\"replayed\"");
	fixture_publish("d", 2, SPAN("{}"));
	fixture_turn();
	cr_assert_eq(store.asked, 2, "e is being read");
	answer_error(-EIO); /* ends this one, and says so */
	peer_expect_part(&peer, "\"topic\":\"sync.s.*\",\"reason\":\"gap\"");
	peer_expect_nothing(&peer);
	peer_fini(&peer);
}

Test(replay_room, who_leaves_the_replay_is_told_what_another_subscription_may_have_lost)
{
	struct peer peer = replay_start(0);
	struct store_since_document documents[] = {{SPAN("s"), SPAN("e"), 9},
						   {SPAN("s"), SPAN("d"), 10}};

	subscribe(&peer, UPDATED(""));
	peer_expect_part(&peer, "\"subscribed\"");
	subscribe(&peer, AFTER(RUN "-8"));
	answer_changed(10, documents, 2);
	peer_expect_part(&peer, "\"replayed\"");
	fixture_publish("d", 2, SPAN("{}"));
	peer_expect_nothing(&peer);
	subscribe(&peer, UNSUBSCRIBE(""));
	peer_expect(&peer, "{\"type\":\"resync\",\"topic\":\"sync.s.updated\",\"reason\":\"gap\"}");
	peer_expect_part(&peer, "\"unsubscribed\"");
	peer_expect_nothing(&peer);
	peer_fini(&peer);
}

Test(replay_room, who_leaves_while_frames_wait_gets_what_is_live_by_another_subscription)
{
	uint64_t last;
	struct peer peer = start_stuck(&last);

	subscribe(&peer, UPDATED(",\"documentId\":\"d\",\"returnMode\":\"diff\""));
	peer_expect_part(&peer, "\"subscribed\"");
	subscribe(&peer, SINCE("1", ""));
	stop_reading(&peer, &last);
	while (peer.connection->queue->bytes < QUEUE / 2)
		publish_padded("f", ++last, PAD);
	answer_revision(4, 12);
	fixture_publish("d", 4, SPAN("{}"));
	fixture_turn();
	subscribe(&peer, UNSUBSCRIBE(",\"documentId\":\"d\""));
	for (uint64_t revision = 1; revision <= last; revision++)
		cr_assert_eq(next_revision(&peer, "f"), revision);
	peer_expect_part(&peer, "\"replayed\"");
	peer_expect_part(&peer, "\"unsubscribed\"");
	cr_assert_eq(next_revision(&peer, "d"), 4);
	peer_expect_nothing(&peer);
	peer_fini(&peer);
}

Test(replay_room, who_leaves_when_some_frames_were_sent_gets_only_the_others_live)
{
	uint64_t last, d = 1;
	struct peer peer = start_stuck(&last);
	struct frame frame = {0};

	subscribe(&peer, UPDATED(",\"documentId\":\"d\",\"returnMode\":\"diff\""));
	peer_expect_part(&peer, "\"subscribed\"");
	subscribe(&peer, SINCE("1", ""));
	stop_reading(&peer, &last);
	answer_revision(4, 12); /* there is room for one or two of the three */
	for (uint64_t revision = 2; revision <= 4; revision++)
		fixture_publish("d", revision, SPAN("{}"));
	fixture_turn();
	subscribe(&peer, UNSUBSCRIBE(",\"documentId\":\"d\""));
	while (peer_next(&peer, &frame)) {
		const char *at = strstr(frame.payload.at, "\"documentId\":\"d\",\"revision\":");

		if (at)
			cr_assert_eq(strtoull(strchr(at, ',') + 12, NULL, 10), ++d, "%.300s", at);
	}
	cr_assert_eq(d, 4);
	buffer_fini(&frame.payload);
	peer_fini(&peer);
}
