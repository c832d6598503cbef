#include <criterion/criterion.h>

#include "write_queue_fixture.h"
#include "write_queue_private.h"

/* Large documents: their writes take several turns of the loop, one step each. */

#define LARGE_MAX ((size_t)1 << 20)
#define LARGE_LEN 300000

struct result {
	unsigned calls, place;
	int status;
	const char *code;
	size_t len; /* of the data in the answer */
};

static unsigned places;

static void on_done(const struct outcome *outcome, void *arg)
{
	struct result *result = arg;

	result->calls++;
	result->place = ++places;
	result->status = outcome->status;
	result->code = outcome->code ? outcome->code : "";
	result->len = outcome->document.data.len;
}

static void large_init(void)
{
	fixture_init();
	write_queues_destroy(fixture.queues);
	fixture.config.documents_max_size = LARGE_MAX;
	fixture.queues = write_queues_create(&fixture.worker, fixture.cache);
	fake_store_deliver(fixture.store, FAKE_SYNC);
}

TestSuite(write_queue_large, .timeout = 100, .init = large_init, .fini = fixture_fini);

static void write_to(struct result *result, const char *id, enum write_kind kind, struct span data)
{
	struct write_request request = {
		.kind = kind, .service = SPAN("s"), .id = span_string(id), .data = data};

	write_queues_submit(fixture.queues, &request, on_done, result);
}

static void append_large(struct buffer *ret, const char *name)
{
	buffer_printf(ret, "{\"%s\":\"", name);
	memset(buffer_reserve(ret, LARGE_LEN), 'x', LARGE_LEN);
	ret->len += LARGE_LEN;
	buffer_append_string(ret, "\"}");
}

Test(write_queue_large, others_are_served_between_the_steps_of_a_large_write)
{
	struct buffer CLEANUP(buffer_fini) data = {0};
	struct result large = {0}, small = {0};

	append_large(&data, "a");
	write_to(&large, "d", WRITE_REPLACE, buffer_span(&data));
	cr_expect_eq(large.calls, 0);
	write_to(&small, "e", WRITE_REPLACE, SPAN("{}"));
	cr_expect_eq(small.status, 201);
	run();
	cr_expect_eq(large.status, 201);
	cr_expect_eq(large.calls, 1);
	cr_expect_gt(large.place, small.place);
	cr_expect_eq(current().data.len, data.len);
}

Test(write_queue_large, large_writes_go_one_after_the_other_and_none_is_forgotten)
{
	struct buffer CLEANUP(buffer_fini) data = {0};
	struct result results[5] = {0};
	const char *const ids[] = {"d", "e", "f", "d", "e"};
	unsigned turns = 0;

	append_large(&data, "a");
	for (size_t i = 0; i < ARRAY_LEN(ids); i++)
		write_to(&results[i], ids[i], WRITE_REPLACE, buffer_span(&data));
	for (; write_queues_pending(fixture.queues); turns++)
		ev_run(fixture.worker.loop, EVRUN_ONCE);
	for (size_t i = 0; i < ARRAY_LEN(ids); i++)
		cr_expect_eq(results[i].status, i < 3 ? 201 : 200, "%zu: %d", i, results[i].status);
	cr_expect_lt(results[0].place, results[1].place);
	cr_expect_lt(results[1].place, results[2].place);
	cr_expect_eq(statistic(STAT_large_write_waits), 2); /* queues, not writes */
	/* Reading, applying, reading again, comparing, writing down. */
	cr_expect_geq(turns, 5 * ARRAY_LEN(ids));
}

Test(write_queue_large, writes_of_one_large_document_still_make_batches)
{
	struct buffer CLEANUP(buffer_fini) data = {0};
	struct result first = {0}, merges[3] = {0};

	append_large(&data, "a");
	write_to(&first, "d", WRITE_REPLACE, buffer_span(&data));
	run();
	uint64_t batches = statistic(STAT_write_batches);
	for (size_t i = 0; i < ARRAY_LEN(merges); i++)
		write_to(&merges[i], "d", WRITE_MERGE, SPAN("{\"b\":1}"));
	run();
	for (size_t i = 0; i < ARRAY_LEN(merges); i++)
		cr_expect_eq(merges[i].status, 200);
	cr_expect_eq(statistic(STAT_write_batches), batches + 1);
	cr_expect_eq(current().revision, 4);
}

Test(write_queue_large, a_small_write_ahead_of_a_large_one_does_not_wait_for_others)
{
	struct buffer CLEANUP(buffer_fini) data = {0};
	struct result other = {0}, small = {0}, large = {0};

	append_large(&data, "a");
	write_to(&other, "e", WRITE_REPLACE, buffer_span(&data));
	fake_store_deliver(fixture.store, FAKE_HELD);
	write_to(&small, "d", WRITE_REPLACE, SPAN("{}"));
	write_to(&large, "d", WRITE_REPLACE, buffer_span(&data));
	fake_store_deliver(fixture.store, FAKE_SYNC);
	fake_store_release(fixture.store, 1);
	cr_expect_eq(small.status, 201);
	cr_expect_eq(other.calls, 0);
	run();
	cr_expect_eq(other.status, 201);
	cr_expect_eq(large.status, 200);
}

/* The patch fails in the second step of the second write, behind one that is in the batch. */
Test(write_queue_large, a_refusal_behind_a_large_write_is_judged_on_what_it_made)
{
	struct buffer CLEANUP(buffer_fini) data = {0};
	struct result first = {0}, refused = {0}, last = {0};

	append_large(&data, "a");
	write_to(&first, "d", WRITE_REPLACE, buffer_span(&data));
	write_to(&refused, "d", WRITE_PATCH, SPAN("[{\"op\":\"remove\",\"path\":\"/b\"}]"));
	write_to(&last, "d", WRITE_PATCH, SPAN("[{\"op\":\"remove\",\"path\":\"/a\"}]"));
	run();
	cr_expect_eq(first.status, 201);
	cr_expect_eq(refused.status, 409);
	cr_expect_str_eq(refused.code, "patch_path_missing");
	cr_expect_eq(last.status, 200);
	expect_data(current(), "{}");
}

Test(write_queue_large, waiting_for_large_writes_of_others_is_not_counted_as_late)
{
	struct buffer CLEANUP(buffer_fini) data = {0};
	struct result first = {0}, second = {0}, behind = {0};

	append_large(&data, "a");
	write_to(&first, "d", WRITE_REPLACE, buffer_span(&data));
	write_to(&second, "e", WRITE_REPLACE, buffer_span(&data));
	write_to(&behind, "e", WRITE_MERGE, SPAN("{}"));
	run_turns(2);
	fixture.monotonic_ms += TIMEOUT_MS + 10;
	run();
	cr_expect_eq(first.status, 201);
	cr_expect_eq(second.status, 201);
	cr_expect_eq(behind.status, 200);
}

Test(write_queue_large, closing_refuses_what_was_not_sent_yet)
{
	struct buffer CLEANUP(buffer_fini) data = {0};

	append_large(&data, "a");
	for (unsigned turns = 0; turns < 6; turns++) {
		struct result large = {0}, waiting = {0}, behind = {0};

		write_to(&large, "d", WRITE_REPLACE, buffer_span(&data));
		write_to(&waiting, "e", WRITE_REPLACE, buffer_span(&data));
		write_to(&behind, "d", WRITE_MERGE, SPAN("{}"));
		run_turns(turns);
		if (write_queues_pending(fixture.queues) < 3)
			cr_assert_gt(turns, 4);
		fixture_close();
		cr_expect_eq(large.calls, 1);
		cr_expect_eq(waiting.calls, 1);
		cr_expect_eq(behind.calls, 1);
		if (turns < 5) {
			cr_expect_str_eq(large.code, "shutting_down", "%u turns", turns);
			cr_expect_str_eq(behind.code, "shutting_down");
		}
		cr_expect_str_eq(waiting.code, "shutting_down");
		fixture_fini();
		large_init();
	}
}

/* Each refusal carries the document. */
Test(write_queue_large, refusals_that_carry_a_large_document_take_turns)
{
	struct buffer CLEANUP(buffer_fini) data = {0};
	struct result first = {0}, refused[20] = {0};

	append_large(&data, "a");
	write_to(&first, "d", WRITE_REPLACE, buffer_span(&data));
	run();
	fake_store_deliver(fixture.store, FAKE_HELD);
	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		struct write_request request = {.kind = WRITE_MERGE,
						.service = SPAN("s"),
						.id = SPAN("d"),
						.data = SPAN("{}"),
						.has_expected_revision = true,
						.expected_revision = 99};

		write_queues_submit(fixture.queues, &request, on_done, &refused[i]);
	}
	/* Only what was there when Redis was asked may be refused: the first, then the others. */
	while (!fake_store_release(fixture.store, 1) || !refused[0].calls)
		run_turns(1);
	while (!fake_store_release(fixture.store, 1))
		run_turns(1);
	cr_expect_eq(refused[2].calls, 0);
	run();
	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		cr_expect_eq(refused[i].calls, 1);
		cr_expect_eq(refused[i].status, 409);
		cr_expect_eq(refused[i].place, i + 2);
	}
}

#define TWINS 20

/* A large document, written to while one write and its twins come; then the turns until the first
 * of them is answered. */
static void start_twins(struct result *first, struct result twins[TWINS])
{
	struct buffer CLEANUP(buffer_fini) data = {0};
	struct write_request request = {.kind = WRITE_MERGE,
					.service = SPAN("s"),
					.id = SPAN("d"),
					.data = SPAN("{}"),
					.idempotency_key = SPAN("key")};

	append_large(&data, "a");
	write_to(first, "d", WRITE_REPLACE, buffer_span(&data));
	for (size_t i = 0; i < TWINS; i++)
		write_queues_submit(fixture.queues, &request, on_done, &twins[i]);
	while (!twins[0].calls)
		run_turns(1);
}

Test(write_queue_large, answers_that_carry_a_large_document_take_turns)
{
	struct result first = {0}, twins[TWINS] = {0}, small = {0};

	start_twins(&first, twins);
	cr_expect_eq(statistic(STAT_write_batches), 1);
	cr_expect_eq(twins[1].calls, 0);
	write_to(&small, "e", WRITE_REPLACE, SPAN("{}"));
	while (!twins[TWINS - 1].calls) {
		unsigned before = places;

		ev_run(fixture.worker.loop, EVRUN_ONCE);
		cr_assert_leq(places - before, 1);
	}
	run();
	cr_expect_lt(small.place, twins[1].place);
	cr_expect_eq(current().revision, 2);
	for (size_t i = 0; i < TWINS; i++) {
		cr_expect_eq(twins[i].calls, 1);
		cr_expect_eq(twins[i].status, 200);
		cr_expect_eq(twins[i].len, current().data.len);
	}
}

Test(write_queue_large, closing_answers_what_is_written_with_what_it_made)
{
	struct result first = {0}, twins[TWINS] = {0}, behind = {0};

	start_twins(&first, twins);
	cr_assert_eq(twins[1].calls, 0);
	write_to(&behind, "d", WRITE_MERGE, SPAN("{}"));
	fixture_close();
	for (size_t i = 0; i < TWINS; i++)
		cr_expect_eq(twins[i].status, 200);
	cr_expect_str_eq(behind.code, "shutting_down");
}

#define TICKS 5 /* the queues look at their clock ten times a second */

static void turn_until_answered(const struct result *result)
{
	for (unsigned ticks = 0; ticks < TICKS && !result->calls; ticks++)
		ev_run(fixture.worker.loop, EVRUN_ONCE);
}

/* "d" is being written, the patch of "e" waits for its turn. */
static void wait_in_line(struct result *owner, struct result *patch)
{
	struct buffer CLEANUP(buffer_fini) data = {0};

	append_large(&data, "a");
	write_to(owner, "e", WRITE_REPLACE, buffer_span(&data));
	run();
	write_to(owner, "d", WRITE_REPLACE, buffer_span(&data));
	write_to(patch, "e", WRITE_PATCH, SPAN("[{\"op\":\"remove\",\"path\":\"/b\"}]"));
	cr_assert_eq(statistic(STAT_large_write_waits), 1);
}

Test(write_queue_large, who_came_late_into_the_line_gets_no_more_than_its_time)
{
	struct result owner = {0}, patch = {0}, late = {0};

	wait_in_line(&owner, &patch);
	fixture.monotonic_ms += TIMEOUT_MS - 100;
	write_to(&late, "e", WRITE_PATCH, SPAN("[{\"op\":\"remove\",\"path\":\"/b\"}]"));
	fake_store_deliver(fixture.store, FAKE_HELD);
	while (!patch.calls)
		run_turns(1);
	cr_expect_eq(patch.status, 409);
	/* It came after "e" was read: so it is read again, but Redis hangs. */
	while (fake_store_held(fixture.store) < 2)
		run_turns(1);
	cr_expect_eq(late.calls, 0);
	fixture.monotonic_ms += TIMEOUT_MS;
	turn_until_answered(&late);
	cr_expect_str_eq(late.code, "redis_unavailable");
	fixture_close();
}

Test(write_queue_large, nobody_waits_in_line_for_ever)
{
	struct result owner = {0}, patch = {0};
	struct document_queue *queue;

	wait_in_line(&owner, &patch);
	/* As if those before it took that long: its turn never comes. */
	LIST_FOREACH(queue, &fixture.queues->all, all)
	ev_timer_stop(fixture.worker.loop, &queue->pause);
	fixture.monotonic_ms += 4 * TIMEOUT_MS - 1;
	ev_run(fixture.worker.loop, EVRUN_ONCE);
	cr_expect_eq(patch.calls, 0);
	fixture.monotonic_ms += 1;
	turn_until_answered(&patch);
	cr_expect_eq(patch.status, 503);
	cr_expect_str_eq(patch.code, "write_contention");
	fixture_close();
}

Test(write_queue_large, writes_that_wait_have_only_so_many_bytes_together)
{
	struct buffer CLEANUP(buffer_fini) data = {0};
	static struct result results[1000];
	unsigned refused = 0;
	char id[16];

	append_large(&data, "a");
	for (size_t i = 0; i < ARRAY_LEN(results); i++) {
		snprintf(id, sizeof(id), "d%zu", i);
		write_to(&results[i], id, WRITE_REPLACE, buffer_span(&data));
		refused += results[i].calls;
	}
	cr_expect_gt(refused, 0);
	cr_expect_lt(refused, ARRAY_LEN(results) / 2);
	cr_expect_eq(results[999].status, 503);
	cr_expect_str_eq(results[999].code, "write_contention");
	fixture_close();
	for (size_t i = 0; i < ARRAY_LEN(results); i++)
		cr_assert_eq(results[i].calls, 1);
}
