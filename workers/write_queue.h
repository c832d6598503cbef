/* write_queue.h — the way of a write: fetch → clone → apply → diff → persist (→ broadcast inside
 * the script).
 *
 * One queue per document that is being written. One script per document is under way; what comes
 * meanwhile waits and goes as one batch, so that writers of one document do not fight each other
 * with mismatches. The rules are in DESIGN.md section 4. */
#ifndef SYNCDOC_WRITE_QUEUE_H
#define SYNCDOC_WRITE_QUEUE_H

#include "document_cache.h"
#include "operations.h"

struct write_queues;

/* `cache` and the worker's store are borrowed and must outlive it. */
struct write_queues *write_queues_create(struct worker *worker, struct document_cache *cache);
/* From here on every write, also those that wait, is answered 503. Call before the store is
 * destroyed. */
void write_queues_close(struct write_queues *queues);
/* After the store is gone: nothing can call back any more. NULL is fine. */
void write_queues_destroy(struct write_queues *queues);
size_t write_queues_pending(const struct write_queues *queues);

/* Names, data and members of `request` have been checked; everything is copied. `done` is called
 * exactly once, perhaps at once. */
void write_queues_submit(struct write_queues *queues, const struct write_request *request,
			 operation_done_fn done, void *arg);

#endif
