/* documents_handler.c — …/documents, …/documents:batchGet and …/documents/{id}: requests into
 * operations. What is answered is request_answer_outcome()'s business. */
#include "handlers.h"

#include "documents_request.h"
#include "long_poll.h"
#include "media_type.h"
#include "patch.h"

/* A handler that refuses fills `fault` and returns -EINVAL; the entry points below answer it. */

/* --- …/documents ----------------------------------------------------------- */

static int read_order(const struct request *request, enum store_order *ret, struct outcome *fault)
{
	const char *order = request_query(request, "order");

	*ret = STORE_ORDER_UPDATED;
	if (!order || strcmp(order, "updated") == 0)
		return 0;
	*ret = STORE_ORDER_ID;
	if (strcmp(order, "id") == 0)
		return 0;
	*fault = outcome_refusal(400, "invalid_query", "\"order\" must be updated or id");
	return -EINVAL;
}

/* What a prefix may hold is what an id may hold; anything else would match nothing, and is more
 * likely a mistake. */
static int read_prefix(const struct request *request, struct span *ret, struct outcome *fault)
{
	struct span prefix = span_string(request_query(request, "prefix"));

	if (prefix.len && !document_id_is_valid(prefix)) {
		*fault = outcome_refusal(400, "invalid_query",
					 "\"prefix\" must be the start of an id");
		return -EINVAL;
	}
	*ret = prefix;
	return 0;
}

static int list_documents(struct request *request, struct outcome *fault)
{
	static const char *const known[] = {"page_size", "page_token", "prefix", "deleted",
					    "order",     "data",       NULL};
	struct store_list_query query = {
		.service = request_path_service(request),
		.page_token = span_string(request_query(request, "page_token")),
		.now_ms = worker_now_ms(),
		.filter = principal_filter(request_principal(request),
					   request_path_service(request), RIGHT_READ),
	};

	if (request_check_query(request, known, fault) ||
	    documents_read_page_size(request, &query.page_size, fault) ||
	    read_order(request, &query.order, fault) ||
	    read_prefix(request, &query.prefix, fault) ||
	    documents_read_flag(request, "deleted", &query.deleted, fault) ||
	    documents_read_flag(request, "data", &query.data, fault))
		return -EINVAL;
	operations_list(request_worker(request)->operations, &query, request_answer_outcome,
			request);
	return 0;
}

/* `id` decoded into `memory`. */
static int read_id(const struct json *json, struct buffer *memory, struct span *ret,
		   struct outcome *fault)
{
	uint32_t token = json_member(json, 0, SPAN("id"));

	if (!token)
		return 0;
	if (json_string(json, token, memory) || !document_id_is_valid(buffer_span(memory))) {
		*fault = outcome_refusal(400, "invalid_id",
					 "\"id\" must be a string of 1 to %d of [A-Za-z0-9_.:@-]",
					 DOCUMENT_ID_MAX);
		return -EINVAL;
	}
	*ret = buffer_span(memory);
	return 0;
}

static int read_create(struct request *request, struct write_request *write, struct buffer *id,
		       struct outcome *fault)
{
	static const char *const others[] = {"id", NULL};
	struct json *json = documents_scratch();

	if (!request_body(request).len)
		return 0; /* as `{}` */
	if (documents_parse_body(request, 1, json, fault) ||
	    operations_parse_members(json, 0, others, false, write, fault))
		return -EINVAL;
	if (write->has_expected_revision) {
		*fault = outcome_refusal(
			422, "unknown_member",
			"\"expectedRevision\" has no meaning here: POST only makes new documents");
		return -EINVAL;
	}
	return read_id(json, id, &write->id, fault);
}

/* Which document it is stands in the body. An id that the server makes must be allowed whatever it
 * is. */
static int check_create(struct request *request, const struct write_request *write,
			struct outcome *fault)
{
	const struct principal *principal = request_principal(request);

	if (write->id.len)
		return request_access(request, write->service, write->id, RIGHT_WRITE, fault);
	if (rights_allow_all(principal->rights, write->service, SPAN(GENERATED_ID_PREFIX),
			     RIGHT_WRITE))
		return 0;
	*fault = principal_refuse_generated_id();
	return -EACCES;
}

static int create_document(struct request *request, struct outcome *fault)
{
	CLEANUP(buffer_fini) struct buffer id = {0};
	struct write_request write;

	if (documents_check_no_query(request, fault) ||
	    documents_begin_write(request, WRITE_CREATE, &write, fault) ||
	    read_create(request, &write, &id, fault) || check_create(request, &write, fault))
		return -EINVAL;
	documents_submit(request, &write);
	return 0;
}

void documents_handle_collection(struct request *request)
{
	struct outcome fault;
	int error = request_method(request) == HTTP_POST ? create_document(request, &fault)
							 : list_documents(request, &fault);

	if (error)
		request_answer_problem(request, &fault);
}

static int batch_get(struct request *request, struct outcome *fault)
{
	struct json *json = documents_scratch();

	if (documents_check_no_query(request, fault) ||
	    documents_parse_body(request, 1, json, fault))
		return -EINVAL;
	uint32_t ids = json_member(json, 0, SPAN("ids"));
	if (!ids || json->tokens[0].count != 1) {
		*fault = outcome_refusal(422, "invalid_member",
					 "the body must be {\"ids\":[…]} and nothing else");
		return -EINVAL;
	}
	operations_read_many(request_worker(request)->operations, request_path_service(request),
			     json, ids,
			     principal_filter(request_principal(request),
					      request_path_service(request), RIGHT_READ),
			     request_answer_outcome, request);
	return 0;
}

void documents_handle_batch_get(struct request *request)
{
	struct outcome fault;

	if (batch_get(request, &fault))
		request_answer_problem(request, &fault);
}

/* --- …/documents/{id} ------------------------------------------------------ */

static int read_revision(const struct request *request, uint64_t *ret, struct outcome *fault)
{
	const char *text = request_query(request, "revision");
	int64_t revision;

	if (!text)
		return 0;
	if (documents_read_integer(text, 1, INT64_MAX, &revision)) {
		*fault = outcome_refusal(400, "invalid_query",
					 "\"revision\" must be an integer from 1 on");
		return -EINVAL;
	}
	*ret = (uint64_t)revision;
	return 0;
}

static int wait_for_change(struct request *request, const struct read_request *read,
			   struct outcome *fault)
{
	unsigned seconds;

	if (long_poll_parse_wait(request_query(request, "wait"), &seconds)) {
		*fault = outcome_refusal(400, "invalid_query",
					 "\"wait\" must be 1 to %d seconds, like 30 or 30s",
					 LONG_POLL_MAX_S);
		return -EINVAL;
	}
	if (!read->if_none_match.present || read->revision) {
		*fault = outcome_refusal(400, "invalid_query", "\"wait\" %s",
					 read->revision ? "and \"revision\" exclude each other"
							: "needs If-None-Match");
		return -EINVAL;
	}
	return long_poll_start(request, read, seconds, fault);
}

static int read_document(struct request *request, struct outcome *fault)
{
	static const char *const known[] = {"deleted", "revision", "wait", NULL};
	struct read_request read = {.service = request_path_service(request),
				    .id = request_path_id(request),
				    .head_only = request_is_head(request)};
	struct tag_condition if_match;

	if (request_check_query(request, known, fault) ||
	    documents_read_flag(request, "deleted", &read.deleted, fault) ||
	    read_revision(request, &read.revision, fault) ||
	    documents_read_conditions(request, &if_match, &read.if_none_match, fault))
		return -EINVAL;
	if (if_match.present) {
		*fault = outcome_refusal(400, "invalid_condition",
					 "If-Match has no meaning for GET");
		return -EINVAL;
	}
	if (request_query(request, "wait"))
		return wait_for_change(request, &read, fault);
	operations_read(request_worker(request)->operations, &read, request_answer_outcome,
			request);
	return 0;
}

static int replace_document(struct request *request, struct outcome *fault)
{
	static const char *const others[] = {NULL};
	struct json *json = documents_scratch();
	struct write_request write;

	if (documents_check_no_query(request, fault) ||
	    documents_begin_write(request, WRITE_REPLACE, &write, fault) ||
	    documents_parse_body(request, 1, json, fault) ||
	    operations_parse_members(json, 0, others, true, &write, fault))
		return -EINVAL;
	documents_submit(request, &write);
	return 0;
}

/* What patch_reads() finds would tell who may only write what the document holds. */
static int check_patch_reads(struct request *request, const struct json *operations,
			     struct outcome *fault)
{
	struct span service = request_path_service(request), id = request_path_id(request);
	uint32_t operation;

	if (principal_allows(request_principal(request), service, id, RIGHT_READ) ||
	    !patch_reads(operations, 0, &operation))
		return 0;
	int error = request_access(request, service, id, RIGHT_READ, fault);
	fault->has_failed_operation = true;
	fault->failed_operation = operation;
	return error;
}

/* The body of merge-patch and json-patch is the patch; expectedRevision then is If-Match. */
static int read_patch(struct request *request, struct write_request *write, struct outcome *fault)
{
	static const char *const others[] = {NULL};
	enum media_type type = media_type_parse(request_header(request, "Content-Type"));
	struct json *json = documents_scratch();

	/* [{"op":"add","path":"/a","value":…}]: a value lies two levels deep, and the place it goes
	 * to at least one. */
	unsigned wrapped = type == MEDIA_TYPE_MERGE_PATCH  ? 0
			   : type == MEDIA_TYPE_JSON_PATCH ? 2
							   : 1;
	if (documents_parse_body(request, wrapped, json, fault))
		return -EINVAL;
	if (type == MEDIA_TYPE_JSON)
		return operations_parse_members(json, 0, others, true, write, fault);
	write->kind = type == MEDIA_TYPE_JSON_PATCH ? WRITE_PATCH : WRITE_MERGE;
	write->data = json_raw(json, 0);
	return write->kind == WRITE_PATCH ? check_patch_reads(request, json, fault) : 0;
}

static int patch_document(struct request *request, struct outcome *fault)
{
	struct write_request write;

	if (documents_check_no_query(request, fault) ||
	    documents_begin_write(request, WRITE_MERGE, &write, fault) ||
	    read_patch(request, &write, fault))
		return -EINVAL;
	documents_submit(request, &write);
	return 0;
}

static int delete_document(struct request *request, struct outcome *fault)
{
	static const char *const known[] = {"expectedRevision", NULL};
	const char *expected = request_query(request, "expectedRevision");
	struct write_request write;

	if (request_check_query(request, known, fault) ||
	    documents_begin_write(request, WRITE_DELETE, &write, fault))
		return -EINVAL;
	write.has_expected_revision = expected;
	if (expected && documents_read_integer(expected, 0, INT64_MAX, &write.expected_revision)) {
		*fault = outcome_refusal(400, "invalid_query",
					 "\"expectedRevision\" must be an integer from 0 on");
		return -EINVAL;
	}
	documents_submit(request, &write);
	return 0;
}

void documents_handle_document(struct request *request)
{
	enum http_method method = request_method(request);
	struct outcome fault;
	int error = method == HTTP_PUT      ? replace_document(request, &fault)
		    : method == HTTP_PATCH  ? patch_document(request, &fault)
		    : method == HTTP_DELETE ? delete_document(request, &fault)
					    : read_document(request, &fault);

	if (error)
		request_answer_problem(request, &fault);
}
