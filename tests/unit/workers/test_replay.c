/* test_replay.c — resume over a real ring and a socket pair; the store answers when a test says so.
 */
#include "replay_fixture.h"

static void open_all(void)
{
	fixture_init();
}

TestSuite(replay, .init = open_all, .fini = fixture_fini, .timeout = 100);

Test(replay, events_wait_for_the_snapshot_and_those_it_has_are_dropped)
{
	struct peer peer = replay_start(0);

	subscribe(&peer, SNAPSHOT);
	fixture_publish("d", 4, SPAN("{}"));
	fixture_publish("d", 5, SPAN("{}"));
	fixture_publish("d", 6, SPAN("{}"));
	peer_expect_nothing(&peer);
	answer_revision(5, 12);
	peer_expect(&peer,
		    "{\"type\":\"subscribed\",\"id\":1,\"topic\":\"sync.s.*\",\"returnMode\":"
		    "\"full\",\"documentId\":\"d\",\"outcome\":\"snapshot\",\"position\":\"" RUN
		    "-10\",\"document\":{\"stored\":true}}");
	peer_expect_part(&peer, "\"revision\":6");
	peer_expect_nothing(&peer);
	peer_fini(&peer);
}

Test(replay, the_connection_stands_apart_until_the_mark_of_the_read)
{
	struct peer peer = replay_start(0);

	subscribe(&peer, SNAPSHOT);
	answer_revision(5, 12);
	peer_expect_part(&peer, "\"snapshot\"");
	fixture_mark(RUN "-11");
	fixture_publish("d", 5, SPAN("{}")); /* read, and only now out of the pipe */
	peer_expect_nothing(&peer);
	cr_assert_not_null(peer.connection->replays);
	fixture_mark(RUN "-12");
	fixture_turn();
	cr_assert_null(peer.connection->replays);
	cr_assert_eq(subscription_index_subscriptions(fixture.worker.websockets->index), 1);
	fixture_publish("d", 6, SPAN("{}"));
	peer_expect_part(&peer, "\"revision\":6");
	peer_fini(&peer);
}

/* A mark that was under way when the document was read, and waited for the end of a gap. */
Test(replay, after_a_failover_too_what_was_read_does_not_come_again)
{
	struct peer peer = replay_start(0);

	subscribe(&peer, SNAPSHOT);
	answer_revision(4, 12);
	peer_expect_part(&peer, "\"snapshot\"");
	fixture_mark("fedc4321-11");
	fixture_turn();
	fixture_publish("d", 4, SPAN("{}"));
	peer_expect_nothing(&peer);
	fixture_mark("fedc4321-12");
	fixture_turn();
	cr_assert_null(peer.connection->replays);
	peer_fini(&peer);
}

Test(replay, who_read_what_a_failover_has_lost_does_not_stand_apart_for_ever)
{
	struct peer peer = replay_start(0);

	subscribe(&peer, SNAPSHOT);
	answer_revision(4, 12);
	peer_expect_part(&peer, "\"snapshot\"");
	for (int marks = 0; peer.connection->replays; marks++) {
		cr_assert_lt(marks, 10);
		fixture_mark("fedc4321-11");
		fixture_turn();
	}
	fixture_publish("d", 5, SPAN("{}"));
	peer_expect_part(&peer, "\"revision\":5,");
	peer_fini(&peer);
}

Test(replay, other_documents_are_not_kept_waiting)
{
	struct peer peer = replay_start(0);

	subscribe(&peer, SUBSCRIBE(""));
	peer_expect_part(&peer, "\"subscribed\"");
	subscribe(&peer, SNAPSHOT);
	fixture_publish("d", 6, SPAN("{}"));
	fixture_publish("other", 1, SPAN("{}"));
	peer_expect_part(&peer, "\"documentId\":\"other\"");
	peer_expect_nothing(&peer);
	answer_revision(5, 12);
	peer_expect_part(&peer, "\"snapshot\"");
	peer_expect_part(&peer, "\"revision\":6");
	peer_fini(&peer);
}

Test(replay, missed_revisions_are_rebuilt_and_come_in_order_before_the_live_ones)
{
	struct peer peer = replay_start(0);

	subscribe(&peer, SINCE("3", ",\"updatedAt\":103"));
	fixture_publish("d", 6, SPAN("{}"));
	fixture_turn();
	cr_assert_eq(store.reads[0].above, 2); /* the one it holds is looked at as well */
	answer_revision(5, 12);
	peer_expect_part(&peer, "\"outcome\":\"replayed\",\"position\":\"" RUN "-10\"");
	peer_expect(&peer,
		    "{\"type\":\"event\",\"topic\":\"sync.s.updated\",\"source\":\"sync\","
		    "\"timestamp\":104,\"position\":\"" RUN "-10\",\"payload\":{\"service\":"
		    "\"s\",\"documentId\":\"d\",\"revision\":4,\"data\":{\"n\":4},\"diff\":{"
		    "\"added\":{},\"removed\":[],\"changed\":{\"n\":{\"from\":3,\"to\":4}}}}}");
	peer_expect_part(&peer, "\"revision\":5,\"data\":{\"n\":5}");
	peer_expect_part(&peer, "\"revision\":6");
	peer_fini(&peer);
}

Test(replay, another_updated_at_or_a_hole_in_the_history_is_a_snapshot)
{
	struct peer peer = replay_start(0);

	subscribe(&peer, SINCE("3", ",\"updatedAt\":99"));
	answer_revision(5, 12);
	peer_expect_part(&peer, "\"outcome\":\"snapshot\"");
	subscribe(&peer, SINCE("3", ""));
	answer_revision(9, 13); /* only the newest four entries are kept: 6 to 9 */
	peer_expect_part(&peer, "\"outcome\":\"snapshot\"");
	subscribe(&peer, SINCE("9", ",\"updatedAt\":109"));
	answer_revision(9, 13);
	peer_expect_part(&peer, "\"outcome\":\"live\"");
	peer_fini(&peer);
}

Test(replay, after_reads_the_changed_documents_one_by_one_and_holds_the_topic)
{
	struct peer peer = replay_start(0);
	struct store_since_document documents[] = {{SPAN("s"), SPAN("d"), 9}};

	subscribe(&peer, AFTER(RUN "-8"));
	cr_assert_eq(store.reads[0].after, 8);
	fixture_publish("new", 1, SPAN("{}"));
	peer_expect_nothing(&peer);
	answer_changed(12, documents, 1);
	peer_expect_part(&peer, "\"outcome\":\"replayed\",\"position\":\"" RUN "-8\"");
	fixture_publish("d", 5, SPAN("{}"));
	peer_expect_nothing(&peer);
	cr_assert_eq(store.reads[1].after, 8);
	answer_revision(2, 9); /* sequences 8 and 9: one is missed */
	peer_expect_part(&peer, "\"position\":\"" RUN "-8\",\"payload\":{\"service\":\"s\","
				"\"documentId\":\"d\",\"revision\":2,");
	peer_expect_part(&peer, "\"documentId\":\"new\"");
	peer_expect_part(&peer, "\"revision\":5");
	peer_expect_nothing(&peer);
	peer_fini(&peer);
}

Test(replay, a_position_of_another_run_or_of_the_future_is_a_resync)
{
	struct peer peer = replay_start(0);

	subscribe(&peer, AFTER("ffffffff-8"));
	peer_expect_part(&peer, "\"outcome\":\"live\",\"position\":\"" RUN "-10\"");
	peer_expect(&peer, "{\"type\":\"resync\",\"topic\":\"sync.s.*\",\"reason\":\"failover\"}");
	cr_assert_eq(store.asked, 0);
	subscribe(&peer, AFTER(RUN "-80"));
	answer_changed(12, NULL, 0);
	peer_expect_part(&peer, "\"outcome\":\"live\"");
	peer_expect(&peer, "{\"type\":\"resync\",\"topic\":\"sync.s.*\",\"reason\":\"rollback\"}");
	peer_fini(&peer);
}

Test(replay, held_events_are_bounded_and_what_is_dropped_is_said)
{
	fixture.config->ws_queue = 4096;
	struct peer peer = replay_start(0);
	char data[2048] = "{\"text\":\"";

	memset(data + strlen(data), 'x', sizeof(data) - 16);
	strcat(data, "\"}");
	subscribe(&peer, SNAPSHOT);
	for (uint64_t revision = 6; revision < 10; revision++)
		fixture_publish("d", revision, span_string(data));
	fixture_turn();
	answer_revision(5, 12);
	peer_expect_part(&peer, "\"snapshot\"");
	peer_expect(&peer, "{\"type\":\"resync\",\"topic\":\"sync.s.*\",\"documentId\":\"d\","
			   "\"reason\":\"slow\"}");
	peer_expect_nothing(&peer);
	cr_assert_eq(stat_read(fixture.worker.slot, STAT_replay_overflows), 1);
	peer_fini(&peer);
}

Test(replay, a_connection_that_dies_during_a_read_leaves_nothing)
{
	struct peer peer = replay_start(0);

	subscribe(&peer, SNAPSHOT);
	fixture_publish("d", 6, SPAN("{}"));
	fixture_turn();
	peer_fini(&peer);
	fixture_turn();
	cr_assert_eq(websockets_count(fixture.worker.websockets), 0);
	cr_assert_eq(stat_read(fixture.worker.slot, STAT_replays), 0);
	answer_revision(5, 12);
}

Test(replay, only_so_many_read_at_once_and_the_next_goes_on_when_one_has)
{
	struct peer peers[REPLAY_READS_MAX + 2];
	peers[0] = replay_start(0);

	for (size_t i = 1; i < ARRAY_LEN(peers); i++)
		peers[i] = peer_connect(0);
	for (size_t i = 0; i < ARRAY_LEN(peers); i++)
		subscribe(&peers[i], SNAPSHOT);
	cr_assert_eq(store.asked, REPLAY_READS_MAX);
	peer_fini(&peers[REPLAY_READS_MAX]); /* one that waits goes */
	fixture_turn();
	answer_revision(5, 12);
	cr_assert_eq(store.asked, REPLAY_READS_MAX + 1);
	while (store.answered < store.asked)
		answer_revision(5, 12);
	peer_expect_part(&peers[REPLAY_READS_MAX + 1], "\"snapshot\"");
	for (size_t i = 0; i < ARRAY_LEN(peers); i++)
		peer_fini(&peers[i]);
}

Test(replay, a_failed_read_is_an_error_and_no_subscription)
{
	struct peer peer = replay_start(0);

	subscribe(&peer, SNAPSHOT);
	fixture_publish("d", 6, SPAN("{}"));
	fixture_turn();
	answer_error(-EAGAIN);
	peer_expect_part(&peer, "\"id\":1,\"code\":\"redis_unavailable\",\"status\":503");
	peer_expect_nothing(&peer);
	cr_assert_null(peer.connection->replays);
	cr_assert_null(peer.connection->member.audience);
	peer_fini(&peer);
}

Test(replay, unsubscribe_during_a_read_ends_it)
{
	struct peer peer = replay_start(0);

	subscribe(&peer, SNAPSHOT);
	fixture_publish("d", 6, SPAN("{}"));
	subscribe(&peer, "{\"type\":\"unsubscribe\",\"topic\":\"sync.s.*\",\"documentId\":\"d\"}");
	peer_expect_part(&peer, "\"id\":1,\"code\":\"unsubscribed\",\"status\":409");
	peer_expect_part(&peer, "\"unsubscribed\"");
	answer_revision(5, 12);
	peer_expect_nothing(&peer);
	cr_assert_null(peer.connection->replays);
	peer_fini(&peer);
}

Test(replay, subscribes_behind_a_replay_keep_their_order)
{
	struct peer peer = replay_start(0);

	subscribe(&peer, SNAPSHOT);
	subscribe(&peer, SUBSCRIBE(",\"documentId\":\"d\",\"snapshot\":true,\"id\":2"));
	subscribe(&peer, SUBSCRIBE(",\"documentId\":\"d\",\"returnMode\":\"diff\",\"id\":3"));
	cr_assert_eq(store.asked, 1);
	answer_revision(5, 12);
	peer_expect_part(&peer, "\"id\":1,");
	answer_revision(5, 12);
	peer_expect_part(&peer, "\"id\":2,");
	peer_expect_part(&peer, "\"id\":3,");
	fixture_publish("d", 6, SPAN("{}"));
	peer_expect_part(&peer, "\"revision\":6,\"diff\":");
	peer_fini(&peer);
}

Test(replay, a_lapped_ring_during_a_read_is_said_after_the_answer)
{
	struct peer peer = replay_start(0);
	struct buffer large = {0};

	buffer_append_string(&large, "{\"x\":\"");
	memset(buffer_reserve(&large, 1000), 'x', 1000);
	large.len += 1000;
	buffer_append_string(&large, "\"}");
	subscribe(&peer, SNAPSHOT);
	for (size_t bytes = 0; bytes < 2 * fixture.config->ring_size; bytes += large.len)
		fixture_publish("other", 1, buffer_span(&large));
	peer_expect_nothing(&peer);
	answer_revision(5, 12);
	peer_expect_part(&peer, "\"snapshot\"");
	peer_expect_part(&peer, "\"documentId\":\"d\",\"reason\":\"lapped\"");
	buffer_fini(&large);
	peer_fini(&peer);
}
