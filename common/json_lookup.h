/* json_lookup.h — finding many members of one object by name. Internal to equality, merge and diff.
 * Pure.
 *
 * json_member() reads the object from its start, which is quadratic when every member of a wide
 * object is looked up. Here the place behind the last find is tried first (two versions of a
 * document mostly have the same order), then a narrow object is read through, a wide one gets an
 * index once. What was found is marked. */
#ifndef SYNCDOC_JSON_LOOKUP_H
#define SYNCDOC_JSON_LOOKUP_H

#include "json.h"
#include "json_index.h"

#define JSON_LOOKUP_WORDS 4

/* Caller's memory. */
struct json_lookup {
	const struct json *doc; /* borrowed */
	uint32_t object;
	uint32_t expected;    /* name token behind the last find */
	uint32_t found_count; /* members marked */
	uint64_t few_marks[JSON_LOOKUP_WORDS];
	uint64_t *marks; /* few_marks, or owned where those are too few; bit: half the distance to
			    `object` */
	bool indexed;
	struct json_index index; /* owned, once indexed */
};

/* `object` must be an object of `doc`, which must outlive the lookup. Undo with json_lookup_fini();
 * not to be moved. */
void json_lookup_init(struct json_lookup *ret, const struct json *doc, uint32_t object);
void json_lookup_fini(struct json_lookup *lookup);

/* Value token of the member whose name equals the string token `name` of `other`, marked as found;
 * 0 if there is none. Names are compared decoded. */
uint32_t json_lookup_find(struct json_lookup *lookup, const struct json *other, uint32_t name);
/* The member with this name token has been found. */
bool json_lookup_was_found(const struct json_lookup *lookup, uint32_t name);

/* A string token without its quotes, as it stands in the text. */
static inline struct span json_inner(const struct json *doc, uint32_t string)
{
	const struct json_token *token = &doc->tokens[string];
	return span_of(doc->text.at + token->at + 1, token->len - 2);
}

#endif
