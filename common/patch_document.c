/* patch_document.c — the document while a patch is at work on it: places, sizes, limits. */
#include "patch_document.h"
#include <stdarg.h>

/* Array elements that are shifted in the time in which one byte of JSON is copied. */
#define PATCH_SHIFTS_PER_BYTE 64

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
	return patch_fail(patch, -E2BIG, PATCH_INVALID, "operations copy or shift too much data");
}

size_t patch_measure(struct patch *patch, struct json_object *node)
{
	patch->scratch.len = 0;
	json_tree_format(node, &patch->scratch);
	return patch->scratch.len;
}

/* What a member or element takes beside its value. `siblings`: others in its container. */
static size_t measure_entry(struct patch *patch, const struct json_place *place, size_t siblings)
{
	size_t comma = siblings > 0;

	if (place->in_array)
		return comma;
	patch->scratch.len = 0;
	buffer_append_json(&patch->scratch, span_string(place->name));
	return patch->scratch.len + 1 + comma;
}

/* The container of the place; the place itself need not exist. Not for the root. */
static int find(struct patch *patch, const struct patch_pointer *pointer, struct json_place *ret)
{
	*ret = (struct json_place){0};
	switch (json_place_find(patch->root, &pointer->path, ret)) {
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
	       struct json_object **ret_value)
{
	int error = find(patch, pointer, ret);

	if (!error && !json_place_get(ret, ret_value))
		error = fail_missing(patch, pointer, ret);
	return error;
}

/* As patch_find(), where the root will do. */
int patch_read(struct patch *patch, const struct patch_pointer *pointer,
	       struct json_object **ret_value)
{
	struct json_place place;

	*ret_value = patch->root;
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
int patch_check_moved_depth(struct patch *patch, struct json_object *value)
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

void patch_replace_root(struct patch *patch, struct json_object *value, size_t size)
{
	json_object_put(patch->root);
	patch->root = value;
	patch->size = size;
}

void patch_replace_at(struct patch *patch, const struct json_place *place, struct json_object *old,
		      struct json_object *value, size_t size)
{
	patch->size -= patch_measure(patch, old);
	patch->size += size;
	json_place_replace(place, value);
}

static int insert_at(struct patch *patch, struct json_place *place, struct json_object *value,
		     size_t size)
{
	size_t length = json_place_siblings(place);

	if (place->in_array) {
		if (strcmp(place->name, "-") == 0)
			place->index = length;
		if (place->index > length)
			return fail_missing(patch, &patch->path, place);
		int error = patch_add_work(patch, (length - place->index) / PATCH_SHIFTS_PER_BYTE);
		if (error)
			return error;
	}
	patch->size += size + measure_entry(patch, place, length);
	json_place_insert(place, value);
	return 0;
}

/* `add` of RFC 6902 at patch->path, of a value that formats to `size` bytes. Owns it, also on
 * failure. */
int patch_add_value(struct patch *patch, struct json_object *value, size_t size)
{
	struct json_object *old;
	struct json_place place;

	if (patch->path.path.count == 0) {
		patch_replace_root(patch, value, size);
		return 0;
	}
	int error = find(patch, &patch->path, &place);
	if (!error && !place.in_array && json_place_get(&place, &old))
		patch_replace_at(patch, &place, old, value, size);
	else if (!error)
		error = insert_at(patch, &place, value, size);
	if (error)
		json_object_put(value);
	return error;
}

int patch_remove_at(struct patch *patch, const struct json_place *place, size_t size)
{
	size_t length = json_place_siblings(place);

	if (place->in_array) {
		int error = patch_add_work(patch, (length - place->index) / PATCH_SHIFTS_PER_BYTE);
		if (error)
			return error;
	}
	patch->size -= size + measure_entry(patch, place, length - 1);
	json_place_remove(place);
	return 0;
}
