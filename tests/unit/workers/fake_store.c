#include "fake_store.h"

#include <bsd/sys/queue.h>
#include <criterion/criterion.h>

#define FATES_MAX 4096
#define KEYS_LOOKED_AT 20

enum fake_kind { FAKE_READ, FAKE_WRITE, FAKE_FIND, FAKE_HISTORY };

/* The answer of a command that has been executed. */
struct fake_reply {
	STAILQ_ENTRY(fake_reply) link;
	enum fake_kind kind;
	int error;
	struct buffer envelope;
	struct store_write_result written;
	struct store_found found;
	struct store_history history;
	struct store_history_entry *entries; /* owned */
	char *texts;                         /* owned; of the entries */
	store_history_fn history_fn;
	store_read_fn read_fn;
	store_write_fn write_fn;
	store_find_fn find_fn;
	void *arg;
};

struct store {
	struct ev_loop *loop;
	size_t history_max;
	enum fake_delivery delivery;
	STAILQ_HEAD(, fake_reply) replies;
	ev_timer turn;
	struct fake_document *documents;
	enum fake_fate fates[FATES_MAX];
	size_t fate_next, fate_count;
	int read_error;
	unsigned read_errors, hidden;
	bool lies_about_key;
	size_t lie;
	uint64_t sequence;
	struct fake_counts counts;
};

/* --- documents --- */

static struct fake_document *document_of(struct store *store, struct span service, struct span id)
{
	struct fake_document *document = store->documents;

	while (document && !(span_equals(span_string(document->service), service) &&
			     span_equals(span_string(document->id), id)))
		document = document->next;
	if (document)
		return document;
	document = calloc(1, sizeof(*document));
	MUST(document);
	memcpy(document->service, service.at, service.len);
	memcpy(document->id, id.at, id.len);
	document->next = store->documents;
	store->documents = document;
	return document;
}

static struct document head_of(const struct fake_document *document)
{
	struct document head = {0};

	if (document->envelope.len)
		MUST(!document_parse(buffer_span(&document->envelope), &head));
	return head;
}

/* The data may lie in the envelope that is replaced. */
static void set_envelope(struct fake_document *document, const struct document *head)
{
	struct buffer envelope = {0};

	if (head->revision)
		document_format(&envelope, head);
	buffer_fini(&document->envelope);
	document->envelope = envelope;
}

static void copy_span(char *room, size_t size, struct span span)
{
	cr_assert_lt(span.len, size);
	if (span.len)
		memcpy(room, span.at, span.len);
	room[span.len] = '\0';
}

static void entry_fini(struct fake_entry *entry)
{
	buffer_fini(&entry->reversible);
	buffer_fini(&entry->event);
}

static void add_entry(struct store *store, struct fake_document *document, uint64_t revision,
		      const struct store_revision *from)
{
	struct fake_entry entry = {.revision = revision, .at_ms = from->at_ms};

	if (!store->history_max)
		return;
	copy_span(entry.op, sizeof(entry.op), from->op);
	copy_span(entry.by, sizeof(entry.by), from->by);
	copy_span(entry.request, sizeof(entry.request), from->request);
	copy_span(entry.key, sizeof(entry.key), from->key);
	buffer_append_span(&entry.reversible, from->reversible);
	buffer_append_span(&entry.event, from->event);
	if (document->entry_count == store->history_max) {
		entry_fini(&document->entries[0]);
		memmove(document->entries, document->entries + 1,
			--document->entry_count * sizeof(entry));
	}
	document->entries =
		reallocarray(document->entries, document->entry_count + 1, sizeof(entry));
	MUST(document->entries);
	document->entries[document->entry_count++] = entry;
}

static void clear_entries(struct fake_document *document)
{
	for (size_t i = 0; i < document->entry_count; i++)
		entry_fini(&document->entries[i]);
	document->entry_count = 0;
}

void fake_store_put(struct store *store, const struct document *head)
{
	struct fake_document *document = document_of(store, head->service, head->id);

	set_envelope(document, head);
	if (!head->revision)
		clear_entries(document);
}

void fake_store_rival(struct store *store, struct span service, struct span id)
{
	struct fake_document *document = document_of(store, service, id);
	struct document head = head_of(document);
	struct buffer data = {0};

	if (!head.revision)
		head = (struct document){.created_at_ms = 1, .data = SPAN("{}")};
	buffer_append_span(&data, head.data);
	head.data = buffer_span(&data);
	head.service = service;
	head.id = id;
	head.revision++;
	head.updated_at_ms++;
	head.deleted = false;
	set_envelope(document, &head);
	struct store_revision revision = {
		.op = SPAN("merge"), .at_ms = head.updated_at_ms, .request = SPAN("rival")};
	add_entry(store, document, head.revision, &revision);
	buffer_fini(&data);
}

const struct fake_document *fake_store_document(struct store *store, struct span service,
						struct span id)
{
	return document_of(store, service, id);
}

/* --- replies --- */

static void deliver_history(struct fake_reply *reply)
{
	struct store_history *history = &reply->history;

	history->entries = reply->entries;
	if (reply->envelope.len) {
		history->envelope = buffer_span(&reply->envelope);
		MUST(!document_parse(history->envelope, &history->document));
	}
	reply->history_fn(reply->error, reply->error ? NULL : history, reply->arg);
}

static void deliver(struct fake_reply *reply, int error)
{
	if (error)
		reply->error = error;
	reply->written.envelope = reply->found.envelope = buffer_span(&reply->envelope);
	if (reply->kind == FAKE_READ)
		reply->read_fn(reply->error,
			       reply->error ? SPAN_NONE : buffer_span(&reply->envelope),
			       reply->arg);
	else if (reply->kind == FAKE_WRITE)
		reply->write_fn(reply->error, reply->error ? NULL : &reply->written, reply->arg);
	else if (reply->kind == FAKE_HISTORY)
		deliver_history(reply);
	else
		reply->find_fn(reply->error, reply->error ? NULL : &reply->found, reply->arg);
	free(reply->entries);
	free(reply->texts);
	buffer_fini(&reply->envelope);
	free(reply);
}

static size_t deliver_oldest(struct store *store, size_t most, int error)
{
	size_t count = 0;

	for (struct fake_reply *reply; count < most && (reply = STAILQ_FIRST(&store->replies));
	     count++) {
		STAILQ_REMOVE_HEAD(&store->replies, link);
		deliver(reply, error);
	}
	return count;
}

size_t fake_store_held(const struct store *store)
{
	const struct fake_reply *reply;
	size_t count = 0;

	STAILQ_FOREACH(reply, &store->replies, link)
	count++;
	return count;
}

size_t fake_store_release(struct store *store, size_t most)
{
	return deliver_oldest(store, most, 0);
}

static void on_turn(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct store *store = CONTAINER_OF(timer, struct store, turn);

	(void)loop;
	(void)events;
	if (store->delivery != FAKE_HELD)
		deliver_oldest(store, fake_store_held(store), 0);
}

static void answer(struct store *store, struct fake_reply reply)
{
	struct fake_reply *owned = malloc(sizeof(*owned));

	MUST(owned);
	*owned = reply;
	if (store->delivery == FAKE_SYNC) {
		deliver(owned, 0);
		return;
	}
	STAILQ_INSERT_TAIL(&store->replies, owned, link);
	if (store->delivery == FAKE_NEXT_TURN && !ev_is_active(&store->turn)) {
		ev_timer_set(&store->turn, 0., 0.);
		ev_timer_start(store->loop, &store->turn);
	}
}

/* --- commands --- */

void store_read(struct store *store, struct span service, struct span id, store_read_fn fn,
		void *arg)
{
	struct fake_reply reply = {.kind = FAKE_READ, .read_fn = fn, .arg = arg};

	store->counts.reads++;
	buffer_append_span(&reply.envelope,
			   buffer_span(&document_of(store, service, id)->envelope));
	if (store->read_errors) {
		store->read_errors--;
		reply.error = store->read_error;
	}
	answer(store, reply);
}

/* What write.lua and the relay rely on. */
static void check_batch(const struct store_batch *batch)
{
	struct json scratch = {0};
	struct event_segments segments;
	int64_t before_ms = batch->base_updated_at_ms;

	cr_assert_geq(batch->count, 1);
	cr_assert_eq(batch->final.revision, batch->base_revision + batch->count);
	for (size_t i = 0; i < batch->count; i++) {
		const struct store_revision *revision = &batch->revisions[i];
		cr_assert_gt(revision->at_ms, before_ms);
		before_ms = revision->at_ms;
		cr_assert_eq(event_parse(revision->event, &scratch, &segments), 0, "%.*s",
			     SPAN_ARGS(revision->event));
		cr_assert_eq(segments.revision, batch->base_revision + 1 + i);
		cr_assert_eq(segments.timestamp_ms, revision->at_ms);
		cr_assert(revision->request.len && revision->op.len && revision->reversible.len);
		for (size_t other = 0; revision->key.len && other < i; other++)
			cr_assert_not(span_equals(batch->revisions[other].key, revision->key));
	}
	cr_assert_eq(batch->final.updated_at_ms, before_ms);
	if (batch->envelope.len) {
		struct buffer formatted = {0};

		document_format(&formatted, &batch->final);
		cr_assert(span_equals(batch->envelope, buffer_span(&formatted)));
		buffer_fini(&formatted);
	}
	json_fini(&scratch);
}

static bool key_is_seen(const struct fake_document *document, const struct store_batch *batch,
			struct store_write_result *ret)
{
	size_t oldest =
		document->entry_count > KEYS_LOOKED_AT ? document->entry_count - KEYS_LOOKED_AT : 0;

	for (size_t i = 0; i < batch->count; i++)
		for (size_t e = document->entry_count; e-- > oldest;) {
			const struct fake_entry *entry = &document->entries[e];
			if (!batch->revisions[i].key.len ||
			    !span_equals(span_string(entry->key), batch->revisions[i].key))
				continue;
			ret->answer = STORE_KEY_SEEN;
			ret->key_index = i;
			ret->key_revision = entry->revision;
			return true;
		}
	return false;
}

static void execute(struct store *store, const struct store_batch *batch, struct fake_reply *reply)
{
	struct fake_document *document = document_of(store, batch->service, batch->id);
	struct document head = head_of(document);

	reply->written = (struct store_write_result){.answer = STORE_MISMATCH};
	if (store->lies_about_key) {
		store->lies_about_key = false;
		reply->written.answer = STORE_KEY_SEEN;
		reply->written.key_index = store->lie;
	} else if (!key_is_seen(document, batch, &reply->written) &&
		   head.revision == batch->base_revision &&
		   head.updated_at_ms == batch->base_updated_at_ms) {
		check_batch(batch);
		for (size_t i = 0; i < batch->count; i++)
			add_entry(store, document, batch->base_revision + 1 + i,
				  &batch->revisions[i]);
		set_envelope(document, &batch->final);
		reply->written = (struct store_write_result){.answer = STORE_WRITTEN,
							     .first_sequence = store->sequence + 1};
		store->sequence += batch->count;
		store->counts.batches++;
		if (batch->count > store->counts.largest)
			store->counts.largest = batch->count;
		return;
	}
	buffer_append_span(&reply->envelope, buffer_span(&document->envelope));
}

void store_write(struct store *store, const struct store_batch *batch, store_write_fn fn, void *arg)
{
	struct fake_reply reply = {.kind = FAKE_WRITE, .write_fn = fn, .arg = arg};
	enum fake_fate fate = FAKE_FINE;

	store->counts.writes++;
	if (store->fate_next < store->fate_count)
		fate = store->fates[store->fate_next++];
	if (fate == FAKE_RIVAL)
		fake_store_rival(store, batch->service, batch->id);
	if (fate == FAKE_FINE || fate == FAKE_RIVAL || fate == FAKE_LOST)
		execute(store, batch, &reply);
	if (fate == FAKE_UNSENT)
		reply.error = -EAGAIN;
	else if (fate == FAKE_LOST || fate == FAKE_GONE)
		reply.error = -ETIMEDOUT;
	else if (fate == FAKE_FAILED)
		reply.error = -EIO;
	answer(store, reply);
}

void store_find_request(struct store *store, struct span service, struct span id,
			struct span request, store_find_fn fn, void *arg)
{
	struct fake_reply reply = {.kind = FAKE_FIND, .find_fn = fn, .arg = arg};
	const struct fake_document *document = document_of(store, service, id);

	store->counts.finds++;
	for (size_t e = document->entry_count; e-- > 0 && !reply.found.found && !store->hidden;) {
		const struct fake_entry *entry = &document->entries[e];
		if (span_equals(span_string(entry->request), request))
			reply.found = (struct store_found){
				.found = true, .revision = entry->revision, .at_ms = entry->at_ms};
	}
	if (store->hidden)
		store->hidden--;
	if (reply.found.found)
		buffer_append_span(&reply.envelope, buffer_span(&document->envelope));
	answer(store, reply);
}

static struct span keep_text(char **at, struct span text)
{
	struct span copy = span_of(*at, text.len);

	if (text.len)
		memcpy(*at, text.at, text.len);
	*at += text.len;
	return copy;
}

static struct store_history_entry keep_entry(char **at, const struct fake_entry *entry)
{
	return (struct store_history_entry){
		.revision = entry->revision,
		.at_ms = entry->at_ms,
		.op = keep_text(at, span_string(entry->op)),
		.key = keep_text(at, span_string(entry->key)),
		.has_diff = entry->reversible.len > 0,
		.reversible = keep_text(at, buffer_span(&entry->reversible)),
	};
}

/* Without a limit of bytes, and the envelope always whole. */
void store_history(struct store *store, const struct store_history_query *query,
		   store_history_fn fn, void *arg)
{
	struct fake_reply reply = {.kind = FAKE_HISTORY, .history_fn = fn, .arg = arg};
	const struct fake_document *document = document_of(store, query->service, query->id);
	size_t room = 1;

	store->counts.histories++;
	buffer_append_span(&reply.envelope, buffer_span(&document->envelope));
	for (size_t e = 0; e < document->entry_count; e++)
		room += sizeof(struct fake_entry) + document->entries[e].reversible.len;
	char *at = reply.texts = malloc(room);
	reply.entries = calloc(document->entry_count + 1, sizeof(*reply.entries));
	MUST(at && reply.entries);
	reply.history.is_end = true;
	reply.history.oldest = document->entry_count ? document->entries[0].revision : 0;
	for (size_t e = document->entry_count; e-- > 0 && reply.history.is_end;) {
		const struct fake_entry *entry = &document->entries[e];
		if (entry->revision <= query->above ||
		    (query->below && entry->revision >= query->below))
			continue;
		if (reply.history.count == query->count)
			reply.history.is_end = false;
		else
			reply.entries[reply.history.count++] = keep_entry(&at, entry);
	}
	if (store->read_errors) {
		store->read_errors--;
		reply.error = store->read_error;
	}
	answer(store, reply);
}

/* --- scripting --- */

void fake_store_deliver(struct store *store, enum fake_delivery delivery)
{
	store->delivery = delivery;
}

void fake_store_fate(struct store *store, enum fake_fate fate, unsigned count)
{
	MUST(store->fate_count + count <= FATES_MAX);
	while (count--)
		store->fates[store->fate_count++] = fate;
}

void fake_store_fail_reads(struct store *store, int error, unsigned count)
{
	store->read_error = error;
	store->read_errors = count;
}

void fake_store_hide(struct store *store, unsigned count)
{
	store->hidden = count;
}

void fake_store_lie_about_key(struct store *store, size_t index)
{
	store->lies_about_key = true;
	store->lie = index;
}

struct fake_counts fake_store_counts(const struct store *store)
{
	return store->counts;
}

struct store *fake_store_create(struct ev_loop *loop, size_t history_max)
{
	struct store *store = calloc(1, sizeof(*store));

	MUST(store);
	store->loop = loop;
	store->history_max = history_max;
	STAILQ_INIT(&store->replies);
	ev_init(&store->turn, on_turn);
	return store;
}

void store_destroy(struct store *store)
{
	if (!store)
		return;
	store->delivery = FAKE_HELD;
	deliver_oldest(store, SIZE_MAX, -ECANCELED);
	ev_timer_stop(store->loop, &store->turn);
	while (store->documents) {
		struct fake_document *document = store->documents;
		store->documents = document->next;
		clear_entries(document);
		free(document->entries);
		buffer_fini(&document->envelope);
		free(document);
	}
	free(store);
}
