#include "write_queue_private.h"

#include "event.h"

#define BATCH_BYTES_MAX (4u << 20)

static void format_event(const struct document_queue *queue, const struct write_request *request,
			 const struct mutation *mutation, struct buffer *ret)
{
	struct event event = {
		.name = mutation->event,
		.service = queue->service,
		.id = queue->id,
		.revision = mutation->next.number,
		.timestamp_ms = mutation->next.updated_at_ms,
		.deleted = mutation->next.deleted,
		.data = text_span(mutation->next.data),
		.diff = buffer_span(&mutation->diff),
	};

	if (request) { /* an expiry is nobody's write */
		event.by = request->by;
		event.connection_id = request->connection_id;
	}
	event_format(ret, &event);
}

/* Judges and applies one write on `state`, which moves on. -EPERM: refused, state as before. */
static int batch_apply(struct document_queue *queue, struct write *write, struct revision *state,
		       struct outcome *ret_refusal)
{
	struct write_queues *queues = queue->queues;
	int64_t now_ms = worker_now_ms();
	const struct revision *base = state;

	if (base->number && !base->deleted && base->expires_at_ms &&
	    base->expires_at_ms <= now_ms) {
		mutation_expire(base, now_ms, &write->expiry);
		write->expires_first = true;
		base = &write->expiry.next;
	}
	int error = mutation_judge(base, &write->request, ret_refusal);
	if (!error)
		error = mutation_apply(&queues->scratch, &queues->limits, base, &write->request,
				       write->data, now_ms, &write->mutation, ret_refusal);
	if (error) {
		write_forget_batch(write);
		return error;
	}
	if (write->expires_first)
		format_event(queue, NULL, &write->expiry, &write->expiry_event);
	format_event(queue, &write->request, &write->mutation, &write->event);
	revision_replace(state, revision_clone(&write->mutation.next));
	return 0;
}

bool write_refuse_if_late(struct document_queue *queue, struct write *write)
{
	if (write->deadline_ms > worker_monotonic_ms())
		return false;
	struct outcome refusal = outcome_of_store_error(-EAGAIN);
	if (queue->mismatches) {
		refusal = outcome_refusal(503, "write_contention",
					  "others kept writing this document until the deadline; "
					  "nothing was changed");
		refusal.retry_after_s = 1;
		stat_add(queue->queues->worker->slot, STAT_write_contention, 1);
	}
	write_finish(queue, write, &refusal);
	return true;
}

static struct write *find_twin(const struct document_queue *queue, const struct write *write)
{
	struct write *first;

	if (!write->request.idempotency_key.len)
		return NULL;
	STAILQ_FOREACH(first, &queue->batch, link)
	if (!first->twin &&
	    span_equals(first->request.idempotency_key, write->request.idempotency_key))
		return first;
	return NULL;
}

/* May a refusal that was judged on the base be answered? */
static bool refusal_is_final(const struct document_queue *queue, const struct write *write)
{
	return write->arrival <= queue->fresh_for &&
	       (!write->request.idempotency_key.len || write->key_looked_up);
}

/* The next write's refusal is not final. */
static void queue_ask_again(struct document_queue *queue)
{
	const struct write *write = STAILQ_FIRST(&queue->waiting);

	if (write->request.idempotency_key.len && !write->key_looked_up)
		queue_look_for_key(queue);
	else
		queue_fetch_fresh(queue);
}

/* Takes writes from the queue into a batch that stands on a clone of the base. A refusal is
 * answered only on a fresh base and before anything is in the batch: later ones wait for the
 * batch's end and are judged on what it made. */
void queue_build(struct document_queue *queue)
{
	size_t count = 0, bytes = 0;
	bool asks_again = false;
	struct write *write;

	if (queue->queues->closing) {
		queue_pump(queue);
		return;
	}
	struct revision state = revision_clone(&queue->base);
	while (count < BATCH_WRITES_MAX && bytes < BATCH_BYTES_MAX &&
	       (write = STAILQ_FIRST(&queue->waiting))) {
		struct outcome refusal;

		STAILQ_REMOVE_HEAD(&queue->waiting, link);
		queue->waiting_count--;
		if (write_refuse_if_late(queue, write))
			continue;
		write->twin = find_twin(queue, write);
		if (write->twin || !batch_apply(queue, write, &state, &refusal)) {
			STAILQ_INSERT_TAIL(&queue->batch, write, link);
			count++;
			bytes += write->event.len + write->mutation.reversible.len;
			continue;
		}
		if (!count && refusal_is_final(queue, write)) {
			write_refuse(queue, write, &refusal);
			continue;
		}
		STAILQ_INSERT_HEAD(&queue->waiting, write, link);
		queue->waiting_count++;
		asks_again = !count;
		break;
	}
	revision_fini(&state);
	if (count)
		queue_persist(queue);
	else if (asks_again)
		queue_ask_again(queue);
	else
		queue_pump(queue);
}
