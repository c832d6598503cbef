/* json_lookup.c — finding many members of one object by name. */
#include "json_lookup.h"

#define LOOKUP_NARROW 16 /* members up to which reading through beats building an index */

void json_lookup_init(struct json_lookup *ret, const struct json *doc, uint32_t object)
{
	/* A member is two tokens at least, so every second one has a bit of its own. */
	size_t bits = (doc->tokens[object].next - object) / 2 + 1;

	ret->doc = doc;
	ret->object = object;
	ret->expected = object + 1;
	ret->found_count = 0;
	ret->indexed = false;
	memset(ret->few_marks, 0, sizeof(ret->few_marks));
	ret->marks = ret->few_marks;
	if (bits > JSON_LOOKUP_WORDS * 64) {
		ret->marks = calloc((bits + 63) / 64, sizeof(*ret->marks));
		MUST(ret->marks);
	}
}

void json_lookup_fini(struct json_lookup *lookup)
{
	if (lookup->marks != lookup->few_marks)
		free(lookup->marks);
	if (lookup->indexed)
		json_index_fini(&lookup->index);
}

bool json_lookup_was_found(const struct json_lookup *lookup, uint32_t name)
{
	uint32_t bit = (name - lookup->object) / 2;
	return lookup->marks[bit / 64] >> bit % 64 & 1;
}

static uint32_t lookup_take(struct json_lookup *lookup, uint32_t name)
{
	uint32_t bit = (name - lookup->object) / 2;

	lookup->found_count += !json_lookup_was_found(lookup, name);
	lookup->marks[bit / 64] |= UINT64_C(1) << bit % 64;
	lookup->expected = lookup->doc->tokens[name + 1].next;
	return name + 1;
}

static uint32_t lookup_anywhere(struct json_lookup *lookup, struct span name)
{
	const struct json_token *object = &lookup->doc->tokens[lookup->object];

	if (object->count <= LOOKUP_NARROW)
		return json_member(lookup->doc, lookup->object, name);
	if (!lookup->indexed)
		json_index_init(&lookup->index, lookup->doc, lookup->object);
	lookup->indexed = true;
	return json_index_find(&lookup->index, name);
}

uint32_t json_lookup_find(struct json_lookup *lookup, const struct json *other, uint32_t name)
{
	const struct json_token *tokens = lookup->doc->tokens;
	uint32_t expected = lookup->expected;
	bool escaped = other->tokens[name].escaped;

	if (expected < tokens[lookup->object].next && !escaped && !tokens[expected].escaped &&
	    span_equals(json_inner(lookup->doc, expected), json_inner(other, name)))
		return lookup_take(lookup, expected);
	if (tokens[lookup->object].count == 0)
		return 0;

	struct buffer CLEANUP(buffer_fini) decoded = {0};
	if (escaped)
		MUST(json_string(other, name, &decoded) == 0);
	struct span text = escaped ? buffer_span(&decoded) : json_inner(other, name);
	uint32_t value = lookup_anywhere(lookup, text);
	return value ? lookup_take(lookup, value - 1) : 0;
}
