#include <criterion/criterion.h>

#include "write_queue_fixture.h"

TestSuite(write_queue_close, .timeout = 100, .init = fixture_init, .fini = fixture_fini);

static struct answer resubmitted;

static void resubmit(struct answer *answer)
{
	(void)answer;
	submit(&resubmitted, MERGE("{}"));
}

Test(write_queue_close, closing_answers_reads_scripts_and_what_waits_behind_them)
{
	struct answer reading = {0}, behind = {0}, writing = {0}, waiting = {0};
	struct write_request other = REPLACE("{}");

	put_document(1, NULL);
	other.id = SPAN("e");
	fake_store_deliver(fixture.store, FAKE_HELD);
	submit(&writing, MERGE("{}"));
	fake_store_release(fixture.store, 1);
	waiting.then = resubmit;
	submit(&waiting, MERGE("{}"));
	submit(&reading, other);
	submit(&behind, other);
	fixture_close();
	cr_expect_str_eq(code_of(&writing), "outcome_unknown", "its script was sent");
	cr_expect_str_eq(code_of(&waiting), "shutting_down");
	cr_expect_eq(reading.outcome.status, 503);
	cr_expect_eq(behind.outcome.status, 503);
	cr_expect_str_neq(code_of(&reading), "outcome_unknown", "surely not applied");
	cr_expect_str_neq(code_of(&behind), "outcome_unknown");
	cr_expect_eq(resubmitted.calls, 1);
	cr_expect_str_eq(code_of(&resubmitted), "shutting_down");
}

Test(write_queue_close, closing_ends_pauses_of_both_kinds)
{
	struct answer paused = {0}, looking = {0}, behind = {0};
	struct write_request other = REPLACE("{}");

	put_document(1, NULL);
	fake_store_deliver(fixture.store, FAKE_SYNC);
	fake_store_fate(fixture.store, FAKE_RIVAL, 4);
	submit(&paused, MERGE("{}"));
	other.id = SPAN("e");
	fake_store_fate(fixture.store, FAKE_GONE, 1);
	submit(&looking, other);
	submit(&behind, other);
	cr_assert_eq(write_queues_pending(fixture.queues), 3);
	paused.then = resubmit;
	fixture_close();
	cr_expect_str_eq(code_of(&paused), "shutting_down");
	cr_expect_str_eq(code_of(&looking), "outcome_unknown");
	cr_expect_str_eq(code_of(&behind), "shutting_down");
	cr_expect_eq(resubmitted.calls, 1);
}

Test(write_queue_close, closing_while_the_history_is_being_read_is_outcome_unknown)
{
	struct answer answer = {0};

	put_document(1, NULL);
	fake_store_deliver(fixture.store, FAKE_HELD);
	fake_store_fate(fixture.store, FAKE_GONE, 1);
	submit(&answer, MERGE("{}"));
	fake_store_release(fixture.store, 2);
	cr_assert_eq(fake_store_counts(fixture.store).finds, 1);
	fixture_close();
	cr_expect_str_eq(code_of(&answer), "outcome_unknown");
}

Test(write_queue_close, reply_that_comes_after_close_is_told_and_starts_nothing_new)
{
	struct answer written = {0}, mismatched = {0}, read = {0};
	struct write_request other = REPLACE("{}"), third = REPLACE("{}");

	put_document(1, NULL);
	other.id = SPAN("e");
	third.id = SPAN("f");
	fake_store_deliver(fixture.store, FAKE_HELD);
	submit(&written, MERGE("{\"a\":1}"));
	fake_store_release(fixture.store, 1);
	fake_store_fate(fixture.store, FAKE_RIVAL, 1);
	submit(&mismatched, other);
	fake_store_release(fixture.store, SIZE_MAX - 1);
	submit(&read, third);
	size_t writes = fake_store_counts(fixture.store).writes;
	write_queues_close(fixture.queues);
	fake_store_release(fixture.store, SIZE_MAX);
	cr_expect_eq(fake_store_counts(fixture.store).writes, writes);
	fixture_close();
	cr_expect(written.calls && mismatched.calls && read.calls);
	cr_expect_eq(read.outcome.status, 503);
}

Test(write_queue_close, write_after_close_is_refused_once_also_when_it_tries_again)
{
	struct answer answer = {.then = resubmit};

	write_queues_close(fixture.queues);
	submit(&answer, MERGE("{}"));
	cr_expect_eq(answer.calls, 1);
	cr_expect_eq(resubmitted.calls, 1);
	cr_expect_str_eq(code_of(&answer), "shutting_down");
	cr_expect_eq(fake_store_counts(fixture.store).reads, 0);
}
