/* json_place.c — places in a json-c tree: finding them by path, and changing what is there. */
#include "json_tree.h"

void json_path_fini(struct json_path *path)
{
	buffer_fini(&path->segments);
	path->count = 0;
}

void json_path_clear(struct json_path *path)
{
	path->segments.len = 0;
	path->count = 0;
}

/* Digits only, no leading zero; SIZE_MAX: something else, or more than any array has. */
static size_t index_parse(const char *segment)
{
	size_t index = 0;
	size_t len = strlen(segment);

	if (len == 0 || len > 10 || (segment[0] == '0' && len > 1))
		return SIZE_MAX;
	for (size_t i = 0; i < len; i++) {
		if (segment[i] < '0' || segment[i] > '9')
			return SIZE_MAX;
		index = index * 10 + (size_t)(segment[i] - '0');
	}
	return index;
}

static int place_enter(struct json_object *node, const char *segment, struct json_place *ret)
{
	ret->name = segment;
	if (json_object_is_type(node, json_type_object)) {
		*ret = (struct json_place){.parent = node, .name = segment};
		return 0;
	}
	if (json_object_is_type(node, json_type_array)) {
		*ret = (struct json_place){node, segment, true, index_parse(segment)};
		return 0;
	}
	return -ENOTDIR;
}

int json_place_find(struct json_object *root, const struct json_path *path, struct json_place *ret)
{
	const char *segment = path->segments.at;
	struct json_object *node = root;

	MUST(path->count > 0);
	for (uint32_t left = path->count;; segment += strlen(segment) + 1) {
		int error = place_enter(node, segment, ret);
		if (error)
			return error;
		if (--left == 0)
			return 0;
		if (!json_place_get(ret, &node))
			return -ENOENT;
	}
}

bool json_place_get(const struct json_place *place, struct json_object **ret)
{
	if (!place->in_array)
		return json_object_object_get_ex(place->parent, place->name, ret);
	if (place->index >= json_object_array_length(place->parent))
		return false;
	*ret = json_object_array_get_idx(place->parent, place->index);
	return true;
}

void json_place_replace(const struct json_place *place, struct json_object *value)
{
	if (place->in_array)
		MUST(json_object_array_put_idx(place->parent, place->index, value) == 0);
	else
		MUST(json_object_object_add(place->parent, place->name, value) == 0);
}

void json_place_insert(const struct json_place *place, struct json_object *value)
{
	if (!place->in_array) {
		MUST(json_object_object_add(place->parent, place->name, value) == 0);
		return;
	}
	size_t length = json_object_array_length(place->parent);
	MUST(place->index <= length);
	MUST(json_object_array_add(place->parent, value) == 0);
	/* json_object_array_insert_idx() came with json-c 0.17. */
	void **elements = json_object_get_array(place->parent)->array;
	memmove(&elements[place->index + 1], &elements[place->index],
		(length - place->index) * sizeof(*elements));
	elements[place->index] = value;
}

void json_place_remove(const struct json_place *place)
{
	if (place->in_array)
		MUST(json_object_array_del_idx(place->parent, place->index, 1) == 0);
	else
		json_object_object_del(place->parent, place->name);
}

size_t json_place_siblings(const struct json_place *place)
{
	return place->in_array ? json_object_array_length(place->parent)
			       : (size_t)json_object_object_length(place->parent);
}
