#include "media_type.h"

#include <strings.h>

static struct span trim(struct span text)
{
	while (text.len && (*text.at == ' ' || *text.at == '\t'))
		text = span_of(text.at + 1, text.len - 1);
	while (text.len && (text.at[text.len - 1] == ' ' || text.at[text.len - 1] == '\t'))
		text.len--;
	return text;
}

static bool equals_caseless(struct span text, const char *word)
{
	return text.len == strlen(word) && strncasecmp(text.at, word, text.len) == 0;
}

/* Takes what stands before the next `separator` off *rest. Quoted strings do not hide separators:
 * none of the types we know has any, so the worst that can happen is that an odd header is read as
 * one that does not name JSON. */
static struct span take_part(struct span *rest, char separator)
{
	const char *at = rest->len ? memchr(rest->at, separator, rest->len) : NULL;
	struct span part = span_of(rest->at, at ? (size_t)(at - rest->at) : rest->len);

	*rest = at ? span_of(at + 1, rest->len - part.len - 1) : SPAN_NONE;
	return trim(part);
}

static bool charset_is_utf8(struct span parameters)
{
	while (parameters.len) {
		struct span value = take_part(&parameters, ';');
		struct span name = take_part(&value, '=');

		value = trim(value);
		if (value.len >= 2 && *value.at == '"' && value.at[value.len - 1] == '"')
			value = span_of(value.at + 1, value.len - 2);
		if (equals_caseless(name, "charset") && !equals_caseless(value, "utf-8"))
			return false;
	}
	return true;
}

enum media_type media_type_parse(const char *content_type)
{
	struct span rest = span_string(content_type);
	struct span type = take_part(&rest, ';');

	if (!type.len)
		return MEDIA_TYPE_NONE;
	if (!charset_is_utf8(rest))
		return MEDIA_TYPE_OTHER;
	if (equals_caseless(type, MEDIA_JSON))
		return MEDIA_TYPE_JSON;
	if (equals_caseless(type, MEDIA_MERGE_PATCH))
		return MEDIA_TYPE_MERGE_PATCH;
	if (equals_caseless(type, MEDIA_JSON_PATCH))
		return MEDIA_TYPE_JSON_PATCH;
	return MEDIA_TYPE_OTHER;
}

/* How welcome something is, in thousandths (RFC 9110 12.4.2). One that is malformed counts as none,
 * which is the most. */
#define WEIGHT_MAX 1000

static unsigned read_weight(struct span value)
{
	unsigned weight = 0, digit_weight = WEIGHT_MAX;

	if (!value.len || value.len > strlen("0.000") || (value.len > 1 && value.at[1] != '.'))
		return WEIGHT_MAX;
	for (size_t i = 0; i < value.len; i += i ? 1 : 2, digit_weight /= 10) {
		if (value.at[i] < '0' || value.at[i] > '9')
			return WEIGHT_MAX;
		weight += (unsigned)(value.at[i] - '0') * digit_weight;
	}
	return weight < WEIGHT_MAX ? weight : WEIGHT_MAX;
}

static unsigned find_weight(struct span parameters)
{
	while (parameters.len) {
		struct span value = take_part(&parameters, ';');
		struct span name = take_part(&value, '=');

		if (equals_caseless(name, "q"))
			return read_weight(trim(value));
	}
	return WEIGHT_MAX;
}

/* What a list says of something. */
struct welcome {
	int exactness; /* of the range that says it: place among the names; -1: none does */
	unsigned weight;
	bool any_range; /* the list has ranges at all */
};

#define NAMES 3

/* `names`: ranges that hold it, the most exact one last; that one counts which is most exact. Where
 * it comes twice, with other parameters, its highest weight does. */
static struct welcome find_welcome(const char *list, const char *const names[NAMES])
{
	struct span rest = span_string(list);
	struct welcome welcome = {.exactness = -1};

	while (rest.len) {
		struct span parameters = take_part(&rest, ',');
		struct span range = take_part(&parameters, ';');
		int exactness = NAMES - 1;

		welcome.any_range = welcome.any_range || range.len;
		while (exactness >= 0 && !equals_caseless(range, names[exactness]))
			exactness--;
		if (exactness < 0 || exactness < welcome.exactness)
			continue;
		unsigned weight = find_weight(parameters);
		if (exactness > welcome.exactness || weight > welcome.weight)
			welcome.weight = weight;
		welcome.exactness = exactness;
	}
	return welcome;
}

static const char *const json_names[] = {"*/*", "application/*", MEDIA_JSON};
static const char *const problem_names[] = {"*/*", "application/*", MEDIA_PROBLEM};
static const char *const event_stream_names[] = {"*/*", "text/*", MEDIA_EVENT_STREAM};
static const char *const html_names[] = {"*/*", "text/*", "text/html"};
/* The last two are the same (RFC 9110 8.4.1.3). */
static const char *const gzip_names[] = {"*", "x-gzip", "gzip"};

/* Without an Accept all is welcome. */
static bool is_accepted(const char *accept, const char *const names[NAMES])
{
	struct welcome welcome = find_welcome(accept, names);

	return welcome.weight || !welcome.any_range;
}

bool media_type_json_is_accepted(const char *accept)
{
	return is_accepted(accept, json_names);
}

bool media_type_event_stream_is_accepted(const char *accept)
{
	return is_accepted(accept, event_stream_names);
}

static bool is_above(const struct welcome *one, const struct welcome *other)
{
	return one->weight > other->weight ||
	       (one->weight == other->weight && one->exactness > other->exactness);
}

bool media_type_html_is_preferred(const char *accept)
{
	struct welcome html = find_welcome(accept, html_names);
	struct welcome json = find_welcome(accept, json_names);
	struct welcome problem = find_welcome(accept, problem_names);

	return html.exactness == NAMES - 1 && html.weight && is_above(&html, &json) &&
	       is_above(&html, &problem);
}

bool media_type_gzip_is_accepted(const char *accept_encoding)
{
	return find_welcome(accept_encoding, gzip_names).weight;
}
