/* event.c — the RealtimeEvent as text on the channel. */
#include "event.h"

#include "document.h"

/* Redis ends values at 512 MiB. Holding the text below that keeps every offset of a ring record in
 * 32 bits. */
#define TEXT_MAX ((size_t)512 << 20)

/* Up to the document's id in the payload, without its closing quote. */
static void append_head(struct buffer *ret, struct span service, struct span id,
			enum topic_event name, int64_t timestamp_ms)
{
	buffer_append_string(ret, "{\"type\":\"event\",\"topic\":\"sync.");
	buffer_append_span(ret, service);
	buffer_append_char(ret, '.');
	buffer_append_string(ret, topic_event_name(name));
	buffer_append_string(ret, "\",\"source\":\"sync\",\"timestamp\":");
	buffer_append_i64(ret, timestamp_ms);
	buffer_append_string(ret, ",\"payload\":{\"service\":\"");
	buffer_append_span(ret, service);
	buffer_append_string(ret, "\",\"documentId\":\"");
	buffer_append_span(ret, id);
}

void event_format(struct buffer *ret, const struct event *event)
{
	append_head(ret, event->service, event->id, event->name, event->timestamp_ms);
	buffer_append_string(ret, "\",\"revision\":");
	buffer_append_u64(ret, event->revision);
	if (event->by.len) {
		buffer_append_string(ret, ",\"by\":");
		buffer_append_json(ret, event->by);
	}
	if (event->connection_id.len) {
		buffer_append_string(ret, ",\"connectionId\":");
		buffer_append_json(ret, event->connection_id);
	}
	if (event->deleted)
		buffer_append_string(ret, ",\"deleted\":true");
	buffer_append_string(ret, ",\"data\":");
	buffer_append_span(ret, event->data);
	buffer_append_string(ret, ",\"diff\":");
	buffer_append_span(ret, event->diff);
	buffer_append_string(ret, "}}");
}

void event_format_presence(struct buffer *ret, struct span service, struct span id,
			   int64_t timestamp_ms, const struct event_presence *presence)
{
	append_head(ret, service, id, TOPIC_PRESENCE, timestamp_ms);
	buffer_append_string(ret, "\",\"joined\":");
	buffer_append_span(ret, presence->joined);
	buffer_append_string(ret, ",\"updated\":");
	buffer_append_span(ret, presence->updated);
	buffer_append_string(ret, ",\"left\":");
	buffer_append_span(ret, presence->left);
	buffer_append_string(ret, ",\"count\":");
	buffer_append_u64(ret, presence->count);
	buffer_append_string(ret, "}}");
}

/* Members are walked in the order of the text. `border` is the byte that must stand right before
 * the next name, the object's `{` or the `,` behind the last value: so white space between members
 * is refused too, and the text can be cut at the borders and put together again. */
struct walk {
	const struct json *doc;
	uint32_t token; /* of the next name */
	uint32_t border;
};

/* The next member, if it has this name (as in the text, with quotes) and a value of this type. */
static bool walk_member(struct walk *walk, struct span name, enum json_type type, struct span *ret)
{
	const struct json *doc = walk->doc;
	if (walk->token + 1 >= doc->count)
		return false;
	const struct json_token *key = &doc->tokens[walk->token], *value = key + 1;
	if (key->at != walk->border + 1 || value->at != key->at + key->len + 1 ||
	    value->type != type || !span_equals(json_raw(doc, walk->token), name))
		return false;
	*ret = json_raw(doc, walk->token + 1);
	walk->border = value->at + value->len;
	walk->token = value->next;
	return true;
}

/* Goes into the object that is the next member's value. */
static bool walk_into(struct walk *walk, struct span name)
{
	uint32_t object = walk->token + 1;
	struct span value;
	if (!walk_member(walk, name, JSON_OBJECT, &value))
		return false;
	walk->border = walk->doc->tokens[object].at;
	walk->token = object + 1;
	return true;
}

/* Without the quotes. What may stand in a name or topic needs no escapes, so a backslash is refused
 * by the callers' checks of the characters. */
static bool walk_name(struct walk *walk, struct span name, struct span *ret)
{
	struct span value;
	if (!walk_member(walk, name, JSON_STRING, &value))
		return false;
	*ret = span_of(value.at + 1, value.len - 2);
	return true;
}

/* An integer that is not negative. */
static bool walk_number(struct walk *walk, struct span name, uint64_t *ret)
{
	struct span value;
	if (!walk_member(walk, name, JSON_INTEGER, &value) || value.at[0] == '-')
		return false;
	uint64_t number = 0; /* JSON_INTEGER without a sign fits, says the scanner */
	for (size_t i = 0; i < value.len; i++)
		number = number * 10 + (value.at[i] - '0');
	*ret = number;
	return true;
}

/* `{"type":…` up to the timestamp. */
static bool walk_envelope(struct walk *walk, struct topic *ret_topic, int64_t *ret_timestamp_ms)
{
	struct span text;
	uint64_t timestamp;
	if (!walk_name(walk, SPAN("\"type\""), &text) || !span_equals(text, SPAN("event")) ||
	    !walk_name(walk, SPAN("\"topic\""), &text) || topic_parse(text, ret_topic) ||
	    !walk_name(walk, SPAN("\"source\""), &text) || !span_equals(text, SPAN("sync")) ||
	    !walk_number(walk, SPAN("\"timestamp\""), &timestamp) || timestamp > INT64_MAX)
		return false;
	*ret_timestamp_ms = (int64_t)timestamp;
	return ret_topic->event < TOPIC_ANY;
}

static bool walk_names(struct walk *walk, struct event_segments *ret)
{
	return walk_name(walk, SPAN("\"service\""), &ret->service) &&
	       walk_name(walk, SPAN("\"documentId\""), &ret->id) && document_id_is_valid(ret->id);
}

/* The payload of a document's event up to data. */
static bool walk_head(struct walk *walk, struct event_segments *ret)
{
	struct span text;
	if (!walk_number(walk, SPAN("\"revision\""), &ret->revision) || ret->revision < 1)
		return false;
	/* Optional. One that stands there with a wrong type is left to be met, and refused, as a
	 * wrong `data`. */
	walk_member(walk, SPAN("\"by\""), JSON_STRING, &text);
	walk_member(walk, SPAN("\"connectionId\""), JSON_STRING, &text);
	walk_member(walk, SPAN("\"deleted\""), JSON_TRUE, &text);
	return true;
}

static bool walk_document(struct walk *walk, struct span text, struct event_segments *ret)
{
	uint32_t before_end = walk->border;
	struct span value;
	if (!walk_into(walk, SPAN("\"payload\"")) || !walk_names(walk, ret) ||
	    !walk_head(walk, ret))
		return false;
	uint32_t data_start = walk->border;
	if (!walk_member(walk, SPAN("\"data\""), JSON_OBJECT, &value))
		return false;
	uint32_t diff_start = walk->border;
	if (!walk_member(walk, SPAN("\"diff\""), JSON_OBJECT, &value))
		return false;
	ret->after_position = span_of(text.at + before_end, data_start - before_end);
	ret->data = span_of(text.at + data_start, diff_start - data_start);
	ret->diff = span_of(text.at + diff_start, walk->border - diff_start);
	return true;
}

static bool walk_presence(struct walk *walk, struct span text, struct event_segments *ret)
{
	uint32_t before_end = walk->border;
	struct event_presence *presence = &ret->presence;
	if (!walk_into(walk, SPAN("\"payload\"")) || !walk_names(walk, ret) ||
	    !walk_member(walk, SPAN("\"joined\""), JSON_ARRAY, &presence->joined) ||
	    !walk_member(walk, SPAN("\"updated\""), JSON_ARRAY, &presence->updated) ||
	    !walk_member(walk, SPAN("\"left\""), JSON_ARRAY, &presence->left) ||
	    !walk_number(walk, SPAN("\"count\""), &presence->count))
		return false;
	ret->after_position = span_of(text.at + before_end, walk->border - before_end);
	return true;
}

int event_parse(struct span text, struct json *scratch, struct event_segments *ret)
{
	struct json_fault fault;
	if (text.len > TEXT_MAX || json_parse(scratch, text, JSON_DEPTH_LIMIT, &fault))
		return -EBADMSG;
	struct walk walk = {.doc = scratch, .token = 1, .border = 0};
	if (scratch->tokens[0].type != JSON_OBJECT || scratch->tokens[0].at != 0)
		return -EBADMSG;

	struct event_segments segments = {0};
	struct topic topic;
	if (!walk_envelope(&walk, &topic, &segments.timestamp_ms))
		return -EBADMSG;
	segments.before_position = span_of(text.at, walk.border);
	if (topic.event == TOPIC_PRESENCE ? !walk_presence(&walk, text, &segments)
					  : !walk_document(&walk, text, &segments))
		return -EBADMSG;

	/* The text is JSON: if two bytes are left, they end both objects. A topic with `*` for its
	 * service agrees with no payload. */
	if (text.len != (size_t)walk.border + 2 || topic.service.len == 0 ||
	    !span_equals(topic.service, segments.service))
		return -EBADMSG;
	segments.name = topic.event;
	*ret = segments;
	return 0;
}
