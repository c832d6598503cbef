#include "message_id.h"

#include "json.h"

/* Where the scan stands; never behind `end`. */
struct scan {
	const char *at;
	const char *end;
};

static void skip_space(struct scan *scan)
{
	while (scan->at < scan->end &&
	       (*scan->at == ' ' || *scan->at == '\t' || *scan->at == '\n' || *scan->at == '\r'))
		scan->at++;
}

static bool skip_char(struct scan *scan, char c)
{
	skip_space(scan);
	if (scan->at == scan->end || *scan->at != c)
		return false;
	scan->at++;
	return true;
}

/* The string that begins here, quotes included. False: it does not end. */
static bool skip_string(struct scan *scan, struct span *ret)
{
	const char *start = scan->at++;

	for (; scan->at < scan->end && *scan->at != '"'; scan->at++)
		if (*scan->at == '\\' && scan->at + 1 < scan->end)
			scan->at++;
	if (scan->at == scan->end)
		return false;
	scan->at++;
	*ret = span_of(start, (size_t)(scan->at - start));
	return true;
}

/* A value: up to the comma or bracket that ends it on its own level. False: the text ends first. */
static bool skip_value(struct scan *scan, struct span *ret)
{
	size_t depth = 0;

	skip_space(scan);
	const char *start = scan->at;
	while (scan->at < scan->end) {
		char c = *scan->at;
		struct span string;

		if (!depth && (c == ',' || c == '}' || c == ']')) {
			*ret = span_of(start, (size_t)(scan->at - start));
			return true;
		}
		if (c == '"') {
			if (!skip_string(scan, &string))
				return false;
			continue;
		}
		depth += c == '{' || c == '[';
		depth -= c == '}' || c == ']';
		scan->at++;
	}
	return false;
}

static struct span without_space_behind(struct span text)
{
	while (text.len && memchr(" \t\n\r", text.at[text.len - 1], 4))
		text.len--;
	return text;
}

static bool is_id(struct span value)
{
	struct json json = {0};
	struct json_fault fault;
	bool valid = value.len <= MESSAGE_ID_MAX && !json_parse(&json, value, 1, &fault) &&
		     (json.tokens[0].type == JSON_STRING || json.tokens[0].type == JSON_INTEGER ||
		      json.tokens[0].type == JSON_DOUBLE);

	json_fini(&json);
	return valid;
}

struct span message_id_find(struct span text)
{
	struct scan scan = {text.at, text.at + text.len};
	struct span name, value;

	if (!text.len || !skip_char(&scan, '{'))
		return SPAN_NONE;
	do {
		skip_space(&scan);
		if (scan.at == scan.end || *scan.at != '"' || !skip_string(&scan, &name) ||
		    !skip_char(&scan, ':'))
			return SPAN_NONE;
		bool found = span_equals(name, SPAN("\"id\""));
		/* A string is whole at its last quote, whatever follows. */
		skip_space(&scan);
		if (found && scan.at < scan.end && *scan.at == '"') {
			if (!skip_string(&scan, &value))
				return SPAN_NONE;
		} else if (!skip_value(&scan, &value)) {
			return SPAN_NONE;
		}
		if (found) {
			value = without_space_behind(value);
			return is_id(value) ? value : SPAN_NONE;
		}
	} while (skip_char(&scan, ','));
	return SPAN_NONE;
}
