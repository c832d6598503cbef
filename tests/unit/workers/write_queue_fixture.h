/* write_queue_fixture.h — a worker's write queues on a fake store and a fake clock, and what their
 * writes were answered. One per process: Criterion forks for each test. */
#ifndef SYNCDOC_TESTS_WRITE_QUEUE_FIXTURE_H
#define SYNCDOC_TESTS_WRITE_QUEUE_FIXTURE_H

#include "context.h"
#include "document_cache.h"
#include "fake_store.h"
#include "write_queue.h"

#define TIMEOUT_MS 2000
#define DOCUMENT_SIZE_MAX 4096
#define DOCUMENT_DEPTH_MAX 8
#define HISTORY_MAX 100
#define START_MS INT64_C(1760000000000)

struct answer {
	unsigned calls;
	unsigned place; /* among all answers, from 1 */
	struct outcome outcome;
	char envelope[2 * DOCUMENT_SIZE_MAX]; /* what outcome.envelope held */
	struct document document;             /* its head; data points into envelope */
	void (*then)(struct answer *answer);  /* called inside the callback */
};

struct write_fixture {
	struct config config;
	struct slot slot;
	struct worker worker;
	struct store *store;
	struct document_cache *cache;
	struct write_queues *queues;
	int64_t now_ms, monotonic_ms; /* what the worker's clocks say */
	unsigned answers;             /* callbacks so far */
};

extern struct write_fixture fixture;

void fixture_init(void);  /* .init of the suite */
void fixture_fini(void);  /* .fini: closes what the test has not closed; nothing may be pending */
void fixture_close(void); /* as operations_destroy(): close, store, queues */
/* Names default to service "s", document "d"; data to {}. */
void submit(struct answer *answer, struct write_request request);
/* The same, then turns the loop until it is answered. Returns the status. */
int submit_and_run(struct answer *answer, struct write_request request);
void run(void);                 /* until nothing is pending */
void run_turns(unsigned turns); /* without blocking */
/* Puts a document into the store, not into the cache. data NULL: {} */
struct document put_document(uint64_t revision, const char *data);
/* The same in store and cache. */
void warm(uint64_t revision, const char *data);
void expect_data(struct document document, const char *data);
struct document current(void); /* what the store has of "s", "d" */
size_t history_count(void);
const struct fake_entry *history(size_t index); /* oldest first */
uint64_t statistic(enum statistic stat);

#define MERGE(text) ((struct write_request){.kind = WRITE_MERGE, .data = SPAN(text)})
#define REPLACE(text) ((struct write_request){.kind = WRITE_REPLACE, .data = SPAN(text)})
#define CREATE(text) ((struct write_request){.kind = WRITE_CREATE, .data = SPAN(text)})

/* The answer's code, "" on success. */
static inline const char *code_of(const struct answer *answer)
{
	return answer->outcome.code ? answer->outcome.code : "";
}

#endif
