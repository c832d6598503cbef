#include <criterion/criterion.h>

#include "write_queue_fixture.h"

TestSuite(write_queue_keys, .timeout = 100, .init = fixture_init, .fini = fixture_fini);

static struct write_request keyed(struct write_request request, const char *key)
{
	request.idempotency_key = span_string(key);
	return request;
}

Test(write_queue_keys, seen_key_is_answered_with_its_revision)
{
	struct answer first = {0}, again = {0};

	put_document(1, NULL);
	cr_assert_eq(submit_and_run(&first, keyed(MERGE("{\"a\":1}"), "k")), 200);
	cr_assert_eq(submit_and_run(&again, keyed(MERGE("{\"a\":1}"), "k")), 200);
	cr_expect_not(first.outcome.idempotent_replay);
	cr_expect(again.outcome.idempotent_replay);
	cr_expect_eq(again.document.revision, 2);
	cr_expect_eq(current().revision, 2);
	cr_expect_eq(statistic(STAT_idempotent_replays), 1);
	cr_expect_eq(statistic(STAT_writes_total), 1);
}

Test(write_queue_keys, create_sent_again_with_its_key_is_no_conflict)
{
	struct answer first = {0}, again = {0}, stranger = {0};

	cr_assert_eq(submit_and_run(&first, keyed(CREATE("{\"a\":1}"), "k")), 201);
	cr_expect_eq(submit_and_run(&again, keyed(CREATE("{\"a\":1}"), "k")), 200);
	cr_expect(again.outcome.idempotent_replay);
	cr_expect_eq(again.document.revision, 1);
	cr_expect_eq(submit_and_run(&stranger, keyed(CREATE("{\"a\":1}"), "other")), 409);
	cr_expect_str_eq(code_of(&stranger), "document_exists");
	cr_expect_eq(stranger.document.revision, 1);
	cr_expect_eq(current().revision, 1);
}

Test(write_queue_keys, key_is_looked_up_before_a_precondition_refuses)
{
	struct answer first = {0}, again = {0};
	struct write_request request = keyed(MERGE("{\"a\":1}"), "k");

	put_document(4, NULL);
	request.has_expected_revision = true;
	request.expected_revision = 4;
	cr_assert_eq(submit_and_run(&first, request), 200);
	cr_expect_eq(submit_and_run(&again, request), 200, "%s", code_of(&again));
	cr_expect(again.outcome.idempotent_replay);
	cr_expect_eq(again.document.revision, 5);
}

Test(write_queue_keys, looking_for_a_key_applies_nothing)
{
	struct answer answer = {0};
	struct write_request request = keyed(MERGE("{\"a\":1}"), "k");

	put_document(4, NULL);
	request.has_expected_revision = true;
	request.expected_revision = 3;
	cr_expect_eq(submit_and_run(&answer, request), 409);
	cr_expect_eq(answer.outcome.current_revision, 4);
	cr_expect_eq(fake_store_counts(fixture.store).batches, 0);
	cr_expect_eq(history_count(), 0);
	cr_expect_eq(statistic(STAT_write_mismatches), 0);
}

Test(write_queue_keys, key_that_cannot_be_looked_up_is_503_not_a_refusal)
{
	struct answer answer = {0};

	put_document(4, NULL);
	fake_store_fate(fixture.store, FAKE_GONE, 1);
	cr_expect_eq(submit_and_run(&answer, keyed(CREATE("{}"), "k")), 503);
	cr_expect_str_eq(code_of(&answer), "redis_unavailable");
	cr_expect_eq(fake_store_counts(fixture.store).finds, 0, "it was no write");
}

Test(write_queue_keys, equal_keys_in_one_batch_are_one_write)
{
	struct answer answers[5] = {0};

	put_document(1, "{\"n\":0}");
	fake_store_deliver(fixture.store, FAKE_HELD);
	submit(&answers[0], keyed(MERGE("{\"a\":1}"), "k"));
	submit(&answers[1], MERGE("{\"b\":1}"));
	submit(&answers[2], keyed(MERGE("{\"a\":1}"), "k"));
	submit(&answers[3], keyed(MERGE("{\"c\":1}"), "other"));
	submit(&answers[4], keyed(MERGE("{\"a\":1}"), "k"));
	fake_store_deliver(fixture.store, FAKE_NEXT_TURN);
	fake_store_release(fixture.store, 1);
	run();
	cr_expect_eq(current().revision, 4);
	cr_expect_eq(history_count(), 3);
	for (unsigned i = 0; i < 5; i++) {
		bool twin = i == 2 || i == 4;
		cr_expect_eq(answers[i].calls, 1);
		cr_expect_eq(answers[i].outcome.status, 200);
		cr_expect_eq(answers[i].outcome.idempotent_replay, twin);
		cr_expect_eq(answers[i].document.revision, twin ? 2 : i == 3 ? 4 : i + 2);
	}
	cr_expect(answers[0].place < answers[2].place);
}

Test(write_queue_keys, last_of_a_batch_may_be_a_twin_and_lose_its_reply_too)
{
	struct answer answers[2] = {0}, next = {0};

	put_document(1, NULL);
	fake_store_fate(fixture.store, FAKE_RIVAL, 1);
	fake_store_fate(fixture.store, FAKE_LOST, 1);
	fake_store_deliver(fixture.store, FAKE_HELD);
	submit(&answers[0], keyed(MERGE("{\"a\":1}"), "k"));
	submit(&answers[1], keyed(MERGE("{\"a\":1}"), "k"));
	fake_store_deliver(fixture.store, FAKE_NEXT_TURN);
	fake_store_release(fixture.store, 1);
	run();
	cr_expect_eq(answers[0].document.revision, 3);
	cr_expect_eq(answers[1].document.revision, 3);
	cr_expect(answers[1].outcome.idempotent_replay);
	cr_expect_eq(submit_and_run(&next, MERGE("{}")), 200);
	cr_expect_eq(next.document.revision, 4);
}

Test(write_queue_keys, seen_key_in_the_middle_of_a_batch_stops_only_its_own_write)
{
	struct answer first = {0}, answers[3] = {0};
	struct document document;

	put_document(1, NULL);
	cr_assert_eq(submit_and_run(&first, keyed(MERGE("{\"a\":1}"), "k")), 200);
	document = current();
	cr_assert_eq(document.revision, 2);
	fake_store_deliver(fixture.store, FAKE_HELD);
	submit(&answers[0], MERGE("{\"b\":1}"));
	submit(&answers[1], MERGE("{\"c\":1}"));
	submit(&answers[2], keyed(MERGE("{\"a\":1}"), "k"));
	fake_store_deliver(fixture.store, FAKE_NEXT_TURN);
	fake_store_release(fixture.store, SIZE_MAX);
	run();
	/* By its turn the document has moved on: its own revision is rebuilt. */
	cr_expect_eq(answers[2].outcome.status, 200);
	cr_expect(answers[2].outcome.idempotent_replay);
	cr_expect_eq(answers[2].document.revision, 2);
	cr_expect(span_equals(answers[2].document.data, SPAN("{\"a\":1}")));
	cr_expect_eq(answers[0].outcome.status, 200);
	cr_expect_eq(answers[1].outcome.status, 200);
	cr_expect_eq(current().revision, 4);
}

Test(write_queue_keys, seen_key_behind_an_expiry_finds_its_write)
{
	struct answer first = {0}, answers[2] = {0};

	cr_assert_eq(submit_and_run(&first, keyed(REPLACE("{\"a\":1}"), "k")), 201);
	struct document document = current();
	struct buffer data = {0};
	buffer_append_span(&data, document.data);
	document.data = buffer_span(&data);
	document.service = SPAN("s");
	document.id = SPAN("d");
	document.expires_at_ms = START_MS - 1;
	fake_store_put(fixture.store, &document);
	document_cache_drop(fixture.cache, SPAN("s"), SPAN("d"));
	fake_store_deliver(fixture.store, FAKE_HELD);
	submit(&answers[0], keyed(REPLACE("{\"a\":1}"), "k"));
	submit(&answers[1], keyed(REPLACE("{\"b\":1}"), "k2"));
	fake_store_deliver(fixture.store, FAKE_NEXT_TURN);
	fake_store_release(fixture.store, 1);
	run();
	cr_expect(answers[0].outcome.idempotent_replay);
	cr_expect_eq(answers[0].document.revision, 1);
	cr_expect_eq(answers[1].outcome.status, 201);
	cr_expect_eq(answers[1].document.revision, 3);
	buffer_fini(&data);
}

/* Revision 2 has the key; after it come others. */
static void write_keyed_and_move_on(void)
{
	struct answer first = {0}, next[3] = {0};

	put_document(1, NULL);
	cr_assert_eq(submit_and_run(&first, keyed(REPLACE("{\"a\":1}"), "k")), 200);
	for (int i = 0; i < 3; i++)
		cr_assert_eq(submit_and_run(&next[i], REPLACE("{\"b\":[1,2]}")), 200);
}

Test(write_queue_keys, seen_key_of_a_document_that_moved_on_gets_its_revision_rebuilt)
{
	struct answer again = {0}, behind = {0};

	write_keyed_and_move_on();
	int64_t at_ms = history(0)->at_ms;
	submit(&again, keyed(REPLACE("{\"a\":1}"), "k"));
	submit(&behind, MERGE("{\"c\":1}"));
	run();
	cr_expect_eq(again.outcome.status, 200);
	cr_expect(again.outcome.idempotent_replay);
	cr_expect_eq(again.document.revision, 2);
	cr_expect_eq(again.document.updated_at_ms, at_ms);
	cr_expect(span_equals(again.document.data, SPAN("{\"a\":1}")));
	cr_expect_eq(behind.document.revision, 6);
	cr_expect_eq(behind.calls, 1);
	cr_expect_eq(fake_store_counts(fixture.store).histories, 1);
}

Test(write_queue_keys, key_whose_revision_cannot_be_rebuilt_is_409)
{
	struct answer again = {0};

	write_keyed_and_move_on();
	/* Somebody else wrote an entry without a diff. */
	fake_store_rival(fixture.store, SPAN("s"), SPAN("d"));
	cr_expect_eq(submit_and_run(&again, keyed(REPLACE("{\"a\":1}"), "k")), 409);
	cr_expect_str_eq(code_of(&again), "idempotency_key_used");
	cr_expect_eq(again.outcome.current_revision, 6);
	cr_expect_eq(again.document.revision, 6);
	cr_expect_eq(current().revision, 6);
}

Test(write_queue_keys, history_that_cannot_be_read_is_503_and_the_queue_goes_on)
{
	struct answer again = {0}, behind = {0};

	write_keyed_and_move_on();
	fake_store_fail_reads(fixture.store, -EAGAIN, 1);
	submit(&again, keyed(REPLACE("{\"a\":1}"), "k"));
	submit(&behind, MERGE("{\"c\":1}"));
	run();
	cr_expect_eq(again.outcome.status, 503);
	cr_expect_eq(behind.outcome.status, 200);
	cr_expect_eq(current().revision, 6);
}

Test(write_queue_keys, closing_while_a_revision_is_rebuilt_answers_all)
{
	struct answer again = {0}, behind = {0};

	write_keyed_and_move_on();
	fake_store_deliver(fixture.store, FAKE_HELD);
	submit(&again, keyed(REPLACE("{\"a\":1}"), "k"));
	submit(&behind, MERGE("{\"c\":1}"));
	for (int i = 0; i < 10 && !fake_store_counts(fixture.store).histories; i++)
		fake_store_release(fixture.store, 1);
	cr_assert_eq(fake_store_counts(fixture.store).histories, 1);
	fixture_close();
	cr_expect_eq(again.calls, 1);
	cr_expect_eq(behind.calls, 1);
	cr_expect_eq(again.outcome.status, 503);
}

Test(write_queue_keys, key_index_that_cannot_be_is_an_error_not_a_crash)
{
	struct answer answer = {0};

	put_document(1, NULL);
	fake_store_lie_about_key(fixture.store, 7);
	cr_expect_eq(submit_and_run(&answer, keyed(MERGE("{}"), "k")), 500);
}
