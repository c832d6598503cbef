#include "fake_store_private.h"

/* --- documents --- */

struct fake_document *fake_document_of(struct store *store, struct span service, struct span id)
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

struct document fake_document_head(const struct fake_document *document)
{
	struct document head = {0};

	if (document->envelope.len)
		MUST(!document_parse(buffer_span(&document->envelope), &head));
	return head;
}

/* The data may lie in the envelope that is replaced. */
void fake_document_set(struct fake_document *document, const struct document *head)
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

void fake_document_add(struct store *store, struct fake_document *document, uint64_t revision,
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
	struct fake_document *document = fake_document_of(store, head->service, head->id);

	fake_document_set(document, head);
	if (!head->revision)
		clear_entries(document);
}

void fake_store_rival(struct store *store, struct span service, struct span id)
{
	struct fake_document *document = fake_document_of(store, service, id);
	struct document head = fake_document_head(document);
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
	fake_document_set(document, &head);
	struct store_revision revision = {
		.op = SPAN("merge"), .at_ms = head.updated_at_ms, .request = SPAN("rival")};
	fake_document_add(store, document, head.revision, &revision);
	buffer_fini(&data);
}

const struct fake_document *fake_store_document(struct store *store, struct span service,
						struct span id)
{
	return fake_document_of(store, service, id);
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

void fake_store_answer(struct store *store, struct fake_reply reply)
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
