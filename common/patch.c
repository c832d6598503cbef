/* patch.c — JSON Patch (RFC 6902): the operations, done on a tree that is thrown away if one of
 * them fails. */
#include "patch_document.h"

/* In bytes of JSON copied, as a multiple of the largest document. */
#define PATCH_WORK_FACTOR 4
#define PATCH_WORK_MIN ((size_t)4 << 20)

static int run_add(struct patch *patch)
{
	int error = patch_check_depth(patch, json_depth(patch->operations, patch->value));

	if (error)
		return error;
	struct json_node value = json_node_of(patch->operations, patch->value);
	return patch_add_value(patch, value, json_tree_size(value));
}

static int run_remove(struct patch *patch)
{
	struct json_node *value;
	struct json_place place;

	/* Nothing would be left, and nothing is no JSON text. */
	if (patch->path.path.count == 0)
		return patch_fail(patch, -EINVAL, PATCH_INVALID,
				  "the whole document cannot be removed");
	int error = patch_find(patch, &patch->path, &place, &value);
	if (!error)
		json_tree_free(patch_take_at(patch, &place, json_tree_size(*value)));
	return error;
}

static int run_replace(struct patch *patch)
{
	struct json_node *old;
	struct json_place place = {0};
	int error = patch_check_depth(patch, json_depth(patch->operations, patch->value));

	if (!error && patch->path.path.count)
		error = patch_find(patch, &patch->path, &place, &old);
	if (error)
		return error;
	struct json_node value = json_node_of(patch->operations, patch->value);
	size_t size = json_tree_size(value);
	if (patch->path.path.count == 0)
		patch_replace_root(patch, value, size);
	else
		patch_replace_at(patch, &place, value, size);
	return 0;
}

static int run_copy(struct patch *patch)
{
	struct json_node *value;
	int error = patch_read(patch, &patch->from, &value);

	if (error)
		return error;
	size_t size = json_tree_size(*value);
	if ((error = patch_add_work(patch, size)) || (error = patch_check_size(patch, size)) ||
	    (error = patch_check_moved_depth(patch, *value)))
		return error;
	return patch_add_value(patch, json_tree_copy(*value), size);
}

/* As `remove` followed by `add`, as the RFC has it. The size of what is moved matters only if all
 * else goes. */
static int run_move(struct patch *patch)
{
	struct json_node *value;
	struct json_place place = {0};
	int error;

	if (patch_pointer_is_inside(&patch->path, &patch->from))
		return patch_fail(patch, -EINVAL, PATCH_INVALID, "cannot move \"%.*s\" into itself",
				  PATCH_SHOWN(&patch->from));
	if (patch->from.path.count == 0)
		return 0; /* the root onto itself */
	if ((error = patch_find(patch, &patch->from, &place, &value)) ||
	    (error = patch_check_moved_depth(patch, *value)))
		return error;
	size_t size = patch->path.path.count ? 0 : json_tree_size(*value);
	return patch_add_value(patch, patch_take_at(patch, &place, size), size);
}

static int run_test(struct patch *patch)
{
	struct json_node *value;
	int error = patch_read(patch, &patch->path, &value);

	if (error)
		return error;
	if (json_tree_equals(value, patch->operations, patch->value, JSON_TREE_NUMBERS_STRICT))
		return 0;
	return patch_fail(patch, -EILSEQ, PATCH_TEST_FAILED,
			  "the value at \"%.*s\" is not the one tested for",
			  PATCH_SHOWN(&patch->path));
}

static const struct operation_kind {
	const char *name;
	int (*run)(struct patch *patch);
	bool has_value;
	bool has_from;
	/* Steps of a `path` up to which it does the same whatever the document holds; -1: never. */
	int blind_steps;
} operation_kinds[] = {
	{"add", run_add, true, false, 1},         {"remove", run_remove, false, false, -1},
	{"replace", run_replace, true, false, 0}, {"move", run_move, false, true, -1},
	{"copy", run_copy, false, true, -1},      {"test", run_test, true, false, -1},
};

static int read_pointer(struct patch *patch, uint32_t operation, const char *member,
			struct patch_pointer *ret)
{
	uint32_t token = json_member(patch->operations, operation, span_string(member));
	const char *reason;

	if (!token)
		return patch_fail(patch, -EINVAL, PATCH_INVALID, "no member \"%s\"", member);
	if (patch_pointer_parse(ret, patch->operations, token, &reason))
		return patch_fail(patch, -EINVAL, PATCH_INVALID, "\"%s\" %s", member, reason);
	return 0;
}

/* NULL: no such operation. */
static const struct operation_kind *find_kind(const struct json *doc, uint32_t name)
{
	for (size_t i = 0; i < ARRAY_LEN(operation_kinds); i++)
		if (json_string_equals(doc, name, span_string(operation_kinds[i].name)))
			return &operation_kinds[i];
	return NULL;
}

/* `memory` is kept from one operation to the next. */
static bool operation_reads(const struct json *doc, uint32_t operation,
			    struct patch_pointer *memory)
{
	uint32_t name = json_member(doc, operation, SPAN("op"));
	uint32_t path = json_member(doc, operation, SPAN("path"));
	const struct operation_kind *kind = name ? find_kind(doc, name) : NULL;
	const char *reason;

	return kind && path && !patch_pointer_parse(memory, doc, path, &reason) &&
	       (int)memory->path.count > kind->blind_steps;
}

bool patch_reads(const struct json *doc, uint32_t array, uint32_t *ret_operation)
{
	CLEANUP(patch_pointer_fini) struct patch_pointer memory = {0};
	uint32_t index = 0;

	if (doc->tokens[array].type != JSON_ARRAY)
		return false;
	for (uint32_t i = array + 1; i < doc->tokens[array].next; i = doc->tokens[i].next) {
		if (operation_reads(doc, i, &memory)) {
			*ret_operation = index;
			return true;
		}
		index++;
	}
	return false;
}

static int run_operation(struct patch *patch, uint32_t operation)
{
	const struct json *doc = patch->operations;
	int error;

	if (doc->tokens[operation].type != JSON_OBJECT)
		return patch_fail(patch, -EINVAL, PATCH_INVALID, "the operation is no object");
	uint32_t name = json_member(doc, operation, SPAN("op"));
	if (!name || doc->tokens[name].type != JSON_STRING)
		return patch_fail(patch, -EINVAL, PATCH_INVALID, "no string member \"op\"");
	const struct operation_kind *kind = find_kind(doc, name);
	if (!kind)
		return patch_fail(
			patch, -EINVAL, PATCH_INVALID, "unknown operation %.*s",
			SPAN_ARGS(patch_clip(json_raw(doc, name).at, json_raw(doc, name).len, 90)));
	if ((error = read_pointer(patch, operation, "path", &patch->path)))
		return error;
	if (kind->has_from && (error = read_pointer(patch, operation, "from", &patch->from)))
		return error;
	patch->value = json_member(doc, operation, SPAN("value"));
	if (kind->has_value && !patch->value)
		return patch_fail(patch, -EINVAL, PATCH_INVALID, "no member \"value\"");
	error = kind->run(patch);
	return error ? error : patch_check_size(patch, 0);
}

static int run_operations(struct patch *patch)
{
	const struct json_token *tokens = patch->operations->tokens;

	if (tokens[0].type != JSON_ARRAY)
		return patch_fail(patch, -EINVAL, PATCH_INVALID,
				  "the operations are not in an array");
	for (uint32_t i = 1; i < tokens[0].next; i = tokens[i].next, patch->index++) {
		int error = run_operation(patch, i);
		if (error)
			return error;
	}
	return 0;
}

/* The last operation is named: the result is its. */
static int append_result(struct patch *patch, size_t size_max, struct buffer *ret)
{
	size_t size = json_tree_size(patch->root);

#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
	MUST(size == patch->size);
	MUST(json_tree_depth(patch->root) <= patch->depth_bound);
#endif
	if (size > size_max) {
		if (patch->index)
			patch->index--;
		return patch_fail(patch, -E2BIG, PATCH_INVALID,
				  "the result has %zu bytes, at most %zu are allowed", size,
				  size_max);
	}
	buffer_reserve(ret, size);
	json_tree_format(patch->root, ret);
	return 0;
}

static void patch_init(struct patch *patch, const struct json *target, size_t size_max)
{
	patch->root = json_node_of(target, 0);
	patch->size = json_tree_size(patch->root);
	patch->depth_bound = json_depth(target, 0);

	/* A limit that was lowered later must not keep a document from being made smaller. */
	size_t largest = size_max > patch->size ? size_max : patch->size;
	patch->size_limit = largest > SIZE_MAX / 2 ? SIZE_MAX : largest * 2;
	patch->work_limit = largest > SIZE_MAX / 8 ? SIZE_MAX / 2 : largest * PATCH_WORK_FACTOR;
	if (patch->work_limit < PATCH_WORK_MIN)
		patch->work_limit = PATCH_WORK_MIN;
}

int patch_apply(const struct json *target, const struct json *operations, size_t size_max,
		struct buffer *ret, struct patch_fault *ret_fault)
{
	struct patch patch = {.operations = operations, .fault = ret_fault};

	patch_init(&patch, target, size_max);
	int error = run_operations(&patch);
	if (!error)
		error = append_result(&patch, size_max, ret);
	json_tree_free(patch.root);
	patch_pointer_fini(&patch.path);
	patch_pointer_fini(&patch.from);
	return error;
}
