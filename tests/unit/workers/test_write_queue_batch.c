#include <criterion/criterion.h>

#include "write_queue_fixture.h"

TestSuite(write_queue_batch, .timeout = 100, .init = fixture_init, .fini = fixture_fini);

/* --- batches --- */

/* Submits merges of {"w<i>":i} while a read of the document is held, so that all wait together. */
static void queue_merges(struct answer *answers, unsigned count)
{
	char data[32];

	fake_store_deliver(fixture.store, FAKE_HELD);
	for (unsigned i = 0; i < count; i++) {
		snprintf(data, sizeof(data), "{\"w%u\":%u}", i, i);
		submit(&answers[i],
		       (struct write_request){.kind = WRITE_MERGE, .data = span_string(data)});
	}
}

static void release_all(void)
{
	fake_store_deliver(fixture.store, FAKE_NEXT_TURN);
	fake_store_release(fixture.store, SIZE_MAX);
	run();
}

Test(write_queue_batch, what_queues_meanwhile_goes_as_one_batch_in_its_order)
{
	struct answer answers[10] = {0};

	put_document(1, NULL);
	queue_merges(answers, 10);
	cr_expect_eq(fake_store_counts(fixture.store).reads, 1);
	release_all();
	cr_expect_eq(fake_store_counts(fixture.store).writes, 1);
	cr_expect_eq(fake_store_counts(fixture.store).largest, 10);
	for (unsigned i = 0; i < 10; i++) {
		cr_expect_eq(answers[i].calls, 1);
		cr_expect_eq(answers[i].document.revision, i + 2);
		cr_expect_eq(answers[i].place, i + 1);
	}
	expect_data(answers[1].document, "{\"w0\":0,\"w1\":1}");
}

Test(write_queue_batch, only_one_script_of_a_document_is_under_way)
{
	struct answer first = {0}, second = {0}, third = {0};

	warm(1, NULL);
	fake_store_deliver(fixture.store, FAKE_HELD);
	submit(&first, MERGE("{\"a\":1}"));
	submit(&second, MERGE("{\"b\":2}"));
	submit(&third, MERGE("{\"c\":3}"));
	cr_expect_eq(fake_store_counts(fixture.store).writes, 1);
	cr_expect_eq(fake_store_held(fixture.store), 1);
	release_all();
	cr_expect_eq(fake_store_counts(fixture.store).writes, 2,
		     "the two that waited went together");
	expect_data(current(), "{\"a\":1,\"b\":2,\"c\":3}");
}

Test(write_queue_batch, batch_takes_64_and_the_rest_follows)
{
	static struct answer answers[150];

	put_document(1, NULL);
	queue_merges(answers, 150);
	release_all();
	cr_expect_eq(fake_store_counts(fixture.store).largest, 64);
	cr_expect_eq(fake_store_counts(fixture.store).batches, 3);
	for (unsigned i = 0; i < 150; i++)
		cr_assert_eq(answers[i].document.revision, i + 2);
}

Test(write_queue_batch, expected_revision_is_judged_against_the_batch)
{
	struct answer answers[3] = {0};
	struct write_request request = MERGE("{\"n\":1}");

	put_document(7, NULL);
	fake_store_deliver(fixture.store, FAKE_HELD);
	request.has_expected_revision = true;
	request.expected_revision = 7;
	submit(&answers[0], request);
	request.expected_revision = 8; /* what the first one makes */
	submit(&answers[1], request);
	request.expected_revision = 7; /* no longer */
	submit(&answers[2], request);
	release_all();
	cr_expect_eq(answers[0].document.revision, 8);
	cr_expect_eq(answers[1].document.revision, 9);
	cr_expect_eq(answers[2].outcome.status, 409);
	cr_expect_eq(answers[2].outcome.current_revision, 9);
	cr_expect_eq(answers[2].document.revision, 9, "with the current document");
	cr_expect_eq(statistic(STAT_write_conflicts), 1);
}

Test(write_queue_batch, refused_write_does_not_let_later_ones_overtake)
{
	struct answer answers[3] = {0};
	struct write_request refused = MERGE("{\"x\":1}");

	put_document(1, NULL);
	fake_store_deliver(fixture.store, FAKE_HELD);
	submit(&answers[0], MERGE("{\"a\":1}"));
	refused.has_expected_revision = true;
	refused.expected_revision = 99;
	submit(&answers[1], refused);
	submit(&answers[2], MERGE("{\"a\":2}"));
	release_all();
	cr_expect_eq(answers[1].outcome.status, 409);
	cr_expect_eq(answers[1].outcome.current_revision, 2);
	cr_expect(answers[0].place < answers[1].place && answers[1].place < answers[2].place);
	expect_data(current(), "{\"a\":2}");
}

/* --- expiry --- */

static void put_expired(uint64_t revision)
{
	struct document document = put_document(revision, "{\"a\":1}");

	document.expires_at_ms = START_MS - 1;
	fake_store_put(fixture.store, &document);
}

Test(write_queue_batch, expiry_is_a_revision_of_its_own_before_the_write)
{
	struct answer answer = {0};

	put_expired(3);
	cr_assert_eq(submit_and_run(&answer, REPLACE("{\"b\":2}")), 201);
	cr_expect_eq(answer.document.revision, 5);
	cr_expect_eq(answer.document.expires_at_ms, 0);
	cr_expect_eq(answer.document.created_at_ms, START_MS - 1000);
	cr_expect_eq(fake_store_counts(fixture.store).batches, 1);
	cr_assert_eq(history_count(), 2);
	cr_expect_str_eq(history(0)->op, "expire");
	cr_expect_str_eq(history(1)->op, "create");
	cr_expect_eq(history(0)->revision, 4);
	cr_expect_str_eq(history(0)->by, "");
	cr_expect_not_null(memmem(history(0)->event.at, history(0)->event.len, ".expired\"", 9));
	cr_expect_not_null(
		memmem(history(0)->event.at, history(0)->event.len, "\"deleted\":true", 14));
}

Test(write_queue_batch, merge_into_an_expired_document_is_410_without_the_dead_data)
{
	struct answer answer = {0};

	put_expired(3);
	cr_assert_eq(submit_and_run(&answer, MERGE("{\"b\":2}")), 410);
	cr_expect_str_eq(code_of(&answer), "document_expired");
	cr_expect_eq(answer.outcome.envelope.len, 0);
	cr_expect_eq(answer.outcome.document.revision, 0);
}

Test(write_queue_batch, batch_goes_on_behind_an_expiry)
{
	struct answer answers[2] = {0};

	put_expired(3);
	fake_store_deliver(fixture.store, FAKE_HELD);
	submit(&answers[0], REPLACE("{\"b\":2}"));
	submit(&answers[1], MERGE("{\"c\":3}"));
	release_all();
	cr_expect_eq(answers[0].document.revision, 5);
	cr_expect_eq(answers[1].document.revision, 6);
	cr_expect_eq(fake_store_counts(fixture.store).batches, 1);
	expect_data(current(), "{\"b\":2,\"c\":3}");
}

Test(write_queue_batch, expired_in_the_cache_but_prolonged_in_redis_is_alive)
{
	struct answer answer = {0};
	struct document document = put_document(3, NULL);

	document.expires_at_ms = START_MS - 1;
	struct revision cached = revision_of_document(&document);
	document_cache_put(fixture.cache, SPAN("s"), SPAN("d"), &cached);
	revision_fini(&cached);
	document = put_document(4, NULL);
	document.expires_at_ms = START_MS + 5000;
	fake_store_put(fixture.store, &document);
	cr_expect_eq(submit_and_run(&answer, MERGE("{}")), 200);
	cr_expect_eq(answer.document.revision, 5);
	cr_expect_eq(answer.document.expires_at_ms, START_MS + 5000);
}
