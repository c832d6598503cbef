#include "target.h"

#include "utf8.h"

#include <strings.h>

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* Decodes in place. False: `%` without two hex digits, NUL, or not UTF-8. */
static bool decode(struct span *text, char *at, bool plus_is_space)
{
	size_t len = 0;

	for (size_t i = 0; i < text->len; i++) {
		char c = at[i];
		if (c == '%') {
			int high = i + 2 < text->len ? hex_value(at[i + 1]) : -1;
			int low = high >= 0 ? hex_value(at[i + 2]) : -1;
			if (low < 0)
				return false;
			c = (char)(high << 4 | low);
			i += 2;
		} else if (c == '+' && plus_is_space) {
			c = ' ';
		}
		if (!c)
			return false;
		at[len++] = c;
	}
	*text = span_of(at, len);
	return utf8_is_valid(*text);
}

static void parse_path(struct target *target, char *at, char *end)
{
	target->path_is_valid = true;
	if (at + 1 >= end) /* "" and "/" */
		return;
	while (at < end) {
		char *from = at + 1; /* behind the slash */
		char *slash = memchr(from, '/', (size_t)(end - from));
		struct span segment = span_of(from, (size_t)((slash ? slash : end) - from));

		at = slash ? slash : end;
		if (!decode(&segment, from, false)) {
			target->path_is_valid = false;
			target->segment_count = 0;
			return;
		}
		if (target->segment_count == TARGET_SEGMENTS_MAX) {
			target->segment_count++;
			return;
		}
		target->segments[target->segment_count++] = segment;
	}
}

/* One `name=value`; `at[len]` may be overwritten. */
static const char *parse_parameter(struct target *target, char *at, size_t len)
{
	char *equals = memchr(at, '=', len);
	size_t name_len = equals ? (size_t)(equals - at) : len;
	char *value_at = equals ? equals + 1 : at + len;
	struct span name = span_of(at, name_len);
	struct span value = span_of(value_at, len - (size_t)(value_at - at));

	if (target->parameter_count == TARGET_PARAMETERS_MAX)
		return "too many query parameters";
	if (!decode(&name, at, true) || !decode(&value, value_at, true))
		return "the query has bad percent-encoding, NUL or invalid UTF-8";
	/* `a` without `=`: name and value share the NUL. */
	value_at[value.len] = '\0';
	at[name.len] = '\0';
	target->parameters[target->parameter_count++] = (struct target_parameter){at, value_at};
	return NULL;
}

static void parse_query(struct target *target, char *at, char *end)
{
	while (at < end && !target->query_fault) {
		char *ampersand = memchr(at, '&', (size_t)(end - at));
		size_t len = (size_t)((ampersand ? ampersand : end) - at);

		if (len)
			target->query_fault = parse_parameter(target, at, len);
		at += len + 1;
	}
	if (target->query_fault)
		target->parameter_count = 0;
}

/* Proxies may send `GET http://host/path`; its host then counts, not the Host header (RFC
 * 9112 3.2.2). */
static char *skip_authority(struct target *target, char *at, char *end)
{
	size_t scheme_len = 0;

	if (end - at >= 7 && strncasecmp(at, "http://", 7) == 0)
		scheme_len = 7;
	else if (end - at >= 8 && strncasecmp(at, "https://", 8) == 0)
		scheme_len = 8;
	if (!scheme_len)
		return at;
	char *from = at + scheme_len;
	char *to = from;
	while (to < end && *to != '/' && *to != '?')
		to++;
	target->authority = span_of(from, (size_t)(to - from));
	return to;
}

void target_parse(struct span uri, char *memory, struct target *ret)
{
	*ret = (struct target){0};
	if (uri.len)
		memcpy(memory, uri.at, uri.len);
	memory[uri.len] = '\0';
	if (uri.len == 1 && *memory == '*') {
		ret->asterisk = ret->path_is_valid = true;
		return;
	}

	char *end = memory + uri.len;
	char *path = skip_authority(ret, memory, end);
	char *question = memchr(path, '?', (size_t)(end - path));
	char *path_end = question ? question : end;
	if (path < path_end && *path != '/')
		return; /* neither a path nor http://: not valid */
	parse_path(ret, path, path_end);
	if (question)
		parse_query(ret, question + 1, end);
}
