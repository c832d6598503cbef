#include "operations_private.h"

#include <gnutls/crypto.h>

#define GENERATED_ID_LEN 12

struct pending *operations_pending_create(struct operations *operations, operation_done_fn done,
					  void *arg)
{
	struct pending *pending = calloc(1, sizeof(*pending));

	MUST(pending);
	pending->operations = operations;
	pending->done = done;
	pending->arg = arg;
	operations->pending_reads++;
	return pending;
}

void operations_pending_finish(struct pending *pending, const struct outcome *outcome)
{
	pending->operations->pending_reads--;
	pending->done(outcome, pending->arg);
	free(pending);
}

/* --- read ----------------------------------------------------------------- */

bool operations_tag_matches(const struct tag_condition *condition, const struct document *document)
{
	if (!condition->present)
		return false;
	if (condition->any)
		return true;
	for (unsigned i = 0; i < condition->count; i++)
		if (condition->tags[i].revision == document->revision &&
		    condition->tags[i].updated_at_ms == document->updated_at_ms)
			return true;
	return false;
}

/* `whole_len`: as store_read_unless_fn has it. */
static struct outcome judge_read(const struct pending *pending, struct span envelope,
				 size_t whole_len)
{
	struct outcome outcome = {.status = 200, .unread_len = whole_len};

	if (!envelope.len)
		return outcome_refusal(404, "document_not_found", "there is no such document");
	if (whole_len ? document_parse_head(envelope, &outcome.document)
		      : document_parse(envelope, &outcome.document))
		return outcome_of_store_error(-EBADMSG);
	if (!whole_len)
		outcome.envelope = envelope;
	if (!document_is_living(&outcome.document, worker_now_ms()) && !pending->deleted) {
		bool expired = outcome.document.expires_at_ms;
		uint64_t revision = outcome.document.revision;

		outcome = outcome_refusal(410, expired ? "document_expired" : "document_deleted",
					  expired ? "the document has expired"
						  : "the document was deleted");
		outcome.has_current_revision = true;
		outcome.current_revision = revision;
		return outcome;
	}
	if (operations_tag_matches(&pending->if_none_match, &outcome.document))
		outcome.status = 304;
	return outcome;
}

static void on_read_unless(int error, struct span envelope, size_t whole_len, void *arg)
{
	struct pending *pending = arg;
	struct outcome outcome =
		error ? outcome_of_store_error(error) : judge_read(pending, envelope, whole_len);

	stat_add(pending->operations->worker->slot, STAT_reads_total, 1);
	operations_pending_finish(pending, &outcome);
}

static void on_read(int error, struct span envelope, void *arg)
{
	on_read_unless(error, envelope, 0, arg);
}

void operations_read(struct operations *operations, const struct read_request *request,
		     operation_done_fn done, void *arg)
{
	const struct tag_condition *none_match = &request->if_none_match;
	struct outcome refusal;

	if (operations_check_service(request->service, &refusal) ||
	    operations_check_id(request->id, &refusal)) {
		done(&refusal, arg);
		return;
	}
	if (request->revision) {
		operations_read_revision(operations, request, done, arg);
		return;
	}
	struct pending *pending = operations_pending_create(operations, done, arg);
	pending->deleted = request->deleted;
	pending->if_none_match = request->if_none_match;
	if (request->head_only || none_match->any || none_match->count)
		store_read_unless(operations->worker->store, request->service, request->id,
				  request->head_only || none_match->any, none_match->tags,
				  none_match->count, on_read_unless, pending);
	else
		store_read(operations->worker->store, request->service, request->id, on_read,
			   pending);
}

static void on_list(int error, struct span items, struct span next_page_token, void *arg)
{
	struct outcome outcome = {
		.status = 200, .items = items, .next_page_token = next_page_token};

	if (error == -EINVAL)
		outcome = outcome_refusal(400, "invalid_page_token",
					  "the page token is not from a page of this list");
	else if (error)
		outcome = outcome_of_store_error(error);
	operations_pending_finish(arg, &outcome);
}

void operations_list(struct operations *operations, const struct store_list_query *query,
		     operation_done_fn done, void *arg)
{
	struct outcome refusal;
	bool refused = operations_check_service(query->service, &refusal);

	if (!refused && query->prefix.len)
		refused = operations_check_id(query->prefix, &refusal);
	if (refused)
		done(&refusal, arg);
	else
		store_list(operations->worker->store, query, on_list,
			   operations_pending_create(operations, done, arg));
}

static void on_services(int error, struct span items, void *arg)
{
	struct outcome outcome = {.status = 200, .items = items};

	if (error)
		outcome = outcome_of_store_error(error);
	operations_pending_finish(arg, &outcome);
}

void operations_services(struct operations *operations, const struct rights *filter,
			 operation_done_fn done, void *arg)
{
	store_services(operations->worker->store, filter, on_services,
		       operations_pending_create(operations, done, arg));
}

/* --- write ---------------------------------------------------------------- */

/* The key of a write is remembered with its document: who sends a create again must meet the same
 * one. Its id is as hard to guess as the key is, and of each user another. */
static void derive_name(const struct write_request *request, char *ret)
{
	CLEANUP(buffer_fini) struct buffer text = {0};
	unsigned char digest[32];

	buffer_append_span(&text, request->service);
	buffer_append_char(&text, '\0');
	buffer_append_span(&text, request->by);
	buffer_append_char(&text, '\0');
	buffer_append_span(&text, request->idempotency_key);
	MUST(!gnutls_hash_fast(GNUTLS_DIG_SHA256, text.at, text.len, digest));
	for (size_t i = 0; i < GENERATED_ID_LEN; i++)
		ret[i] = WORKER_NAME_LETTERS[digest[i] % strlen(WORKER_NAME_LETTERS)];
	ret[GENERATED_ID_LEN] = '\0';
}

void operations_write(struct operations *operations, const struct write_request *request,
		      operation_done_fn done, void *arg)
{
	struct write_request write = *request;
	struct outcome refusal;
	char id[sizeof(GENERATED_ID_PREFIX) + GENERATED_ID_LEN] = GENERATED_ID_PREFIX;

	if (write.kind == WRITE_CREATE && !write.id.len) {
		char *name = id + strlen(GENERATED_ID_PREFIX);

		if (write.idempotency_key.len)
			derive_name(&write, name);
		else
			worker_random_name(name, GENERATED_ID_LEN);
		write.id = span_string(id);
	}
	if (operations_check_service(write.service, &refusal) ||
	    operations_check_id(write.id, &refusal) || operations_check_expiry(&write, &refusal) ||
	    operations_check_data(operations, &write, &refusal)) {
		done(&refusal, arg);
		return;
	}
	if (write.idempotency_key.len && !operations->worker->config->history_max) {
		refusal = outcome_refusal(
			422, "idempotency_unavailable",
			"Idempotency-Key needs the history, which is off (history.max = 0)");
		done(&refusal, arg);
		return;
	}
	if (write.kind == WRITE_CREATE && !write.data.len)
		write.data = SPAN("{}");
	if (write.kind == WRITE_RESTORE)
		operations_restore(operations, &write, done, arg);
	else
		write_queues_submit(operations->writes, &write, done, arg);
}

int operations_check_data(struct operations *operations, const struct write_request *request,
			  struct outcome *ret_fault)
{
	size_t size_max = operations->worker->config->documents_max_size;

	if (request->data.len > size_max) {
		*ret_fault = outcome_refusal(413, "document_too_large",
					     "data is %zu bytes, documents.max_size is %zu",
					     request->data.len, size_max);
		return -EINVAL;
	}
	if (request->kind == WRITE_DELETE || !request->data.len)
		return 0;
	if (request->kind == WRITE_PATCH ? request->data.at[0] != '['
					 : request->data.at[0] != '{') {
		*ret_fault = request->kind == WRITE_PATCH
				     ? outcome_refusal(422, "patch_invalid",
						       "a JSON Patch is an array of operations")
				     : outcome_refusal(422, "data_not_object",
						       "data must be a JSON object");
		return -EINVAL;
	}
	return 0;
}

/* --- life ----------------------------------------------------------------- */

struct operations *operations_create(struct worker *worker)
{
	struct operations *operations = calloc(1, sizeof(*operations));

	MUST(operations);
	operations->worker = worker;
	operations->cache =
		document_cache_create(worker->config->documents_cache, worker->hash_seed);
	operations->writes = write_queues_create(worker, operations->cache);
	worker->store = store_create(worker->loop, worker->config, worker->inherit->redis_url,
				     worker->hash_seed);
	return operations;
}

size_t operations_pending(const struct operations *operations)
{
	return operations->pending_reads + write_queues_pending(operations->writes);
}

void operations_destroy(struct operations *operations)
{
	if (!operations)
		return;
	write_queues_close(operations->writes);
	store_destroy(operations->worker->store);
	operations->worker->store = NULL;
	write_queues_destroy(operations->writes);
	document_cache_destroy(operations->cache);
	free(operations);
}
