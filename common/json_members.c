#include "json_members.h"

#include "json_index.h"

#define LOOK_UPS_WITHOUT_INDEX 4 /* up to which reading through a wide object beats an index */
#define MEMBERS_NARROW 16        /* a narrow one never needs any */

struct json_added_name {
	RB_ENTRY(json_added_name) link;
	struct span name; /* points into text; of a key: anywhere */
	struct span raw;  /* points into text: with quotes and escapes */
	size_t place;     /* in `all` */
	char text[];
};

struct json_shared_index {
	unsigned references;
	struct json_index index;
};

/* No hash: whatever names somebody chooses, all comparisons together read each of them a few times.
 */
static int compare_names(const struct json_added_name *a, const struct json_added_name *b)
{
	if (a->name.len != b->name.len)
		return a->name.len < b->name.len ? -1 : 1;
	return a->name.len ? memcmp(a->name.at, b->name.at, a->name.len) : 0;
}

/* RB_GENERATE_STATIC() of libbsd needs a word that glibc does not have. */
RB_GENERATE_INTERNAL(json_added_names, json_added_name, link, compare_names,
		     __attribute__((unused)) static)

static struct json_member *append(struct json_members *members)
{
	if (members->end == members->cap) {
		members->cap += members->cap / 2 + 4;
		members->all = realloc(members->all, members->cap * sizeof(*members->all));
		MUST(members->all);
	}
	return &members->all[members->end++];
}

void json_members_init(struct json_members *ret, const struct json *doc, uint32_t object)
{
	const struct json_token *tokens = doc->tokens;
	size_t count = tokens[object].count;

	*ret = (struct json_members){.doc = doc, .object = object, .count = count};
	ret->cap = count + 4;
	ret->all = malloc(ret->cap * sizeof(*ret->all));
	MUST(ret->all);
	for (uint32_t i = object + 1; i < tokens[object].next; i = tokens[i + 1].next)
		*append(ret) = (struct json_member){.token = i, .value = json_node_of(doc, i + 1)};
	ret->document_end = ret->end;
	RB_INIT(&ret->names);
}

static struct json_added_name *name_create(struct span name, size_t place)
{
	struct buffer CLEANUP(buffer_fini) raw = {0};

	buffer_append_json(&raw, name);
	struct json_added_name *ret = malloc(sizeof(*ret) + name.len + raw.len);
	MUST(ret);
	ret->name = span_of(ret->text, name.len);
	ret->raw = span_of(ret->text + name.len, raw.len);
	ret->place = place;
	if (name.len)
		memcpy(ret->text, name.at, name.len);
	memcpy(ret->text + name.len, raw.at, raw.len);
	return ret;
}

void json_members_copy(struct json_members *ret, const struct json_members *from)
{
	*ret = *from;
	ret->cap = from->count + 1;
	ret->all = malloc(ret->cap * sizeof(*ret->all));
	MUST(ret->all);
	if (ret->index)
		ret->index->references++;
	RB_INIT(&ret->names);
	ret->end = ret->document_end = 0;
	for (size_t i = 0; i < from->end; i++) {
		if (!json_node_is_there(from->all[i].value))
			continue;
		struct json_member *member = &ret->all[ret->end];

		*member = from->all[i];
		member->value = json_tree_copy(member->value);
		if (member->added) {
			member->added = name_create(member->added->name, ret->end);
			RB_INSERT(json_added_names, &ret->names, member->added);
		}
		ret->end++;
		ret->document_end += i < from->document_end;
	}
}

void json_members_fini(struct json_members *members)
{
	for (size_t i = 0; i < members->end; i++) {
		if (!json_node_is_there(members->all[i].value))
			continue;
		json_tree_free(members->all[i].value);
		free(members->all[i].added);
	}
	free(members->all);
	if (members->index && !--members->index->references) {
		json_index_fini(&members->index->index);
		free(members->index);
	}
	*members = (struct json_members){0};
}

static void build_index(struct json_members *members)
{
	members->index = malloc(sizeof(*members->index));
	MUST(members->index);
	members->index->references = 1;
	json_index_init(&members->index->index, members->doc, members->object);
}

/* Where the document's member with that name token stands, or would stand: they are in the order of
 * its text. */
static size_t place_of(const struct json_members *members, uint32_t token)
{
	size_t low = 0, high = members->document_end;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (members->all[middle].token < token)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static size_t find_in_document(struct json_members *members, struct span name)
{
	uint32_t value;

	if (!members->index && members->doc->tokens[members->object].count > MEMBERS_NARROW &&
	    members->look_ups++ >= LOOK_UPS_WITHOUT_INDEX)
		build_index(members);
	value = members->index ? json_index_find(&members->index->index, name)
			       : json_member(members->doc, members->object, name);
	if (!value)
		return SIZE_MAX;
	size_t place = place_of(members, value - 1);
	return place < members->document_end && members->all[place].token == value - 1 ? place
										       : SIZE_MAX;
}

size_t json_members_find(struct json_members *members, struct span name)
{
	const struct json_added_name wanted = {.name = name};
	const struct json_added_name *added = RB_FIND(json_added_names, &members->names,
						      (struct json_added_name *)(uintptr_t)&wanted);

	if (added)
		return added->place;
	size_t place = find_in_document(members, name);
	return place != SIZE_MAX && json_node_is_there(members->all[place].value) ? place
										  : SIZE_MAX;
}

void json_members_add(struct json_members *members, struct span name, struct json_node value)
{
	struct json_added_name *added = name_create(name, members->end);

	MUST(!RB_INSERT(json_added_names, &members->names, added));
	*append(members) = (struct json_member){.added = added, .value = value};
	members->count++;
}

/* Those that are there stand one behind the other again: otherwise looking through an object, and
 * copying it, would cost what it once was. */
static void close_gaps(struct json_members *members)
{
	size_t end = 0, document_end = 0;

	for (size_t i = 0; i < members->end; i++) {
		const struct json_member *member = &members->all[i];

		if (!json_node_is_there(member->value))
			continue;
		if (member->added)
			member->added->place = end;
		document_end += i < members->document_end;
		members->all[end++] = *member;
	}
	members->end = end;
	members->document_end = document_end;
}

struct json_node json_members_take(struct json_members *members, size_t place)
{
	struct json_member *member = &members->all[place];
	struct json_node value = member->value;

	MUST(json_node_is_there(value));
	if (member->added) {
		RB_REMOVE(json_added_names, &members->names, member->added);
		free(member->added);
		member->added = NULL;
	}
	member->value = JSON_NODE_NONE;
	members->count--;
	if (members->end > MEMBERS_NARROW && members->count < members->end / 2)
		close_gaps(members);
	return value;
}

struct span json_members_name(const struct json_members *members, size_t place)
{
	const struct json_member *member = &members->all[place];

	return member->added ? member->added->raw : json_raw(members->doc, member->token);
}
