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

/* `q=0`, `q=0.0`, `q=0.000` */
static bool weight_is_zero(struct span parameters)
{
	while (parameters.len) {
		struct span value = take_part(&parameters, ';');
		struct span name = take_part(&value, '=');

		value = trim(value);
		if (!equals_caseless(name, "q") || !value.len)
			continue;
		for (size_t i = 0; i < value.len; i++)
			if (value.at[i] != '0' && value.at[i] != '.')
				return false;
		return true;
	}
	return false;
}

static bool is_accepted(const char *accept, const char *type, const char *family)
{
	struct span rest = span_string(accept);
	int best = -1; /* how exactly the best range so far names the type: 0 any, 1 its family, 2
			  it alone */
	bool accepted = false;
	bool any_range = false;

	while (rest.len) {
		struct span parameters = take_part(&rest, ',');
		struct span range = take_part(&parameters, ';');

		any_range = any_range || range.len;
		int exactness = equals_caseless(range, type)     ? 2
				: equals_caseless(range, family) ? 1
				: equals_caseless(range, "*/*")  ? 0
								 : -1;
		if (exactness > best) {
			best = exactness;
			accepted = !weight_is_zero(parameters);
		}
	}
	return accepted || !any_range;
}

bool media_type_json_is_accepted(const char *accept)
{
	return is_accepted(accept, MEDIA_JSON, "application/*");
}

bool media_type_event_stream_is_accepted(const char *accept)
{
	return is_accepted(accept, MEDIA_EVENT_STREAM, "text/*");
}

enum named { NAMED_NOT, NAMED_REFUSED, NAMED_ACCEPTED };

static enum named find_named(const char *list, const char *word)
{
	struct span rest = span_string(list);

	while (rest.len) {
		struct span parameters = take_part(&rest, ',');
		struct span name = take_part(&parameters, ';');

		if (equals_caseless(name, word))
			return weight_is_zero(parameters) ? NAMED_REFUSED : NAMED_ACCEPTED;
	}
	return NAMED_NOT;
}

bool media_type_html_is_named(const char *accept)
{
	return find_named(accept, "text/html") == NAMED_ACCEPTED;
}

bool media_type_html_is_preferred(const char *accept)
{
	return media_type_html_is_named(accept) &&
	       find_named(accept, MEDIA_JSON) != NAMED_ACCEPTED &&
	       find_named(accept, MEDIA_PROBLEM) != NAMED_ACCEPTED;
}

bool media_type_gzip_is_accepted(const char *accept_encoding)
{
	enum named gzip = find_named(accept_encoding, "gzip");

	if (gzip == NAMED_NOT)
		gzip = find_named(accept_encoding, "x-gzip"); /* the same (RFC 9110 8.4.1.3) */
	if (gzip == NAMED_NOT)
		gzip = find_named(accept_encoding, "*");
	return gzip == NAMED_ACCEPTED;
}
