#include "write_queue.h"

#include "event.h"
#include "hash.h"
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
#define NO_SUCH_REVISION INT64_MAX /* no document ever gets there */

struct write {
	STAILQ_ENTRY(write) link;
	struct write_request request; /* spans point into storage and data */
	struct text *data;            /* owned; becomes the revision's data in a replace */
	operation_done_fn done;
	void *arg;
	int64_t deadline_ms;             /* monotonic */
	char name[REQUEST_NAME_LEN + 1]; /* `req` of the history entry; ours, never the client's */
	uint64_t arrival;                /* counts the writes of its queue */
	/* The base was asked for by a script that did not see this write's Idempotency-Key. */
	bool key_looked_up;
	/* In a batch: an earlier write of it with the same Idempotency-Key, whose answer this one
	 * gets; it has no mutation. */
	const struct write *twin;
	bool expires_first; /* `expiry` comes before `mutation` in the batch */
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
	bool busy; /* a read, a script or a pause is under way, or answers are being given */
	struct revision base; /* what the next batch stands on */
	/* What Redis says may answer a refusal only of writes that were there when it was asked:
	 * one that came later may know of a newer revision than the answer that was already on its
	 * way. */
	uint64_t arrivals;   /* writes so far */
	uint64_t asked;      /* `arrivals` when the newest read or script was sent */
	uint64_t fresh_for;  /* `asked` of the answer that `base` came with; 0: from the cache */
	unsigned mismatches; /* in a row */
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
static void queue_look_for_key(struct document_queue *queue);
static void queue_find_outcome(struct document_queue *queue);
static void answer_outcome_unknown(struct document_queue *queue);

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
				  void *arg, int64_t deadline_ms)
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
	write->twin = NULL;
}

/* The write is unlinked by the caller; the callback may start new writes of the same document. */
static void write_finish(struct document_queue *queue, struct write *write,
			 const struct outcome *outcome)
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

/* Adds the base's envelope to a refusal that tells its revision. It does not where the base is past
 * its time and the refusal is judged on the tombstone to come. */
static void write_refuse(struct document_queue *queue, struct write *write, struct outcome *refusal)
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

static void list_refuse(struct document_queue *queue, struct write_list *list,
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

static void queue_pause(struct document_queue *queue, double seconds,
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
	ev_init(&queue->pause, on_pause);
	LIST_INSERT_HEAD(&queues->all, queue, all);
	*place = queue;
	return queue;
}

static void queue_free(struct document_queue *queue)
{
	struct document_queue **place =
		queue_place(queue->queues, queue->service, queue->id, queue->hash);

	MUST(*place == queue);
	*place = queue->next;
	LIST_REMOVE(queue, all);
	ev_timer_stop(queue->queues->worker->loop, &queue->pause);
	revision_fini(&queue->base);
	free(queue);
}

static struct outcome refuse_shutting_down(void)
{
	struct outcome refusal = outcome_refusal(
		503, "shutting_down", "the server is shutting down; nothing was changed");

	refusal.retry_after_s = 1;
	return refusal;
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
	struct document_queue *queue = queue_get(queues, request->service, request->id);
	if (queue->waiting_count >= QUEUE_WRITES_MAX) {
		refusal = outcome_refusal(503, "write_contention",
					  "too many writes wait for this document");
		refusal.retry_after_s = 1;
		stat_add(worker->slot, STAT_write_contention, 1);
		done(&refusal, arg);
		return;
	}
	struct write *write = write_create(
		request, done, arg, worker_monotonic_ms() + worker->config->redis_timeout_ms);
	write->request.service = queue->service;
	write->request.id = queue->id;
	write->arrival = ++queue->arrivals;
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
	queue->mismatches = 0;
	if (queue->queues->closing) {
		struct outcome refusal = refuse_shutting_down();

		list_refuse(queue, &queue->waiting, &refusal);
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

		list_refuse(queue, &queue->waiting, &refusal);
		queue_pump(queue);
		return;
	}
	revision_replace(&queue->base, document.revision ? revision_of_document(&document)
							 : (struct revision){0});
	queue->fresh_for = queue->asked;
	queue_build(queue);
}

static void fetch_fresh(struct document_queue *queue)
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
		fetch_fresh(queue);
		return;
	}
	stat_add(queue->queues->worker->slot, STAT_document_cache_hits, 1);
	revision_replace(&queue->base, revision_clone(cached));
	queue->fresh_for = 0;
	queue_build(queue);
}

/* --- clone, apply, diff --- */

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

static bool refuse_if_late(struct document_queue *queue, struct write *write)
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
		fetch_fresh(queue);
}

/* Takes writes from the queue into a batch that stands on a clone of the base. A refusal is
 * answered only on a fresh base and before anything is in the batch: later ones wait for the
 * batch's end and are judged on what it made. */
static void queue_build(struct document_queue *queue)
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
		if (refuse_if_late(queue, write))
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

/* --- persist, broadcast --- */

/* The batch's writes go back to the head of the queue, in their order. */
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

/* What the script has taken; its document is that of the last one that is no twin. */
static const struct write *batch_last(const struct document_queue *queue)
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

static void answer_replay(struct document_queue *queue, struct write *write,
			  const struct revision *revision)
{
	struct outcome outcome = outcome_of_revision(queue, revision, 200);

	outcome.idempotent_replay = true;
	stat_add(queue->queues->worker->slot, STAT_idempotent_replays, 1);
	write_finish(queue, write, &outcome);
}

/* The twins stand behind `write` in the batch. */
static void take_twins(struct document_queue *queue, const struct write *write,
		       struct write_list *ret)
{
	struct write *twin, *next;

	if (!write->request.idempotency_key.len)
		return;
	STAILQ_FOREACH_SAFE(twin, &queue->batch, link, next)
	if (twin->twin == write) {
		STAILQ_REMOVE(&queue->batch, twin, write, link);
		STAILQ_INSERT_TAIL(ret, twin, link);
	}
}

static void answer_written(struct document_queue *queue, struct write *write)
{
	struct revision written = revision_clone(&write->mutation.next);
	struct outcome outcome =
		outcome_of_revision(queue, &written, write->mutation.created ? 201 : 200);
	struct write_list twins = STAILQ_HEAD_INITIALIZER(twins);

	take_twins(queue, write, &twins);
	stat_add(queue->queues->worker->slot, STAT_writes_total, 1);
	write_finish(queue, write, &outcome);
	while ((write = STAILQ_FIRST(&twins))) {
		STAILQ_REMOVE_HEAD(&twins, link);
		answer_replay(queue, write, &written);
	}
	revision_fini(&written);
}

static void batch_answer_written(struct document_queue *queue)
{
	struct write *write;

	document_cache_put(queue->queues->cache, queue->service, queue->id,
			   &batch_last(queue)->mutation.next);
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
static void queue_rebase(struct document_queue *queue, struct span envelope)
{
	batch_requeue(queue);
	if (adopt_envelope(queue, envelope)) {
		struct outcome refusal = outcome_of_store_error(-EBADMSG);

		list_refuse(queue, &queue->waiting, &refusal);
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

static void batch_refuse(struct document_queue *queue, int error)
{
	struct outcome refusal = outcome_of_store_error(error);

	list_refuse(queue, &queue->batch, &refusal);
	queue_pump(queue);
}

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
		answer_replay(queue, write, &answer->revision);
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
static void on_key_seen(struct document_queue *queue, const struct store_write_result *result)
{
	struct write *write = batch_write_of(queue, result->key_index);

	if (!write || !result->key_revision) {
		batch_refuse(queue, -EIO);
		return;
	}
	STAILQ_REMOVE(&queue->batch, write, write, link);
	batch_requeue(queue);
	if (adopt_envelope(queue, result->envelope)) {
		struct outcome refusal = outcome_of_store_error(-EBADMSG);

		write_finish(queue, write, &refusal);
		queue_pump(queue);
	} else if (queue->base.number && queue->base.number == result->key_revision) {
		answer_replay(queue, write, &queue->base);
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
		on_key_seen(queue, result);
	else if (!error && result->answer == STORE_MISMATCH)
		queue_rebase(queue, result->envelope);
	else
		batch_refuse(queue, error ? error : -EIO);
}

/* A write that would be refused may have been done before, under its Idempotency-Key: a create that
 * is sent again finds the document it made. Only the write script looks at keys, so it is called on
 * a base that no document has: that writes nothing and tells the key, or else the newest envelope,
 * on which the write is judged again. */
static void queue_look_for_key(struct document_queue *queue)
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
	} else if (error == -ECANCELED) { /* the store goes; the script may have been sent */
		answer_outcome_unknown(queue);
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

static void queue_persist(struct document_queue *queue)
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
	stat_add(queue->queues->worker->slot, STAT_write_batches, 1);
	queue->asked = queue->arrivals;
	store_write(queue->queues->worker->store, &batch, on_written, queue);
}

/* --- lost reply: never sent again, looked up in the history --- */

static void answer_outcome_unknown(struct document_queue *queue)
{
	struct outcome refusal = outcome_refusal(503, "outcome_unknown",
						 "Redis did not answer after the write was sent; "
						 "it may or may not have been applied");
	struct write *write;

	STAILQ_FOREACH(write, &queue->batch, link)
	stat_add(queue->queues->worker->slot, STAT_write_outcome_unknown, 1);
	document_cache_drop(queue->queues->cache, queue->service, queue->id);
	list_refuse(queue, &queue->batch, &refusal);
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
		answer_outcome_unknown(queue);
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

/* --- all queues --- */

/* Writes that wait behind a script which does not answer: surely not applied, so they need not wait
 * longer than their deadline. */
static void expire_waiting(struct document_queue *queue)
{
	struct write *write;

	while ((write = STAILQ_FIRST(&queue->waiting)) &&
	       write->deadline_ms <= worker_monotonic_ms()) {
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
