/* operations_history.c — old revisions as users see them: the list, one of them, restore. */
#include "operations_private.h"

#include "diff.h"
#include "hash.h"
#include "history.h"
#include "log.h"
#include "store_history.h"
#include "utf8.h"

#define PAGE_BYTES_MAX (1u << 20) /* of entries, before their diffs are shortened for clients */
#define TOKEN_CHECK_LEN 16
#define TOKEN_MAX 48
/* The same on all hosts: a token may come back to another one. */
#define TOKEN_SEED UINT64_C(0x73796e63646f6332)

/* --- page tokens: the last revision shown, and a check that keeps out what was typed by hand  */

static size_t token_format(struct span service, struct span id, uint64_t revision,
			   char ret[TOKEN_MAX])
{
	uint64_t check = hash_bytes(TOKEN_SEED, &revision, sizeof(revision));

	check = hash_span(hash_span(check, service), id);
	return (size_t)snprintf(ret, TOKEN_MAX, "%0*llx%llu", TOKEN_CHECK_LEN,
				(unsigned long long)check, (unsigned long long)revision);
}

static int token_parse(struct span service, struct span id, struct span token, uint64_t *ret)
{
	char again[TOKEN_MAX];
	uint64_t revision = 0;

	for (size_t i = TOKEN_CHECK_LEN; i < token.len; i++)
		if (token.at[i] < '0' || token.at[i] > '9' ||
		    __builtin_mul_overflow(revision, 10, &revision) ||
		    __builtin_add_overflow(revision, (uint64_t)(token.at[i] - '0'), &revision))
			return -EINVAL;
	size_t len = token_format(service, id, revision, again);
	if (revision < 2 || !span_equals(token, span_of(again, len)))
		return -EINVAL;
	*ret = revision;
	return 0;
}

/* --- list ----------------------------------------------------------------- */

struct listing {
	struct pending *pending;
	struct span service, id; /* point into names */
	char names[];
};

/* What the store gives may have been written by hand: a text that is no text is left out. */
static void append_text(struct buffer *ret, const char *name, struct span text)
{
	if (!text.len || !utf8_is_valid(text))
		return;
	buffer_append_string(ret, name);
	buffer_append_json(ret, text);
}

static void append_diff(struct buffer *ret, struct json *doc, const struct listing *listing,
			const struct store_history_entry *entry)
{
	static struct log_limit foreign;
	struct json_fault fault;
	size_t before = ret->len;

	buffer_append_string(ret, ",\"diff\":");
	if (!json_parse(doc, entry->reversible, JSON_DEPTH_LIMIT, &fault) &&
	    !diff_client_form(doc, ret))
		return;
	ret->len = before;
	if (log_allow(&foreign))
		log_error("history: entry %llu of %.*s:%.*s has no diff of ours, shown without",
			  (unsigned long long)entry->revision, SPAN_ARGS(listing->service),
			  SPAN_ARGS(listing->id));
}

static void append_entry(struct buffer *ret, struct json *doc, const struct listing *listing,
			 const struct store_history_entry *entry)
{
	buffer_append_string(ret, ret->len > 1 ? ",{\"revision\":" : "{\"revision\":");
	buffer_append_u64(ret, entry->revision);
	append_text(ret, ",\"op\":", entry->op);
	buffer_append_string(ret, ",\"at\":");
	buffer_append_i64(ret, entry->at_ms);
	append_text(ret, ",\"by\":", entry->by);
	if (entry->has_diff)
		append_diff(ret, doc, listing, entry);
	buffer_append_char(ret, '}');
}

static void answer_list(struct listing *listing, const struct store_history *history)
{
	CLEANUP(buffer_fini) struct buffer items = {0};
	CLEANUP(json_fini) struct json doc = {0};
	char token[TOKEN_MAX];
	struct outcome outcome = {.status = 200, .items_name = "revisions"};

	buffer_append_char(&items, '[');
	for (size_t i = 0; i < history->count; i++)
		append_entry(&items, &doc, listing, &history->entries[i]);
	buffer_append_char(&items, ']');
	outcome.items = buffer_span(&items);
	uint64_t last = history->count ? history->entries[history->count - 1].revision : 0;
	if (!history->is_end && last > 1)
		outcome.next_page_token =
			span_of(token, token_format(listing->service, listing->id, last, token));
	operations_pending_finish(listing->pending, &outcome);
}

static void on_list(int error, const struct store_history *history, void *arg)
{
	struct listing *listing = arg;

	if (!error && history->document.revision) {
		answer_list(listing, history);
	} else {
		struct outcome refusal = error ? outcome_of_store_error(error)
					       : outcome_refusal(404, "document_not_found",
								 "there is no such document");
		operations_pending_finish(listing->pending, &refusal);
	}
	free(listing);
}

static struct span keep(char **at, struct span span)
{
	struct span copy = {*at, span.len};

	if (span.len)
		memcpy(*at, span.at, span.len);
	*at += span.len;
	return copy;
}

void operations_history(struct operations *operations, const struct history_query *query,
			operation_done_fn done, void *arg)
{
	struct store_history_query wanted = {
		.service = query->service,
		.id = query->id,
		.count = query->page_size,
		.bytes = PAGE_BYTES_MAX,
		.without_data = true,
	};
	struct outcome refusal;
	bool refused = operations_check_service(query->service, &refusal) ||
		       operations_check_id(query->id, &refusal);

	if (!refused && query->page_token.len &&
	    token_parse(query->service, query->id, query->page_token, &wanted.below)) {
		refusal = outcome_refusal(400, "invalid_page_token",
					  "the page token is not from a page of this history");
		refused = true;
	}
	if (refused) {
		done(&refusal, arg);
		return;
	}
	struct listing *listing = malloc(sizeof(*listing) + query->service.len + query->id.len);
	MUST(listing);
	char *at = listing->names;
	listing->service = keep(&at, query->service);
	listing->id = keep(&at, query->id);
	listing->pending = operations_pending_create(operations, done, arg);
	store_history(operations->worker->store, &wanted, on_list, listing);
}

/* --- one revision --------------------------------------------------------- */

static void on_revision(int error, const struct history_answer *answer, void *arg)
{
	struct pending *pending = arg;
	CLEANUP(buffer_fini) struct buffer envelope = {0};
	struct outcome outcome = {.status = 200};

	stat_add(pending->operations->worker->slot, STAT_reads_total, 1);
	if (error) {
		outcome = outcome_of_store_error(error);
	} else if (answer->finding.state != HISTORY_REBUILT) {
		outcome = history_refusal(&answer->finding);
	} else {
		outcome.document =
			revision_document(&answer->revision, answer->service, answer->id);
		document_format(&envelope, &outcome.document);
		outcome.envelope = buffer_span(&envelope);
		if (operations_tag_matches(&pending->if_none_match, &outcome.document))
			outcome.status = 304;
	}
	operations_pending_finish(pending, &outcome);
}

void operations_read_revision(struct operations *operations, const struct read_request *request,
			      operation_done_fn done, void *arg)
{
	struct pending *pending = operations_pending_create(operations, done, arg);

	pending->if_none_match = request->if_none_match;
	history_rebuild(operations->worker, request->service, request->id, request->revision,
			on_revision, pending);
}

/* --- restore -------------------------------------------------------------- */

/* A restore whose data is being rebuilt. */
struct restore {
	struct operations *operations;
	struct write_request request; /* spans point into storage */
	operation_done_fn done;
	void *arg;
	char storage[];
};

/* Whatever was found goes to the queue: there it is judged in its turn, behind the conditions and
 * behind the Idempotency-Key. */
static void on_restore(int error, const struct history_answer *answer, void *arg)
{
	struct restore *restore = arg;

	restore->operations->pending_reads--;
	if (error) {
		struct outcome refusal = outcome_of_store_error(error);

		restore->done(&refusal, restore->arg);
	} else {
		restore->request.found = answer->finding;
		restore->request.found_created_at_ms = answer->revision.created_at_ms;
		restore->request.data = text_span(answer->revision.data);
		write_queues_submit(restore->operations->writes, &restore->request, restore->done,
				    restore->arg);
	}
	free(restore);
}

void operations_restore(struct operations *operations, const struct write_request *request,
			operation_done_fn done, void *arg)
{
	struct restore *restore =
		malloc(sizeof(*restore) + request->service.len + request->id.len + request->by.len +
		       request->connection_id.len + request->idempotency_key.len);

	MUST(restore);
	char *at = restore->storage;
	restore->operations = operations;
	restore->done = done;
	restore->arg = arg;
	restore->request = *request;
	restore->request.service = keep(&at, request->service);
	restore->request.id = keep(&at, request->id);
	restore->request.by = keep(&at, request->by);
	restore->request.connection_id = keep(&at, request->connection_id);
	restore->request.idempotency_key = keep(&at, request->idempotency_key);
	operations->pending_reads++;
	history_rebuild(operations->worker, restore->request.service, restore->request.id,
			request->revision, on_restore, restore);
}

int operations_parse_restore(const struct json *doc, uint32_t object, const char *const *others,
			     struct write_request *ret, struct outcome *ret_fault)
{
	int64_t revision;

	if (operations_parse_members(doc, object, others, false, ret, ret_fault))
		return -EINVAL;
	if (ret->data.len) {
		*ret_fault = outcome_refusal(422, "unknown_member",
					     "restore takes the data of a revision, no \"data\"");
		return -EINVAL;
	}
	uint32_t token = json_member(doc, object, SPAN("revision"));
	if (!token) {
		*ret_fault = outcome_refusal(422, "revision_missing", "\"revision\" is missing");
		return -EINVAL;
	}
	if (json_int64(doc, token, &revision) || revision < 1) {
		*ret_fault = outcome_refusal(400, "invalid_member",
					     "\"revision\" must be an integer from 1 on");
		return -EINVAL;
	}
	ret->revision = (uint64_t)revision;
	return 0;
}
