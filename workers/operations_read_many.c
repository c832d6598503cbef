/* operations_read_many.c — up to 100 documents at once. Read some MiB at a time, so that no turn of
 * the loop, ours or Redis', is long. */
#include "operations_private.h"

#define BATCH_GET_MAX 100
#define BATCH_GET_BYTES_MAX ((size_t)32 << 20) /* of an answer with more than one document */

struct batch_read {
	struct pending *pending;
	struct buffer names; /* owned: what service and ids point into */
	struct span service;
	struct span ids[BATCH_GET_MAX];
	size_t count, next; /* of ids; those before `next` have been read */
	struct buffer items;
};

static void batch_finish(struct batch_read *batch, const struct outcome *outcome)
{
	operations_pending_finish(batch->pending, outcome);
	buffer_fini(&batch->names);
	buffer_fini(&batch->items);
	free(batch);
}

static void batch_answer(struct batch_read *batch)
{
	struct outcome outcome = {.status = 200};

	buffer_append_char(&batch->items, ']');
	outcome.items = buffer_span(&batch->items);
	stat_add(batch->pending->operations->worker->slot, STAT_reads_total, batch->count);
	batch_finish(batch, &outcome);
}

static int append_living(struct buffer *items, struct span envelope, int64_t now_ms)
{
	struct document document;

	if (!envelope.len || document_parse(envelope, &document) ||
	    !document_is_living(&document, now_ms))
		return 0;
	if (items->len > 1) {
		if (items->len + envelope.len > BATCH_GET_BYTES_MAX)
			return -E2BIG;
		buffer_append_char(items, ',');
	}
	buffer_append_span(items, envelope);
	return 0;
}

static void batch_read_on(struct batch_read *batch);

static void on_read_many(int error, const struct span *envelopes, size_t count, void *arg)
{
	struct batch_read *batch = arg;
	struct outcome refusal;
	int64_t now_ms = worker_now_ms();

	if (error) {
		refusal = outcome_of_store_error(error);
		batch_finish(batch, &refusal);
		return;
	}
	for (size_t i = 0; i < count; i++) {
		if (!append_living(&batch->items, envelopes[i], now_ms))
			continue;
		refusal = outcome_refusal(413, "batch_too_large",
					  "these documents are more than %zu MiB together; ask "
					  "for fewer at once",
					  BATCH_GET_BYTES_MAX >> 20);
		batch_finish(batch, &refusal);
		return;
	}
	batch->next += count;
	if (batch->next < batch->count)
		batch_read_on(batch);
	else
		batch_answer(batch);
}

static void batch_read_on(struct batch_read *batch)
{
	store_read_many(batch->pending->operations->worker->store, batch->service,
			batch->ids + batch->next, batch->count - batch->next, on_read_many, batch);
}

/* Decodes service and ids into batch->names, one after the other; spans are made when it no longer
 * moves. */
static int read_ids(struct batch_read *batch, struct span service, const struct json *doc,
		    uint32_t array, struct outcome *ret_refusal)
{
	size_t ends[BATCH_GET_MAX];

	if (!array || doc->tokens[array].type != JSON_ARRAY || !doc->tokens[array].count ||
	    doc->tokens[array].count > BATCH_GET_MAX) {
		*ret_refusal =
			outcome_refusal(422, "invalid_member",
					"\"ids\" must be an array of 1 to %d ids", BATCH_GET_MAX);
		return -EINVAL;
	}
	buffer_append_span(&batch->names, service);
	for (uint32_t i = array + 1; i < doc->tokens[array].next; i = doc->tokens[i].next) {
		if (json_string(doc, i, &batch->names)) {
			*ret_refusal =
				outcome_refusal(422, "invalid_member", "\"ids\" must hold strings");
			return -EINVAL;
		}
		ends[batch->count++] = batch->names.len;
	}
	batch->service = span_of(batch->names.at, service.len);
	for (size_t i = 0; i < batch->count; i++) {
		size_t start = i ? ends[i - 1] : service.len;

		batch->ids[i] = span_of(batch->names.at + start, ends[i] - start);
		if (operations_check_id(batch->ids[i], ret_refusal))
			return -EINVAL;
	}
	return 0;
}

static void keep_allowed(struct batch_read *batch, const struct rights *filter)
{
	size_t kept = 0;

	for (size_t i = 0; i < batch->count; i++)
		if (!filter || rights_allow(filter, batch->service, batch->ids[i], RIGHT_READ))
			batch->ids[kept++] = batch->ids[i];
	batch->count = kept;
}

void operations_read_many(struct operations *operations, struct span service,
			  const struct json *doc, uint32_t ids, const struct rights *filter,
			  operation_done_fn done, void *arg)
{
	struct batch_read *batch = calloc(1, sizeof(*batch));
	struct outcome refusal;

	MUST(batch);
	batch->pending = operations_pending_create(operations, done, arg);
	buffer_append_char(&batch->items, '[');
	if (operations_check_service(service, &refusal) ||
	    read_ids(batch, service, doc, ids, &refusal)) {
		batch_finish(batch, &refusal);
		return;
	}
	keep_allowed(batch, filter);
	if (batch->count)
		batch_read_on(batch);
	else
		batch_answer(batch);
}
