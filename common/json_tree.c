/* json_tree.c — nodes: taking apart, copying, writing down, comparing. */
#include "json_container.h"

static bool is_container(struct json_node node)
{
	return !node.doc || node.doc->tokens[node.token].type >= JSON_ARRAY;
}

bool json_tree_open(struct json_node *node, struct json_container **ret)
{
	if (!is_container(*node))
		return false;
	if (node->doc) {
		struct json_container *container = malloc(sizeof(*container));

		MUST(container);
		container->is_array = node->doc->tokens[node->token].type == JSON_ARRAY;
		if (container->is_array)
			json_elements_init(&container->elements, node->doc, node->token);
		else
			json_members_init(&container->members, node->doc, node->token);
		node->doc = NULL;
		node->container = container;
	}
	*ret = node->container;
	return true;
}

struct json_node json_tree_copy(struct json_node node)
{
	if (node.doc)
		return node;
	struct json_container *copy = malloc(sizeof(*copy));
	MUST(copy);
	copy->is_array = node.container->is_array;
	if (copy->is_array)
		json_elements_copy(&copy->elements, &node.container->elements);
	else
		json_members_copy(&copy->members, &node.container->members);
	return (struct json_node){.container = copy};
}

void json_tree_free(struct json_node node)
{
	if (node.doc || !node.container)
		return;
	if (node.container->is_array)
		json_elements_fini(&node.container->elements);
	else
		json_members_fini(&node.container->members);
	free(node.container);
}

/* --- each node in its turn --- */

typedef void (*visit_fn)(void *arg, struct span name, struct json_node value);

/* In their order; names are raw, empty in an array. */
static void for_each(const struct json_container *container, visit_fn visit, void *arg)
{
	if (container->is_array) {
		const struct json_elements *elements = &container->elements;

		for (size_t i = 0; i < elements->block_count; i++)
			for (size_t j = 0; j < elements->blocks[i].len; j++)
				visit(arg, SPAN_NONE, elements->blocks[i].nodes[j]);
		return;
	}
	for (size_t i = 0; i < container->members.end; i++) {
		struct json_node value = container->members.all[i].value;

		if (json_node_is_there(value))
			visit(arg, json_members_name(&container->members, i), value);
	}
}

/* --- size and text --- */

/* Of a subtree: all of its tokens, commas, colons and brackets. */
static size_t text_size(const struct json *doc, uint32_t token)
{
	size_t size = 0;

	for (uint32_t i = token; i < doc->tokens[token].next; i++) {
		const struct json_token *at = &doc->tokens[i];

		if (at->type < JSON_ARRAY)
			size += at->len;
		else
			size += 2 + (at->type == JSON_OBJECT ? at->count : 0) + at->count -
				(at->count > 0);
	}
	return size;
}

struct measure {
	size_t size;
	size_t count;
};

static void measure_one(void *arg, struct span name, struct json_node value)
{
	struct measure *measure = arg;

	measure->size += (measure->count++ > 0) + name.len + (name.len > 0) + json_tree_size(value);
}

size_t json_tree_size(struct json_node node)
{
	struct measure measure = {.size = 2};

	if (node.doc)
		return text_size(node.doc, node.token);
	for_each(node.container, measure_one, &measure);
	return measure.size;
}

/* Each token as it stands, without what stands between them. */
static void format_spaced(const struct json *doc, uint32_t token, struct buffer *ret)
{
	const struct json_token *tokens = doc->tokens;
	bool is_object = tokens[token].type == JSON_OBJECT;

	if (tokens[token].type < JSON_ARRAY) {
		buffer_append_span(ret, json_raw(doc, token));
		return;
	}
	buffer_append_char(ret, is_object ? '{' : '[');
	for (uint32_t i = token + 1; i < tokens[token].next; i = tokens[i].next) {
		if (i > token + 1)
			buffer_append_char(ret, ',');
		if (is_object) {
			buffer_append_span(ret, json_raw(doc, i++));
			buffer_append_char(ret, ':');
		}
		format_spaced(doc, i, ret);
	}
	buffer_append_char(ret, is_object ? '}' : ']');
}

struct format {
	struct buffer *ret;
	bool any;
};

static void format_one(void *arg, struct span name, struct json_node value)
{
	struct format *format = arg;

	if (format->any)
		buffer_append_char(format->ret, ',');
	format->any = true;
	if (name.len) {
		buffer_append_span(format->ret, name);
		buffer_append_char(format->ret, ':');
	}
	json_tree_format(value, format->ret);
}

void json_tree_format(struct json_node node, struct buffer *ret)
{
	struct format format = {.ret = ret};

	if (node.doc && text_size(node.doc, node.token) == node.doc->tokens[node.token].len) {
		buffer_append_span(ret, json_raw(node.doc, node.token));
		return;
	}
	if (node.doc) {
		format_spaced(node.doc, node.token, ret);
		return;
	}
	buffer_append_char(ret, node.container->is_array ? '[' : '{');
	for_each(node.container, format_one, &format);
	buffer_append_char(ret, node.container->is_array ? ']' : '}');
}

static void deepen(void *arg, struct span name, struct json_node value)
{
	unsigned *deepest = arg, depth = json_tree_depth(value);

	(void)name;
	if (depth > *deepest)
		*deepest = depth;
}

unsigned json_tree_depth(struct json_node node)
{
	unsigned deepest = 0;

	if (node.doc)
		return json_depth(node.doc, node.token);
	for_each(node.container, deepen, &deepest);
	return deepest + 1;
}

/* --- equality --- */

/* What a comparison carries along. */
struct comparison {
	const struct json *doc;
	enum json_tree_numbers numbers;
	struct buffer scratch;
};

static bool is_number(uint8_t type)
{
	return type == JSON_INTEGER || type == JSON_DOUBLE;
}

/* A double on one side makes json_equals() compare both as such. */
static bool equal_as_doubles(struct json_node node, const struct json *doc, uint32_t token)
{
	struct json_token number = node.doc->tokens[node.token];
	const struct json alone = {.text = node.doc->text, .tokens = &number, .count = 1};

	number.type = JSON_DOUBLE;
	number.next = 1;
	return json_equals(&alone, 0, doc, token);
}

static bool nodes_equal(struct json_node *node, uint32_t token, struct comparison *comparison);

static bool objects_equal(struct json_members *members, uint32_t token,
			  struct comparison *comparison)
{
	const struct json *doc = comparison->doc;

	if (members->count != doc->tokens[token].count)
		return false;
	for (uint32_t i = token + 1; i < doc->tokens[token].next; i = doc->tokens[i + 1].next) {
		comparison->scratch.len = 0;
		MUST(json_string(doc, i, &comparison->scratch) == 0);
		size_t place = json_members_find(members, buffer_span(&comparison->scratch));
		if (place == SIZE_MAX ||
		    !nodes_equal(&members->all[place].value, i + 1, comparison))
			return false;
	}
	return true;
}

static bool arrays_equal(struct json_elements *elements, uint32_t token,
			 struct comparison *comparison)
{
	const struct json_token *tokens = comparison->doc->tokens;
	size_t index = 0;

	if (elements->count != tokens[token].count)
		return false;
	for (uint32_t i = token + 1; i < tokens[token].next; i = tokens[i].next)
		if (!nodes_equal(json_elements_at(elements, index++), i, comparison))
			return false;
	return true;
}

static bool nodes_equal(struct json_node *node, uint32_t token, struct comparison *comparison)
{
	const struct json *doc = comparison->doc;
	uint8_t type = doc->tokens[token].type;
	struct json_container *container;

	if (node->doc && (comparison->numbers == JSON_TREE_NUMBERS_STRICT || !is_container(*node)))
		return json_equals(node->doc, node->token, doc, token) ||
		       (comparison->numbers == JSON_TREE_NUMBERS_LOOSE && is_number(type) &&
			is_number(node->doc->tokens[node->token].type) &&
			equal_as_doubles(*node, doc, token));
	MUST(json_tree_open(node, &container));
	return container->is_array
		       ? type == JSON_ARRAY && arrays_equal(&container->elements, token, comparison)
		       : type == JSON_OBJECT &&
				 objects_equal(&container->members, token, comparison);
}

bool json_tree_equals(struct json_node *node, const struct json *doc, uint32_t token,
		      enum json_tree_numbers numbers)
{
	struct comparison comparison = {.doc = doc, .numbers = numbers};

	/* What is equal strictly is so loosely, too. Asked once: at every level it would cost depth
	 * times size. */
	if (node->doc) {
		bool equal = json_equals(node->doc, node->token, doc, token);

		if (equal || numbers == JSON_TREE_NUMBERS_STRICT)
			return equal;
	}
	bool equal = nodes_equal(node, token, &comparison);
	buffer_fini(&comparison.scratch);
	return equal;
}
