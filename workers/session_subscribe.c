#include "session_subscribe.h"

#include "access.h"
#include "replay.h"

void subscribe_fini(struct subscribe *subscribe)
{
	buffer_fini(&subscribe->topic);
	buffer_fini(&subscribe->id);
	buffer_fini(&subscribe->prefix);
	buffer_fini(&subscribe->after);
}

/* --- reading the message ----------------------------------------------------- */

static int refuse(struct outcome *ret, const char *code, const char *detail)
{
	*ret = outcome_refusal(400, code, "%s", detail);
	return -EINVAL;
}

static int read_topic(const struct session_message *message, struct subscribe *subscribe,
		      struct outcome *ret_refusal)
{
	if (session_member_string(message, "topic", &subscribe->topic) ||
	    topic_parse(buffer_span(&subscribe->topic), &subscribe->spec.topic))
		return refuse(ret_refusal, "invalid_topic",
			      "\"topic\" must be "
			      "sync.{service}.{created|updated|deleted|expired|presence}, with * "
			      "for either");
	return 0;
}

static int read_names(const struct session_message *message, struct subscribe *subscribe,
		      struct outcome *ret_refusal)
{
	int id_error = session_member_string(message, "documentId", &subscribe->id);
	int prefix_error = session_member_string(message, "documentPrefix", &subscribe->prefix);

	subscribe->spec.id = buffer_span(&subscribe->id);
	subscribe->spec.prefix = buffer_span(&subscribe->prefix);
	if (id_error != -ENOENT && !document_id_is_valid(subscribe->spec.id))
		return refuse(ret_refusal, "invalid_id", "\"documentId\" is no document id");
	if (prefix_error != -ENOENT && !document_id_is_valid(subscribe->spec.prefix))
		return refuse(ret_refusal, "invalid_id",
			      "\"documentPrefix\" is no beginning of a document id");
	if (!id_error && !prefix_error)
		return refuse(ret_refusal, "invalid_message",
			      "\"documentId\" and \"documentPrefix\" exclude each other");
	return 0;
}

static int read_mode(const struct session_message *message, struct subscribe *subscribe,
		     struct outcome *ret_refusal)
{
	static const struct {
		const char *name;
		enum event_mode mode;
	} modes[] = {{"full", EVENT_FULL}, {"diff", EVENT_DIFF}, {"both", EVENT_BOTH}};
	uint32_t value = json_member(message->json, 0, SPAN("returnMode"));

	subscribe->spec.mode = EVENT_FULL;
	if (!value)
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(modes); i++)
		if (json_string_equals(message->json, value, span_string(modes[i].name))) {
			subscribe->spec.mode = modes[i].mode;
			return 0;
		}
	return refuse(ret_refusal, "invalid_return_mode",
		      "\"returnMode\" must be \"full\", \"diff\" or \"both\"");
}

static int read_presence(const struct session_message *message, struct subscribe *subscribe,
			 struct outcome *ret_refusal)
{
	bool presence;
	int error = session_member_boolean(message, "presence", &presence);

	subscribe->spec.presence = error ? -1 : presence;
	if (error == -EINVAL)
		return refuse(ret_refusal, "invalid_message", "\"presence\" must be true or false");
	return 0;
}

static int read_since(const struct session_message *message, uint32_t since, struct resume *ret)
{
	const struct json *json = message->json;
	uint32_t updated_at = json_member(json, since, SPAN("updatedAt"));
	int64_t revision;

	ret->kind = RESUME_SINCE;
	ret->updated_at_ms = -1;
	if (json_int64(json, json_member(json, since, SPAN("revision")), &revision) ||
	    json_int64(json, json_member(json, since, SPAN("createdAt")), &ret->created_at_ms) ||
	    (updated_at && json_int64(json, updated_at, &ret->updated_at_ms)) || revision < 1 ||
	    ret->created_at_ms < 0 || (updated_at && ret->updated_at_ms < 0))
		return -EINVAL;
	ret->revision = (uint64_t)revision;
	return 0;
}

/* Token of a member that is there and not null; 0: none. */
static uint32_t member_given(const struct session_message *message, struct span name)
{
	uint32_t value = json_member(message->json, 0, name);

	return value && message->json->tokens[value].type != JSON_NULL ? value : 0;
}

static int read_after(const struct session_message *message, struct subscribe *subscribe,
		      struct outcome *ret_refusal)
{
	struct position position;

	if (subscribe->spec.id.len)
		return refuse(ret_refusal, "invalid_message",
			      "\"after\" is for topics; with a \"documentId\" it is \"since\"");
	if (session_member_string(message, "after", &subscribe->after) ||
	    position_parse(buffer_span(&subscribe->after), &position))
		return refuse(ret_refusal, "invalid_position",
			      "\"after\" is no position that a server gave out");
	subscribe->resume.kind = RESUME_AFTER;
	return 0;
}

static int read_resume(const struct session_message *message, struct subscribe *subscribe,
		       struct outcome *ret_refusal)
{
	bool snapshot = false;
	uint32_t since = member_given(message, SPAN("since"));

	if (session_member_boolean(message, "snapshot", &snapshot) == -EINVAL)
		return refuse(ret_refusal, "invalid_message", "\"snapshot\" must be true or false");
	if ((snapshot || since) && !(subscribe->spec.id.len && subscribe->spec.topic.service.len))
		return refuse(ret_refusal, "invalid_message",
			      "\"snapshot\" and \"since\" need a \"documentId\", and a topic that "
			      "names its service");
	if (snapshot)
		subscribe->resume.kind = RESUME_SNAPSHOT;
	if (since && read_since(message, since, &subscribe->resume))
		return refuse(ret_refusal, "invalid_since",
			      "\"since\" must have createdAt and revision (at least 1), and may "
			      "have updatedAt: integers");
	if (member_given(message, SPAN("after")))
		return read_after(message, subscribe, ret_refusal);
	return 0;
}

/* --- subscribe --------------------------------------------------------------- */

bool subscribe_is_active(const struct websockets *websockets)
{
	const struct worker *worker = websockets->worker;

	/* acquire: pairs with the supervisor's release store; a mark that was drained says the
	 * rest. */
	return atomic_load_explicit(&worker->shared->subscription_active, memory_order_acquire) &&
	       fanout_position(worker->fanout).len;
}

void subscribe_append(struct buffer *text, const struct subscription_spec *spec)
{
	static const char *const modes[] = {
		[EVENT_FULL] = "full", [EVENT_DIFF] = "diff", [EVENT_BOTH] = "both"};

	buffer_printf(text, ",\"topic\":\"sync.%.*s.%s\"",
		      SPAN_ARGS(spec->topic.service.len ? spec->topic.service : SPAN("*")),
		      topic_event_name(spec->topic.event));
	if (spec->mode)
		buffer_printf(text, ",\"returnMode\":\"%s\"", modes[spec->mode]);
	if (spec->id.len) {
		buffer_append_string(text, ",\"documentId\":");
		buffer_append_json(text, spec->id);
	}
	if (spec->prefix.len) {
		buffer_append_string(text, ",\"documentPrefix\":");
		buffer_append_json(text, spec->prefix);
	}
}

void subscribe_refuse_too_many(struct connection *connection, struct span message_id)
{
	struct outcome refusal = outcome_refusal(
		403, "too_many_subscriptions", "a connection may have at most %u subscriptions",
		connection->websockets->worker->config->ws_max_subscriptions);

	session_send_error(connection, message_id, &refusal);
}

int subscribe_narrow(struct connection *connection, const struct subscribe *subscribe,
		     struct subscription_spec *ret, struct outcome *ret_refusal)
{
	enum resume_kind kind = subscribe->resume.kind;

	*ret = subscribe->spec;
	return access_narrow(connection->principal, ret,
			     kind == RESUME_SNAPSHOT || kind == RESUME_SINCE, ret_refusal);
}

/* Nothing of the ring is sent between the entry in the index and the answer: both happen in one
 * callback, outside of a pass. */
void subscribe_now(struct connection *connection, struct subscribe *subscribe,
		   struct span message_id)
{
	const struct subscription_spec *spec = &subscribe->spec;
	struct websockets *websockets = connection->websockets;
	unsigned most = websockets->worker->config->ws_max_subscriptions;

	if (subscribe->resume.kind || replay_is_before(connection, spec)) {
		if (replay_subscribe(connection, subscribe, message_id))
			subscribe_refuse_too_many(connection, message_id);
		return;
	}
	struct subscription_spec narrowed = *spec;
	struct outcome refusal;
	if (subscribe_narrow(connection, subscribe, &narrowed, &refusal)) {
		session_send_error(connection, message_id, &refusal);
		return;
	}
	if (subscription_add(replay_index(connection), replay_member(connection), &narrowed,
			     most)) {
		subscribe_refuse_too_many(connection, message_id);
		return;
	}
	struct buffer *text = session_answer_begin(connection, "subscribed", message_id);
	subscribe_append(text, spec);
	buffer_append_string(text, ",\"outcome\":\"live\",\"position\":");
	buffer_append_json(text, fanout_position(websockets->worker->fanout));
	session_answer_end(connection);
}

void session_subscribe(struct connection *connection, const struct session_message *message)
{
	struct subscribe subscribe = {0};
	struct subscription_spec narrowed;
	struct outcome refusal;

	if (read_topic(message, &subscribe, &refusal) ||
	    read_names(message, &subscribe, &refusal) || read_mode(message, &subscribe, &refusal) ||
	    read_presence(message, &subscribe, &refusal) ||
	    read_resume(message, &subscribe, &refusal) ||
	    subscribe_narrow(connection, &subscribe, &narrowed, &refusal)) {
		session_send_error(connection, message->id, &refusal);
	} else if (!subscribe_is_active(connection->websockets)) {
		if (subscribe_wait(connection, &subscribe, message->id))
			subscribe_refuse_too_many(connection, message->id);
	} else {
		/* An earlier one of the same name must not come after this and replace it. */
		subscribe_waiting_now(connection->websockets);
		subscribe_now(connection, &subscribe, message->id);
	}
	subscribe_fini(&subscribe);
}

/* Both the one that is and the one that waits to replace it. */
static bool unsubscribe(struct connection *connection, const struct subscription_spec *spec)
{
	bool waited = subscribe_forget(connection, spec);
	bool removed =
		!subscription_remove(replay_index(connection), replay_member(connection), spec);

	return replay_forget(connection, spec) || removed || waited;
}

void session_unsubscribe(struct connection *connection, const struct session_message *message)
{
	struct subscribe subscribe = {0};
	struct outcome refusal;
	int error = read_topic(message, &subscribe, &refusal);

	if (!error)
		error = read_names(message, &subscribe, &refusal);
	if (!error && !unsubscribe(connection, &subscribe.spec)) {
		refusal = outcome_refusal(404, "not_subscribed", "there is no such subscription");
		error = -ENOENT;
	}
	if (error) {
		session_send_error(connection, message->id, &refusal);
	} else {
		subscribe_append(session_answer_begin(connection, "unsubscribed", message->id),
				 &subscribe.spec);
		session_answer_end(connection);
	}
	subscribe_fini(&subscribe);
}
