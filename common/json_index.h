/* json_index.h — the members of one wide object by name. Pure.
 *
 * Built in linear time for all but chosen names, and in O(n log n) comparisons even for names
 * chosen to collide: members with one bucket are kept sorted, so no seed is needed. Worth building
 * above some 16 look-ups; below, use json_member(). */
#ifndef SYNCDOC_JSON_INDEX_H
#define SYNCDOC_JSON_INDEX_H

#include "json.h"

struct json_index_entry;

/* Caller's memory. Borrows the document's text; later calls need the tokens no more. */
struct json_index {
	struct json_index_entry *entries; /* owned: sorted by bucket, then hash, length and bytes */
	uint32_t *buckets;   /* owned: where each begins in entries; one more than there are */
	struct buffer names; /* owned: decoded names that have escapes */
	uint32_t count;
	unsigned shift; /* hash >> shift is the bucket */
};

/* Undo with json_index_fini(). `object` must be an object. */
void json_index_init(struct json_index *ret, const struct json *doc, uint32_t object);
void json_index_fini(struct json_index *index);
/* Value token of the member `name` (decoded UTF-8), 0 if there is none. */
uint32_t json_index_find(const struct json_index *index, struct span name);
/* Name token of the first member, in order of the text, whose name stood before; 0 if all differ.
 */
uint32_t json_index_duplicate(const struct json_index *index);

#endif
