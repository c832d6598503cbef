#include "write_queue_private.h"

#define FREE_MISMATCHES 3 /* from the fourth on a random pause: see pause_after_mismatch() */

/* The batch's writes go back to the head of the queue, in their order. */
void batch_requeue(struct document_queue *queue)
{
	struct write *write;

	STAILQ_FOREACH(write, &queue->batch, link)
	{
		write_forget_batch(write);
		queue->waiting_count++;
	}
	STAILQ_CONCAT(&queue->batch, &queue->waiting);
	STAILQ_CONCAT(&queue->waiting, &queue->batch);
}

/* What the script has taken; its document is that of the last one that is no twin. */
const struct write *batch_last(const struct document_queue *queue)
{
	const struct write *write, *last = NULL;

	STAILQ_FOREACH(write, &queue->batch, link)
	if (!write->twin)
		last = write;
	return last;
}

/* The envelope is valid until the next answer. */
static struct outcome outcome_of_revision(const struct document_queue *queue,
					  const struct revision *revision, int status)
{
	struct buffer *envelope = &queue->queues->envelope;
	struct outcome outcome = {.status = status};

	outcome.document = revision_document(revision, queue->service, queue->id);
	envelope->len = 0;
	document_format(envelope, &outcome.document);
	outcome.envelope = buffer_span(envelope);
	return outcome;
}

void write_answer_replay(struct document_queue *queue, struct write *write,
			 const struct revision *revision)
{
	struct outcome outcome = outcome_of_revision(queue, revision, 200);

	outcome.idempotent_replay = true;
	stat_add(queue->queues->worker->slot, STAT_idempotent_replays, 1);
	write_finish(queue, write, &outcome);
}

/* The text that was stored is the answer, too. */
static struct outcome outcome_of_text(const struct document_queue *queue,
				      const struct revision *revision, struct text *text,
				      int status)
{
	return (struct outcome){
		.status = status,
		.document = revision_document(revision, queue->service, queue->id),
		.envelope = text_span(text),
		.text = text,
	};
}

static void answer_written(struct document_queue *queue, struct write *write)
{
	const struct revision *written = &write->mutation.next;
	int status = write->mutation.created ? 201 : 200;
	bool is_stored = written->number == queue->base.number;
	struct outcome outcome = is_stored
					 ? outcome_of_text(queue, written, queue->envelope, status)
					 : outcome_of_revision(queue, written, status);

	outcome.idempotent_replay = write->twin;
	stat_add(queue->queues->worker->slot,
		 write->twin ? STAT_idempotent_replays : STAT_writes_total, 1);
	write_finish(queue, write, &outcome);
}

void batch_give_answers(struct document_queue *queue)
{
	size_t turn_bytes = 0;
	struct write *write;

	while ((write = STAILQ_FIRST(&queue->batch))) {
		if (turn_bytes >= TURN_BYTES && !queue->queues->closing) {
			queue_pause(queue, 0., batch_give_answers);
			return;
		}
		STAILQ_REMOVE_HEAD(&queue->batch, link);
		turn_bytes += text_span(write->mutation.next.data).len;
		answer_written(queue, write);
	}
	queue->is_written = false;
	text_put(queue->envelope);
	queue->envelope = NULL;
	queue_pump(queue);
}

void batch_answer_written(struct document_queue *queue)
{
	const struct write *last = batch_last(queue);
	struct write *write;

	queue->is_written = true;
	revision_replace(&queue->base, revision_clone(&last->mutation.next));
	document_cache_put(queue->queues->cache, queue->service, queue->id, &queue->base);
	/* A twin may be answered when the write that it repeats is gone. */
	STAILQ_FOREACH(write, &queue->batch, link)
	if (write->twin)
		write->mutation.next = revision_clone(&write->twin->mutation.next);
	batch_give_answers(queue);
}

int queue_adopt_envelope(struct document_queue *queue, struct span envelope)
{
	struct document document = {0};

	if (envelope.len && document_parse(envelope, &document))
		return -EBADMSG;
	revision_replace(&queue->base, document.revision ? revision_of_document(&document)
							 : (struct revision){0});
	queue->fresh_for = queue->asked;
	if (queue->base.number)
		document_cache_put(queue->queues->cache, queue->service, queue->id, &queue->base);
	else
		document_cache_drop(queue->queues->cache, queue->service, queue->id);
	return 0;
}

/* Contenders on other hosts and workers: from the fourth mismatch on, wait a random 0…2^n × 100 µs,
 * at most 5 ms. */
static void pause_after_mismatch(struct document_queue *queue)
{
	unsigned power = queue->mismatches < 10 ? queue->mismatches : 10;
	double most_s = (double)(1u << power) * 100e-6;

	if (most_s > 5e-3)
		most_s = 5e-3;
	queue_pause(queue, most_s * drand48(), queue_build);
}

/* Judges again on the newest envelope, which the script returned. */
void queue_rebase(struct document_queue *queue, struct span envelope)
{
	batch_requeue(queue);
	if (queue_adopt_envelope(queue, envelope)) {
		struct outcome refusal = outcome_of_store_error(-EBADMSG);

		write_list_refuse(queue, &queue->waiting, &refusal);
		queue_pump(queue);
	} else if (queue->mismatches > FREE_MISMATCHES && !queue->queues->closing) {
		pause_after_mismatch(queue);
	} else {
		queue_build(queue);
	}
}

static void on_mismatch(struct document_queue *queue, struct span envelope)
{
	stat_add(queue->queues->worker->slot, STAT_write_mismatches, 1);
	queue->mismatches++;
	queue_rebase(queue, envelope);
}

void batch_refuse(struct document_queue *queue, int error)
{
	struct outcome refusal = outcome_of_store_error(error);

	write_list_refuse(queue, &queue->batch, &refusal);
	queue_pump(queue);
}

static void on_written(int error, const struct store_write_result *result, void *arg)
{
	struct document_queue *queue = arg;

	if (!error && result->answer == STORE_WRITTEN) {
		batch_answer_written(queue);
	} else if (!error && result->answer == STORE_MISMATCH) {
		on_mismatch(queue, result->envelope);
	} else if (!error) {
		queue_on_key_seen(queue, result);
	} else if (error == -ETIMEDOUT) {
		queue_find_outcome(queue);
	} else if (error == -ECANCELED) { /* the store goes; the script may have been sent */
		batch_answer_unknown(queue);
	} else {
		batch_refuse(queue, error);
	}
}

static void add_revision(struct store_revision *revision, const struct mutation *mutation,
			 const struct write *write, const struct buffer *event, bool is_expiry)
{
	*revision = (struct store_revision){
		.op = span_string(mutation->operation),
		.at_ms = mutation->next.updated_at_ms,
		.request = span_string(write->name),
		.reversible = buffer_span(&mutation->reversible),
		.event = buffer_span(event),
	};
	if (!is_expiry) {
		revision->by = write->request.by;
		revision->key = write->request.idempotency_key;
	}
}

void queue_persist(struct document_queue *queue)
{
	struct store_revision revisions[2 * BATCH_WRITES_MAX];
	const struct write *write;
	struct store_batch batch = {
		.service = queue->service,
		.id = queue->id,
		.base_revision = queue->base.number,
		.base_updated_at_ms = queue->base.updated_at_ms,
		.base_expires_at_ms = queue->base.expires_at_ms,
		.base_deleted = queue->base.deleted,
		.final = revision_document(&batch_last(queue)->mutation.next, queue->service,
					   queue->id),
		.revisions = revisions,
	};

	STAILQ_FOREACH(write, &queue->batch, link)
	{
		if (write->twin)
			continue;
		if (write->expires_first)
			add_revision(&revisions[batch.count++], &write->expiry, write,
				     &write->expiry_event, true);
		add_revision(&revisions[batch.count++], &write->mutation, write, &write->event,
			     false);
	}
	text_put(queue->envelope);
	queue->envelope = document_text(&batch.final);
	batch.envelope = text_span(queue->envelope);
	stat_add(queue->queues->worker->slot, STAT_write_batches, 1);
	queue->asked = queue->arrivals;
	store_write(queue->queues->worker->store, &batch, on_written, queue);
}
