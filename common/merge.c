/* merge.c — JSON Merge Patch (RFC 7396) over scanner tokens.
 *
 * Recursion follows the patch, which json_parse() keeps within JSON_DEPTH_LIMIT. */
#include "merge.h"
#include "json_lookup.h"

/* The members of one object on their way out. Neighbours that stay as they are form a run and are
 * copied at once, with the white space between them. */
struct members {
	struct buffer *ret; /* borrowed */
	const char *run;    /* start of the run, NULL: none */
	const char *run_end;
	bool any; /* something was written: a comma is due */
};

static void members_open(struct members *members, struct buffer *ret)
{
	*members = (struct members){.ret = ret};
	buffer_append_char(ret, '{');
}

static void members_flush(struct members *members)
{
	if (!members->run)
		return;
	if (members->any)
		buffer_append_char(members->ret, ',');
	buffer_append(members->ret, members->run, (size_t)(members->run_end - members->run));
	members->any = true;
	members->run = NULL;
}

static void members_close(struct members *members)
{
	members_flush(members);
	buffer_append_char(members->ret, '}');
}

/* The run lasts as long as the caller keeps each next member of the same object. */
static void members_keep(struct members *members, const struct json *doc, uint32_t name)
{
	const struct json_token *value = &doc->tokens[name + 1];

	if (!members->run)
		members->run = doc->text.at + doc->tokens[name].at;
	members->run_end = doc->text.at + value->at + value->len;
}

/* The value is to be appended by the caller. */
static void members_name(struct members *members, const struct json *doc, uint32_t name)
{
	members_flush(members);
	if (members->any)
		buffer_append_char(members->ret, ',');
	buffer_append_span(members->ret, json_raw(doc, name));
	buffer_append_char(members->ret, ':');
	members->any = true;
}

/* MergePatch(anything but an object, patch): the patch without its nulls, which arrays keep. */
static void merge_strip(const struct json *patch, uint32_t object, struct buffer *ret);

static void strip_member(struct members *members, const struct json *patch, uint32_t name)
{
	switch (patch->tokens[name + 1].type) {
	case JSON_NULL:
		members_flush(members);
		break;
	case JSON_OBJECT:
		members_name(members, patch, name);
		merge_strip(patch, name + 1, members->ret);
		break;
	default:
		members_keep(members, patch, name);
	}
}

static void merge_strip(const struct json *patch, uint32_t object, struct buffer *ret)
{
	const struct json_token *tokens = patch->tokens;
	struct members members;

	members_open(&members, ret);
	for (uint32_t i = object + 1; i < tokens[object].next; i = tokens[i + 1].next)
		strip_member(&members, patch, i);
	members_close(&members);
}

static void merge_value(const struct json *target, uint32_t t, const struct json *patch, uint32_t p,
			struct buffer *ret);

static void merge_members(struct members *members, const struct json *target, uint32_t object,
			  const struct json *patch, struct json_lookup *lookup)
{
	const struct json_token *tokens = target->tokens;

	for (uint32_t i = object + 1; i < tokens[object].next; i = tokens[i + 1].next) {
		uint32_t value = json_lookup_find(lookup, target, i);
		if (!value) {
			members_keep(members, target, i);
		} else if (patch->tokens[value].type == JSON_NULL) {
			members_flush(members);
		} else {
			members_name(members, target, i);
			merge_value(target, i + 1, patch, value, members->ret);
		}
	}
	members_flush(members); /* what follows is of the other document */
}

static void merge_new_members(struct members *members, const struct json *patch, uint32_t object,
			      const struct json_lookup *lookup)
{
	const struct json_token *tokens = patch->tokens;

	if (lookup->found_count == tokens[object].count)
		return;
	for (uint32_t i = object + 1; i < tokens[object].next; i = tokens[i + 1].next) {
		if (json_lookup_was_found(lookup, i))
			members_flush(members);
		else
			strip_member(members, patch, i);
	}
}

static void merge_objects(const struct json *target, uint32_t t, const struct json *patch,
			  uint32_t p, struct buffer *ret)
{
	struct json_lookup lookup;
	struct members members;

	json_lookup_init(&lookup, patch, p);
	members_open(&members, ret);
	merge_members(&members, target, t, patch, &lookup);
	merge_new_members(&members, patch, p, &lookup);
	members_close(&members);
	json_lookup_fini(&lookup);
}

static void merge_value(const struct json *target, uint32_t t, const struct json *patch, uint32_t p,
			struct buffer *ret)
{
	if (patch->tokens[p].type != JSON_OBJECT)
		buffer_append_span(ret, json_raw(patch, p));
	else if (target->tokens[t].type != JSON_OBJECT)
		merge_strip(patch, p, ret);
	else
		merge_objects(target, t, patch, p, ret);
}

void merge_apply(const struct json *target, const struct json *patch, struct buffer *ret)
{
	buffer_reserve(ret, target->text.len + patch->text.len);
	merge_value(target, 0, patch, 0, ret);
}
