#include "conditions.h"

#include <strings.h>

static const char *skip_space(const char *at)
{
	while (*at == ' ' || *at == '\t')
		at++;
	return at;
}

/* Digits without a leading zero. NULL if there are none, or too many. */
static const char *read_number(const char *at, const char *end, uint64_t *ret)
{
	uint64_t number = 0;
	const char *first = at;

	for (; at < end && *at >= '0' && *at <= '9'; at++)
		if (__builtin_mul_overflow(number, 10, &number) ||
		    __builtin_add_overflow(number, (uint64_t)(*at - '0'), &number))
			return NULL;
	if (at == first || *first == '0')
		return NULL;
	*ret = number;
	return at;
}

/* <revision>-<updatedAt>, what stands between the quotes of our tags. */
static bool read_tag(const char *at, const char *end, struct entity_tag *ret)
{
	uint64_t revision, updated_at_ms = 0;

	at = read_number(at, end, &revision);
	if (!at || at == end || *at != '-')
		return false;
	at = read_number(at + 1, end, &updated_at_ms);
	if (at != end || updated_at_ms > INT64_MAX)
		return false;
	*ret = (struct entity_tag){revision, (int64_t)updated_at_ms};
	return true;
}

static bool is_tag_character(char c)
{
	return (unsigned char)c >= 0x21 && c != '"' && c != 0x7f;
}

/* One entity tag; *at moves behind it. */
static int parse_tag(const char **at, bool weak_matches, struct tag_condition *condition)
{
	bool weak = strncmp(*at, "W/", 2) == 0;
	const char *from = *at + (weak ? 2 : 0);
	struct entity_tag tag;

	if (*from++ != '"')
		return -EINVAL;
	const char *to = from;
	while (is_tag_character(*to))
		to++;
	if (*to != '"')
		return -EINVAL;
	*at = to + 1;
	if ((weak && !weak_matches) || !read_tag(from, to, &tag))
		return 0; /* can match nothing here */
	/* Left out, it would turn a condition that holds into one that does not, or the other way
	 * round. */
	if (condition->count == CONDITION_TAGS_MAX)
		return -E2BIG;
	condition->tags[condition->count++] = tag;
	return 0;
}

static int parse_tag_list(const char *at, bool weak_matches, struct tag_condition *condition)
{
	bool any_tag = false;

	for (;;) {
		at = skip_space(at);
		if (*at == ',') { /* empty list elements are legal */
			at++;
			continue;
		}
		if (!*at)
			return any_tag ? 0 : -EINVAL;
		int error = parse_tag(&at, weak_matches, condition);
		if (error)
			return error;
		any_tag = true;
		at = skip_space(at);
		if (*at && *at != ',')
			return -EINVAL;
	}
}

int condition_parse_tags(const char *header, bool weak_matches, struct tag_condition *ret)
{
	struct tag_condition condition = {.present = header != NULL};

	if (header) {
		header = skip_space(header);
		if (*header == '*') {
			if (*skip_space(header + 1))
				return -EINVAL;
			condition.any = true;
		} else {
			int error = parse_tag_list(header, weak_matches, &condition);
			if (error)
				return error;
		}
	}
	*ret = condition;
	return 0;
}

static const char *skip_quoted(const char *at)
{
	for (at++; *at && *at != '"'; at++)
		if (*at == '\\' && at[1])
			at++;
	return *at ? at + 1 : at;
}

/* Behind the element that starts at `at`: at its comma or at the end. */
static const char *skip_element(const char *at)
{
	while (*at && *at != ',')
		at = *at == '"' ? skip_quoted(at) : at + 1;
	return at;
}

bool condition_prefers_minimal(const char *prefer)
{
	const char *at = prefer ? prefer : "";

	while (*at) {
		at = skip_space(at);
		if (strncasecmp(at, "return", 6) == 0) {
			const char *value = skip_space(at + 6);
			if (*value == '=') {
				value = skip_space(value + 1);
				size_t quotes = *value == '"';
				value += quotes;
				size_t len = strcspn(value, " \t,;\"");
				return len == 7 && strncasecmp(value, "minimal", 7) == 0;
			}
		}
		at = skip_element(at);
		if (*at)
			at++;
	}
	return false;
}

int condition_parse_idempotency_key(const char *header, struct span *ret)
{
	struct span key = span_string(header);

	if (header && (key.len == 0 || key.len > IDEMPOTENCY_KEY_MAX))
		return -EINVAL;
	for (size_t i = 0; i < key.len; i++)
		if (key.at[i] < 0x21 || key.at[i] > 0x7e)
			return -EINVAL;
	*ret = key;
	return 0;
}
