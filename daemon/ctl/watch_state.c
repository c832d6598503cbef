/* watch_state.c — see watch_state.h. */
#include "watch_state.h"

#include "hash.h"

#include <inttypes.h>

static void append_member(struct buffer *ret, const char *name, const char *value)
{
	if (!value)
		return;
	buffer_printf(ret, ",\"%s\":", name);
	buffer_append_json(ret, span_string(value));
}

void watch_state_append_subscribe(const struct watch_state *watch, struct buffer *ret)
{
	buffer_append_string(ret, "{\"type\":\"subscribe\"");
	append_member(ret, "topic", watch->topic);
	append_member(ret, "documentId", watch->id);
	append_member(ret, "documentPrefix", watch->prefix);
	append_member(ret, "returnMode", watch->mode);
	if (watch->presence)
		buffer_append_string(ret, ",\"presence\":true");
	if (watch->id && watch->revision) {
		buffer_printf(ret, ",\"since\":{\"createdAt\":%" PRId64 ",\"revision\":%" PRId64,
			      watch->created_at_ms, watch->revision);
		if (watch->updated_at_ms >= 0)
			buffer_printf(ret, ",\"updatedAt\":%" PRId64, watch->updated_at_ms);
		buffer_append_char(ret, '}');
	} else if (watch->id && watch->snapshot) {
		buffer_append_string(ret, ",\"snapshot\":true");
	} else if (!watch->id && watch->position[0]) {
		append_member(ret, "after", watch->position);
	}
	buffer_append_char(ret, '}');
}

static void keep_position(struct watch_state *watch, const struct json *message)
{
	CLEANUP(buffer_fini) struct buffer text = {0};
	uint32_t token = json_member(message, 0, SPAN("position"));
	if (!token || json_string(message, token, &text) || text.len >= sizeof(watch->position))
		return;
	memcpy(watch->position, text.at, text.len);
	watch->position[text.len] = '\0';
}

static int64_t number(const struct json *message, uint32_t object, const char *name)
{
	int64_t value;
	uint32_t token = json_member(message, object, span_string(name));
	return token && json_int64(message, token, &value) == 0 ? value : -1;
}

/* The document of a `subscribed`: from here on it is resumed. */
static void keep_document(struct watch_state *watch, const struct json *message)
{
	uint32_t document = json_member(message, 0, SPAN("document"));
	if (!document || message->tokens[document].type != JSON_OBJECT)
		return;
	int64_t revision = number(message, document, "revision");
	if (revision < 1)
		return;
	watch->revision = revision;
	watch->created_at_ms = number(message, document, "createdAt");
	watch->updated_at_ms = number(message, document, "updatedAt");
}

/* Among those remembered, whether the same or a later one of its document has come. */
static bool was_seen(struct watch_state *watch, const struct json *message, uint32_t payload,
		     int64_t at_ms)
{
	uint32_t service = json_member(message, payload, SPAN("service"));
	uint32_t id = json_member(message, payload, SPAN("documentId"));
	if (!service || !id)
		return false;
	uint64_t hash = hash_span(hash_span(watch->seed, json_raw(message, service)),
				  json_raw(message, id));
	struct watch_seen *seen = &watch->seen[hash % WATCH_SEEN];
	if (seen->hash == hash && at_ms <= seen->at_ms)
		return true;
	*seen = (struct watch_seen){hash, at_ms};
	return false;
}

static enum watch_answer take_event(struct watch_state *watch, const struct json *message)
{
	uint32_t payload = json_member(message, 0, SPAN("payload"));
	int64_t at_ms = number(message, 0, "timestamp");
	int64_t revision = payload ? number(message, payload, "revision") : -1;
	keep_position(watch, message);
	if (revision < 1) /* presence */
		return WATCH_EVENT;
	if (was_seen(watch, message, payload, at_ms))
		return WATCH_REPEATED;
	/* A document's first revision is when it was made, also when its id was in use before. */
	if (watch->id && (watch->revision || revision == 1)) {
		if (revision == 1)
			watch->created_at_ms = at_ms;
		watch->revision = revision;
		watch->updated_at_ms = at_ms;
	}
	return WATCH_EVENT;
}

enum watch_answer watch_state_take(struct watch_state *watch, const struct json *message)
{
	static const struct {
		const char *name;
		enum watch_answer answer;
	} types[] = {{"event", WATCH_EVENT},
		     {"subscribed", WATCH_SUBSCRIBED},
		     {"resync", WATCH_RESYNC},
		     {"goaway", WATCH_GOAWAY},
		     {"error", WATCH_ERROR}};
	uint32_t type = json_member(message, 0, SPAN("type"));
	enum watch_answer answer = WATCH_NOTHING;
	for (unsigned i = 0; type && i < ARRAY_LEN(types); i++)
		if (json_string_equals(message, type, span_string(types[i].name)))
			answer = types[i].answer;
	if (answer == WATCH_EVENT)
		return take_event(watch, message);
	if (answer == WATCH_SUBSCRIBED) {
		keep_position(watch, message);
		keep_document(watch, message);
	}
	return answer;
}
