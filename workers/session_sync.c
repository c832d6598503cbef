#include "session.h"

#include "operations.h"
#include "patch.h"
#include "session_auth.h"

/* A sync.* message whose answer has not come. The connection's struct outlives it
 * (connection->pending), its socket perhaps not. */
struct pending_sync {
	struct connection *connection;
	bool conceals; /* who writes may not read: the answer has no data */
	size_t id_len;
	char id[]; /* raw JSON text */
};

static struct pending_sync *pending_create(struct connection *connection, struct span id)
{
	struct pending_sync *pending = malloc(sizeof(*pending) + id.len);

	MUST(pending);
	pending->connection = connection;
	pending->conceals = false;
	pending->id_len = id.len;
	if (id.len)
		memcpy(pending->id, id.at, id.len);
	websockets_hold(connection);
	return pending;
}

static void append_result(struct buffer *text, const struct outcome *outcome)
{
	if (outcome->envelope.len) {
		buffer_append_string(text, ",\"document\":");
		buffer_append_span(text, outcome->envelope);
	}
	if (outcome->items.len) {
		buffer_append_char(text, ',');
		buffer_append_json(
			text, span_string(outcome->items_name ? outcome->items_name : "items"));
		buffer_append_char(text, ':');
		buffer_append_span(text, outcome->items);
	}
	if (outcome->next_page_token.len) {
		buffer_append_string(text, ",\"next_page_token\":");
		buffer_append_json(text, outcome->next_page_token);
	}
	if (outcome->idempotent_replay)
		buffer_append_string(text, ",\"idempotentReplay\":true");
}

static void on_done(const struct outcome *outcome, void *arg)
{
	struct pending_sync *pending = arg;
	struct connection *connection = pending->connection;
	struct span id = span_of(pending->id, pending->id_len);
	CLEANUP(buffer_fini) struct buffer head = {0};
	struct outcome shown;

	if (pending->conceals) {
		shown = *outcome;
		outcome_conceal(&shown, &head);
		outcome = &shown;
	}
	if (connection->state == CONNECTION_OPEN) {
		if (outcome->status >= 400) {
			session_send_error(connection, id, outcome);
		} else {
			append_result(session_answer_begin(connection, "result", id), outcome);
			session_answer_end(connection);
		}
	}
	free(pending);
	websockets_release(connection);
}

/* --- names ------------------------------------------------------------------- */

struct names {
	struct buffer service, id;
};

static void names_fini(struct names *names)
{
	buffer_fini(&names->service);
	buffer_fini(&names->id);
}

static int read_names(const struct session_message *message, bool id_needed, struct names *ret,
		      struct outcome *ret_refusal)
{
	if (session_member_string(message, "service", &ret->service)) {
		*ret_refusal =
			outcome_refusal(400, "invalid_service", "\"service\" must be a string");
		return -EINVAL;
	}
	int error = session_member_string(message, "documentId", &ret->id);
	/* An id that is there and empty is not an id that is absent: sync.create would make one. */
	if (error == -EINVAL || (error && id_needed) || (!error && !ret->id.len)) {
		*ret_refusal =
			outcome_refusal(400, "invalid_id", "\"documentId\" must be a document id");
		return -EINVAL;
	}
	return 0;
}

/* --- operations -------------------------------------------------------------- */

/* An id that the server makes must be allowed whatever it is. */
static int check_write(struct connection *connection, const struct names *names,
		       struct outcome *ret_refusal)
{
	struct span service = buffer_span(&names->service), id = buffer_span(&names->id);

	if (session_access(connection, service, id, RIGHT_WRITE, ret_refusal))
		return -EACCES;
	if (id.len || rights_allow_all(connection->principal->rights, service,
				       SPAN(GENERATED_ID_PREFIX), RIGHT_WRITE))
		return 0;
	*ret_refusal = principal_refuse_generated_id();
	return -EACCES;
}

/* What patch_reads() finds would tell who may only write what the document holds. */
static int check_patch_reads(struct connection *connection, const struct session_message *message,
			     const struct names *names, struct outcome *ret_refusal)
{
	uint32_t data = json_member(message->json, 0, SPAN("data")), operation;

	if (!data ||
	    !session_access(connection, buffer_span(&names->service), buffer_span(&names->id),
			    RIGHT_READ, ret_refusal) ||
	    !patch_reads(message->json, data, &operation))
		return 0;
	ret_refusal->has_failed_operation = true;
	ret_refusal->failed_operation = operation;
	return -EACCES;
}

static void submit(struct connection *connection, const struct write_request *request,
		   struct span message_id)
{
	struct pending_sync *pending = pending_create(connection, message_id);

	pending->conceals =
		!principal_allows_some(connection->principal, request->service, RIGHT_READ);
	operations_write(connection->websockets->worker->operations, request, on_done, pending);
}

static int start_write(struct connection *connection, const struct session_message *message,
		       enum write_kind kind, struct outcome *ret_refusal)
{
	static const char *const others[] = {"type", "id", "service", "documentId", NULL};
	static const char *const restore_others[] = {"type",       "id",       "service",
						     "documentId", "revision", NULL};
	struct write_request request = {.kind = kind};
	struct names names = {0};
	bool data_needed = kind == WRITE_REPLACE || kind == WRITE_MERGE || kind == WRITE_PATCH;
	int error = read_names(message, kind != WRITE_CREATE, &names, ret_refusal);

	if (!error)
		error = check_write(connection, &names, ret_refusal);
	if (!error && kind == WRITE_PATCH)
		error = check_patch_reads(connection, message, &names, ret_refusal);
	if (!error && kind == WRITE_RESTORE)
		error = operations_parse_restore(message->json, 0, restore_others, &request,
						 ret_refusal);
	else if (!error)
		error = operations_parse_members(message->json, 0, others, data_needed, &request,
						 ret_refusal);
	if (!error && kind == WRITE_DELETE &&
	    (request.data.len || request.expiry != EXPIRY_UNCHANGED)) {
		*ret_refusal = outcome_refusal(422, "unknown_member", "sync.delete takes no \"%s\"",
					       request.data.len ? "data" : "ttl\" or \"expiresAt");
		error = -EINVAL;
	}
	if (!error) {
		request.service = buffer_span(&names.service);
		request.id = buffer_span(&names.id);
		request.by = principal_user(connection->principal);
		request.connection_id = connection_id(connection);
		submit(connection, &request, message->id);
	}
	names_fini(&names);
	return error;
}

static int refuse_member(struct outcome *ret, const char *text)
{
	*ret = outcome_refusal(400, "invalid_member", "%s", text);
	return -EINVAL;
}

static int read_revision(const struct session_message *message, uint64_t *ret,
			 struct outcome *ret_refusal)
{
	uint32_t token = json_member(message->json, 0, SPAN("revision"));
	int64_t revision = 0;

	if (token && (json_int64(message->json, token, &revision) || revision < 1))
		return refuse_member(ret_refusal, "\"revision\" must be an integer from 1 on");
	*ret = (uint64_t)revision;
	return 0;
}

static int read_readable_names(struct connection *connection, const struct session_message *message,
			       struct names *ret, struct outcome *ret_refusal)
{
	int error = read_names(message, true, ret, ret_refusal);

	return error ? error
		     : session_access(connection, buffer_span(&ret->service), buffer_span(&ret->id),
				      RIGHT_READ, ret_refusal);
}

static int start_read(struct connection *connection, const struct session_message *message,
		      struct outcome *ret_refusal)
{
	struct read_request request = {0};
	struct names names = {0};
	int error = read_readable_names(connection, message, &names, ret_refusal);

	if (!error && session_member_boolean(message, "deleted", &request.deleted) == -EINVAL) {
		*ret_refusal =
			outcome_refusal(400, "invalid_member", "\"deleted\" must be true or false");
		error = -EINVAL;
	}
	if (!error)
		error = read_revision(message, &request.revision, ret_refusal);
	if (!error) {
		request.service = buffer_span(&names.service);
		request.id = buffer_span(&names.id);
		operations_read(connection->websockets->worker->operations, &request, on_done,
				pending_create(connection, message->id));
	}
	names_fini(&names);
	return error;
}

static int read_page_size(const struct session_message *message, unsigned *ret,
			  struct outcome *ret_refusal)
{
	uint32_t size = json_member(message->json, 0, SPAN("page_size"));
	int64_t page_size = STORE_PAGE_SIZE_DEFAULT;

	if (size && (json_int64(message->json, size, &page_size) || page_size < 1 ||
		     page_size > STORE_PAGE_SIZE_MAX))
		return refuse_member(ret_refusal, "\"page_size\" must be 1 to 1000");
	*ret = (unsigned)page_size;
	return 0;
}

static int read_list_query(const struct session_message *message, struct store_list_query *query,
			   struct buffer *token, struct buffer *prefix, struct outcome *ret_refusal)
{
	uint32_t order = json_member(message->json, 0, SPAN("order"));

	if (read_page_size(message, &query->page_size, ret_refusal))
		return -EINVAL;
	if (order && json_string_equals(message->json, order, SPAN("id")))
		query->order = STORE_ORDER_ID;
	else if (order && !json_string_equals(message->json, order, SPAN("updated")))
		return refuse_member(ret_refusal, "\"order\" must be \"updated\" or \"id\"");
	if (session_member_string(message, "page_token", token) == -EINVAL ||
	    session_member_string(message, "prefix", prefix) == -EINVAL)
		return refuse_member(ret_refusal, "\"page_token\" and \"prefix\" must be strings");
	/* `data` of a list says whether items come with theirs, as in REST. */
	if (session_member_boolean(message, "deleted", &query->deleted) == -EINVAL ||
	    session_member_boolean(message, "data", &query->data) == -EINVAL)
		return refuse_member(ret_refusal, "\"deleted\" and \"data\" must be true or false");
	query->page_token = buffer_span(token);
	query->prefix = buffer_span(prefix);
	return 0;
}

static int start_history(struct connection *connection, const struct session_message *message,
			 struct outcome *ret_refusal)
{
	struct history_query query = {0};
	struct names names = {0};
	struct buffer token = {0};
	int error = read_readable_names(connection, message, &names, ret_refusal);

	if (!error)
		error = read_page_size(message, &query.page_size, ret_refusal);
	if (!error && session_member_string(message, "page_token", &token) == -EINVAL)
		error = refuse_member(ret_refusal, "\"page_token\" must be a string");
	if (!error) {
		query.service = buffer_span(&names.service);
		query.id = buffer_span(&names.id);
		query.page_token = buffer_span(&token);
		operations_history(connection->websockets->worker->operations, &query, on_done,
				   pending_create(connection, message->id));
	}
	names_fini(&names);
	buffer_fini(&token);
	return error;
}

static int start_list(struct connection *connection, const struct session_message *message,
		      struct outcome *ret_refusal)
{
	struct store_list_query query = {.order = STORE_ORDER_UPDATED, .now_ms = worker_now_ms()};
	struct buffer service = {0}, token = {0}, prefix = {0};
	int error = 0;

	if (session_member_string(message, "service", &service)) {
		*ret_refusal =
			outcome_refusal(400, "invalid_service", "\"service\" must be a string");
		error = -EINVAL;
	}
	if (!error)
		error = session_access(connection, buffer_span(&service), SPAN_NONE, RIGHT_READ,
				       ret_refusal);
	if (!error)
		error = read_list_query(message, &query, &token, &prefix, ret_refusal);
	if (!error) {
		query.service = buffer_span(&service);
		query.filter = principal_filter(connection->principal, query.service, RIGHT_READ);
		operations_list(connection->websockets->worker->operations, &query, on_done,
				pending_create(connection, message->id));
	}
	buffer_fini(&service);
	buffer_fini(&token);
	buffer_fini(&prefix);
	return error;
}

void session_sync(struct connection *connection, const struct session_message *message)
{
	static const struct {
		const char *type;
		enum write_kind kind;
	} writes[] = {
		{"sync.create", WRITE_CREATE}, {"sync.replace", WRITE_REPLACE},
		{"sync.merge", WRITE_MERGE},   {"sync.patch", WRITE_PATCH},
		{"sync.delete", WRITE_DELETE}, {"sync.restore", WRITE_RESTORE},
	};
	struct outcome refusal;
	int error = 0;
	bool started = false;

	for (size_t i = 0; i < ARRAY_LEN(writes) && !started; i++)
		if (span_equals(message->type, span_string(writes[i].type))) {
			error = start_write(connection, message, writes[i].kind, &refusal);
			started = true;
		}
	if (!started && span_equals(message->type, SPAN("sync.get")))
		error = start_read(connection, message, &refusal);
	else if (!started && span_equals(message->type, SPAN("sync.history")))
		error = start_history(connection, message, &refusal);
	else if (!started)
		error = start_list(connection, message, &refusal);
	if (error)
		session_send_error(connection, message->id, &refusal);
}
