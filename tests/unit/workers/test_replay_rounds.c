/* test_replay_rounds.c — more live events came than may be held: they are left to another round of
 * the replay, or, when that does not come to them, told as lost. */
#include "replay_fixture.h"

#define PAD 3000

static void open_all(void)
{
	fixture_init();
	fixture.config->ws_queue = 16384;
}

TestSuite(replay_rounds, .init = open_all, .fini = fixture_fini, .timeout = 100);

static void publish_more_than_may_be_held(void)
{
	for (uint64_t revision = 1; revision <= 10; revision++)
		publish_padded("other", revision, PAD);
}

/* A client has sync.s.updated, and asks for all of s again; more than may be held comes meanwhile.
 */
static struct peer start_beside_another(void)
{
	struct peer peer = replay_start(0);

	subscribe(&peer, UPDATED(""));
	peer_expect_part(&peer, "\"subscribed\"");
	subscribe(&peer, AFTER(RUN "-8"));
	publish_more_than_may_be_held();
	return peer;
}

Test(replay_rounds, more_live_events_than_may_be_held_are_replayed_in_another_round)
{
	struct peer peer = replay_start(0);
	struct store_since_document documents[] = {{SPAN("s"), SPAN("d"), 14}};

	subscribe(&peer, AFTER(RUN "-8"));
	publish_more_than_may_be_held();
	fixture_publish_presence("other");
	answer_changed(12, NULL, 0);
	peer_expect_part(&peer, "\"outcome\":\"live\"");
	fixture_mark(RUN "-11");
	fixture_turn();
	cr_assert_eq(store.asked, 1, "what has been listed may still be in the pipe");
	fixture_mark(RUN "-12");
	fixture_turn();
	cr_assert_eq(store.asked, 2);
	cr_assert_eq(store.reads[1].after, 12, "from where the first round has listed");
	fixture_publish("d", 3, SPAN("{}"));
	fixture_publish("d", 4, SPAN("{}"));
	answer_changed(14, documents, 1);
	cr_assert_eq(store.reads[2].after, 12);
	answer_revision(3, 14); /* sequences 14, 13, 12 */
	cr_assert_eq(next_revision(&peer, "d"), 2);
	cr_assert_eq(next_revision(&peer, "d"), 3);
	peer_expect_part(&peer, "\"topic\":\"sync.s.presence\"");
	cr_assert_eq(next_revision(&peer, "d"), 4);
	peer_expect_nothing(&peer);
	cr_assert_eq(stat_read(fixture.worker.slot, STAT_resyncs_sent), 0);
	cr_assert_geq(stat_read(fixture.worker.slot, STAT_replay_overflows), 1);
	peer_fini(&peer);
}

Test(replay_rounds, who_leaves_the_second_round_is_told_what_was_left_to_it)
{
	struct peer peer = start_beside_another();

	answer_changed(10, NULL, 0);
	peer_expect_part(&peer, "\"outcome\":\"live\"");
	cr_assert_eq(store.asked, 2, "the second one has begun to read");
	subscribe(&peer, UNSUBSCRIBE(""));
	peer_expect(&peer, "{\"type\":\"resync\",\"topic\":\"sync.s.updated\",\"reason\":\"gap\"}");
	peer_expect_part(&peer, "\"unsubscribed\"");
	peer_expect_nothing(&peer);
	peer_fini(&peer);
}

Test(replay_rounds, who_leaves_twice_is_told_once_what_may_be_lost)
{
	struct peer peer = start_beside_another();

	answer_changed(12, NULL, 0); /* until this mark comes it settles */
	peer_expect_part(&peer, "\"outcome\":\"live\"");
	subscribe(&peer, UNSUBSCRIBE(""));
	peer_expect(&peer, "{\"type\":\"resync\",\"topic\":\"sync.s.updated\",\"reason\":\"gap\"}");
	peer_expect_part(&peer, "\"unsubscribed\"");
	subscribe(&peer, UNSUBSCRIBE(""));
	peer_expect_part(&peer, "\"status\":404");
	peer_expect_nothing(&peer);
	peer_fini(&peer);
}

Test(replay_rounds, what_was_left_to_a_replay_that_is_refused_is_told_as_lost)
{
	struct peer peer = start_beside_another();

	answer_error(-EAGAIN);
	peer_expect_part(&peer, "\"redis_unavailable\"");
	peer_expect(&peer, "{\"type\":\"resync\",\"topic\":\"sync.s.updated\",\"reason\":\"gap\"}");
	peer_expect_nothing(&peer);
	peer_fini(&peer);
}

/* One subscription is told why it cannot be replayed, and each that live events are lost. */
static void expect_rollback_and_loss(struct peer *peer)
{
	peer_expect(peer, "{\"type\":\"resync\",\"topic\":\"sync.s.*\",\"reason\":\"rollback\"}");
	for (int i = 0; i < 2; i++)
		peer_expect_part(peer, "\"reason\":\"gap\"");
	peer_expect_nothing(peer);
}

Test(replay_rounds, what_was_left_to_a_replay_whose_list_is_refused_is_told_as_lost)
{
	struct peer peer = start_beside_another();

	answer_changed(5, NULL, 0); /* below 8 */
	peer_expect_part(&peer, "\"outcome\":\"live\"");
	expect_rollback_and_loss(&peer);
	cr_assert_eq(store.asked, 1, "no other round could tell what was dropped");
	peer_fini(&peer);
}

Test(replay_rounds, what_was_left_to_a_second_round_whose_list_is_refused_is_told_as_lost)
{
	struct peer peer = start_beside_another();

	answer_changed(10, NULL, 0);
	peer_expect_part(&peer, "\"outcome\":\"live\"");
	answer_changed(5, NULL, 0); /* below 10 */
	expect_rollback_and_loss(&peer);
	peer_fini(&peer);
}

Test(replay_rounds, a_failover_between_two_rounds_is_said)
{
	struct peer peer = replay_start(0);

	subscribe(&peer, AFTER(RUN "-8"));
	publish_more_than_may_be_held();
	answer_changed(12, NULL, 0);
	peer_expect_part(&peer, "\"outcome\":\"live\"");
	fixture_mark("fedc4321-3");
	fixture_turn();
	peer_expect(&peer, "{\"type\":\"resync\",\"topic\":\"sync.s.*\",\"reason\":\"failover\"}");
	peer_expect_nothing(&peer);
	cr_assert_eq(store.asked, 1);
	peer_fini(&peer);
}

/* Document d was listed, and while its three revisions were read came more live events than may be
 * held: it was told of all three, and another round is asked for. */
static struct peer start_second_round(struct store_since_document *listed)
{
	struct peer peer = replay_start(0);

	subscribe(&peer, AFTER(RUN "-8"));
	answer_changed(12, listed, 1);
	peer_expect_part(&peer, "\"outcome\":\"replayed\"");
	publish_more_than_may_be_held();
	answer_revision(3, 14); /* sequences 14, 13, 12: two are newer than the list */
	for (uint64_t revision = 1; revision <= 3; revision++)
		cr_assert_eq(next_revision(&peer, "d"), revision);
	fixture_mark(RUN "-14");
	fixture_turn();
	return peer;
}

Test(replay_rounds, what_one_round_has_told_does_not_come_again_in_the_next)
{
	struct store_since_document listed[] = {{SPAN("s"), SPAN("d"), 12}};
	struct peer peer = start_second_round(listed);

	cr_assert_eq(store.reads[2].after, 12, "another round");
	fixture_publish("d", 3, SPAN("{}")); /* late */
	listed[0].sequence = 15;
	answer_changed(15, listed, 1);
	answer_revision(4, 15); /* 15, 14, 13, 12 */
	cr_assert_eq(next_revision(&peer, "d"), 4);
	peer_expect_nothing(&peer);
	cr_assert_eq(stat_read(fixture.worker.slot, STAT_resyncs_sent), 0);
	peer_fini(&peer);
}

Test(replay_rounds, a_document_that_one_round_has_told_whole_is_silent_in_the_next)
{
	struct store_since_document listed[] = {{SPAN("s"), SPAN("d"), 12}};
	struct peer peer = start_second_round(listed);

	listed[0].sequence = 14;
	answer_changed(14, listed, 1);
	answer_revision(3, 14);
	fixture_publish("d", 4, SPAN("{}"));
	cr_assert_eq(next_revision(&peer, "d"), 4);
	peer_expect_nothing(&peer);
	cr_assert_eq(stat_read(fixture.worker.slot, STAT_resyncs_sent), 0);
	peer_fini(&peer);
}
