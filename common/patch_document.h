/* patch_document.h — the document while a patch is at work on it. Internal to patch. Pure.
 *
 * What a client can make us do is bounded: the size of the document is known after every operation,
 * and copying is counted as work, because `copy` of a large value onto itself makes a small request
 * cost hours. Functions that return an int return 0 or an error after patch_fail().
 */
#ifndef SYNCDOC_PATCH_DOCUMENT_H
#define SYNCDOC_PATCH_DOCUMENT_H

#include "patch.h"
#include "json_tree.h"
#include "patch_pointer.h"

struct patch {
	const struct json *operations; /* borrowed */
	struct json_node root;         /* owned: the document so far */
	size_t size;                   /* bytes json_tree_format() would give for root */
	size_t size_limit;             /* for what is in between; the result has a stricter one */
	size_t work;
	size_t work_limit;
	unsigned depth_bound; /* root is not deeper than this */
	uint32_t index;       /* of the operation at hand */
	uint32_t value;       /* token of its `value` */
	struct patch_pointer path;
	struct patch_pointer from;
	struct patch_fault *fault; /* borrowed */
};

/* Begins of texts, cut where a character begins: so every detail fits and stays valid UTF-8. */
struct span patch_clip(const char *text, size_t len, size_t len_max);
#define PATCH_SHOWN(pointer) SPAN_ARGS(patch_clip((pointer)->text.at, (pointer)->text.len, 90))

/* Sets the fault of the operation at hand and returns `error`. */
int patch_fail(struct patch *patch, int error, enum patch_fault_kind kind, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* Counts what costs about as much as copying so many bytes of JSON. */
int patch_add_work(struct patch *patch, size_t bytes);
/* The document may grow to twice its limit meanwhile, as what is copied may yet be removed. */
int patch_check_size(struct patch *patch, size_t more);
/* For a value of that depth that is to stand at patch->path. */
int patch_check_depth(struct patch *patch, size_t depth);
/* For the value at patch->from that is to stand at patch->path too. */
int patch_check_moved_depth(struct patch *patch, struct json_node value);

/* The place and what is there. Not for the root. */
int patch_find(struct patch *patch, const struct patch_pointer *pointer, struct json_place *ret,
	       struct json_node **ret_value);
/* What is there, also for the root. */
int patch_read(struct patch *patch, const struct patch_pointer *pointer,
	       struct json_node **ret_value);

/* `size` is that of the value. These own it from here, also on failure. */
int patch_add_value(struct patch *patch, struct json_node value,
		    size_t size); /* RFC 6902 `add`, at patch->path */
void patch_replace_root(struct patch *patch, struct json_node value, size_t size);
void patch_replace_at(struct patch *patch, const struct json_place *place, struct json_node value,
		      size_t size);
/* `size`: how much smaller the document gets beside the name. The caller owns what is returned. */
struct json_node patch_take_at(struct patch *patch, const struct json_place *place, size_t size);

#endif
