/* json_tree.c — from tokens to json-c trees and back, and equality between both. */
#include "json_tree.h"
#include <inttypes.h>

/* Decoded, with a NUL for json-c. Good until the scratch is used again. */
static struct span string_of(const struct json *doc, uint32_t token, struct buffer *scratch)
{
	scratch->len = 0;
	MUST(json_string(doc, token, scratch) == 0);
	*buffer_reserve(scratch, 1) = '\0';
	return buffer_span(scratch);
}

static struct json_object *create_with_text(const struct json *doc, uint32_t token,
					    struct buffer *scratch)
{
	scratch->len = 0;
	buffer_append_span(scratch, json_raw(doc, token));
	buffer_append_char(scratch, '\0');
	return json_object_new_double_s(strtod(scratch->at, NULL), scratch->at);
}

static struct json_object *create_integer(const struct json *doc, uint32_t token,
					  struct buffer *scratch)
{
	struct span raw = json_raw(doc, token);
	uint64_t magnitude = 0;
	int64_t small;

	/* -0 is the one integer whose text json-c would not give back. */
	if (span_equals(raw, SPAN("-0")))
		return create_with_text(doc, token, scratch);
	if (json_int64(doc, token, &small) == 0)
		return json_object_new_int64(small);
	for (size_t i = 0; i < raw.len; i++)
		magnitude = magnitude * 10 + (uint64_t)(raw.at[i] - '0');
	return json_object_new_uint64(magnitude);
}

static struct json_object *create_node(const struct json *doc, uint32_t token,
				       struct buffer *scratch);

static struct json_object *create_object(const struct json *doc, uint32_t token,
					 struct buffer *scratch)
{
	struct json_object *object = json_object_new_object();

	MUST(object);
	for (uint32_t i = token + 1; i < doc->tokens[token].next; i = doc->tokens[i + 1].next) {
		struct json_object *value = create_node(doc, i + 1, scratch);
		/* The scanner has refused duplicates. */
		MUST(json_object_object_add_ex(object, string_of(doc, i, scratch).at, value,
					       JSON_C_OBJECT_ADD_KEY_IS_NEW) == 0);
	}
	return object;
}

static struct json_object *create_array(const struct json *doc, uint32_t token,
					struct buffer *scratch)
{
	uint32_t count = doc->tokens[token].count;
	struct json_object *array = json_object_new_array_ext(count ? (int)count : 1);

	MUST(array);
	for (uint32_t i = token + 1; i < doc->tokens[token].next; i = doc->tokens[i].next)
		MUST(json_object_array_add(array, create_node(doc, i, scratch)) == 0);
	return array;
}

static struct json_object *create_node(const struct json *doc, uint32_t token,
				       struct buffer *scratch)
{
	struct json_object *node = NULL;
	struct span string;

	switch (doc->tokens[token].type) {
	case JSON_NULL:
		return NULL;
	case JSON_FALSE:
	case JSON_TRUE:
		node = json_object_new_boolean(doc->tokens[token].type == JSON_TRUE);
		break;
	case JSON_INTEGER:
		node = create_integer(doc, token, scratch);
		break;
	case JSON_DOUBLE:
		node = create_with_text(doc, token, scratch);
		break;
	case JSON_STRING:
		string = string_of(doc, token, scratch);
		node = json_object_new_string_len(string.at, (int)string.len);
		break;
	case JSON_ARRAY:
		return create_array(doc, token, scratch);
	case JSON_OBJECT:
		return create_object(doc, token, scratch);
	}
	MUST(node);
	return node;
}

struct json_object *json_tree_create(const struct json *doc, uint32_t token)
{
	struct buffer CLEANUP(buffer_fini) scratch = {0};

	MUST(doc->text.len <= JSON_TREE_TEXT_MAX);
	return create_node(doc, token, &scratch);
}

struct json_object *json_tree_copy(struct json_object *node)
{
	struct json_object *copy = NULL;

	if (node)
		MUST(json_object_deep_copy(node, &copy, NULL) == 0);
	return copy;
}

static struct span node_string(struct json_object *node)
{
	return span_of(json_object_get_string(node), (size_t)json_object_get_string_len(node));
}

static void format_integer(struct json_object *node, struct buffer *ret)
{
	int64_t value = json_object_get_int64(node);

	/* Above int64 json-c answers with its maximum. */
	if (value < 0)
		buffer_append_i64(ret, value);
	else
		buffer_append_u64(ret, json_object_get_uint64(node));
}

static void format_object(struct json_object *node, struct buffer *ret)
{
	const char *comma = "{";

	json_object_object_foreach(node, name, value)
	{
		buffer_append_string(ret, comma);
		buffer_append_json(ret, span_string(name));
		buffer_append_char(ret, ':');
		json_tree_format(value, ret);
		comma = ",";
	}
	buffer_append_string(ret, *comma == '{' ? "{}" : "}");
}

static void format_array(struct json_object *node, struct buffer *ret)
{
	size_t count = json_object_array_length(node);

	buffer_append_char(ret, '[');
	for (size_t i = 0; i < count; i++) {
		if (i)
			buffer_append_char(ret, ',');
		json_tree_format(json_object_array_get_idx(node, i), ret);
	}
	buffer_append_char(ret, ']');
}

void json_tree_format(struct json_object *node, struct buffer *ret)
{
	switch (json_object_get_type(node)) {
	case json_type_null:
		buffer_append_string(ret, "null");
		break;
	case json_type_boolean:
		buffer_append_string(ret, json_object_get_boolean(node) ? "true" : "false");
		break;
	case json_type_double:
		/* The text that json_object_new_double_s() was given. */
		buffer_append_string(ret, json_object_get_userdata(node));
		break;
	case json_type_int:
		format_integer(node, ret);
		break;
	case json_type_string:
		buffer_append_json(ret, node_string(node));
		break;
	case json_type_array:
		format_array(node, ret);
		break;
	case json_type_object:
		format_object(node, ret);
		break;
	}
}

unsigned json_tree_depth(struct json_object *node)
{
	unsigned deepest = 0;

	if (json_object_is_type(node, json_type_object)) {
		json_object_object_foreach(node, name, value)
		{
			(void)name;
			unsigned depth = json_tree_depth(value);
			deepest = depth > deepest ? depth : deepest;
		}
		return deepest + 1;
	}
	if (json_object_is_type(node, json_type_array)) {
		for (size_t i = 0; i < json_object_array_length(node); i++) {
			unsigned depth = json_tree_depth(json_object_array_get_idx(node, i));
			deepest = depth > deepest ? depth : deepest;
		}
		return deepest + 1;
	}
	return 0;
}

/* What a comparison carries along. */
struct comparison {
	const struct json *doc;
	enum json_tree_numbers numbers;
	struct buffer scratch;
};

static bool numbers_equal(struct json_object *node, uint32_t token, struct comparison *comparison)
{
	uint8_t type = comparison->doc->tokens[token].type;

	if (type != JSON_INTEGER && type != JSON_DOUBLE)
		return false;
	comparison->scratch.len = 0;
	json_tree_format(node, &comparison->scratch);
	struct span text = buffer_span(&comparison->scratch);
	/* One token over the node's text, so that json_equals() decides. Of two integers it looks
	 * at all 64 bits; a double on one side makes it compare both as such. */
	bool is_integer = comparison->numbers == JSON_TREE_NUMBERS_STRICT &&
			  !memchr(text.at, '.', text.len) && !memchr(text.at, 'e', text.len) &&
			  !memchr(text.at, 'E', text.len);
	struct json_token number = {.len = (uint32_t)text.len,
				    .next = 1,
				    .type = is_integer ? JSON_INTEGER : JSON_DOUBLE};
	struct json wrapped = {.text = text, .tokens = &number, .count = 1};
	return json_equals(&wrapped, 0, comparison->doc, token);
}

static bool nodes_equal(struct json_object *node, uint32_t token, struct comparison *comparison);

static bool objects_equal(struct json_object *node, uint32_t token, struct comparison *comparison)
{
	const struct json_token *tokens = comparison->doc->tokens;

	if ((size_t)json_object_object_length(node) != tokens[token].count)
		return false;
	for (uint32_t i = token + 1; i < tokens[token].next; i = tokens[i + 1].next) {
		struct json_object *value;
		struct span name = string_of(comparison->doc, i, &comparison->scratch);
		if (!json_object_object_get_ex(node, name.at, &value) ||
		    !nodes_equal(value, i + 1, comparison))
			return false;
	}
	return true;
}

static bool arrays_equal(struct json_object *node, uint32_t token, struct comparison *comparison)
{
	const struct json_token *tokens = comparison->doc->tokens;
	size_t index = 0;

	if (json_object_array_length(node) != tokens[token].count)
		return false;
	for (uint32_t i = token + 1; i < tokens[token].next; i = tokens[i].next) {
		if (!nodes_equal(json_object_array_get_idx(node, index++), i, comparison))
			return false;
	}
	return true;
}

static bool nodes_equal(struct json_object *node, uint32_t token, struct comparison *comparison)
{
	uint8_t type = comparison->doc->tokens[token].type;

	switch (json_object_get_type(node)) {
	case json_type_null:
		return type == JSON_NULL;
	case json_type_boolean:
		return type == (json_object_get_boolean(node) ? JSON_TRUE : JSON_FALSE);
	case json_type_double:
	case json_type_int:
		return numbers_equal(node, token, comparison);
	case json_type_string:
		return json_string_equals(comparison->doc, token, node_string(node));
	case json_type_array:
		return type == JSON_ARRAY && arrays_equal(node, token, comparison);
	case json_type_object:
		return type == JSON_OBJECT && objects_equal(node, token, comparison);
	}
	return false;
}

bool json_tree_equals(struct json_object *node, const struct json *doc, uint32_t token,
		      enum json_tree_numbers numbers)
{
	struct comparison comparison = {.doc = doc, .numbers = numbers};
	bool equal = nodes_equal(node, token, &comparison);

	buffer_fini(&comparison.scratch);
	return equal;
}
