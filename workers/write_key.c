#include "write_queue_private.h"

#include "history.h"

#define NO_SUCH_REVISION INT64_MAX /* no document ever gets there */

/* key_index counts revisions; an expiry that goes before its write is one of its own. NULL: no such
 * revision. */
static struct write *batch_write_of(const struct document_queue *queue, size_t key_index)
{
	struct write *write;
	size_t revisions = 0;

	STAILQ_FOREACH(write, &queue->batch, link)
	{
		if (write->twin)
			continue;
		revisions += write->expires_first ? 2 : 1;
		if (revisions > key_index)
			return write;
	}
	return NULL;
}

/* The write is the batch, alone. What it made is gone from the history only where that is shorter
 * than the keys that are remembered. */
static void on_key_rebuilt(int error, const struct history_answer *answer, void *arg)
{
	struct document_queue *queue = arg;
	struct write *write = STAILQ_FIRST(&queue->batch);

	STAILQ_REMOVE_HEAD(&queue->batch, link);
	if (error) {
		struct outcome refusal = outcome_of_store_error(error);

		write_finish(queue, write, &refusal);
	} else if (answer->finding.state == HISTORY_REBUILT) {
		write_answer_replay(queue, write, &answer->revision);
	} else {
		struct outcome refusal =
			outcome_refusal(409, "idempotency_key_used",
					"this Idempotency-Key made revision %llu, which is no "
					"longer kept",
					(unsigned long long)answer->finding.wanted);

		refusal.has_current_revision = true;
		refusal.current_revision = queue->base.number;
		write_refuse(queue, write, &refusal);
	}
	queue_pump(queue);
}

/* Nothing of the batch was written: one of its writes was done before, under the same
 * Idempotency-Key. */
void queue_on_key_seen(struct document_queue *queue, const struct store_write_result *result)
{
	struct write *write = batch_write_of(queue, result->key_index);

	if (!write || !result->key_revision) {
		batch_refuse(queue, -EIO);
		return;
	}
	STAILQ_REMOVE(&queue->batch, write, write, link);
	batch_requeue(queue);
	if (queue_adopt_envelope(queue, result->envelope)) {
		struct outcome refusal = outcome_of_store_error(-EBADMSG);

		write_finish(queue, write, &refusal);
		queue_pump(queue);
	} else if (queue->base.number && queue->base.number == result->key_revision) {
		write_answer_replay(queue, write, &queue->base);
		queue_pump(queue);
	} else {
		write_forget_batch(write);
		STAILQ_INSERT_TAIL(&queue->batch, write, link);
		history_rebuild(queue->queues->worker, queue->service, queue->id,
				result->key_revision, on_key_rebuilt, queue);
	}
}

static void on_key_looked_up(int error, const struct store_write_result *result, void *arg)
{
	struct document_queue *queue = arg;

	if (!error && result->answer == STORE_KEY_SEEN)
		queue_on_key_seen(queue, result);
	else if (!error && result->answer == STORE_MISMATCH)
		queue_rebase(queue, result->envelope);
	else
		batch_refuse(queue, error ? error : -EIO);
}

/* A write that would be refused may have been done before, under its Idempotency-Key: a create that
 * is sent again finds the document it made. Only the write script looks at keys, so it is called on
 * a base that no document has: that writes nothing and tells the key, or else the newest envelope,
 * on which the write is judged again. */
void queue_look_for_key(struct document_queue *queue)
{
	struct write *write = STAILQ_FIRST(&queue->waiting);
	const struct store_revision revision = {
		.op = SPAN("replace"),
		.request = span_string(write->name),
		.key = write->request.idempotency_key,
	};
	const struct store_batch batch = {
		.service = queue->service,
		.id = queue->id,
		.base_revision = NO_SUCH_REVISION,
		.final = {.revision = NO_SUCH_REVISION + UINT64_C(1),
			  .service = queue->service,
			  .id = queue->id,
			  .data = SPAN("{}")},
		.revisions = &revision,
		.count = 1,
	};

	write->key_looked_up = true;
	STAILQ_REMOVE_HEAD(&queue->waiting, link);
	queue->waiting_count--;
	STAILQ_INSERT_TAIL(&queue->batch, write, link);
	queue->asked = queue->arrivals;
	store_write(queue->queues->worker->store, &batch, on_key_looked_up, queue);
}
