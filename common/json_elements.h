/* json_elements.h — an array that is changed: its elements in blocks, so that putting one into a
 * long array, or taking one out, moves a few hundred of them and not all. Internal to json_tree.
 * Pure. */
#ifndef SYNCDOC_JSON_ELEMENTS_H
#define SYNCDOC_JSON_ELEMENTS_H

#include "json_tree.h"

#define JSON_ELEMENTS_BLOCK 512

/* None is empty. It has room for what stands in it and a few more: a document may have very many
 * short arrays. */
struct json_elements_block {
	struct json_node *nodes; /* owned */
	uint16_t len, cap;       /* at most JSON_ELEMENTS_BLOCK */
};

struct json_elements {
	struct json_elements_block *blocks; /* owned */
	size_t block_count, block_cap;
	size_t count;
	/* Where the last look-up ended, for the next one is mostly near: a block, and the index of
	 * its first element. */
	size_t last_block, last_first;
};

/* The elements of an array token. Undo with json_elements_fini(), which frees them, too. */
void json_elements_init(struct json_elements *ret, const struct json *doc, uint32_t array);
void json_elements_copy(struct json_elements *ret, const struct json_elements *from);
void json_elements_fini(struct json_elements *elements);
/* `index` must be below the count; the pointer is good until the next change. */
struct json_node *json_elements_at(struct json_elements *elements, size_t index);
/* `index` at most the count. Owns the node. */
void json_elements_insert(struct json_elements *elements, size_t index, struct json_node node);
/* The caller owns the node. */
struct json_node json_elements_take(struct json_elements *elements, size_t index);

#endif
