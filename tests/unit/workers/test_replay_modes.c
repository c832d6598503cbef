/* test_replay_modes.c — subscriptions of one connection that want the same event in different
 * modes: what a replay tells, and what it drops because it has told it. */
#include "replay_fixture.h"

#define DATA(n) "\"data\":{\"n\":" n "}"
#define DIFF_OF_2 "\"diff\":{\"added\":{},\"removed\":[],\"changed\":{\"n\":{\"from\":1,\"to\":2}}}"

static const struct store_since_document changed_d = {SPAN("s"), SPAN("d"), 9};

static void open_all(void)
{
	fixture_init();
}

TestSuite(replay_modes, .init = open_all, .fini = fixture_fini, .timeout = 100);

/* A client has an older subscription of topic sync.s.`event` in the mode full. */
static struct peer start_with_full(const char *event)
{
	struct peer peer = replay_start(0);
	char text[128];

	snprintf(text, sizeof(text), "{\"type\":\"subscribe\",\"topic\":\"sync.s.%s\"}", event);
	subscribe(&peer, text);
	peer_expect_part(&peer, "\"subscribed\"");
	return peer;
}

static void resume_diff(struct peer *peer)
{
	subscribe(peer, SUBSCRIBE(",\"documentPrefix\":\"d\",\"returnMode\":\"diff\",\"after\":"
				  "\"" RUN "-8\""));
}

Test(replay_modes, what_is_left_to_a_later_read_comes_in_the_modes_of_all_subscriptions)
{
	struct peer peer = start_with_full("*");

	resume_diff(&peer);
	answer_changed(12, &changed_d, 1);
	peer_expect_part(&peer, "\"replayed\"");
	fixture_publish("d", 2, SPAN("{\"n\":2}"));
	peer_expect_nothing(&peer);
	answer_revision(2, 9);
	peer_expect_part(&peer, DATA("2") "," DIFF_OF_2);
	peer_expect_nothing(&peer);
	peer_fini(&peer);
}

Test(replay_modes, what_was_read_before_it_came_live_has_the_modes_of_all_subscriptions)
{
	struct peer peer = start_with_full("updated");

	subscribe(&peer, SUBSCRIBE(",\"documentId\":\"d\",\"returnMode\":\"diff\",\"since\":{"
				   "\"createdAt\":101,\"revision\":1}"));
	answer_revision(2, 12);
	fixture_publish("d", 2, SPAN("{\"n\":2}"));
	peer_expect_part(&peer, "\"replayed\"");
	peer_expect_part(&peer, DATA("2") "," DIFF_OF_2);
	peer_expect_nothing(&peer);
	peer_fini(&peer);
}

Test(replay_modes, subscriptions_of_other_events_change_nothing)
{
	struct peer peer = start_with_full("deleted");

	resume_diff(&peer);
	answer_changed(12, &changed_d, 1);
	peer_expect_part(&peer, "\"replayed\"");
	answer_revision(2, 9);
	peer_expect_part(&peer, "\"revision\":2," DIFF_OF_2);
	peer_expect_nothing(&peer);
	peer_fini(&peer);
}

Test(replay_modes, who_comes_when_it_was_told_in_less_still_gets_it_live)
{
	struct peer peer = replay_start(0);

	resume_diff(&peer);
	answer_changed(12, &changed_d, 1);
	peer_expect_part(&peer, "\"replayed\"");
	answer_revision(2, 9);
	peer_expect_part(&peer, "\"revision\":2," DIFF_OF_2);
	subscribe(&peer, SUBSCRIBE(""));
	peer_expect_part(&peer, "\"subscribed\"");
	fixture_publish("d", 2, SPAN("{\"n\":2}")); /* read, and only now out of the pipe */
	peer_expect_part(&peer, "\"revision\":2," DATA("2"));
	peer_expect_nothing(&peer);
	peer_fini(&peer);
}

Test(replay_modes, a_snapshot_stands_for_whatever_it_has)
{
	struct peer peer = replay_start(0);

	subscribe(&peer, SUBSCRIBE(",\"returnMode\":\"diff\""));
	peer_expect_part(&peer, "\"subscribed\"");
	subscribe(&peer, SNAPSHOT);
	answer_revision(2, 12);
	peer_expect_part(&peer, "\"snapshot\"");
	fixture_publish("d", 2, SPAN("{\"n\":2}"));
	peer_expect_nothing(&peer);
	peer_fini(&peer);
}

/* More came than may be held: the next round reads it, and another subscription gets it so. */
Test(replay_modes, another_round_has_the_modes_of_all_subscriptions)
{
	struct peer peer;
	struct store_since_document again = {SPAN("s"), SPAN("d"), 13};

	fixture.config->ws_queue = 1024;
	peer = start_with_full("*");
	resume_diff(&peer);
	answer_changed(9, &changed_d, 1);
	peer_expect_part(&peer, "\"replayed\"");
	answer_revision(1, 9);
	peer_expect_part(&peer, "\"revision\":1," DATA("1"));
	fixture_mark(RUN "-12");
	fixture_turn();
	cr_assert_null(peer.connection->replays);
	subscribe(&peer, SUBSCRIBE(",\"documentPrefix\":\"d\",\"returnMode\":\"diff\",\"after\":"
				   "\"" RUN "-9\""));
	for (uint64_t revision = 2; revision <= 9; revision++)
		fixture_publish("d", revision, SPAN("{\"n\":0}"));
	fixture_turn();
	answer_changed(12, NULL, 0);
	peer_expect_part(&peer, "\"live\"");
	answer_changed(13, &again, 1);
	answer_revision(2, 13);
	peer_expect_part(&peer, DATA("2") "," DIFF_OF_2);
	peer_fini(&peer);
}

/* A diff subscription has been told revisions 1 and 2 of d, and goes another round
 * when the mark 12 has come. */
static struct peer start_between_rounds(void)
{
	struct peer peer;

	fixture.config->ws_queue = 1024;
	peer = replay_start(0);
	resume_diff(&peer);
	answer_changed(9, &changed_d, 1);
	peer_expect_part(&peer, "\"replayed\"");
	for (uint64_t revision = 1; revision <= 8; revision++)
		fixture_publish("d9", revision, SPAN("{\"n\":0}"));
	fixture_turn();
	answer_revision(2, 12);
	peer_expect_part(&peer, "\"revision\":1,\"diff\":");
	peer_expect_part(&peer, "\"revision\":2," DIFF_OF_2);
	return peer;
}

Test(replay_modes, who_comes_between_two_rounds_gets_once_what_the_second_one_tells)
{
	struct store_since_document again = {SPAN("s"), SPAN("d"), 13};
	struct peer peer = start_between_rounds();

	subscribe(&peer, SUBSCRIBE(""));
	peer_expect_part(&peer, "\"live\"");
	fixture_mark(RUN "-12");
	fixture_turn();
	answer_changed(13, &again, 1);
	answer_revision(3, 13);
	peer_expect_part(&peer, "\"revision\":3," DATA("3"));
	fixture_publish("d", 3, SPAN("{\"n\":3}")); /* read, and only now out of the pipe */
	peer_expect_nothing(&peer);
	peer_fini(&peer);
}

Test(replay_modes, who_comes_between_two_rounds_loses_nothing_that_the_first_one_told_in_less)
{
	struct peer peer = start_between_rounds();

	subscribe(&peer, SUBSCRIBE(""));
	peer_expect_part(&peer, "\"live\"");
	fixture_publish("d", 2, SPAN("{\"n\":2}")); /* read, and only now out of the pipe */
	fixture_mark(RUN "-12");
	fixture_turn();
	answer_changed(13, NULL, 0);
	peer_expect_part(&peer, "\"revision\":2," DATA("2"));
	peer_expect_nothing(&peer);
	peer_fini(&peer);
}

Test(replay_modes, what_the_first_round_told_in_less_comes_before_what_the_second_one_tells)
{
	struct store_since_document again = {SPAN("s"), SPAN("d"), 13};
	struct peer peer = start_between_rounds();

	subscribe(&peer, SUBSCRIBE(""));
	peer_expect_part(&peer, "\"live\"");
	fixture_publish("d", 2, SPAN("{\"n\":2}")); /* read, and only now out of the pipe */
	fixture_mark(RUN "-12");
	fixture_turn();
	answer_changed(13, &again, 1);
	answer_revision(3, 13);
	peer_expect_part(&peer, "\"revision\":2," DATA("2"));
	peer_expect_part(&peer, "\"revision\":3," DATA("3"));
	peer_expect_nothing(&peer);
	peer_fini(&peer);
}
