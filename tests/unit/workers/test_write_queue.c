#include <criterion/criterion.h>

#include "write_queue_fixture.h"

TestSuite(write_queue, .timeout = 100, .init = fixture_init, .fini = fixture_fini);

/* --- the way of a write --- */

Test(write_queue, create_makes_revision_1_and_answers_its_envelope)
{
	struct answer answer = {0};
	struct write_request request = CREATE("{\"a\":1}");

	request.by = SPAN("user \"7\"");
	request.connection_id = SPAN("c1");
	cr_assert_eq(submit_and_run(&answer, request), 201);
	cr_expect_eq(answer.document.revision, 1);
	cr_expect_eq(answer.document.updated_at_ms, START_MS);
	cr_expect_eq(answer.document.created_at_ms, START_MS);
	expect_data(answer.document, "{\"a\":1}");
	expect_data(current(), "{\"a\":1}");
	cr_assert_eq(history_count(), 1);
	cr_expect_str_eq(history(0)->op, "create");
	cr_expect_str_eq(history(0)->by, "user \"7\"");
	cr_expect_eq(statistic(STAT_writes_total), 1);
}

Test(write_queue, event_and_history_carry_the_same_change)
{
	struct answer answer = {0};
	struct write_request request = MERGE("{\"b\":2}");

	put_document(4, "{\"a\":1}");
	request.by = SPAN("u");
	cr_assert_eq(submit_and_run(&answer, request), 200);
	const struct fake_entry *entry = history(0);
	struct json scratch = {0};
	struct event_segments segments;
	cr_assert_eq(event_parse(buffer_span(&entry->event), &scratch, &segments), 0);
	cr_expect_eq(segments.name, TOPIC_UPDATED);
	cr_expect_eq(segments.revision, 5);
	cr_expect(span_equals(segments.data, SPAN(",\"data\":{\"a\":1,\"b\":2}")));
	cr_expect(span_equals(segments.diff, SPAN(",\"diff\":{\"added\":{\"b\":2},\"removed\":[],"
						  "\"changed\":{}}")));
	cr_expect(span_equals(buffer_span(&entry->reversible),
			      SPAN("{\"added\":{\"b\":2},\"removed\":{},\"changed\":{}}")));
	cr_expect_not_null(memmem(entry->event.at, entry->event.len, "\"by\":\"u\"", 8));
	cr_expect_str_eq(entry->op, "merge");
	json_fini(&scratch);
}

Test(write_queue, warm_write_costs_one_round_trip)
{
	struct answer answer = {0};

	warm(4, "{\"a\":1}");
	cr_assert_eq(submit_and_run(&answer, MERGE("{\"b\":2}")), 200);
	cr_expect_eq(fake_store_counts(fixture.store).reads, 0);
	cr_expect_eq(fake_store_counts(fixture.store).writes, 1);
	cr_expect_eq(statistic(STAT_document_cache_hits), 1);
}

Test(write_queue, what_was_written_is_the_next_base)
{
	struct answer first = {0}, second = {0};

	cr_assert_eq(submit_and_run(&first, REPLACE("{\"a\":1}")), 201);
	cr_assert_eq(submit_and_run(&second, MERGE("{\"b\":2}")), 200);
	cr_expect_eq(fake_store_counts(fixture.store).reads, 1, "only for the first");
	cr_expect_eq(second.document.revision, 2);
	cr_expect_eq(second.document.updated_at_ms, START_MS + 1, "later than the one before");
	expect_data(second.document, "{\"a\":1,\"b\":2}");
}

Test(write_queue, request_is_copied)
{
	struct answer answer = {0};
	char service[] = "s", id[] = "d", data[] = "{\"a\":1}", by[] = "u", key[] = "k";
	struct write_request request = {
		.kind = WRITE_REPLACE,
		.service = span_string(service),
		.id = span_string(id),
		.data = span_string(data),
		.by = span_string(by),
		.idempotency_key = span_string(key),
	};

	submit(&answer, request);
	service[0] = id[0] = data[0] = by[0] = key[0] = '?';
	run();
	cr_expect_eq(answer.outcome.status, 201);
	cr_expect_str_eq(history(0)->by, "u");
	cr_expect_str_eq(history(0)->key, "k");
}

Test(write_queue, documents_do_not_wait_for_each_other)
{
	struct answer a = {0}, b = {0};
	struct write_request other = REPLACE("{}");

	other.id = SPAN("e");
	fake_store_deliver(fixture.store, FAKE_HELD);
	submit(&a, REPLACE("{}"));
	submit(&b, other);
	cr_expect_eq(fake_store_held(fixture.store), 2);
	fake_store_deliver(fixture.store, FAKE_NEXT_TURN);
	fake_store_release(fixture.store, 2);
	run();
	cr_expect(a.outcome.status == 201 && b.outcome.status == 201);
	cr_expect_eq(fake_store_counts(fixture.store).batches, 2);
}

Test(write_queue, synchronous_store_is_as_good)
{
	struct answer answers[3] = {0};

	fake_store_deliver(fixture.store, FAKE_SYNC);
	submit(&answers[0], CREATE("{\"a\":1}"));
	submit(&answers[1], MERGE("{\"b\":2}"));
	submit(&answers[2], CREATE("{}"));
	cr_expect_eq(answers[0].outcome.status, 201);
	cr_expect_eq(answers[1].outcome.status, 200);
	cr_expect_eq(answers[2].outcome.status, 409);
	cr_expect_eq(write_queues_pending(fixture.queues), 0);
}

/* --- callbacks that write --- */

static struct answer chained[40];

/* Writes the same document again from inside the callback, whatever the answer was. */
static void chain(struct answer *answer)
{
	size_t next = (size_t)(answer - chained) + 1;

	if (next < ARRAY_LEN(chained)) {
		chained[next].then = chain;
		submit(&chained[next], MERGE("{\"n\":1}"));
	}
}

Test(write_queue, callbacks_may_start_writes_of_the_same_document)
{
	put_document(1, NULL);
	chained[0].then = chain;
	submit(&chained[0], MERGE("{}"));
	run();
	for (size_t i = 0; i < ARRAY_LEN(chained); i++) {
		cr_expect_eq(chained[i].calls, 1);
		cr_expect_eq(chained[i].document.revision, i + 2);
	}
}

Test(write_queue, callbacks_of_refusals_may_start_writes_of_the_same_document)
{
	chained[0].then = chain;
	submit(&chained[0], MERGE("{}"));
	run();
	for (size_t i = 0; i < ARRAY_LEN(chained); i++) {
		cr_expect_eq(chained[i].calls, 1);
		cr_expect_eq(chained[i].outcome.status, 404);
	}
}

Test(write_queue, write_started_when_a_read_fails_is_tried_itself)
{
	put_document(1, NULL);
	fake_store_fail_reads(fixture.store, -EAGAIN, 1);
	chained[0].then = chain;
	submit(&chained[0], MERGE("{}"));
	run();
	cr_expect_eq(chained[0].outcome.status, 503);
	cr_expect_str_eq(code_of(&chained[0]), "redis_unavailable");
	cr_expect_eq(chained[1].outcome.status, 200);
}

Test(write_queue, callbacks_may_write_with_a_synchronous_store)
{
	put_document(1, NULL);
	fake_store_deliver(fixture.store, FAKE_SYNC);
	chained[0].then = chain;
	submit(&chained[0], MERGE("{}"));
	for (size_t i = 0; i < ARRAY_LEN(chained); i++)
		cr_expect_eq(chained[i].document.revision, i + 2);
}

static void release_all(void)
{
	fake_store_deliver(fixture.store, FAKE_NEXT_TURN);
	fake_store_release(fixture.store, SIZE_MAX);
	run();
}

/* --- limits --- */

Test(write_queue, queue_of_a_document_is_limited)
{
	struct answer *answers = calloc(4200, sizeof(*answers));
	unsigned written = 0;

	put_document(1, NULL);
	fake_store_deliver(fixture.store, FAKE_HELD);
	for (unsigned i = 0; i < 4200; i++)
		submit(&answers[i], MERGE("{\"n\":1}"));
	cr_expect_eq(answers[4095].calls, 0);
	for (unsigned i = 4096; i < 4200; i++) {
		cr_assert_eq(answers[i].calls, 1, "refused at once");
		cr_assert_eq(answers[i].outcome.status, 503);
		cr_assert_str_eq(code_of(&answers[i]), "write_contention");
		cr_assert_eq(answers[i].outcome.retry_after_s, 1);
	}
	cr_expect_eq(statistic(STAT_write_contention), 104);
	release_all();
	for (unsigned i = 0; i < 4096; i++)
		written += answers[i].calls == 1 && answers[i].outcome.status == 200;
	cr_expect_eq(written, 4096);
	free(answers);
}
