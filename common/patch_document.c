/* patch_document.c — the document while a patch is at work on it: places, sizes, limits. */
#include "patch_document.h"
#include <stdarg.h>

int patch_fail(struct patch *patch, int error, enum patch_fault_kind kind, const char *format, ...)
{
	va_list args;

	patch->fault->kind = kind;
	patch->fault->operation = patch->index;
	va_start(args, format);
	vsnprintf(patch->fault->detail, sizeof(patch->fault->detail), format, args);
	va_end(args);
	return error;
}

/* Cut where a character begins, so that every detail fits and stays valid UTF-8. */
struct span patch_clip(const char *text, size_t len, size_t len_max)
{
	if (len > len_max) {
		len = len_max;
		while (len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80)
			len--;
	}
	return span_of(text, len);
}

static int fail_missing(struct patch *patch, const struct patch_pointer *pointer,
			const struct json_place *place)
{
	struct span name = patch_clip(place->name, strlen(place->name), 40);

	return patch_fail(patch, -ENOENT, PATCH_PATH_MISSING, "no %s \"%.*s\" at \"%.*s\"",
			  place->in_array ? "element" : "member", SPAN_ARGS(name),
			  PATCH_SHOWN(pointer));
}

int patch_add_work(struct patch *patch, size_t bytes)
{
	patch->work += bytes;
	if (patch->work <= patch->work_limit)
		return 0;
	return patch_fail(patch, -E2BIG, PATCH_INVALID, "operations copy too much data");
}

/* What a member or element takes beside its value. `siblings`: others in its container. */
static size_t measure_entry(const struct json_place *place, size_t siblings)
{
	size_t comma = siblings > 0;

	return place->in_array ? comma : json_place_name_size(place) + 1 + comma;
}

/* The container of the place; the place itself need not exist. Not for the root. */
static int find(struct patch *patch, const struct patch_pointer *pointer, struct json_place *ret)
{
	*ret = (struct json_place){0};
	switch (json_place_find(&patch->root, &pointer->path, ret)) {
	case 0:
		break;
	case -ENOENT:
		return fail_missing(patch, pointer, ret);
	default:
		return patch_fail(patch, -ENOENT, PATCH_PATH_MISSING,
				  "\"%.*s\": neither object nor array around \"%.*s\"",
				  PATCH_SHOWN(pointer),
				  SPAN_ARGS(patch_clip(ret->name, strlen(ret->name), 40)));
	}
	return 0;
}

/* The place and what is there. */
int patch_find(struct patch *patch, const struct patch_pointer *pointer, struct json_place *ret,
	       struct json_node **ret_value)
{
	int error = find(patch, pointer, ret);

	if (error)
		return error;
	*ret_value = json_place_get(ret);
	return *ret_value ? 0 : fail_missing(patch, pointer, ret);
}

/* As patch_find(), where the root will do. */
int patch_read(struct patch *patch, const struct patch_pointer *pointer,
	       struct json_node **ret_value)
{
	struct json_place place;

	*ret_value = &patch->root;
	return pointer->path.count ? patch_find(patch, pointer, &place, ret_value) : 0;
}

/* The document may grow to twice its limit meanwhile, as what is copied may yet be removed. */
int patch_check_size(struct patch *patch, size_t more)
{
	if (more <= patch->size_limit && patch->size <= patch->size_limit - more)
		return 0;
	return patch_fail(patch, -E2BIG, PATCH_INVALID, "the document grows too large");
}

/* For a value of that depth at the path. */
int patch_check_depth(struct patch *patch, size_t depth)
{
	depth += patch->path.path.count;
	if (depth > JSON_DEPTH_LIMIT)
		return patch_fail(patch, -EINVAL, PATCH_INVALID, "nested too deeply: \"%.*s\"",
				  PATCH_SHOWN(&patch->path));
	if (depth > patch->depth_bound)
		patch->depth_bound = (unsigned)depth;
	return 0;
}

/* For what stands at `from` and is to stand at `path` too. Its depth is followed only where the
 * bound does not do. */
int patch_check_moved_depth(struct patch *patch, struct json_node value)
{
	size_t from = patch->from.path.count;
	size_t bound = patch->depth_bound > from ? patch->depth_bound - from : 0;

	if (bound + patch->path.path.count > JSON_DEPTH_LIMIT) {
		int error = patch_add_work(patch, patch->size);
		if (error)
			return error;
		patch->depth_bound = json_tree_depth(patch->root);
		bound = json_tree_depth(value);
	}
	return patch_check_depth(patch, bound);
}

void patch_replace_root(struct patch *patch, struct json_node value, size_t size)
{
	json_tree_free(patch->root);
	patch->root = value;
	patch->size = size;
}

void patch_replace_at(struct patch *patch, const struct json_place *place, struct json_node value,
		      size_t size)
{
	patch->size -= json_tree_size(*json_place_get(place));
	patch->size += size;
	json_place_replace(place, value);
}

static int insert_at(struct patch *patch, struct json_place *place, struct json_node value,
		     size_t size)
{
	size_t length = json_place_siblings(place);

	if (place->in_array) {
		if (strcmp(place->name, "-") == 0)
			place->index = length;
		if (place->index > length)
			return fail_missing(patch, &patch->path, place);
	}
	patch->size += size + measure_entry(place, length);
	json_place_insert(place, value);
	return 0;
}

/* `add` of RFC 6902 at patch->path, of a value that formats to `size` bytes. Owns it, also on
 * failure. */
int patch_add_value(struct patch *patch, struct json_node value, size_t size)
{
	struct json_place place;

	if (patch->path.path.count == 0) {
		patch_replace_root(patch, value, size);
		return 0;
	}
	int error = find(patch, &patch->path, &place);
	if (!error && !place.in_array && json_place_get(&place))
		patch_replace_at(patch, &place, value, size);
	else if (!error)
		error = insert_at(patch, &place, value, size);
	if (error)
		json_tree_free(value);
	return error;
}

struct json_node patch_take_at(struct patch *patch, const struct json_place *place, size_t size)
{
	patch->size -= size + measure_entry(place, json_place_siblings(place) - 1);
	return json_place_take(place);
}
