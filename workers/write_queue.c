#include "write_queue_private.h"

#include "hash.h"

#define QUEUE_WRITES_MAX 4096 /* per document */
/* Data of writes of all documents that are not answered; one of any size is always taken. */
#define PENDING_BYTES_MAX ((size_t)256 << 20)
#define WAIT_TIMEOUTS 4 /* of Redis, in the line of large writes */
#define TICK_S 0.1

static void queue_fetch(struct document_queue *queue);

/* --- writes --- */

static struct span store_span(char **at, struct span span)
{
	struct span copy = {*at, span.len};

	if (span.len)
		memcpy(*at, span.at, span.len);
	*at += span.len;
	return copy;
}

static struct write *write_create(const struct write_request *request, operation_done_fn done,
				  void *arg, int64_t timeout_ms)
{
	struct write *write =
		calloc(1, sizeof(*write) + request->by.len + request->connection_id.len +
				  request->idempotency_key.len);

	MUST(write);
	char *at = write->storage;
	write->request = *request;
	write->request.by = store_span(&at, request->by);
	write->request.connection_id = store_span(&at, request->connection_id);
	write->request.idempotency_key = store_span(&at, request->idempotency_key);
	write->data = text_create(request->data);
	write->request.data = text_span(write->data);
	write->done = done;
	write->arg = arg;
	write->deadline_ms = worker_monotonic_ms() + timeout_ms;
	write->give_up_ms = worker_monotonic_ms() + WAIT_TIMEOUTS * timeout_ms;
	write->taken_ns = stat_clock_ns();
	worker_random_name(write->name, REQUEST_NAME_LEN);
	return write;
}

void write_forget_batch(struct write *write)
{
	mutation_fini(&write->expiry);
	mutation_fini(&write->mutation);
	buffer_fini(&write->expiry_event);
	buffer_fini(&write->event);
	write->expires_first = false;
	write->twin = NULL;
}

/* The write is unlinked by the caller; the callback may start new writes of the same document. */
void write_finish(struct document_queue *queue, struct write *write, const struct outcome *outcome)
{
	struct slot *slot = queue->queues->worker->slot;

	if (outcome->status == 409 || outcome->status == 412)
		stat_add(slot, STAT_write_conflicts, 1);
	histogram_observe(&slot->histograms[HISTOGRAM_write_seconds],
			  stat_clock_ns() - write->taken_ns);
	queue->queues->pending--;
	queue->queues->pending_bytes -= write->data->len;
	write->done(outcome, write->arg);
	write_forget_batch(write);
	text_put(write->data);
	free(write);
}

/* Adds the base's envelope to a refusal that tells its revision. It does not where the base is past
 * its time and the refusal is judged on the tombstone to come. */
void write_refuse(struct document_queue *queue, struct write *write, struct outcome *refusal)
{
	struct buffer *envelope = &queue->queues->envelope;

	if (refusal->has_current_revision && queue->base.number &&
	    refusal->current_revision == queue->base.number) {
		refusal->document = revision_document(&queue->base, queue->service, queue->id);
		if (!queue->base.deleted) {
			envelope->len = 0;
			document_format(envelope, &refusal->document);
			refusal->envelope = buffer_span(envelope);
		}
	}
	write_finish(queue, write, refusal);
}

void write_list_refuse(struct document_queue *queue, struct write_list *list,
		       const struct outcome *refusal)
{
	struct write_list refused = STAILQ_HEAD_INITIALIZER(refused);
	struct write *write;

	/* Writes that the callbacks start are none of these. */
	STAILQ_CONCAT(&refused, list);
	if (list == &queue->waiting)
		queue->waiting_count = 0;
	while ((write = STAILQ_FIRST(&refused))) {
		STAILQ_REMOVE_HEAD(&refused, link);
		write_finish(queue, write, refusal);
	}
}

/* --- queues --- */

static struct document_queue **queue_place(struct write_queues *queues, struct span service,
					   struct span id, uint64_t hash)
{
	struct document_queue **place = &queues->buckets[hash & (QUEUE_BUCKETS - 1)];

	while (*place && !((*place)->hash == hash && span_equals((*place)->service, service) &&
			   span_equals((*place)->id, id)))
		place = &(*place)->next;
	return place;
}

static void on_pause(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct document_queue *queue = CONTAINER_OF(timer, struct document_queue, pause);

	(void)loop;
	(void)events;
	queue->after_pause(queue);
}

void queue_pause(struct document_queue *queue, double seconds,
		 void (*after)(struct document_queue *queue))
{
	queue->after_pause = after;
	ev_timer_set(&queue->pause, seconds, 0.);
	ev_timer_start(queue->queues->worker->loop, &queue->pause);
}

static struct document_queue *queue_get(struct write_queues *queues, struct span service,
					struct span id)
{
	uint64_t hash = hash_span(hash_span(queues->worker->hash_seed, service), id);
	struct document_queue **place = queue_place(queues, service, id, hash);

	if (*place)
		return *place;
	struct document_queue *queue = calloc(1, sizeof(*queue) + service.len + id.len);
	MUST(queue);
	char *at = queue->names;
	queue->service = store_span(&at, service);
	queue->id = store_span(&at, id);
	queue->queues = queues;
	queue->hash = hash;
	STAILQ_INIT(&queue->waiting);
	STAILQ_INIT(&queue->batch);
	queue->build = (struct batch_build){0};
	ev_init(&queue->pause, on_pause);
	LIST_INSERT_HEAD(&queues->all, queue, all);
	*place = queue;
	return queue;
}

static void queue_free(struct document_queue *queue)
{
	struct document_queue **place =
		queue_place(queue->queues, queue->service, queue->id, queue->hash);

	MUST(*place == queue && !queue->build.begun);
	*place = queue->next;
	LIST_REMOVE(queue, all);
	ev_timer_stop(queue->queues->worker->loop, &queue->pause);
	revision_fini(&queue->base);
	text_put(queue->envelope);
	free(queue);
}

static struct outcome refuse_shutting_down(void)
{
	struct outcome refusal = outcome_refusal(
		503, "shutting_down", "the server is shutting down; nothing was changed");

	refusal.retry_after_s = 1;
	return refusal;
}

/* True: refused and answered. */
static bool refuse_if_full(struct write_queues *queues, bool is_full, const char *reason,
			   operation_done_fn done, void *arg)
{
	if (!is_full)
		return false;
	struct outcome refusal = outcome_refusal(503, "write_contention", "%s", reason);

	refusal.retry_after_s = 1;
	stat_add(queues->worker->slot, STAT_write_contention, 1);
	done(&refusal, arg);
	return true;
}

void write_queues_submit(struct write_queues *queues, const struct write_request *request,
			 operation_done_fn done, void *arg)
{
	struct worker *worker = queues->worker;
	struct outcome refusal;

	if (queues->closing) {
		refusal = refuse_shutting_down();
		done(&refusal, arg);
		return;
	}
	if (refuse_if_full(queues,
			   queues->pending &&
				   queues->pending_bytes + request->data.len > PENDING_BYTES_MAX,
			   "too many large writes wait", done, arg))
		return;
	struct document_queue *queue = queue_get(queues, request->service, request->id);
	if (refuse_if_full(queues, queue->waiting_count >= QUEUE_WRITES_MAX,
			   "too many writes wait for this document", done, arg))
		return;
	struct write *write = write_create(request, done, arg, worker->config->redis_timeout_ms);
	write->request.service = queue->service;
	write->request.id = queue->id;
	write->arrival = ++queue->arrivals;
	STAILQ_INSERT_TAIL(&queue->waiting, write, link);
	queue->waiting_count++;
	queues->pending++;
	queues->pending_bytes += write->data->len;
	if (!ev_is_active(&queues->tick))
		ev_timer_again(worker->loop, &queues->tick);
	if (!queue->busy)
		queue_pump(queue);
}

/* Starts the next batch, or ends the queue. Nothing of it is under way when this is called. */
void queue_pump(struct document_queue *queue)
{
	queue->busy = true;
	queue->mismatches = 0;
	if (queue->queues->closing) {
		struct outcome refusal = refuse_shutting_down();

		write_list_refuse(queue, &queue->waiting, &refusal);
	}
	if (STAILQ_EMPTY(&queue->waiting)) {
		queue_free(queue);
		return;
	}
	queue_fetch(queue);
}

/* --- fetch --- */

static void on_read(int error, struct span envelope, void *arg)
{
	struct document_queue *queue = arg;
	struct document document = {0};

	if (!error && envelope.len)
		error = document_parse(envelope, &document);
	if (error) {
		struct outcome refusal = outcome_of_store_error(error);

		write_list_refuse(queue, &queue->waiting, &refusal);
		queue_pump(queue);
		return;
	}
	revision_replace(&queue->base, document.revision ? revision_of_document(&document)
							 : (struct revision){0});
	queue->fresh_for = queue->asked;
	queue_build(queue);
}

void queue_fetch_fresh(struct document_queue *queue)
{
	queue->asked = queue->arrivals;
	stat_add(queue->queues->worker->slot, STAT_document_cache_misses, 1);
	store_read(queue->queues->worker->store, queue->service, queue->id, on_read, queue);
}

/* The cache proposes; what it proposes is checked by the script. */
static void queue_fetch(struct document_queue *queue)
{
	const struct revision *cached =
		document_cache_find(queue->queues->cache, queue->service, queue->id);

	/* Only the base that came with the look-up may refuse it. */
	STAILQ_FIRST(&queue->waiting)->key_looked_up = false;
	if (!cached) {
		queue_fetch_fresh(queue);
		return;
	}
	stat_add(queue->queues->worker->slot, STAT_document_cache_hits, 1);
	revision_replace(&queue->base, revision_clone(cached));
	queue->fresh_for = 0;
	queue_build(queue);
}

/* --- all queues --- */

/* Writes that wait behind a script which does not answer, or behind the large writes of others:
 * surely not applied, so they need not wait longer than they may. */
static void expire_waiting(struct document_queue *queue)
{
	struct write *write;

	while ((write = STAILQ_FIRST(&queue->waiting)) && write_is_late(queue, write)) {
		STAILQ_REMOVE_HEAD(&queue->waiting, link);
		queue->waiting_count--;
		write_refuse_if_late(queue, write);
	}
}

static void on_tick(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct write_queues *queues = CONTAINER_OF(timer, struct write_queues, tick);
	struct document_queue *queue, *next;

	(void)events;
	stat_set(queues->worker->slot, STAT_document_cache_bytes,
		 document_cache_bytes(queues->cache));
	/* A queue that is busy outlives this: only its own callbacks end it. */
	for (queue = LIST_FIRST(&queues->all); queue; queue = next) {
		next = LIST_NEXT(queue, all);
		expire_waiting(queue);
	}
	if (!queues->pending)
		ev_timer_stop(loop, timer);
}

struct write_queues *write_queues_create(struct worker *worker, struct document_cache *cache)
{
	struct write_queues *queues = calloc(1, sizeof(*queues));

	MUST(queues);
	queues->worker = worker;
	queues->cache = cache;
	queues->limits.size_max = worker->config->documents_max_size;
	queues->limits.depth_max = worker->config->documents_max_depth;
	LIST_INIT(&queues->all);
	STAILQ_INIT(&queues->large);
	ev_init(&queues->tick, on_tick);
	queues->tick.repeat = TICK_S;
	return queues;
}

size_t write_queues_pending(const struct write_queues *queues)
{
	return queues->pending;
}

void write_queues_close(struct write_queues *queues)
{
	struct document_queue *queue, *next;

	queues->closing = true;
	for (queue = LIST_FIRST(&queues->all); queue; queue = next) {
		next = LIST_NEXT(queue, all);
		if (queue->build.begun) {
			batch_abandon(queue);
			queue_pump(queue);
			continue;
		}
		if (!ev_is_active(&queue->pause))
			continue;
		/* No reply will end this one's pause: it ends here. */
		ev_timer_stop(queues->worker->loop, &queue->pause);
		if (queue->is_written)
			batch_give_answers(queue);
		else if (STAILQ_EMPTY(&queue->batch))
			queue_pump(queue);
		else
			batch_answer_unknown(queue);
	}
}

void write_queues_destroy(struct write_queues *queues)
{
	if (!queues)
		return;
	MUST(LIST_EMPTY(&queues->all));
	ev_timer_stop(queues->worker->loop, &queues->tick);
	mutation_scratch_fini(&queues->scratch);
	mutation_scratch_fini(&queues->large_scratch);
	buffer_fini(&queues->envelope);
	free(queues);
}
