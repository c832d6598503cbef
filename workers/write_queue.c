#include "write_queue.h"

#include "event.h"
#include "hash.h"
#include "log.h"
#include "mutation.h"
#include <bsd/sys/queue.h>

#define BATCH_WRITES_MAX 64
#define BATCH_BYTES_MAX (4u << 20)
#define QUEUE_WRITES_MAX 4096 /* per document */
#define QUEUE_BUCKETS 4096    /* of documents being written at this moment */
#define TICK_S 0.1
#define FIND_PAUSE_S 0.02
#define FIND_AT_LEAST_MS 500
#define FREE_MISMATCHES 3 /* from the fourth on a random pause: see pause_after_mismatch() */
#define REQUEST_NAME_LEN 20

struct write {
	STAILQ_ENTRY(write) link;
	struct write_request request; /* spans point into storage and data */
	struct text *data;            /* owned; becomes the revision's data in a replace */
	operation_done_fn done;
	void *arg;
	int64_t deadline_ms;                  /* monotonic */
	char name[REQUEST_NAME_LEN + 1];      /* `req` of the history entry; ours, never the client's */
	bool expires_first;                   /* `expiry` comes before `mutation` in the batch */
	struct mutation expiry;
	struct mutation mutation;
	struct buffer expiry_event, event; /* texts for the channel */
	char storage[];
};

STAILQ_HEAD(write_list, write);

struct document_queue {
	struct document_queue *next; /* in its bucket */
	LIST_ENTRY(document_queue) all;
	struct write_queues *queues;
	uint64_t hash;
	struct write_list waiting;
	struct write_list batch; /* in the script that is under way */
	size_t waiting_count;
	bool busy;            /* a read, a script or a pause is under way, or answers are being given */
	struct revision base; /* what the next batch stands on */
	bool base_is_fresh;   /* read from the primary for this very judgement: refusals may be answered */
	unsigned mismatches;  /* in a row */
	int64_t find_until_ms;
	ev_timer pause;
	void (*after_pause)(struct document_queue *queue);
	struct span service, id; /* point into names */
	char names[];
};

struct write_queues {
	struct worker *worker;
	struct document_cache *cache;
	struct document_queue *buckets[QUEUE_BUCKETS];
	LIST_HEAD(, document_queue) all;
	size_t pending;
	bool closing;
	ev_timer tick;
	struct mutation_scratch scratch;
	struct mutation_limits limits;
	struct buffer envelope; /* scratch for answers */
};

static void queue_pump(struct document_queue *queue);
static void queue_fetch(struct document_queue *queue);
static void queue_build(struct document_queue *queue);
static void queue_persist(struct document_queue *queue);
static void queue_find_outcome(struct document_queue *queue);

/* --- writes ------------------------------------------------------------------------------------------ */

static struct span store_span(char **at, struct span span)
{
	struct span copy = {*at, span.len};

	if (span.len)
		memcpy(*at, span.at, span.len);
	*at += span.len;
	return copy;
}

static struct write *write_create(const struct write_request *request, operation_done_fn done, void *arg,
				  int64_t deadline_ms)
{
	struct write *write = calloc(1, sizeof(*write) + request->by.len + request->connection_id.len +
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
	write->deadline_ms = deadline_ms;
	worker_random_name(write->name, REQUEST_NAME_LEN);
	return write;
}

static void write_forget_batch(struct write *write)
{
	mutation_fini(&write->expiry);
	mutation_fini(&write->mutation);
	buffer_fini(&write->expiry_event);
	buffer_fini(&write->event);
	write->expires_first = false;
}

/* The write is unlinked by the caller; the callback may start new writes of the same document. */
static void write_finish(struct document_queue *queue, struct write *write, const struct outcome *outcome)
{
	struct slot *slot = queue->queues->worker->slot;

	if (outcome->status == 409 || outcome->status == 412)
		stat_add(slot, STAT_write_conflicts, 1);
	queue->queues->pending--;
	write->done(outcome, write->arg);
	write_forget_batch(write);
	text_put(write->data);
	free(write);
}

/* Adds the base's envelope to a refusal that tells the current revision. */
static void write_refuse(struct document_queue *queue, struct write *write, struct outcome *refusal)
{
	struct buffer *envelope = &queue->queues->envelope;

	if (refusal->has_current_revision && queue->base.number) {
		refusal->document = revision_document(&queue->base, queue->service, queue->id);
		if (!queue->base.deleted) {
			envelope->len = 0;
			document_format(envelope, &refusal->document);
			refusal->envelope = buffer_span(envelope);
		}
	}
	write_finish(queue, write, refusal);
}

static void list_refuse(struct document_queue *queue, struct write_list *list, const struct outcome *refusal)
{
	struct write *write;

	while ((write = STAILQ_FIRST(list))) {
		STAILQ_REMOVE_HEAD(list, link);
		if (list == &queue->waiting)
			queue->waiting_count--;
		write_finish(queue, write, refusal);
	}
}

/* --- queues ------------------------------------------------------------------------------------------ */

static struct document_queue **queue_place(struct write_queues *queues, struct span service, struct span id, uint64_t hash)
{
	struct document_queue **place = &queues->buckets[hash & (QUEUE_BUCKETS - 1)];

	while (*place && !((*place)->hash == hash && span_equals((*place)->service, service) && span_equals((*place)->id, id)))
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

static void queue_pause(struct document_queue *queue, double seconds, void (*after)(struct document_queue *queue))
{
	queue->after_pause = after;
	ev_timer_set(&queue->pause, seconds, 0.);
	ev_timer_start(queue->queues->worker->loop, &queue->pause);
}

static struct document_queue *queue_get(struct write_queues *queues, struct span service, struct span id)
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
	ev_init(&queue->pause, on_pause);
	LIST_INSERT_HEAD(&queues->all, queue, all);
	*place = queue;
	return queue;
}

static void queue_free(struct document_queue *queue)
{
	struct document_queue **place = queue_place(queue->queues, queue->service, queue->id, queue->hash);

	MUST(*place == queue);
	*place = queue->next;
	LIST_REMOVE(queue, all);
	ev_timer_stop(queue->queues->worker->loop, &queue->pause);
	revision_fini(&queue->base);
	free(queue);
}

void write_queues_submit(struct write_queues *queues, const struct write_request *request, operation_done_fn done, void *arg)
{
	struct worker *worker = queues->worker;
	struct document_queue *queue = queue_get(queues, request->service, request->id);

	if (queues->closing || queue->waiting_count >= QUEUE_WRITES_MAX) {
		struct outcome refusal = outcome_refusal(503, queues->closing ? "shutting_down" : "write_contention",
							 "too many writes wait for this document");

		refusal.retry_after_s = 1;
		done(&refusal, arg);
		if (!queue->busy)
			queue_free(queue);
		return;
	}
	struct write *write = write_create(request, done, arg,
					   worker_monotonic_ms() + worker->config->redis_timeout_ms);
	write->request.service = queue->service;
	write->request.id = queue->id;
	STAILQ_INSERT_TAIL(&queue->waiting, write, link);
	queue->waiting_count++;
	queues->pending++;
	if (!ev_is_active(&queues->tick))
		ev_timer_again(worker->loop, &queues->tick);
	if (!queue->busy)
		queue_pump(queue);
}

/* Starts the next batch, or ends the queue. Nothing of it is under way when this is called. */
static void queue_pump(struct document_queue *queue)
{
	queue->busy = true;
	if (queue->queues->closing) {
		struct outcome refusal = outcome_refusal(503, "shutting_down", "the server is shutting down; nothing was changed");

		refusal.retry_after_s = 1;
		list_refuse(queue, &queue->waiting, &refusal);
	}
	if (STAILQ_EMPTY(&queue->waiting)) {
		queue_free(queue);
		return;
	}
	queue_fetch(queue);
}

/* --- fetch ------------------------------------------------------------------------------------------- */

static void on_read(int error, struct span envelope, void *arg)
{
	struct document_queue *queue = arg;
	struct document document = {0};

	if (!error && envelope.len)
		error = document_parse(envelope, &document);
	if (error) {
		struct outcome refusal = outcome_of_store_error(error);

		list_refuse(queue, &queue->waiting, &refusal);
		queue_pump(queue);
		return;
	}
	revision_replace(&queue->base, document.revision ? revision_of_document(&document) : (struct revision){0});
	queue->base_is_fresh = true;
	queue_build(queue);
}

static void fetch_fresh(struct document_queue *queue)
{
	stat_add(queue->queues->worker->slot, STAT_document_cache_misses, 1);
	store_read(queue->queues->worker->store, queue->service, queue->id, on_read, queue);
}

/* The cache proposes; what it proposes is checked by the script. */
static void queue_fetch(struct document_queue *queue)
{
	const struct revision *cached = document_cache_find(queue->queues->cache, queue->service, queue->id);

	if (!cached) {
		fetch_fresh(queue);
		return;
	}
	stat_add(queue->queues->worker->slot, STAT_document_cache_hits, 1);
	revision_replace(&queue->base, revision_clone(cached));
	queue->base_is_fresh = false;
	queue_build(queue);
}

/* --- clone, apply, diff ------------------------------------------------------------------------------ */

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

	if (base->number && !base->deleted && base->expires_at_ms && base->expires_at_ms <= now_ms) {
		mutation_expire(base, now_ms, &write->expiry);
		write->expires_first = true;
		base = &write->expiry.next;
	}
	int error = mutation_judge(base, &write->request, ret_refusal);
	if (!error)
		error = mutation_apply(&queues->scratch, &queues->limits, base, &write->request, write->data, now_ms,
				       &write->mutation, ret_refusal);
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

static bool refuse_if_late(struct document_queue *queue, struct write *write)
{
	if (write->deadline_ms > worker_monotonic_ms())
		return false;
	struct outcome refusal = outcome_of_store_error(-EAGAIN);
	if (queue->mismatches) {
		refusal = outcome_refusal(503, "write_contention",
					  "others kept writing this document until the deadline; nothing was changed");
		refusal.retry_after_s = 1;
		stat_add(queue->queues->worker->slot, STAT_write_contention, 1);
	}
	write_finish(queue, write, &refusal);
	return true;
}

/* Takes writes from the queue into a batch that stands on a clone of the base. A refusal is answered only on a fresh base and before
 * anything is in the batch: later ones wait for the batch's end and are judged on what it made. */
static void queue_build(struct document_queue *queue)
{
	struct revision state = revision_clone(&queue->base);
	size_t count = 0, bytes = 0;
	bool stale = false;
	struct write *write;

	while (count < BATCH_WRITES_MAX && bytes < BATCH_BYTES_MAX && (write = STAILQ_FIRST(&queue->waiting))) {
		struct outcome refusal;

		STAILQ_REMOVE_HEAD(&queue->waiting, link);
		queue->waiting_count--;
		if (refuse_if_late(queue, write))
			continue;
		if (!batch_apply(queue, write, &state, &refusal)) {
			STAILQ_INSERT_TAIL(&queue->batch, write, link);
			count++;
			bytes += write->event.len + write->mutation.reversible.len;
			continue;
		}
		if (!count && queue->base_is_fresh) {
			write_refuse(queue, write, &refusal);
			continue;
		}
		STAILQ_INSERT_HEAD(&queue->waiting, write, link);
		queue->waiting_count++;
		stale = !count;
		break;
	}
	revision_fini(&state);
	if (count)
		queue_persist(queue);
	else if (stale)
		fetch_fresh(queue);
	else
		queue_pump(queue);
}

/* --- persist, broadcast ------------------------------------------------------------------------------ */

/* Bytes of the batch go back to the head of the queue, in their order. */
static void batch_requeue(struct document_queue *queue)
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

static void answer_written(struct document_queue *queue, struct write *write)
{
	struct buffer *envelope = &queue->queues->envelope;
	struct outcome outcome = {.status = write->mutation.created ? 201 : 200};

	outcome.document = revision_document(&write->mutation.next, queue->service, queue->id);
	envelope->len = 0;
	document_format(envelope, &outcome.document);
	outcome.envelope = buffer_span(envelope);
	stat_add(queue->queues->worker->slot, STAT_writes_total, 1);
	write_finish(queue, write, &outcome);
}

static void batch_answer_written(struct document_queue *queue)
{
	struct write *write = STAILQ_LAST(&queue->batch, write, link);

	queue->mismatches = 0;
	document_cache_put(queue->queues->cache, queue->service, queue->id, &write->mutation.next);
	while ((write = STAILQ_FIRST(&queue->batch))) {
		STAILQ_REMOVE_HEAD(&queue->batch, link);
		answer_written(queue, write);
	}
	queue_pump(queue);
}

static int adopt_envelope(struct document_queue *queue, struct span envelope)
{
	struct document document = {0};

	if (envelope.len && document_parse(envelope, &document))
		return -EBADMSG;
	revision_replace(&queue->base, document.revision ? revision_of_document(&document) : (struct revision){0});
	queue->base_is_fresh = true;
	if (queue->base.number)
		document_cache_put(queue->queues->cache, queue->service, queue->id, &queue->base);
	else
		document_cache_drop(queue->queues->cache, queue->service, queue->id);
	return 0;
}

/* Contenders on other hosts and workers: from the fourth mismatch on, wait a random 0…2^n × 100 µs, at most 5 ms. */
static void pause_after_mismatch(struct document_queue *queue)
{
	unsigned power = queue->mismatches < 10 ? queue->mismatches : 10;
	double most_s = (double)(1u << power) * 100e-6;

	if (most_s > 5e-3)
		most_s = 5e-3;
	queue_pause(queue, most_s * drand48(), queue_build);
}

static void on_mismatch(struct document_queue *queue, struct span envelope)
{
	stat_add(queue->queues->worker->slot, STAT_write_mismatches, 1);
	batch_requeue(queue);
	queue->mismatches++;
	if (adopt_envelope(queue, envelope)) {
		struct outcome refusal = outcome_of_store_error(-EBADMSG);

		list_refuse(queue, &queue->waiting, &refusal);
		queue_pump(queue);
	} else if (queue->mismatches > FREE_MISMATCHES) {
		pause_after_mismatch(queue);
	} else {
		queue_build(queue);
	}
}

/* Nothing of the batch was written: one of its writes was done before, under the same Idempotency-Key. */
static void on_key_seen(struct document_queue *queue, const struct store_write_result *result)
{
	struct write *write = STAILQ_FIRST(&queue->batch);
	size_t index = 0;

	/* key_index counts revisions; an expiry that goes before its write is one of its own. */
	for (; write; write = STAILQ_NEXT(write, link)) {
		index += write->expires_first ? 2 : 1;
		if (index > result->key_index)
			break;
	}
	MUST(write);
	STAILQ_REMOVE(&queue->batch, write, write, link);
	batch_requeue(queue);
	int error = adopt_envelope(queue, result->envelope);
	struct outcome outcome = error ? outcome_of_store_error(error) : (struct outcome){.status = 200};
	if (!error && queue->base.number == result->key_revision) {
		outcome.idempotent_replay = true;
		outcome.document = revision_document(&queue->base, queue->service, queue->id);
		queue->queues->envelope.len = 0;
		document_format(&queue->queues->envelope, &outcome.document);
		outcome.envelope = buffer_span(&queue->queues->envelope);
		stat_add(queue->queues->worker->slot, STAT_idempotent_replays, 1);
	} else if (!error) {
		outcome = outcome_refusal(409, "idempotency_key_used",
					  "this Idempotency-Key made revision %llu, and the document has moved on since",
					  (unsigned long long)result->key_revision);
		outcome.has_current_revision = true;
		outcome.current_revision = queue->base.number;
	}
	write_finish(queue, write, &outcome);
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
		on_key_seen(queue, result);
	} else if (error == -ETIMEDOUT) {
		queue_find_outcome(queue);
	} else {
		struct outcome refusal = outcome_of_store_error(error);

		list_refuse(queue, &queue->batch, &refusal);
		queue_pump(queue);
	}
}

static void add_revision(struct store_revision *revision, const struct mutation *mutation, const struct write *write,
			 const struct buffer *event, bool is_expiry)
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

static void queue_persist(struct document_queue *queue)
{
	struct store_revision revisions[2 * BATCH_WRITES_MAX];
	const struct write *write, *last = STAILQ_LAST(&queue->batch, write, link);
	struct store_batch batch = {
		.service = queue->service,
		.id = queue->id,
		.base_revision = queue->base.number,
		.base_updated_at_ms = queue->base.updated_at_ms,
		.base_expires_at_ms = queue->base.expires_at_ms,
		.base_deleted = queue->base.deleted,
		.final = revision_document(&last->mutation.next, queue->service, queue->id),
		.revisions = revisions,
	};

	STAILQ_FOREACH(write, &queue->batch, link)
	{
		if (write->expires_first)
			add_revision(&revisions[batch.count++], &write->expiry, write, &write->expiry_event, true);
		add_revision(&revisions[batch.count++], &write->mutation, write, &write->event, false);
	}
	stat_add(queue->queues->worker->slot, STAT_write_batches, 1);
	store_write(queue->queues->worker->store, &batch, on_written, queue);
}

/* --- lost reply: never sent again, looked up in the history ------------------------------------------- */

static void answer_outcome_unknown(struct document_queue *queue)
{
	struct outcome refusal = outcome_refusal(503, "outcome_unknown",
						 "Redis did not answer after the write was sent; it may or may not have been applied");
	struct write *write;

	STAILQ_FOREACH(write, &queue->batch, link) stat_add(queue->queues->worker->slot, STAT_write_outcome_unknown, 1);
	document_cache_drop(queue->queues->cache, queue->service, queue->id);
	list_refuse(queue, &queue->batch, &refusal);
	queue_pump(queue);
}

static void look_for_outcome(struct document_queue *queue);

static void on_found(int error, const struct store_found *found, void *arg)
{
	struct document_queue *queue = arg;
	const struct write *first = STAILQ_FIRST(&queue->batch);
	const struct revision *planned = first->expires_first ? &first->expiry.next : &first->mutation.next;

	/* All or none: where the first is, all are. */
	if (!error && found->found && found->revision == planned->number && found->at_ms == planned->updated_at_ms) {
		stat_add(queue->queues->worker->slot, STAT_write_outcome_found, 1);
		batch_answer_written(queue);
	} else if (queue->queues->closing || worker_monotonic_ms() >= queue->find_until_ms) {
		answer_outcome_unknown(queue);
	} else {
		queue_pause(queue, FIND_PAUSE_S, look_for_outcome);
	}
}

static void look_for_outcome(struct document_queue *queue)
{
	const struct write *first = STAILQ_FIRST(&queue->batch);

	store_find_request(queue->queues->worker->store, queue->service, queue->id, span_string(first->name), on_found,
			   queue);
}

static void queue_find_outcome(struct document_queue *queue)
{
	const struct write *write;
	struct worker *worker = queue->queues->worker;

	if (!worker->config->history_max || queue->queues->closing) {
		answer_outcome_unknown(queue);
		return;
	}
	queue->find_until_ms = worker_monotonic_ms() + FIND_AT_LEAST_MS;
	STAILQ_FOREACH(write, &queue->batch, link)
	if (write->deadline_ms > queue->find_until_ms)
		queue->find_until_ms = write->deadline_ms;
	look_for_outcome(queue);
}

/* --- all queues -------------------------------------------------------------------------------------- */

/* Writes that wait behind a script which does not answer: surely not applied, so they need not wait longer than their deadline. */
static void expire_waiting(struct document_queue *queue)
{
	struct write *write;

	while ((write = STAILQ_FIRST(&queue->waiting)) && write->deadline_ms <= worker_monotonic_ms()) {
		STAILQ_REMOVE_HEAD(&queue->waiting, link);
		queue->waiting_count--;
		refuse_if_late(queue, write);
	}
}

static void on_tick(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct write_queues *queues = CONTAINER_OF(timer, struct write_queues, tick);
	struct document_queue *queue, *next;

	(void)events;
	stat_set(queues->worker->slot, STAT_document_cache_bytes, document_cache_bytes(queues->cache));
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
		if (!ev_is_active(&queue->pause))
			continue;
		/* No reply will end this one's pause: it ends here. */
		ev_timer_stop(queues->worker->loop, &queue->pause);
		if (STAILQ_EMPTY(&queue->batch))
			queue_pump(queue);
		else
			answer_outcome_unknown(queue);
	}
}

void write_queues_destroy(struct write_queues *queues)
{
	if (!queues)
		return;
	MUST(LIST_EMPTY(&queues->all));
	ev_timer_stop(queues->worker->loop, &queues->tick);
	mutation_scratch_fini(&queues->scratch);
	buffer_fini(&queues->envelope);
	free(queues);
}
