#include "session_presence.h"

#include "presence.h"
#include "session_auth.h"
#include "store_presence.h"

/* A presence.* message whose answer has not come; the connection's struct outlives it. */
struct pending_presence {
	struct connection *connection;
	struct buffer service, id; /* of presence.list */
	size_t message_id_len;
	char message_id[]; /* raw JSON text */
};

static struct pending_presence *pending_create(struct connection *connection, struct span id)
{
	struct pending_presence *pending = calloc(1, sizeof(*pending) + id.len);

	MUST(pending);
	pending->connection = connection;
	pending->message_id_len = id.len;
	if (id.len)
		memcpy(pending->message_id, id.at, id.len);
	websockets_hold(connection);
	return pending;
}

static void pending_destroy(struct pending_presence *pending)
{
	struct connection *connection = pending->connection;

	buffer_fini(&pending->service);
	buffer_fini(&pending->id);
	free(pending);
	websockets_release(connection);
}

static void on_changed(const struct outcome *outcome, void *arg)
{
	struct pending_presence *pending = arg;
	struct connection *connection = pending->connection;
	struct span id = span_of(pending->message_id, pending->message_id_len);

	if (connection->state == CONNECTION_OPEN && outcome->status >= 400) {
		session_send_error(connection, id, outcome);
	} else if (connection->state == CONNECTION_OPEN) {
		struct buffer *text = session_answer_begin(connection, "result", id);

		/* The envelope is an object; its members become the answer's. */
		buffer_append_char(text, ',');
		buffer_append(text, outcome->envelope.at + 1, outcome->envelope.len - 2);
		session_answer_end(connection);
	}
	pending_destroy(pending);
}

static void on_listed(int error, struct span members, uint64_t users, void *arg)
{
	struct pending_presence *pending = arg;
	struct buffer text = {0};
	struct outcome outcome;

	if (error) {
		outcome = outcome_of_store_error(error);
	} else {
		presence_format_head(&text, buffer_span(&pending->service),
				     buffer_span(&pending->id), users);
		buffer_append_string(&text, ",\"members\":");
		buffer_append_span(&text, members);
		buffer_append_char(&text, '}');
		outcome = (struct outcome){.status = 200, .envelope = buffer_span(&text)};
	}
	on_changed(&outcome, pending);
	buffer_fini(&text);
}

static int read_names(struct connection *connection, const struct session_message *message,
		      struct buffer *service, struct buffer *id, struct outcome *ret_refusal)
{
	if (session_member_string(message, "service", service)) {
		*ret_refusal =
			outcome_refusal(400, "invalid_service", "\"service\" must be a string");
		return -EINVAL;
	}
	if (session_member_string(message, "documentId", id)) {
		*ret_refusal =
			outcome_refusal(400, "invalid_id", "\"documentId\" must be a document id");
		return -EINVAL;
	}
	if (session_access(connection, buffer_span(service), buffer_span(id), RIGHT_PRESENCE,
			   ret_refusal))
		return -EACCES;
	return presence_check_names(buffer_span(service), buffer_span(id), ret_refusal);
}

static void list(struct connection *connection, const struct session_message *message,
		 struct buffer *service, struct buffer *id)
{
	struct pending_presence *pending = pending_create(connection, message->id);

	pending->service = *service;
	pending->id = *id;
	*service = *id = (struct buffer){0};
	store_presence_list(connection->websockets->worker->store, buffer_span(&pending->service),
			    buffer_span(&pending->id), on_listed, pending);
}

static int change(struct connection *connection, const struct session_message *message,
		  enum presence_kind kind, struct presence_request *request, struct outcome *ret)
{
	static const char *const known[] = {"type", "id",   "service", "documentId",
					    "mode", "data", NULL};

	request->kind = kind;
	if (presence_parse_members(message->json, 0, known, &request->mode, &request->data, ret))
		return -EINVAL;
	if (kind == PRESENCE_LEAVE && (request->mode.len || request->data.len)) {
		*ret = outcome_refusal(422, "unknown_member",
				       "presence.leave takes neither \"mode\" nor \"data\"");
		return -EINVAL;
	}
	presence_change(connection->websockets->worker->presence, connection, request, on_changed,
			pending_create(connection, message->id));
	return 0;
}

void session_presence(struct connection *connection, const struct session_message *message)
{
	static const struct {
		const char *type;
		enum presence_kind kind;
	} kinds[] = {{"presence.join", PRESENCE_JOIN},
		     {"presence.update", PRESENCE_UPDATE},
		     {"presence.leave", PRESENCE_LEAVE}};
	struct buffer service = {0}, id = {0};
	struct outcome refusal;
	int error = read_names(connection, message, &service, &id, &refusal);
	struct presence_request request = {.service = buffer_span(&service),
					   .id = buffer_span(&id)};
	bool is_change = false;

	for (size_t i = 0; i < ARRAY_LEN(kinds) && !error; i++)
		if (span_equals(message->type, span_string(kinds[i].type))) {
			is_change = true;
			error = change(connection, message, kinds[i].kind, &request, &refusal);
		}
	if (!error && !is_change)
		list(connection, message, &service, &id);
	if (error)
		session_send_error(connection, message->id, &refusal);
	buffer_fini(&service);
	buffer_fini(&id);
}
