/* The write queues on the real store: what the fake one of the other tests takes for granted. */
#include <criterion/criterion.h>

#include "../common/store_fixture.h"
#include "clock.h"
#include "context.h"
#include "write_queue.h"

TestSuite(write_queue_redis, .timeout = 100);

struct answer {
	int calls;
	struct outcome outcome;
	struct document document; /* spans are gone */
};

static struct store_fixture store;
static struct slot slot;
static struct worker worker;
static struct document_cache *cache;
static struct write_queues *queues;

int64_t worker_now_ms(void)
{
	return clock_real_ms();
}

int64_t worker_monotonic_ms(void)
{
	return clock_monotonic_ms();
}

void worker_random_name(char *ret, size_t len)
{
	static unsigned count;

	snprintf(ret, len + 1, "request-%u", count++);
}

static void open_queues(void)
{
	store_fixture_open(&store, CONFIG_ENCODING_STRING);
	store.config.documents_max_size = 1 << 20;
	store.config.documents_max_depth = 32;
	worker = (struct worker){
		.config = &store.config,
		.loop = store.redis.loop,
		.slot = &slot,
		.store = store.store,
	};
	cache = document_cache_create(1 << 20, 7);
	queues = write_queues_create(&worker, cache);
}

static void close_queues(void)
{
	/* Nothing is under way; the fixture ends the loop with the store. */
	cr_expect_eq(write_queues_pending(queues), 0);
	write_queues_close(queues);
	write_queues_destroy(queues);
	store_fixture_close(&store);
	document_cache_destroy(cache);
}

static void on_done(const struct outcome *outcome, void *arg)
{
	struct answer *answer = arg;

	answer->calls++;
	answer->outcome = *outcome;
	answer->document = outcome->document;
}

static struct answer submit(enum write_kind kind, const char *data, const char *key,
			    int64_t expected_revision)
{
	struct answer answer = {0};
	struct write_request request = {
		.kind = kind,
		.service = SERVICE,
		.id = SPAN("d"),
		.data = span_string(data),
		.idempotency_key = span_string(key),
		.has_expected_revision = expected_revision >= 0,
		.expected_revision = expected_revision,
	};

	write_queues_submit(queues, &request, on_done, &answer);
	fixture_run_until(&store.redis, &answer.calls, 1);
	return answer;
}

static void expect_history(const char *len)
{
	const char *got =
		fixture_ask(&store.redis, "XLEN syncdoc:history:{syncdoc:data:session:d}");
	cr_expect_str_eq(got, len);
	cr_expect_str_eq(fixture_ask(&store.redis, "GET syncdoc:sequence"), len);
}

Test(write_queue_redis, create_merge_and_delete_make_a_chain)
{
	open_queues();
	cr_expect_eq(submit(WRITE_CREATE, "{\"a\":1}", "", -1).outcome.status, 201);
	struct answer merged = submit(WRITE_MERGE, "{\"b\":[]}", "", 1);
	cr_expect_eq(merged.outcome.status, 200);
	cr_expect_eq(merged.document.revision, 2);
	cr_expect_not_null(strstr(store_fixture_read(&store, "d"), "{\"a\":1,\"b\":[]}"));
	cr_expect_eq(submit(WRITE_DELETE, "", "", -1).outcome.status, 200);
	cr_expect_str_eq(submit(WRITE_MERGE, "{}", "", -1).outcome.code, "document_deleted");
	expect_history("3");
	close_queues();
}

Test(write_queue_redis, write_sent_again_with_its_key_is_answered_before_it_is_refused)
{
	open_queues();
	cr_assert_eq(submit(WRITE_CREATE, "{\"a\":1}", "k", -1).outcome.status, 201);
	for (unsigned warm = 0; warm < 2; warm++) {
		struct answer again = submit(WRITE_CREATE, "{\"a\":1}", "k", -1);
		cr_expect_eq(again.outcome.status, 200, "%s", again.outcome.code);
		cr_expect(again.outcome.idempotent_replay);
		cr_expect_eq(again.document.revision, 1);
		document_cache_drop(cache, SERVICE, SPAN("d"));
	}
	expect_history("1");
	close_queues();
}

Test(write_queue_redis, looking_for_a_key_leaves_no_trace)
{
	open_queues();
	cr_assert_eq(submit(WRITE_CREATE, "{\"a\":1}", "k", -1).outcome.status, 201);
	struct answer other = submit(WRITE_CREATE, "{}", "other", -1);
	cr_expect_str_eq(other.outcome.code, "document_exists");
	cr_expect_eq(other.document.revision, 1);
	cr_expect_str_eq(submit(WRITE_MERGE, "{}", "other", 7).outcome.code, "revision_conflict");
	expect_history("1");
	cr_expect_eq(submit(WRITE_MERGE, "{\"b\":1}", "other", 1).outcome.status, 200);
	expect_history("2");
	close_queues();
}

Test(write_queue_redis, looking_for_a_key_of_an_unknown_document_makes_none)
{
	open_queues();
	cr_expect_eq(submit(WRITE_MERGE, "{}", "k", -1).outcome.status, 404);
	cr_expect_str_eq(fixture_ask(&store.redis, "DBSIZE"), "0");
	close_queues();
}
