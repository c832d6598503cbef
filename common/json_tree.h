/* json_tree.h — scanned JSON that is changed place by place. Internal to patch and diff_apply.
 * Pure.
 *
 * A tree that costs what is changed: a node is a token of some document as long as nothing in it
 * changes, and is only then taken apart, one level deep (json_members.h, json_elements.h). So most
 * of a large document is never looked at, and numbers and strings keep their text. The documents
 * must outlive the tree. Recursion follows the depth of a tree: who builds deeper ones than
 * json_parse() gives must see to it that they stay within JSON_DEPTH_LIMIT. */
#ifndef SYNCDOC_JSON_TREE_H
#define SYNCDOC_JSON_TREE_H

#include "json.h"

struct json_container;

/* By value. Whoever holds one that was taken apart owns its container: json_tree_free(). */
struct json_node {
	const struct json *doc; /* borrowed; NULL: taken apart */
	union {
		uint32_t token;
		struct json_container *container; /* owned; NULL: no node at all */
	};
};

#define JSON_NODE_NONE ((struct json_node){.doc = NULL, .container = NULL})

static inline struct json_node json_node_of(const struct json *doc, uint32_t token)
{
	return (struct json_node){.doc = doc, .token = token};
}

static inline bool json_node_is_there(struct json_node node)
{
	return node.doc || node.container;
}

/* Takes it apart, once. False: a scalar. *ret is valid until the node is freed. */
bool json_tree_open(struct json_node *node, struct json_container **ret);
struct json_node json_tree_copy(struct json_node node);
void json_tree_free(struct json_node node); /* JSON_NODE_NONE is fine */
/* Bytes that json_tree_format() appends: all tokens as they were written, without white space. */
size_t json_tree_size(struct json_node node);
void json_tree_format(struct json_node node, struct buffer *ret);
unsigned json_tree_depth(struct json_node node); /* as json_depth() */

enum json_tree_numbers {
	JSON_TREE_NUMBERS_STRICT, /* as json_equals() */
	JSON_TREE_NUMBERS_LOOSE,  /* all as binary64: what follows from chains of equal pairs */
};
/* May take the node apart. */
bool json_tree_equals(struct json_node *node, const struct json *doc, uint32_t token,
		      enum json_tree_numbers numbers);

/* A place by its names or indices from the root down. All zero is the root. */
struct json_path {
	struct buffer
		segments; /* owned: one behind the other, each with a NUL; none has one inside */
	uint32_t count;
};

struct json_place {
	struct json_container *parent; /* borrowed from the tree: an object or array */
	const char
		*name; /* borrowed from the path: the last segment, or the one that led nowhere */
	bool in_array;
	/* In an array its index, SIZE_MAX if the segment is no canonical one; in an object which of
	 * its members it is, SIZE_MAX: none. */
	size_t index;
};

void json_path_fini(struct json_path *path);
void json_path_clear(struct json_path *path); /* the root again; keeps its memory */

/* Finds the container of the last segment, of which there must be one; the place itself need not
 * exist. 0, or -ENOENT: a segment before it leads nowhere, -ENOTDIR: or to no container; then only
 * ret->name is set. Good until something is put into the container or taken from it. */
int json_place_find(struct json_node *root, const struct json_path *path, struct json_place *ret);
/* NULL: nothing there. What it points to stays the tree's. */
struct json_node *json_place_get(const struct json_place *place);
/* The first two own `value` from here. What was there is freed; there must be something. */
void json_place_replace(const struct json_place *place, struct json_node value);
/* A new member, or a new element before the one with that index, which is at most the length. */
void json_place_insert(const struct json_place *place, struct json_node value);
/* The caller owns it now. There must be one. */
struct json_node json_place_take(const struct json_place *place);
/* Members or elements of the place's container. */
size_t json_place_siblings(const struct json_place *place);
/* Bytes of the member's name as it will be written, with its quotes, whether it is there or not. */
size_t json_place_name_size(const struct json_place *place);

#endif
