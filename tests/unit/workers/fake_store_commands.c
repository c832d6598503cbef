/* fake_store_commands.c — what workers call: by the rules of the scripts, at once. */
#include "fake_store_private.h"

#define KEYS_LOOKED_AT 20

void store_read(struct store *store, struct span service, struct span id, store_read_fn fn,
		void *arg)
{
	struct fake_reply reply = {.kind = FAKE_READ, .read_fn = fn, .arg = arg};

	store->counts.reads++;
	buffer_append_span(&reply.envelope,
			   buffer_span(&fake_document_of(store, service, id)->envelope));
	if (store->read_errors) {
		store->read_errors--;
		reply.error = store->read_error;
	}
	fake_store_answer(store, reply);
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
	struct fake_document *document = fake_document_of(store, batch->service, batch->id);
	struct document head = fake_document_head(document);

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
			fake_document_add(store, document, batch->base_revision + 1 + i,
					  &batch->revisions[i]);
		fake_document_set(document, &batch->final);
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
	fake_store_answer(store, reply);
}

void store_find_request(struct store *store, struct span service, struct span id,
			struct span request, store_find_fn fn, void *arg)
{
	struct fake_reply reply = {.kind = FAKE_FIND, .find_fn = fn, .arg = arg};
	const struct fake_document *document = fake_document_of(store, service, id);

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
	fake_store_answer(store, reply);
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
	const struct fake_document *document = fake_document_of(store, query->service, query->id);
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
	fake_store_answer(store, reply);
}
