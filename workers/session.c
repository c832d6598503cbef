#include "session.h"

#include "operations.h"
#include "session_auth.h"
#include "session_presence.h"
#include "session_subscribe.h"

#define FAULTS_PER_MINUTE_MAX 10
#define TOKEN 1000      /* one message; tokens are counted in thousandths */
#define WRAPPER_DEPTH 2 /* the message around the data, and operations around values */

/* --- answers ----------------------------------------------------------------- */

struct buffer *session_answer_begin(struct connection *connection, const char *type, struct span id)
{
	struct buffer *text = &connection->websockets->text;

	text->len = 0;
	buffer_append_string(text, "{\"type\":\"");
	buffer_append_string(text, type);
	buffer_append_char(text, '"');
	if (id.len) {
		buffer_append_string(text, ",\"id\":");
		buffer_append_span(text, id);
	}
	return text;
}

void session_answer_end(struct connection *connection)
{
	struct buffer *text = &connection->websockets->text;

	buffer_append_char(text, '}');
	connection_send_text(connection, buffer_span(text));
}

void session_append_error(struct connection *connection, const struct outcome *outcome)
{
	struct buffer *text = &connection->websockets->text;

	stat_refuse(connection->websockets->worker->slot, outcome->code);
	buffer_append_string(text, ",\"code\":");
	buffer_append_json(text, span_string(outcome->code));
	buffer_append_string(text, ",\"status\":");
	buffer_append_i64(text, outcome->status);
	buffer_append_string(text, ",\"message\":");
	buffer_append_json(text, span_string(outcome->detail));
	outcome_append_members(text, outcome, true);
}

void session_send_error(struct connection *connection, struct span id,
			const struct outcome *outcome)
{
	session_answer_begin(connection, "error", id);
	session_append_error(connection, outcome);
	session_answer_end(connection);
}

/* --- members ----------------------------------------------------------------- */

int session_member_string(const struct session_message *message, const char *name,
			  struct buffer *ret)
{
	uint32_t value = json_member(message->json, 0, span_string(name));

	if (!value)
		return -ENOENT;
	ret->len = 0;
	return json_string(message->json, value, ret);
}

int session_member_boolean(const struct session_message *message, const char *name, bool *ret)
{
	uint32_t value = json_member(message->json, 0, span_string(name));

	if (!value || message->json->tokens[value].type == JSON_NULL)
		return -ENOENT;
	if (message->json->tokens[value].type != JSON_TRUE &&
	    message->json->tokens[value].type != JSON_FALSE)
		return -EINVAL;
	*ret = message->json->tokens[value].type == JSON_TRUE;
	return 0;
}

/* --- limits ------------------------------------------------------------------ */

/* ws.rate tokens a second are as many thousandths a millisecond. */
static void refill(struct connection *connection)
{
	const struct config *config = connection->websockets->worker->config;
	uint32_t now_ms = (uint32_t)worker_monotonic_ms();
	uint64_t most = (uint64_t)config->ws_burst * TOKEN;
	uint64_t tokens = connection->tokens +
			  (uint64_t)(now_ms - connection->tokens_at_ms) * config->ws_rate;

	connection->tokens = (uint32_t)(tokens < most ? tokens : most);
	connection->tokens_at_ms = now_ms;
}

/* A tenth of a second's worth: with each single token the next message would be refused again. */
bool session_may_go_on(struct connection *connection)
{
	const struct config *config = connection->websockets->worker->config;
	unsigned worth =
		config->ws_rate / 10 < config->ws_burst ? config->ws_rate / 10 : config->ws_burst;

	refill(connection);
	return connection->tokens >= (worth ? worth : 1) * TOKEN;
}

static bool take_token(struct connection *connection)
{
	refill(connection);
	if (connection->tokens < TOKEN)
		return false;
	connection->tokens -= TOKEN;
	return true;
}

/* Messages that make no sense: a few a minute are a bug of the client's, more are not worth
 * answering. */
static void count_fault(struct connection *connection)
{
	uint16_t second = (uint16_t)(worker_monotonic_ms() / 1000);

	stat_add(connection->websockets->worker->slot, STAT_messages_invalid, 1);
	if (!connection->faults || (uint16_t)(second - connection->fault_second) >= 60) {
		connection->fault_second = second;
		connection->faults = 0;
	}
	if (++connection->faults >= FAULTS_PER_MINUTE_MAX)
		connection_close(connection, WS_CLOSE_POLICY, "too many invalid messages", false);
}

static void refuse_fault(struct connection *connection, struct span id,
			 const struct outcome *outcome)
{
	session_send_error(connection, id, outcome);
	count_fault(connection);
}

/* --- messages ---------------------------------------------------------------- */

static void answer_pong(struct connection *connection, const struct session_message *message)
{
	session_answer_begin(connection, "pong", message->id);
	session_answer_end(connection);
}

/* What a message may have, where its handler does not say itself. A misspelt "documentId", passed
 * over in silence, would make a subscription wide. unsubscribe may have what the subscribe had. */
static const char *const subscribe_members[] = {
	"type",  "id",    "topic",    "documentId", "documentPrefix", "returnMode", "snapshot",
	"since", "after", "presence", NULL};
static const char *const get_members[] = {"type",     "id",      "service", "documentId",
					  "revision", "deleted", NULL};
static const char *const list_members[] = {"type",   "id",    "service", "page_size", "page_token",
					   "prefix", "order", "deleted", "data",      NULL};
static const char *const history_members[] = {"type",      "id",         "service", "documentId",
					      "page_size", "page_token", NULL};
static const char *const presence_list_members[] = {"type", "id", "service", "documentId", NULL};

static const struct {
	const char *type;
	void (*handle)(struct connection *connection, const struct session_message *message);
	const char *const *members; /* NULL: the handler looks, or anything will do */
} handlers[] = {
	{"subscribe", session_subscribe, subscribe_members},
	{"unsubscribe", session_unsubscribe, subscribe_members},
	{"sync.create", session_sync, NULL},
	{"sync.get", session_sync, get_members},
	{"sync.replace", session_sync, NULL},
	{"sync.merge", session_sync, NULL},
	{"sync.patch", session_sync, NULL},
	{"sync.delete", session_sync, NULL},
	{"sync.list", session_sync, list_members},
	{"sync.restore", session_sync, NULL},
	{"sync.history", session_sync, history_members},
	{"presence.join", session_presence, NULL},
	{"presence.update", session_presence, NULL},
	{"presence.leave", session_presence, NULL},
	{"presence.list", session_presence, presence_list_members},
	{"auth", session_auth, NULL},
	{"ping", answer_pong, NULL},
};

/* Also for who has shown no token yet. */
static bool is_open(const struct session_message *message)
{
	return span_equals(message->type, SPAN("auth")) || span_equals(message->type, SPAN("ping"));
}

static void refuse_unknown(struct connection *connection, struct span id)
{
	struct outcome refusal =
		outcome_refusal(401, "unauthorized", "send {\"type\":\"auth\",\"token\":…} first");

	session_send_error(connection, id, &refusal);
}

static void dispatch(struct connection *connection, const struct session_message *message)
{
	struct outcome refusal;

	for (size_t i = 0; i < ARRAY_LEN(handlers); i++) {
		const char *const *members = handlers[i].members;

		if (!span_equals(message->type, span_string(handlers[i].type)))
			continue;
		if (!connection->principal && !is_open(message))
			refuse_unknown(connection, message->id);
		else if (members && outcome_check_members(message->json, 0, members, &refusal))
			session_send_error(connection, message->id, &refusal);
		else
			handlers[i].handle(connection, message);
		return;
	}
	refusal = message->type.len
			  ? outcome_refusal(400, "unknown_type", "unknown message type \"%.*s\"",
					    SPAN_ARGS(message->type))
			  : outcome_refusal(400, "unknown_type", "the message has no \"type\"");
	refuse_fault(connection, message->id, &refusal);
}

static int read_id(const struct json *json, struct span *ret, struct outcome *ret_refusal)
{
	uint32_t value = json_member(json, 0, SPAN("id"));

	*ret = SPAN_NONE;
	if (!value || json->tokens[value].type == JSON_NULL)
		return 0;
	uint8_t type = json->tokens[value].type;
	if ((type != JSON_STRING && type != JSON_INTEGER && type != JSON_DOUBLE) ||
	    json->tokens[value].len > MESSAGE_ID_MAX) {
		*ret_refusal = outcome_refusal(
			400, "invalid_message",
			"\"id\" must be a string or a number of at most %d bytes", MESSAGE_ID_MAX);
		return -EINVAL;
	}
	*ret = json_raw(json, value);
	return 0;
}

static int parse(struct connection *connection, struct span text, struct session_message *ret,
		 struct buffer *type, struct outcome *ret_refusal)
{
	struct websockets *websockets = connection->websockets;
	struct json_fault fault;
	int error =
		json_parse(&websockets->json, text,
			   websockets->worker->config->documents_max_depth + WRAPPER_DEPTH, &fault);

	*ret = (struct session_message){.json = &websockets->json};
	if (error) {
		*ret_refusal = outcome_of_json_fault(error, &fault);
		ret->id = message_id_find(text);
		return error;
	}
	if (websockets->json.tokens[0].type != JSON_OBJECT) {
		*ret_refusal =
			outcome_refusal(400, "invalid_message", "a message must be a JSON object");
		return -EINVAL;
	}
	if (read_id(&websockets->json, &ret->id, ret_refusal))
		return -EINVAL;
	uint32_t value = json_member(&websockets->json, 0, SPAN("type"));
	if (value)
		json_string(&websockets->json, value, type);
	ret->type = buffer_span(type);
	return 0;
}

/* The message is not done, and says so with its id; what follows it waits. */
static void refuse_over_rate(struct connection *connection, struct span text)
{
	struct outcome refusal =
		outcome_refusal(429, "rate_limited", "more than %u messages a second",
				connection->websockets->worker->config->ws_rate);

	stat_add(connection->websockets->worker->slot, STAT_messages_rate_limited, 1);
	websockets_mark_paused(connection);
	session_send_error(connection, message_id_find(text), &refusal);
}

void session_receive(struct connection *connection, struct span text)
{
	struct session_message message;
	struct buffer type = {0};
	struct outcome refusal;

	stat_add(connection->websockets->worker->slot, STAT_messages_received, 1);
	if (!take_token(connection)) {
		refuse_over_rate(connection, text);
		return;
	}
	if (parse(connection, text, &message, &type, &refusal))
		refuse_fault(connection, message.id, &refusal);
	else
		dispatch(connection, &message);
	buffer_fini(&type);
}

void session_refuse_too_big(struct connection *connection, struct span head)
{
	struct outcome refusal =
		outcome_refusal(413, "message_too_big", "a message may have at most %zu bytes",
				session_message_max(connection));

	stat_add(connection->websockets->worker->slot, STAT_messages_too_big, 1);
	session_send_error(connection, message_id_find(head), &refusal);
}

void session_start(struct connection *connection)
{
	const struct config *config = connection->websockets->worker->config;
	struct buffer *text = session_answer_begin(connection, "welcome", SPAN_NONE);

	buffer_append_string(text, ",\"connectionId\":");
	buffer_append_json(text, connection_id(connection));
	buffer_append_string(text, ",\"server\":\"syncdoc/" SYNCDOC_VERSION "\",\"pingInterval\":");
	buffer_append_i64(text, config->ws_ping_interval_ms);
	buffer_append_string(text, ",\"maxMessage\":");
	buffer_append_u64(text, config->ws_max_message);
	session_answer_end(connection);
}
