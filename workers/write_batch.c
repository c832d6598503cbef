#include "write_queue_private.h"

#include "event.h"

#define BATCH_BYTES_MAX (4u << 20)

static void build_go_on(struct document_queue *queue);

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

/* Deadlines are for Redis, so who waits in the line of large writes may do so for longer. */
bool write_is_late(const struct document_queue *queue, const struct write *write)
{
	int64_t until_ms = queue->waits_for_large ? write->give_up_ms : write->deadline_ms;

	return until_ms <= worker_monotonic_ms();
}

bool write_refuse_if_late(struct document_queue *queue, struct write *write)
{
	if (!write_is_late(queue, write))
		return false;
	struct outcome refusal = outcome_of_store_error(-EAGAIN);
	bool gives_up = write->give_up_ms <= worker_monotonic_ms();
	if (queue->mismatches || gives_up) {
		refusal = outcome_refusal(503, "write_contention",
					  "others kept writing %s until the deadline; nothing was "
					  "changed",
					  gives_up ? "large documents" : "this document");
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

/* --- one write ------------------------------------------------------------- */

/* What each step on it looks at, about. */
static size_t write_cost(const struct document_queue *queue, const struct write *write)
{
	return write->data->len + text_span(queue->build.state.data).len;
}

/* True: that is enough for this turn of the loop, the build goes on in the next one. */
static bool build_pauses(struct document_queue *queue, size_t cost)
{
	struct batch_build *build = &queue->build;

	build->turn_bytes += cost;
	if (build->turn_bytes < TURN_BYTES)
		return false;
	build->turn_bytes = 0;
	queue_pause(queue, 0., build_go_on);
	return true;
}

/* Judges build->write on what the batch has made so far. -EPERM: refused. */
static int build_judge(struct document_queue *queue, struct outcome *ret_refusal)
{
	struct write_queues *queues = queue->queues;
	struct batch_build *build = &queue->build;
	struct write *write = build->write;
	int64_t now_ms = worker_now_ms();
	const struct revision *base = &build->state;
	bool is_large = write_cost(queue, write) >= TURN_BYTES;

	if (base->number && !base->deleted && base->expires_at_ms &&
	    base->expires_at_ms <= now_ms) {
		mutation_expire(base, now_ms, &write->expiry);
		write->expires_first = true;
		base = &write->expiry.next;
	}
	build->work = (struct mutation_work){
		.base = base,
		.request = &write->request,
		.data = write->data,
		.now_ms = now_ms,
		.scratch = is_large ? &queues->large_scratch : &queues->scratch,
	};
	return mutation_judge(base, &write->request, ret_refusal);
}

/* Judges and applies build->write. -EAGAIN: not done in this turn. -EPERM: refused. */
static int build_apply(struct document_queue *queue, struct outcome *ret_refusal)
{
	struct batch_build *build = &queue->build;
	size_t cost = write_cost(queue, build->write);

	if (!build->work.steps && build_judge(queue, ret_refusal))
		return -EPERM;
	for (;;) {
		int error = mutation_step(&build->work, &queue->queues->limits, ret_refusal);

		if (error == -EPERM)
			return error;
		build->is_applied = !error;
		if (cost >= TURN_BYTES && build_pauses(queue, cost))
			return -EAGAIN;
		if (!error)
			return 0;
	}
}

/* build->write has been applied: it goes into the batch. */
static void build_add(struct document_queue *queue)
{
	struct batch_build *build = &queue->build;
	struct write *write = build->write;

	write->mutation = build->work.mutation;
	if (write->expires_first)
		format_event(queue, NULL, &write->expiry, &write->expiry_event);
	format_event(queue, &write->request, &write->mutation, &write->event);
	revision_replace(&build->state, revision_clone(&write->mutation.next));
	STAILQ_INSERT_TAIL(&queue->batch, write, link);
	build->bytes += write->event.len + write->mutation.reversible.len;
	build->count++;
	build->write = NULL;
}

/* --- large writes: one after the other, a step a turn ---------------------- */

/* -EBUSY: it goes on when others are done. -ENOENT: what there is of the batch is to be sent first.
 */
static int large_take(struct document_queue *queue)
{
	struct write_queues *queues = queue->queues;

	if (queues->large_owner && queues->large_owner != queue) {
		if (queue->build.count)
			return -ENOENT;
		stat_add(queues->worker->slot, STAT_large_write_waits, 1);
		queue->waits_for_large = true;
		queue->waits_since_ms = worker_monotonic_ms();
		STAILQ_INSERT_TAIL(&queues->large, queue, large);
		return -EBUSY;
	}
	queues->large_owner = queue;
	return 0;
}

static int64_t least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* What a queue has waited here is no fault of its writes. Who came meanwhile has waited less: Redis
 * gets its whole time again, and no more. */
static void large_wait_ends(struct document_queue *queue)
{
	const struct worker *worker = queue->queues->worker;
	int64_t now_ms = worker_monotonic_ms(), waited_ms = now_ms - queue->waits_since_ms;
	int64_t latest_ms = now_ms + worker->config->redis_timeout_ms;
	struct write *write;

	queue->waits_for_large = false;
	STAILQ_FOREACH(write, &queue->waiting, link)
	write->deadline_ms =
		least(write->deadline_ms + waited_ms, least(latest_ms, write->give_up_ms));
}

static void large_give(struct document_queue *queue)
{
	struct write_queues *queues = queue->queues;
	struct document_queue *next = STAILQ_FIRST(&queues->large);

	if (queues->large_owner != queue)
		return;
	queues->large_owner = next;
	if (!next)
		return;
	STAILQ_REMOVE_HEAD(&queues->large, large);
	large_wait_ends(next);
	queue_pause(next, 0., build_go_on);
}

/* --- the batch ------------------------------------------------------------- */

/* The next write becomes build->write. -ENOENT: none for this batch. -EBUSY: see large_take(). */
static int build_take(struct document_queue *queue)
{
	struct batch_build *build = &queue->build;
	struct write *write;

	while (build->count < BATCH_WRITES_MAX && build->bytes < BATCH_BYTES_MAX &&
	       (write = STAILQ_FIRST(&queue->waiting))) {
		int error = write_cost(queue, write) >= TURN_BYTES ? large_take(queue) : 0;

		if (error)
			return error;
		STAILQ_REMOVE_HEAD(&queue->waiting, link);
		queue->waiting_count--;
		if (write_refuse_if_late(queue, write))
			continue;
		write->twin = find_twin(queue, write);
		if (write->twin) {
			STAILQ_INSERT_TAIL(&queue->batch, write, link);
			build->count++;
			continue;
		}
		build->write = write;
		build->is_applied = false;
		build->work.steps = 0;
		return 0;
	}
	return -ENOENT;
}

static void build_put_back(struct document_queue *queue)
{
	struct write *write = queue->build.write;

	write_forget_batch(write);
	STAILQ_INSERT_HEAD(&queue->waiting, write, link);
	queue->waiting_count++;
	queue->build.write = NULL;
}

static void build_end(struct document_queue *queue)
{
	revision_fini(&queue->build.state);
	queue->build = (struct batch_build){0};
	large_give(queue);
}

/* A refusal is answered only on a fresh base and before anything is in the batch: later ones wait
 * for the batch's end and are judged on what it made. False: the batch ends here. It may carry the
 * document, so it counts as a step. */
static bool build_refuse(struct document_queue *queue, struct outcome *refusal)
{
	struct write *write = queue->build.write;

	if (queue->build.count || !refusal_is_final(queue, write)) {
		build_put_back(queue);
		return false;
	}
	queue->build.write = NULL;
	write_forget_batch(write);
	write_refuse(queue, write, refusal);
	return true;
}

static void build_send(struct document_queue *queue)
{
	size_t count = queue->build.count;
	bool asks_again = queue->build.asks_again;

	build_end(queue);
	if (count)
		queue_persist(queue);
	else if (asks_again)
		queue_ask_again(queue);
	else
		queue_pump(queue);
}

static void build_go_on(struct document_queue *queue)
{
	struct batch_build *build = &queue->build;
	struct outcome refusal;

	while (!build->complete) {
		int error = build->write ? 0 : build_take(queue);

		if (error == -EBUSY)
			return;
		build->complete = error;
		if (error)
			break;
		if (!build->is_applied)
			error = build_apply(queue, &refusal);
		if (error == -EAGAIN)
			return;
		size_t cost = write_cost(queue, build->write);
		if (!error) {
			build_add(queue);
		} else if (!build_refuse(queue, &refusal)) {
			build->asks_again = !build->count;
			build->complete = true;
			break;
		}
		if (build_pauses(queue, cost))
			return;
	}
	build_send(queue);
}

void queue_build(struct document_queue *queue)
{
	if (queue->queues->closing) {
		queue_pump(queue);
		return;
	}
	MUST(!queue->build.begun);
	queue->build.begun = true;
	queue->build.state = revision_clone(&queue->base);
	build_go_on(queue);
}

void batch_abandon(struct document_queue *queue)
{
	struct batch_build *build = &queue->build;

	ev_timer_stop(queue->queues->worker->loop, &queue->pause);
	if (queue->waits_for_large)
		STAILQ_REMOVE(&queue->queues->large, queue, document_queue, large);
	queue->waits_for_large = false;
	if (build->write) {
		/* Taken over by the write only when it is whole. */
		mutation_fini(&build->work.mutation);
		build_put_back(queue);
	}
	batch_requeue(queue);
	build_end(queue);
}
