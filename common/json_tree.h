/* json_tree.h — json-c trees of scanned JSON, for operations that change a document place by place.
 * Internal to patch and diff_apply. Pure.
 *
 * Numbers keep their text, strings may hold NUL. A JSON null is a NULL pointer, so whether there is
 * a value at all is said by a bool. Trees are freed with json_object_put(). Recursion follows the
 * depth of a tree: who builds deeper ones than json_parse() gives must see to it that they stay
 * within JSON_DEPTH_LIMIT. */
#ifndef SYNCDOC_JSON_TREE_H
#define SYNCDOC_JSON_TREE_H

#include "json.h"
/* json-c calls its own enum by the same name. */
#define json_type json_c_type
#include <json-c/json.h>
#undef json_type

/* json-c counts lengths as int, with room for its own headers. */
#define JSON_TREE_TEXT_MAX (INT32_MAX / 2)

/* The text of `doc` must not be longer than JSON_TREE_TEXT_MAX. */
struct json_object *json_tree_create(const struct json *doc, uint32_t token);
struct json_object *json_tree_copy(struct json_object *node);
/* Appends it without white space. */
void json_tree_format(struct json_object *node, struct buffer *ret);
unsigned json_tree_depth(struct json_object *node); /* as json_depth() */

enum json_tree_numbers {
	JSON_TREE_NUMBERS_STRICT, /* as json_equals() */
	JSON_TREE_NUMBERS_LOOSE,  /* all as binary64: what follows from chains of equal pairs */
};
bool json_tree_equals(struct json_object *node, const struct json *doc, uint32_t token,
		      enum json_tree_numbers numbers);

/* A place by its names or indices from the root down. All zero is the root. */
struct json_path {
	struct buffer
		segments; /* owned: one behind the other, each with a NUL; none has one inside */
	uint32_t count;
};

struct json_place {
	struct json_object *parent; /* borrowed from the tree: an object or array */
	const char
		*name; /* borrowed from the path: the last segment, or the one that led nowhere */
	bool in_array;
	size_t index; /* in an array; SIZE_MAX if the segment is no canonical index */
};

void json_path_fini(struct json_path *path);
void json_path_clear(struct json_path *path); /* the root again; keeps its memory */

/* Finds the container of the last segment, of which there must be one; the place itself need not
 * exist. 0, or -ENOENT: a segment before it leads nowhere, -ENOTDIR: or to no container; then only
 * ret->name is set. */
int json_place_find(struct json_object *root, const struct json_path *path, struct json_place *ret);
/* False: nothing there, *ret untouched. */
bool json_place_get(const struct json_place *place, struct json_object **ret);
/* Both own `value` from here. The old value is freed. */
void json_place_replace(const struct json_place *place, struct json_object *value);
/* A new member, or a new element before the one with that index, which is at most the length. */
void json_place_insert(const struct json_place *place, struct json_object *value);
/* Frees the value unless somebody else holds it (json_object_get). There must be one. */
void json_place_remove(const struct json_place *place);
/* Members or elements of the place's container. */
size_t json_place_siblings(const struct json_place *place);

#endif
