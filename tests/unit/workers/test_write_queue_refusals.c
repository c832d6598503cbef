#include <criterion/criterion.h>

#include "write_queue_fixture.h"

TestSuite(write_queue_refusals, .timeout = 100, .init = fixture_init, .fini = fixture_fini);

static void release_all(void)
{
	fake_store_deliver(fixture.store, FAKE_NEXT_TURN);
	fake_store_release(fixture.store, SIZE_MAX);
	run();
}

Test(write_queue_refusals, refusal_on_a_cached_base_is_repeated_on_a_fresh_read)
{
	struct answer answer = {0};
	struct write_request request = MERGE("{\"a\":1}");

	warm(3, NULL);
	put_document(4, "{\"b\":2}"); /* somebody else's: the cache has 3 */
	request.has_expected_revision = true;
	request.expected_revision = 4;
	cr_assert_eq(submit_and_run(&answer, request), 200);
	cr_expect_eq(fake_store_counts(fixture.store).reads, 1);
	cr_expect_eq(answer.document.revision, 5);
	expect_data(answer.document, "{\"b\":2,\"a\":1}");
}

Test(write_queue_refusals, refusal_on_the_fresh_read_is_answered_with_what_was_read)
{
	struct answer answer = {0};
	struct write_request request = MERGE("{\"a\":1}");

	warm(3, NULL);
	put_document(4, "{\"b\":2}");
	request.has_expected_revision = true;
	request.expected_revision = 2;
	cr_assert_eq(submit_and_run(&answer, request), 409);
	cr_expect_str_eq(code_of(&answer), "revision_conflict");
	cr_expect_eq(answer.outcome.current_revision, 4);
	cr_expect_eq(answer.document.revision, 4);
	cr_expect_eq(fake_store_counts(fixture.store).reads, 1, "one read, not more");
	cr_expect_eq(fake_store_counts(fixture.store).writes, 0);
}

Test(write_queue_refusals, deleted_elsewhere_is_410_and_made_again_elsewhere_is_200)
{
	struct answer gone = {0}, back = {0};

	warm(3, NULL);
	struct document document = put_document(4, NULL);
	document.deleted = true;
	fake_store_put(fixture.store, &document);
	struct revision tombstone = revision_of_document(&document);
	cr_expect_eq(submit_and_run(&gone, MERGE("{}")), 410);
	cr_expect_str_eq(code_of(&gone), "document_deleted");
	cr_expect_eq(gone.outcome.current_revision, 4);
	cr_expect_eq(gone.outcome.envelope.len, 0);

	document_cache_put(fixture.cache, SPAN("s"), SPAN("d"), &tombstone);
	revision_fini(&tombstone);
	put_document(5, NULL);
	cr_expect_eq(submit_and_run(&back, MERGE("{}")), 200);
	cr_expect_eq(back.document.revision, 6);
}

Test(write_queue_refusals, read_that_was_under_way_refuses_no_write_that_came_later)
{
	struct answer early = {0}, late = {0};
	struct write_request request = MERGE("{\"a\":1}");

	put_document(4, NULL);
	request.has_expected_revision = true;
	request.expected_revision = 1;
	fake_store_deliver(fixture.store, FAKE_HELD);
	submit(&early, request); /* its read sees 4 */
	put_document(5, NULL);   /* then somebody else writes, and tells this client */
	request.expected_revision = 5;
	submit(&late, request);
	release_all();
	cr_expect_eq(early.outcome.status, 409);
	cr_expect_eq(late.outcome.status, 200, "%s", late.outcome.detail);
	cr_expect_eq(late.document.revision, 6);
}

Test(write_queue_refusals, mismatch_that_was_under_way_refuses_no_write_that_came_later)
{
	struct answer early = {0}, late = {0};
	struct write_request request = MERGE("{\"a\":1}");

	warm(3, NULL);
	put_document(4, NULL);
	fake_store_deliver(fixture.store, FAKE_HELD);
	request.has_expected_revision = true;
	request.expected_revision = 3;
	submit(&early, request); /* fits the cache; its script sees 4 */
	put_document(5, NULL);
	request.expected_revision = 5;
	submit(&late, request);
	release_all();
	cr_expect_eq(early.outcome.status, 409);
	cr_expect_eq(late.outcome.status, 200, "%s", late.outcome.detail);
	cr_expect_eq(late.document.revision, 6);
}

Test(write_queue_refusals, unknown_document_is_404_after_one_read)
{
	struct answer answer = {0};

	cr_assert_eq(submit_and_run(&answer, MERGE("{}")), 404);
	cr_expect_eq(fake_store_counts(fixture.store).reads, 1);
	cr_expect_eq(fake_store_counts(fixture.store).writes, 0);
}

Test(write_queue_refusals, purged_document_is_created_anew_though_the_cache_has_it)
{
	struct answer answer = {0};

	warm(9, "{\"old\":true}");
	fake_store_put(fixture.store, &(struct document){.service = SPAN("s"), .id = SPAN("d")});
	cr_assert_eq(submit_and_run(&answer, REPLACE("{\"new\":true}")), 201);
	cr_expect_eq(answer.document.revision, 1);
	cr_expect_eq(answer.document.created_at_ms, START_MS);
}

Test(write_queue_refusals, result_that_is_too_large_or_too_deep_is_refused)
{
	struct answer large = {0}, deep = {0}, fine = {0};
	struct buffer data = {0};

	put_document(1, "{\"a\":{\"b\":{}}}");
	buffer_append_string(&data, "{\"long\":\"");
	while (data.len < DOCUMENT_SIZE_MAX - 2)
		buffer_append_char(&data, 'x');
	buffer_append_string(&data, "\"}");
	struct write_request request = {.kind = WRITE_MERGE, .data = buffer_span(&data)};
	cr_expect_eq(submit_and_run(&large, request), 413);
	cr_expect_eq(submit_and_run(&deep, MERGE("{\"a\":{\"b\":{\"c\":{\"d\":{\"e\":{\"f\":{\"g\":"
						 "{\"h\":{}}}}}}}}}")),
		     422);
	cr_expect_str_eq(code_of(&deep), "json_too_deep");
	cr_expect_not(deep.outcome.has_offset, "an offset in our result tells the client nothing");
	cr_expect_eq(submit_and_run(&fine, MERGE("{\"c\":1}")), 200);
	buffer_fini(&data);
}
