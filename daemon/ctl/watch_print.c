/* watch_print.c — see watch_print.h. */
#define _GNU_SOURCE
#include "watch_print.h"

#include <inttypes.h>
#include <time.h>

#define VALUE_SHOWN 200 /* characters of a value in a diff */

static void append_string(struct buffer *ret, const struct json *json, uint32_t token)
{
	CLEANUP(buffer_fini) struct buffer text = {0};
	if (token && json_string(json, token, &text) == 0)
		output_append_safe(ret, buffer_span(&text));
}

static void append_member(struct buffer *ret, const struct json *json, uint32_t object,
			  const char *name)
{
	append_string(ret, json, json_member(json, object, span_string(name)));
}

static void append_clock(struct buffer *ret, int64_t unix_ms)
{
	time_t seconds = (time_t)(unix_ms / 1000);
	struct tm local;
	char text[16];
	if (localtime_r(&seconds, &local) && strftime(text, sizeof(text), "%H:%M:%S", &local))
		buffer_printf(ret, "%s.%03d", text, (int)(unix_ms % 1000));
}

/* ---- diffs ---- */

static void append_added(const struct output *output, const struct json *json, uint32_t part,
			 struct buffer *ret)
{
	for (uint32_t i = part + 1; part && i < json->tokens[part].next;
	     i = json->tokens[i + 1].next) {
		output_colour(output, ret, COLOUR_GREEN);
		buffer_append_string(ret, "  + ");
		append_string(ret, json, i);
		buffer_append_string(ret, " = ");
		output_append_short(ret, json_raw(json, i + 1), VALUE_SHOWN);
		output_colour(output, ret, COLOUR_NONE);
		buffer_append_char(ret, '\n');
	}
}

static void append_removed(const struct output *output, const struct json *json, uint32_t part,
			   struct buffer *ret)
{
	for (uint32_t i = part + 1; part && i < json->tokens[part].next; i = json->tokens[i].next) {
		output_colour(output, ret, COLOUR_RED);
		buffer_append_string(ret, "  - ");
		append_string(ret, json, i);
		output_colour(output, ret, COLOUR_NONE);
		buffer_append_char(ret, '\n');
	}
}

static void append_changed(const struct output *output, const struct json *json, uint32_t part,
			   struct buffer *ret)
{
	for (uint32_t i = part + 1; part && i < json->tokens[part].next;
	     i = json->tokens[i + 1].next) {
		uint32_t from = json_member(json, i + 1, SPAN("from"));
		uint32_t to = json_member(json, i + 1, SPAN("to"));
		output_colour(output, ret, COLOUR_YELLOW);
		buffer_append_string(ret, "  ~ ");
		append_string(ret, json, i);
		buffer_append_string(ret, ": ");
		if (from)
			output_append_short(ret, json_raw(json, from), VALUE_SHOWN);
		buffer_append_string(ret, " -> ");
		if (to)
			output_append_short(ret, json_raw(json, to), VALUE_SHOWN);
		output_colour(output, ret, COLOUR_NONE);
		buffer_append_char(ret, '\n');
	}
}

/* Token of a member of that type; 0: none. */
static uint32_t member_of(const struct json *json, uint32_t object, const char *name,
			  enum json_type type)
{
	uint32_t token = json_member(json, object, span_string(name));
	return token && json->tokens[token].type == type ? token : 0;
}

static bool append_diff(const struct output *output, const struct json *json, uint32_t payload,
			struct buffer *ret)
{
	uint32_t diff = member_of(json, payload, "diff", JSON_OBJECT);
	if (!diff)
		return false;
	append_added(output, json, member_of(json, diff, "added", JSON_OBJECT), ret);
	append_removed(output, json, member_of(json, diff, "removed", JSON_ARRAY), ret);
	append_changed(output, json, member_of(json, diff, "changed", JSON_OBJECT), ret);
	return true;
}

/* ---- presence ---- */

static void append_members(const struct output *output, const struct json *json, uint32_t payload,
			   const char *what, enum colour colour, struct buffer *ret)
{
	uint32_t list = member_of(json, payload, what, JSON_ARRAY);
	for (uint32_t i = list + 1; list && i < json->tokens[list].next; i = json->tokens[i].next) {
		uint32_t data = json_member(json, i, SPAN("data"));
		output_colour(output, ret, colour);
		buffer_printf(ret, "  %-8s", what);
		if (json->tokens[i].type == JSON_OBJECT)
			append_member(ret, json, i, "userId");
		else
			append_string(ret, json, i);
		output_colour(output, ret, COLOUR_NONE);
		buffer_append_char(ret, ' ');
		append_member(ret, json, i, "mode");
		if (data) {
			buffer_append_char(ret, ' ');
			output_append_short(ret, json_raw(json, data), VALUE_SHOWN);
		}
		buffer_append_char(ret, '\n');
	}
}

/* ---- events ---- */

static enum colour colour_of(struct span event)
{
	if (span_equals(event, SPAN("created")))
		return COLOUR_GREEN;
	if (span_equals(event, SPAN("deleted")) || span_equals(event, SPAN("expired")))
		return COLOUR_RED;
	return span_equals(event, SPAN("presence")) ? COLOUR_DIM : COLOUR_BLUE;
}

static void append_head(const struct output *output, const struct json *json, uint32_t payload,
			struct span event, struct buffer *ret)
{
	int64_t number;
	if (json_int64(json, json_member(json, 0, SPAN("timestamp")), &number) == 0)
		append_clock(ret, number);
	buffer_append_char(ret, ' ');
	output_colour(output, ret, colour_of(event));
	buffer_printf(ret, "%-8.*s", SPAN_ARGS(event));
	output_colour(output, ret, COLOUR_NONE);
	buffer_append_char(ret, ' ');
	output_colour(output, ret, COLOUR_BOLD);
	append_member(ret, json, payload, "service");
	buffer_append_char(ret, '/');
	append_member(ret, json, payload, "documentId");
	output_colour(output, ret, COLOUR_NONE);
	uint32_t revision = json_member(json, payload, SPAN("revision"));
	uint32_t from = json_member(json, payload, SPAN("fromRevision"));
	if (revision && json_int64(json, revision, &number) == 0)
		buffer_printf(ret, " revision %" PRId64, number);
	if (from && json_int64(json, from, &number) == 0)
		buffer_printf(ret, " (all above %" PRId64 ")", number);
	if (json_member(json, payload, SPAN("by"))) {
		buffer_append_string(ret, " by ");
		append_member(ret, json, payload, "by");
	}
}

void watch_print_event(const struct output *output, const struct json *event, struct buffer *ret)
{
	CLEANUP(buffer_fini) struct buffer topic = {0};
	uint32_t payload = member_of(event, 0, "payload", JSON_OBJECT);
	uint32_t topic_token = json_member(event, 0, SPAN("topic"));
	if (topic_token)
		json_string(event, topic_token, &topic);
	struct span name = buffer_span(&topic);
	const char *dot = name.len ? memrchr(name.at, '.', name.len) : NULL;
	if (dot)
		name = span_of(dot + 1, (size_t)(name.at + name.len - dot - 1));
	append_head(output, event, payload, name, ret);
	if (span_equals(name, SPAN("presence"))) {
		buffer_append_string(ret, " users ");
		uint32_t count = json_member(event, payload, SPAN("count"));
		if (count)
			output_append_safe(ret, json_raw(event, count));
		buffer_append_char(ret, '\n');
		append_members(output, event, payload, "joined", COLOUR_GREEN, ret);
		append_members(output, event, payload, "updated", COLOUR_BLUE, ret);
		append_members(output, event, payload, "left", COLOUR_RED, ret);
		return;
	}
	buffer_append_char(ret, '\n');
	uint32_t data = json_member(event, payload, SPAN("data"));
	if (append_diff(output, event, payload, ret) || !data)
		return;
	buffer_append_string(ret, "  ");
	output_append_pretty(ret, event, data, 1);
	buffer_append_char(ret, '\n');
}

void watch_print_resync(const struct output *output, const struct json *message, struct buffer *ret)
{
	output_colour(output, ret, COLOUR_YELLOW);
	buffer_append_string(ret, "resync   ");
	append_member(ret, message, 0, "topic");
	if (json_member(message, 0, SPAN("documentId"))) {
		buffer_append_char(ret, ' ');
		append_member(ret, message, 0, "documentId");
	}
	buffer_append_string(ret, ": something was missed (");
	append_member(ret, message, 0, "reason");
	buffer_append_string(ret, "), read again");
	output_colour(output, ret, COLOUR_NONE);
	buffer_append_char(ret, '\n');
}
