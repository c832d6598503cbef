/* json_place.c — places in a tree: finding them by path, and changing what is there. */
#include "json_container.h"

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

static int place_enter(struct json_node *node, const char *segment, struct json_place *ret)
{
	struct json_container *container;

	ret->name = segment;
	if (!json_tree_open(node, &container))
		return -ENOTDIR;
	*ret = (struct json_place){.parent = container, .name = segment};
	ret->in_array = container->is_array;
	ret->index = container->is_array
			     ? index_parse(segment)
			     : json_members_find(&container->members, span_string(segment));
	return 0;
}

int json_place_find(struct json_node *root, const struct json_path *path, struct json_place *ret)
{
	const char *segment = path->segments.at;
	struct json_node *node = root;

	MUST(path->count > 0);
	for (uint32_t left = path->count;; segment += strlen(segment) + 1) {
		int error = place_enter(node, segment, ret);
		if (error)
			return error;
		if (--left == 0)
			return 0;
		node = json_place_get(ret);
		if (!node)
			return -ENOENT;
	}
}

struct json_node *json_place_get(const struct json_place *place)
{
	if (place->index == SIZE_MAX)
		return NULL;
	if (!place->in_array)
		return &place->parent->members.all[place->index].value;
	if (place->index >= place->parent->elements.count)
		return NULL;
	return json_elements_at(&place->parent->elements, place->index);
}

void json_place_replace(const struct json_place *place, struct json_node value)
{
	struct json_node *node = json_place_get(place);

	MUST(node);
	json_tree_free(*node);
	*node = value;
}

void json_place_insert(const struct json_place *place, struct json_node value)
{
	if (place->in_array)
		json_elements_insert(&place->parent->elements, place->index, value);
	else
		json_members_add(&place->parent->members, span_string(place->name), value);
}

struct json_node json_place_take(const struct json_place *place)
{
	MUST(json_place_get(place));
	return place->in_array ? json_elements_take(&place->parent->elements, place->index)
			       : json_members_take(&place->parent->members, place->index);
}

size_t json_place_siblings(const struct json_place *place)
{
	return place->in_array ? place->parent->elements.count : place->parent->members.count;
}

size_t json_place_name_size(const struct json_place *place)
{
	struct buffer CLEANUP(buffer_fini) name = {0};

	if (place->index != SIZE_MAX)
		return json_members_name(&place->parent->members, place->index).len;
	buffer_append_json(&name, span_string(place->name));
	return name.len;
}
