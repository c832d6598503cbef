/* json_members.h — an object that is changed: the members it came with, found through the index of
 * their document, and those that were added, in a tree by name. Neither is slow for names that were
 * chosen to collide. Internal to json_tree. Pure. */
#ifndef SYNCDOC_JSON_MEMBERS_H
#define SYNCDOC_JSON_MEMBERS_H

#include "json_tree.h"
#include <bsd/sys/tree.h>

struct json_added_name;
struct json_shared_index;
RB_HEAD(json_added_names, json_added_name);

struct json_member {
	struct json_added_name *added; /* owned; NULL: its name is `token` of the document */
	uint32_t token;
	struct json_node value; /* JSON_NODE_NONE: taken out */
};

struct json_members {
	const struct json *doc; /* borrowed */
	uint32_t object;        /* its token */
	uint32_t look_ups;      /* without an index */
	struct json_member
		*all;    /* owned: in their order, first those of the document that remain */
	size_t end, cap; /* of all */
	size_t document_end;
	size_t count;                    /* without those taken out */
	struct json_shared_index *index; /* counted: copies have the same; NULL: not built yet */
	struct json_added_names names;   /* those of `all` that were added and are there */
};

/* The members of an object token. Undo with json_members_fini(), which frees them, too. */
void json_members_init(struct json_members *ret, const struct json *doc, uint32_t object);
void json_members_copy(struct json_members *ret, const struct json_members *from);
void json_members_fini(struct json_members *members);
/* Where it stands in `all`; SIZE_MAX: there is none. */
size_t json_members_find(struct json_members *members, struct span name);
/* Behind all others. There must be none with that name. Owns the value. */
void json_members_add(struct json_members *members, struct span name, struct json_node value);
/* The caller owns the value. Others may stand elsewhere then. */
struct json_node json_members_take(struct json_members *members, size_t place);
/* The name as JSON text, with quotes. */
struct span json_members_name(const struct json_members *members, size_t place);

#endif
