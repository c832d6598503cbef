#include "control.h"

#include "connections.h"
#include "fanout.h"
#include "json.h"
#include "log.h"
#include "revocations.h"
#include "store_control.h"

#define DEPTH_MAX 2

void control_format_revoked(struct buffer *ret, struct span name, int64_t issued_before_ms)
{
	buffer_append_string(ret, "{\"type\":\"revoked\",\"name\":");
	buffer_append_json(ret, name);
	buffer_append_string(ret, ",\"issuedBefore\":");
	buffer_append_i64(ret, issued_before_ms);
	buffer_append_char(ret, '}');
}

void control_format_list(struct buffer *ret, struct span question, struct span after,
			 unsigned limit, struct span user)
{
	buffer_append_string(ret, "{\"type\":\"connections\",\"question\":");
	buffer_append_json(ret, question);
	buffer_append_string(ret, ",\"after\":");
	buffer_append_json(ret, after);
	buffer_append_string(ret, ",\"limit\":");
	buffer_append_u64(ret, limit);
	buffer_append_string(ret, ",\"user\":");
	buffer_append_json(ret, user);
	buffer_append_char(ret, '}');
}

void control_format_close(struct buffer *ret, struct span question, struct span connection_id)
{
	buffer_append_string(ret, "{\"type\":\"close\",\"question\":");
	buffer_append_json(ret, question);
	buffer_append_string(ret, ",\"connectionId\":");
	buffer_append_json(ret, connection_id);
	buffer_append_char(ret, '}');
}

/* --- reading ----------------------------------------------------------------- */

struct control_message {
	struct worker *worker;
	struct json json;
	struct buffer question, text; /* text: of the member read last */
};

static bool read_string(struct control_message *message, const char *name, struct buffer *ret)
{
	uint32_t value = json_member(&message->json, 0, span_string(name));

	ret->len = 0;
	return value && !json_string(&message->json, value, ret);
}

static bool read_number(struct control_message *message, const char *name, int64_t *ret)
{
	uint32_t value = json_member(&message->json, 0, span_string(name));

	return value && !json_int64(&message->json, value, ret);
}

/* It becomes part of a key. */
static bool read_question(struct control_message *message)
{
	if (!read_string(message, "question", &message->question) ||
	    message->question.len != STORE_QUESTION_LEN)
		return false;
	for (size_t i = 0; i < STORE_QUESTION_LEN; i++) {
		char c = message->question.at[i];
		if ((c < '0' || c > '9') && (c < 'a' || c > 'z'))
			return false;
	}
	return true;
}

static bool take_revoked(struct control_message *message)
{
	int64_t issued_before_ms;

	if (!read_string(message, "name", &message->text) ||
	    !read_number(message, "issuedBefore", &issued_before_ms))
		return false;
	revocations_add(message->worker->revocations, buffer_span(&message->text),
			issued_before_ms);
	return true;
}

static bool take_list(struct control_message *message)
{
	CLEANUP(buffer_fini) struct buffer user = {0};
	int64_t limit;

	if (!read_question(message) || !read_string(message, "after", &message->text) ||
	    message->text.len > CONNECTION_ID_LEN || !read_number(message, "limit", &limit) ||
	    limit < 1 || limit > CONNECTIONS_PAGE_MAX || !read_string(message, "user", &user))
		return false;
	connections_answer_list(message->worker, buffer_span(&message->question),
				buffer_span(&message->text), (unsigned)limit, buffer_span(&user));
	return true;
}

static bool take_close(struct control_message *message)
{
	if (!read_question(message) || !read_string(message, "connectionId", &message->text))
		return false;
	connections_answer_close(message->worker, buffer_span(&message->question),
				 buffer_span(&message->text));
	return true;
}

/* From this host's supervisor, which listens to Sentinels and lets nobody else say so. */
static bool take_primary(struct worker *worker, struct span text)
{
	char order[EVENT_CONTROL_MAX + 1], host[EVENT_CONTROL_MAX + 1];
	unsigned port;

	snprintf(order, sizeof(order), "%.*s", SPAN_ARGS(text));
	if (sscanf(order, EVENT_CONTROL_PRIMARY "%u %s", &port, host) != 2)
		return false;
	store_move(worker->store, host, port);
	return true;
}

static bool take_message(struct control_message *message, struct span text)
{
	struct json_fault fault;

	if (span_starts_with(text, SPAN(EVENT_CONTROL_PRIMARY)))
		return take_primary(message->worker, text);
	if (json_parse(&message->json, text, DEPTH_MAX, &fault))
		return false;
	uint32_t type = json_member(&message->json, 0, SPAN("type"));
	if (json_string_equals(&message->json, type, SPAN("gap")))
		revocations_reload(message->worker->revocations);
	else if (json_string_equals(&message->json, type, SPAN("revoked")))
		return take_revoked(message);
	else if (json_string_equals(&message->json, type, SPAN("connections")))
		return take_list(message);
	else if (json_string_equals(&message->json, type, SPAN("close")))
		return take_close(message);
	/* Of a newer version, perhaps. */
	return type != 0;
}

static void on_message(struct span text, void *arg)
{
	static struct log_limit limit;
	struct control_message message = {.worker = arg};

	if (message.worker->stopping)
		return;
	if (!text.len) {
		revocations_reload(message.worker->revocations);
	} else if (!take_message(&message, text)) {
		stat_add(message.worker->slot, STAT_control_malformed, 1);
		if (log_allow(&limit))
			log_warning("control: a message on syncdoc:control makes no sense, "
				    "ignored; does another program use it?");
	}
	json_fini(&message.json);
	buffer_fini(&message.question);
	buffer_fini(&message.text);
}

void control_listen(struct worker *worker)
{
	fanout_set_control_listener(worker->fanout, on_message, worker);
}
