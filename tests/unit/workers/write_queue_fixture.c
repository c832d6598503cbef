#include "write_queue_fixture.h"

#include <criterion/criterion.h>

struct write_fixture fixture;

/* The worker's own, which worker.c would bring: clocks that stand still until a test moves them. */
int64_t worker_now_ms(void)
{
	return fixture.now_ms;
}

int64_t worker_monotonic_ms(void)
{
	return fixture.monotonic_ms;
}

void worker_random_name(char *ret, size_t len)
{
	static unsigned count;

	snprintf(ret, len + 1, "request-%u", count++);
}

void fixture_init(void)
{
	fixture.config = (struct config){
		.redis_timeout_ms = TIMEOUT_MS,
		.documents_max_size = DOCUMENT_SIZE_MAX,
		.documents_max_depth = DOCUMENT_DEPTH_MAX,
		.history_max = HISTORY_MAX,
	};
	fixture.now_ms = START_MS;
	fixture.monotonic_ms = 5000;
	fixture.worker.config = &fixture.config;
	fixture.worker.loop = ev_loop_new(EVFLAG_AUTO);
	fixture.worker.slot = &fixture.slot;
	fixture.worker.hash_seed = 7;
	fixture.store = fixture.worker.store = fake_store_create(fixture.worker.loop, HISTORY_MAX);
	fixture.cache = document_cache_create(1 << 20, 7);
	fixture.queues = write_queues_create(&fixture.worker, fixture.cache);
}

void fixture_close(void)
{
	write_queues_close(fixture.queues);
	store_destroy(fixture.store);
	fixture.store = fixture.worker.store = NULL;
	cr_expect_eq(write_queues_pending(fixture.queues), 0);
	write_queues_destroy(fixture.queues);
	fixture.queues = NULL;
}

void fixture_fini(void)
{
	if (fixture.queues) {
		cr_expect_eq(write_queues_pending(fixture.queues), 0);
		fixture_close();
	}
	document_cache_destroy(fixture.cache);
	ev_loop_destroy(fixture.worker.loop);
}

static void on_done(const struct outcome *outcome, void *arg)
{
	struct answer *answer = arg;

	answer->calls++;
	answer->place = ++fixture.answers;
	answer->outcome = *outcome;
	cr_assert_lt(outcome->envelope.len, sizeof(answer->envelope));
	if (outcome->envelope.len) {
		memcpy(answer->envelope, outcome->envelope.at, outcome->envelope.len);
		answer->outcome.envelope = span_of(answer->envelope, outcome->envelope.len);
		cr_assert_eq(document_parse(answer->outcome.envelope, &answer->document), 0);
	}
	if (answer->then)
		answer->then(answer);
}

void submit(struct answer *answer, struct write_request request)
{
	if (!request.service.len)
		request.service = SPAN("s");
	if (!request.id.len)
		request.id = SPAN("d");
	if (!request.data.len && request.kind != WRITE_DELETE)
		request.data = SPAN("{}");
	write_queues_submit(fixture.queues, &request, on_done, answer);
}

void run(void)
{
	while (write_queues_pending(fixture.queues))
		ev_run(fixture.worker.loop, EVRUN_ONCE);
}

void run_turns(unsigned turns)
{
	while (turns--)
		ev_run(fixture.worker.loop, EVRUN_NOWAIT);
}

int submit_and_run(struct answer *answer, struct write_request request)
{
	submit(answer, request);
	run();
	cr_assert_eq(answer->calls, 1);
	return answer->outcome.status;
}

struct document put_document(uint64_t revision, const char *data)
{
	struct document document = {
		.revision = revision,
		.updated_at_ms = START_MS - 1000 + (int64_t)revision,
		.created_at_ms = START_MS - 1000,
		.service = SPAN("s"),
		.id = SPAN("d"),
		.data = data ? span_string(data) : SPAN("{}"),
	};

	fake_store_put(fixture.store, &document);
	return document;
}

struct document current(void)
{
	const struct fake_document *document =
		fake_store_document(fixture.store, SPAN("s"), SPAN("d"));
	struct document head = {0};

	if (document->envelope.len)
		cr_assert_eq(document_parse(buffer_span(&document->envelope), &head), 0);
	return head;
}

size_t history_count(void)
{
	return fake_store_document(fixture.store, SPAN("s"), SPAN("d"))->entry_count;
}

const struct fake_entry *history(size_t index)
{
	cr_assert_lt(index, history_count());
	return &fake_store_document(fixture.store, SPAN("s"), SPAN("d"))->entries[index];
}

uint64_t statistic(enum statistic stat)
{
	return stat_read(&fixture.slot, stat);
}

void expect_data(struct document document, const char *data)
{
	cr_expect(span_equals(document.data, span_string(data)), "%.*s", SPAN_ARGS(document.data));
}

void warm(uint64_t revision, const char *data)
{
	struct document document = put_document(revision, data);
	struct revision cached = revision_of_document(&document);

	document_cache_put(fixture.cache, SPAN("s"), SPAN("d"), &cached);
	revision_fini(&cached);
}
