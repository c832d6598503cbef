#include "write_queue_private.h"

#define FIND_PAUSE_S 0.02
#define FIND_AT_LEAST_MS 500

void batch_answer_unknown(struct document_queue *queue)
{
	struct outcome refusal = outcome_refusal(503, "outcome_unknown",
						 "Redis did not answer after the write was sent; "
						 "it may or may not have been applied");
	struct write *write;

	STAILQ_FOREACH(write, &queue->batch, link)
	stat_add(queue->queues->worker->slot, STAT_write_outcome_unknown, 1);
	document_cache_drop(queue->queues->cache, queue->service, queue->id);
	write_list_refuse(queue, &queue->batch, &refusal);
	queue_pump(queue);
}

static void look_for_outcome(struct document_queue *queue);

static void on_found(int error, const struct store_found *found, void *arg)
{
	struct document_queue *queue = arg;
	const struct revision *planned = &batch_last(queue)->mutation.next;

	if (!error && found->found && found->revision == planned->number &&
	    found->at_ms == planned->updated_at_ms) {
		stat_add(queue->queues->worker->slot, STAT_write_outcome_found, 1);
		batch_answer_written(queue);
	} else if (queue->queues->closing || worker_monotonic_ms() >= queue->find_until_ms) {
		batch_answer_unknown(queue);
	} else {
		queue_pause(queue, FIND_PAUSE_S, look_for_outcome);
	}
}

/* All or none: where the last is, all are. The last because a long batch's first entries may have
 * been trimmed by history.max, and because an expiry shares the name of the write it goes before.
 */
static void look_for_outcome(struct document_queue *queue)
{
	store_find_request(queue->queues->worker->store, queue->service, queue->id,
			   span_string(batch_last(queue)->name), on_found, queue);
}

void queue_find_outcome(struct document_queue *queue)
{
	const struct write *write;
	struct worker *worker = queue->queues->worker;

	if (!worker->config->history_max || queue->queues->closing) {
		batch_answer_unknown(queue);
		return;
	}
	queue->find_until_ms = worker_monotonic_ms() + FIND_AT_LEAST_MS;
	STAILQ_FOREACH(write, &queue->batch, link)
	if (write->deadline_ms > queue->find_until_ms)
		queue->find_until_ms = write->deadline_ms;
	look_for_outcome(queue);
}
