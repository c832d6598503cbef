#include <criterion/criterion.h>

#include "../common/random.h"
#include "write_queue_fixture.h"

TestSuite(write_queue_faults, .timeout = 100, .init = fixture_init, .fini = fixture_fini);

/* Turns the loop without blocking until the answer is there; fails after far too many turns. */
static void run_until_answered(const struct answer *answer)
{
	for (unsigned turns = 0; !answer->calls && turns < 100000; turns++)
		ev_run(fixture.worker.loop, EVRUN_ONCE);
	cr_assert_eq(answer->calls, 1);
}

/* --- mismatch --- */

Test(write_queue_faults, mismatch_is_applied_again_on_the_envelope_the_script_returned)
{
	struct answer answer = {0};

	put_document(3, "{\"a\":1}");
	fake_store_fate(fixture.store, FAKE_RIVAL, 2);
	cr_assert_eq(submit_and_run(&answer, MERGE("{\"b\":2}")), 200);
	cr_expect_eq(answer.document.revision, 6, "behind two of the rival's");
	cr_expect_eq(fake_store_counts(fixture.store).reads, 1);
	cr_expect_eq(fake_store_counts(fixture.store).writes, 3);
	cr_expect_eq(statistic(STAT_write_mismatches), 2);
}

Test(write_queue_faults, whole_batch_is_judged_again_after_a_mismatch)
{
	struct answer answers[3] = {0};
	struct write_request request = MERGE("{\"a\":1}");

	put_document(3, NULL);
	fake_store_fate(fixture.store, FAKE_RIVAL, 1);
	fake_store_deliver(fixture.store, FAKE_HELD);
	submit(&answers[0], MERGE("{\"x\":1}"));
	request.has_expected_revision = true;
	request.expected_revision = 4; /* right behind the first one, but the rival made that */
	submit(&answers[1], request);
	submit(&answers[2], MERGE("{\"y\":1}"));
	fake_store_deliver(fixture.store, FAKE_NEXT_TURN);
	fake_store_release(fixture.store, SIZE_MAX);
	run();
	cr_expect_eq(answers[0].document.revision, 5);
	cr_expect_eq(answers[1].outcome.status, 409);
	cr_expect_eq(answers[1].outcome.current_revision, 5);
	cr_expect_eq(answers[2].document.revision, 6);
}

Test(write_queue_faults, conflict_found_by_a_mismatch_needs_no_further_read)
{
	struct answer answer = {0};
	struct write_request request = MERGE("{\"a\":1}");

	put_document(3, NULL);
	request.has_expected_revision = true;
	request.expected_revision = 3;
	fake_store_fate(fixture.store, FAKE_RIVAL, 1);
	cr_assert_eq(submit_and_run(&answer, request), 409);
	cr_expect_eq(answer.outcome.current_revision, 4);
	cr_expect_eq(answer.document.revision, 4);
	cr_expect_eq(fake_store_counts(fixture.store).reads, 1);
}

Test(write_queue_faults, from_the_fourth_mismatch_on_it_pauses)
{
	struct answer answer = {0};

	put_document(1, NULL);
	fake_store_deliver(fixture.store, FAKE_SYNC);
	fake_store_fate(fixture.store, FAKE_RIVAL, 6);
	submit(&answer, MERGE("{\"a\":1}"));
	cr_expect_eq(fake_store_counts(fixture.store).writes, 4, "then it waits for a timer");
	run();
	cr_expect_eq(answer.outcome.status, 200);
	cr_expect_eq(fake_store_counts(fixture.store).writes, 7);
}

Test(write_queue_faults, contention_until_the_deadline_is_503)
{
	struct answer answer = {0};

	put_document(1, NULL);
	fake_store_fate(fixture.store, FAKE_RIVAL, 4000);
	submit(&answer, MERGE("{\"a\":1}"));
	for (unsigned turns = 0; !answer.calls && turns < 4000; turns++) {
		ev_run(fixture.worker.loop, EVRUN_ONCE);
		fixture.monotonic_ms += 50;
	}
	cr_expect_eq(answer.outcome.status, 503);
	cr_expect_str_eq(code_of(&answer), "write_contention");
	cr_expect_eq(answer.outcome.retry_after_s, 1);
	cr_expect_eq(statistic(STAT_write_contention), 1);
	cr_expect_eq(current().data.len, 2, "nothing of it was applied");
}

Test(write_queue_faults, what_is_stored_but_no_envelope_is_500_for_all_that_wait)
{
	struct answer answers[2] = {0};

	fake_store_fail_reads(fixture.store, -EBADMSG, 1);
	submit(&answers[0], MERGE("{}"));
	submit(&answers[1], MERGE("{}"));
	run();
	for (unsigned i = 0; i < 2; i++) {
		cr_expect_eq(answers[i].outcome.status, 500);
		cr_expect_str_eq(code_of(&answers[i]), "stored_document_invalid");
	}
}

/* --- Redis away --- */

Test(write_queue_faults, redis_away_at_the_read_or_the_script_is_503_and_nothing_done)
{
	struct answer read = {0}, script = {0}, after = {0};

	put_document(1, NULL);
	fake_store_fail_reads(fixture.store, -ETIMEDOUT, 1);
	cr_expect_eq(submit_and_run(&read, MERGE("{\"a\":1}")), 503);
	cr_expect_str_eq(code_of(&read), "redis_unavailable");
	fake_store_fate(fixture.store, FAKE_UNSENT, 1);
	cr_expect_eq(submit_and_run(&script, MERGE("{\"a\":1}")), 503);
	cr_expect_str_eq(code_of(&script), "redis_unavailable");
	cr_expect_eq(script.outcome.retry_after_s, 1);
	cr_expect_eq(current().revision, 1);
	cr_expect_eq(submit_and_run(&after, MERGE("{\"a\":1}")), 200);
}

Test(write_queue_faults, error_of_the_script_is_500)
{
	struct answer answer = {0};

	put_document(1, NULL);
	fake_store_fate(fixture.store, FAKE_FAILED, 1);
	cr_expect_eq(submit_and_run(&answer, MERGE("{}")), 500);
	cr_expect_str_eq(code_of(&answer), "internal_error");
}

/* --- lost replies --- */

Test(write_queue_faults, lost_reply_is_found_in_the_history_and_never_sent_again)
{
	struct answer answer = {0};

	put_document(1, NULL);
	fake_store_fate(fixture.store, FAKE_LOST, 1);
	fake_store_hide(fixture.store, 1);
	cr_assert_eq(submit_and_run(&answer, MERGE("{\"a\":1}")), 200);
	cr_expect_eq(answer.document.revision, 2);
	cr_expect_eq(fake_store_counts(fixture.store).writes, 1);
	cr_expect_eq(fake_store_counts(fixture.store).finds, 2);
	cr_expect_eq(statistic(STAT_write_outcome_found), 1);
	cr_expect_eq(current().revision, 2);
}

Test(write_queue_faults, all_writes_of_a_batch_are_found_together)
{
	static struct answer answers[64];
	char data[32];

	put_document(1, NULL);
	fake_store_fate(fixture.store, FAKE_LOST, 1);
	fake_store_deliver(fixture.store, FAKE_HELD);
	for (unsigned i = 0; i < 64; i++) {
		snprintf(data, sizeof(data), "{\"w%u\":%u}", i, i);
		submit(&answers[i],
		       (struct write_request){.kind = WRITE_MERGE, .data = span_string(data)});
	}
	fake_store_deliver(fixture.store, FAKE_NEXT_TURN);
	fake_store_release(fixture.store, SIZE_MAX);
	run();
	for (unsigned i = 0; i < 64; i++)
		cr_expect_eq(answers[i].document.revision, i + 2);
}

Test(write_queue_faults, batch_longer_than_the_history_is_found)
{
	static struct answer answers[64];

	/* Its first entries are trimmed by its last ones. */
	store_destroy(fixture.store);
	fixture.store = fixture.worker.store = fake_store_create(fixture.worker.loop, 10);
	put_document(1, NULL);
	fake_store_fate(fixture.store, FAKE_LOST, 1);
	fake_store_deliver(fixture.store, FAKE_HELD);
	for (unsigned i = 0; i < 64; i++)
		submit(&answers[i], MERGE("{\"a\":1}"));
	fake_store_deliver(fixture.store, FAKE_NEXT_TURN);
	fake_store_release(fixture.store, SIZE_MAX);
	for (unsigned turns = 0; turns < 40 && !answers[63].calls;
	     turns++, fixture.monotonic_ms += 100)
		ev_run(fixture.worker.loop, EVRUN_ONCE);
	cr_expect_eq(answers[0].outcome.status, 200, "%s", code_of(&answers[0]));
	cr_expect_eq(answers[63].document.revision, 65);
}

Test(write_queue_faults, lost_reply_of_a_write_behind_an_expiry_is_found)
{
	struct answer answer = {0};
	struct document document = put_document(3, NULL);

	document.expires_at_ms = START_MS - 1;
	fake_store_put(fixture.store, &document);
	fake_store_fate(fixture.store, FAKE_LOST, 1);
	submit(&answer, REPLACE("{\"a\":1}"));
	for (unsigned turns = 0; turns < 200 && !answer.calls; turns++, fixture.monotonic_ms += 50)
		ev_run(fixture.worker.loop, EVRUN_ONCE);
	cr_expect_eq(answer.outcome.status, 201, "%s", code_of(&answer));
	cr_expect_eq(answer.document.revision, 5);
}

Test(write_queue_faults, not_found_until_the_deadline_is_outcome_unknown)
{
	struct answer answer = {0}, next = {0};

	put_document(1, NULL);
	fake_store_fate(fixture.store, FAKE_GONE, 1);
	submit(&answer, MERGE("{\"a\":1}"));
	int64_t start_ms = fixture.monotonic_ms;
	while (!answer.calls) {
		ev_run(fixture.worker.loop, EVRUN_ONCE);
		fixture.monotonic_ms += 100;
	}
	cr_expect_geq(fixture.monotonic_ms - start_ms, TIMEOUT_MS);
	cr_expect_eq(answer.outcome.status, 503);
	cr_expect_str_eq(code_of(&answer), "outcome_unknown");
	cr_expect_eq(fake_store_counts(fixture.store).writes, 1, "never sent again");
	cr_expect_gt(fake_store_counts(fixture.store).finds, 3);
	cr_expect_eq(statistic(STAT_write_outcome_unknown), 1);
	cr_expect_null(document_cache_find(fixture.cache, SPAN("s"), SPAN("d")));
	cr_expect_eq(submit_and_run(&next, MERGE("{\"b\":1}")), 200);
	cr_expect_eq(next.document.revision, 2);
}

Test(write_queue_faults, without_history_a_lost_reply_is_unknown_at_once)
{
	struct answer answer = {0};

	fixture.config.history_max = 0;
	put_document(1, NULL);
	fake_store_fate(fixture.store, FAKE_LOST, 1);
	cr_expect_eq(submit_and_run(&answer, MERGE("{}")), 503);
	cr_expect_str_eq(code_of(&answer), "outcome_unknown");
	cr_expect_eq(fake_store_counts(fixture.store).finds, 0);
}

Test(write_queue_faults, every_write_of_an_unknown_batch_is_counted_and_told)
{
	struct answer answers[3] = {0}, waiting = {0};

	fixture.config.history_max = 0;
	put_document(1, NULL);
	fake_store_fate(fixture.store, FAKE_GONE, 1);
	fake_store_deliver(fixture.store, FAKE_HELD);
	for (unsigned i = 0; i < 3; i++)
		submit(&answers[i], MERGE("{}"));
	fake_store_release(fixture.store, 1); /* the read; the script of the three is held */
	submit(&waiting, MERGE("{}"));
	fake_store_deliver(fixture.store, FAKE_NEXT_TURN);
	fake_store_release(fixture.store, 1);
	run();
	for (unsigned i = 0; i < 3; i++)
		cr_expect_str_eq(code_of(&answers[i]), "outcome_unknown");
	cr_expect_eq(statistic(STAT_write_outcome_unknown), 3);
	cr_expect_eq(waiting.outcome.status, 200, "it was in no script");
}

/* --- deadlines --- */

Test(write_queue_faults, writes_that_wait_behind_a_hanging_script_are_answered_at_their_deadline)
{
	struct answer hanging = {0}, waiting[2] = {0}, later = {0};

	put_document(1, NULL);
	fake_store_deliver(fixture.store, FAKE_HELD);
	submit(&hanging, MERGE("{\"a\":1}"));
	fake_store_release(fixture.store, 1); /* the read */
	submit(&waiting[0], MERGE("{\"b\":1}"));
	submit(&waiting[1], MERGE("{\"c\":1}"));
	fixture.monotonic_ms += TIMEOUT_MS - 1;
	submit(&later, MERGE("{\"d\":1}"));
	fixture.monotonic_ms += 1;
	run_until_answered(&waiting[1]);
	cr_expect_eq(waiting[0].outcome.status, 503);
	cr_expect_str_eq(code_of(&waiting[0]), "redis_unavailable");
	cr_expect_eq(hanging.calls, 0, "it may have been applied");
	cr_expect_eq(later.calls, 0);
	fake_store_deliver(fixture.store, FAKE_NEXT_TURN);
	fake_store_release(fixture.store, 1);
	run();
	cr_expect_eq(hanging.outcome.status, 200);
	cr_expect_eq(later.outcome.status, 200);
	cr_expect_eq(later.document.revision, 3, "what was answered 503 is not applied");
}

Test(write_queue_faults, write_that_is_late_when_its_turn_comes_is_not_sent)
{
	struct answer answer = {0};

	put_document(1, NULL);
	fake_store_deliver(fixture.store, FAKE_HELD);
	submit(&answer, MERGE("{\"a\":1}"));
	fixture.monotonic_ms += TIMEOUT_MS;
	fake_store_release(fixture.store, 1); /* the read came, too late */
	cr_expect_eq(answer.calls, 1);
	cr_expect_str_eq(code_of(&answer), "redis_unavailable");
	cr_expect_eq(fake_store_counts(fixture.store).writes, 0);
}

/* --- everything at once --- */

#define RANDOM_WRITES 350 /* their members fit DOCUMENT_SIZE_MAX */
#define RANDOM_ROUNDS 10

static bool has_member(const struct json *doc, unsigned number)
{
	char name[16];

	snprintf(name, sizeof(name), "w%u", number);
	return json_member(doc, 0, span_string(name)) != 0;
}

static enum fake_fate random_fate(uint64_t *random)
{
	unsigned dice = (unsigned)(random_next(random) >> 40) % 100;

	return dice < 60   ? FAKE_FINE
	       : dice < 80 ? FAKE_RIVAL
	       : dice < 86 ? FAKE_UNSENT
	       : dice < 93 ? FAKE_LOST
			   : FAKE_GONE;
}

/* One write of the random test. Some are the same write sent again, under its key. */
struct attempt {
	struct answer answer;
	unsigned member;  /* number in its data and its key */
	bool is_repeated; /* there are others with this member */
};

/* What was answered 200 is in the document, what was answered 503 is not, unless it is unknown.
 * Returns how many were answered 200: in one round that may be few, for behind two scripts that are
 * gone all others meet their deadline. */
static unsigned check_random(const struct attempt *attempts)
{
	struct json doc = {0};
	struct json_fault fault;
	unsigned known = 0;

	cr_assert_eq(json_parse(&doc, current().data, 16, &fault), 0);
	for (unsigned i = 0; i < RANDOM_WRITES; i++) {
		const struct answer *answer = &attempts[i].answer;
		const char *code = code_of(answer);
		cr_assert_eq(answer->calls, 1, "write %u was answered %u times", i, answer->calls);
		if (answer->outcome.status == 200)
			cr_assert(has_member(&doc, attempts[i].member), "write %u is lost", i);
		else if (strcmp(code, "outcome_unknown") != 0 && !attempts[i].is_repeated)
			cr_assert_not(has_member(&doc, attempts[i].member),
				      "write %u (%s) was applied", i, code);
		cr_assert(answer->outcome.status != 409 || attempts[i].is_repeated);
		known += answer->outcome.status == 200;
	}
	json_fini(&doc);
	return known;
}

static void submit_random(struct attempt *attempts, unsigned i, uint64_t *random)
{
	unsigned back = 1 + (unsigned)(random_next(random) >> 33) % 8;
	char data[32], key[16];

	attempts[i].member = i;
	if (back <= i && !((random_next(random) >> 33) % 5)) {
		attempts[i].member = attempts[i - back].member;
		attempts[i].is_repeated = true;
		for (unsigned other = 0; other < i; other++)
			attempts[other].is_repeated |= attempts[other].member == attempts[i].member;
	}
	snprintf(data, sizeof(data), "{\"w%u\":1}", attempts[i].member);
	snprintf(key, sizeof(key), "key-%u", attempts[i].member);
	submit(&attempts[i].answer, (struct write_request){.kind = WRITE_MERGE,
							   .data = span_string(data),
							   .idempotency_key = span_string(key)});
}

static unsigned random_round(uint64_t *random)
{
	struct attempt *attempts = calloc(RANDOM_WRITES, sizeof(*attempts));

	fake_store_put(fixture.store, &(struct document){.service = SPAN("s"), .id = SPAN("d")});
	put_document(1, NULL);
	document_cache_drop(fixture.cache, SPAN("s"), SPAN("d"));
	for (unsigned i = 0; i < RANDOM_WRITES; i++) {
		fake_store_fate(fixture.store, random_fate(random), 1);
		submit_random(attempts, i, random);
		if (random_next(random) >> 62)
			continue;
		ev_run(fixture.worker.loop, EVRUN_NOWAIT);
		fixture.monotonic_ms += 20;
	}
	while (write_queues_pending(fixture.queues)) {
		ev_run(fixture.worker.loop, EVRUN_ONCE);
		fixture.monotonic_ms += 100;
	}
	unsigned known = check_random(attempts);
	free(attempts);
	return known;
}

Test(write_queue_faults, random_faults_lose_nothing_and_answer_once)
{
	uint64_t random = random_seed("write_queue");

	unsigned known = 0;

	for (unsigned round = 0; round < RANDOM_ROUNDS; round++)
		known += random_round(&random);
	cr_expect_gt(known, RANDOM_ROUNDS * RANDOM_WRITES / 8, "it was no idle run");
	fprintf(stderr,
		"%llu written, %zu scripts, largest batch %zu, %llu found, %llu unknown, "
		"%llu mismatches, %llu replays\n",
		(unsigned long long)statistic(STAT_writes_total),
		fake_store_counts(fixture.store).writes, fake_store_counts(fixture.store).largest,
		(unsigned long long)statistic(STAT_write_outcome_found),
		(unsigned long long)statistic(STAT_write_outcome_unknown),
		(unsigned long long)statistic(STAT_write_mismatches),
		(unsigned long long)statistic(STAT_idempotent_replays));
}
