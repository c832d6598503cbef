/* diff.c — what changed between two documents, in one walk over their tokens.
 *
 * Recursion goes only where both documents have a container, which json_parse() keeps within
 * JSON_DEPTH_LIMIT. */
#include "diff.h"
#include "json_lookup.h"

/* Longest array index and its NUL. */
#define INDEX_MAX 12

/* The sections on their way out. Each entry ends with a comma, the last one is cut off at the end.
 */
struct walk {
	const struct json *old; /* borrowed */
	const struct json *new; /* borrowed */
	struct buffer
		path; /* of the container at hand and a `.`, JSON-escaped; empty at the root */
	struct buffer name; /* scratch: an escaped segment */
	struct buffer added;
	struct buffer changed;
	struct buffer removed_paths;  /* client form */
	struct buffer removed_values; /* reversible form */
	bool wants_paths;
	bool wants_values;
};

/* A member name as it stands in a path that stands in a JSON string. Good until the next call. */
static struct span segment_of_name(struct walk *walk, const struct json *doc, uint32_t name)
{
	struct span inner = json_inner(doc, name);

	if (!doc->tokens[name].escaped && (inner.len == 0 || !memchr(inner.at, '.', inner.len)))
		return inner;

	struct buffer CLEANUP(buffer_fini) decoded = {0};
	struct buffer CLEANUP(buffer_fini) escaped = {0};
	MUST(json_string(doc, name, &decoded) == 0);
	for (size_t i = 0; i < decoded.len; i++) {
		if (decoded.at[i] == '.' || decoded.at[i] == '\\')
			buffer_append_char(&escaped, '\\');
		buffer_append_char(&escaped, decoded.at[i]);
	}
	walk->name.len = 0;
	buffer_append_json(&walk->name, buffer_span(&escaped));
	return span_of(walk->name.at + 1, walk->name.len - 2);
}

static struct span segment_of_index(uint32_t index, char room[INDEX_MAX])
{
	size_t first = INDEX_MAX;

	do {
		room[--first] = (char)('0' + index % 10);
		index /= 10;
	} while (index);
	return span_of(room + first, INDEX_MAX - first);
}

/* Goes one container down; the result takes walk_ascend() back up. */
static size_t walk_descend(struct walk *walk, struct span segment)
{
	size_t before = walk->path.len;

	buffer_append_span(&walk->path, segment);
	buffer_append_char(&walk->path, '.');
	return before;
}

static void walk_ascend(struct walk *walk, size_t before)
{
	walk->path.len = before;
}

static void append_path(struct buffer *section, const struct walk *walk, struct span segment)
{
	buffer_reserve(section, walk->path.len + segment.len + 3);
	buffer_append_char(section, '"');
	buffer_append_span(section, buffer_span(&walk->path));
	buffer_append_span(section, segment);
	buffer_append_char(section, '"');
}

static void append_entry(struct buffer *section, const struct walk *walk, struct span segment,
			 struct span value)
{
	append_path(section, walk, segment);
	buffer_reserve(section, value.len + 2);
	buffer_append_char(section, ':');
	buffer_append_span(section, value);
	buffer_append_char(section, ',');
}

static void put_added(struct walk *walk, struct span segment, uint32_t value)
{
	append_entry(&walk->added, walk, segment, json_raw(walk->new, value));
}

static void put_removed(struct walk *walk, struct span segment, uint32_t value)
{
	if (walk->wants_paths) {
		append_path(&walk->removed_paths, walk, segment);
		buffer_append_char(&walk->removed_paths, ',');
	}
	if (walk->wants_values)
		append_entry(&walk->removed_values, walk, segment, json_raw(walk->old, value));
}

static void put_changed(struct walk *walk, struct span segment, uint32_t from, uint32_t to)
{
	append_path(&walk->changed, walk, segment);
	buffer_append_string(&walk->changed, ":{\"from\":");
	buffer_append_span(&walk->changed, json_raw(walk->old, from));
	buffer_append_string(&walk->changed, ",\"to\":");
	buffer_append_span(&walk->changed, json_raw(walk->new, to));
	buffer_append_string(&walk->changed, "},");
}

static void diff_containers(struct walk *walk, uint32_t old, uint32_t new, uint32_t compared);

/* Equal bytes are equal values. Inside of what was compared as a whole and found different, only
 * parts of up to half of it are compared again: so no byte is looked at more than twice however
 * deep it lies. */
static bool same_bytes(const struct walk *walk, uint32_t old, uint32_t new, uint32_t *compared)
{
	uint32_t len = walk->old->tokens[old].len;

	if (len != walk->new->tokens[new].len || len > *compared / 2)
		return false;
	*compared = len;
	return memcmp(walk->old->text.at + walk->old->tokens[old].at,
		      walk->new->text.at + walk->new->tokens[new].at, len) == 0;
}

static bool is_container(uint8_t type)
{
	return type == JSON_OBJECT || type == JSON_ARRAY;
}

/* Both documents have something at this place: `name` in an object of the old one, else `index` of
 * an array. */
static void diff_pair(struct walk *walk, uint32_t old, uint32_t new, uint32_t name, uint32_t index,
		      uint32_t compared)
{
	uint8_t type = walk->old->tokens[old].type;
	bool same_type = type == walk->new->tokens[new].type;
	bool deep = same_type && is_container(type);
	uint32_t all = UINT32_MAX;
	char room[INDEX_MAX];

	if (same_type && same_bytes(walk, old, new, deep ? &compared : &all))
		return;
	/* A container against a scalar needs no look inside, and integers may equal doubles. */
	if (!deep && json_equals(walk->old, old, walk->new, new))
		return;
	struct span segment =
		name ? segment_of_name(walk, walk->old, name) : segment_of_index(index, room);
	if (deep) {
		size_t before = walk_descend(walk, segment);
		diff_containers(walk, old, new, compared);
		walk_ascend(walk, before);
	} else {
		put_changed(walk, segment, old, new);
	}
}

static void diff_new_members(struct walk *walk, uint32_t new, const struct json_lookup *lookup)
{
	const struct json_token *tokens = walk->new->tokens;

	if (lookup->found_count == tokens[new].count)
		return;
	for (uint32_t i = new + 1; i < tokens[new].next; i = tokens[i + 1].next) {
		if (!json_lookup_was_found(lookup, i))
			put_added(walk, segment_of_name(walk, walk->new, i), i + 1);
	}
}

static void diff_objects(struct walk *walk, uint32_t old, uint32_t new, uint32_t compared)
{
	const struct json_token *tokens = walk->old->tokens;
	struct json_lookup lookup;

	json_lookup_init(&lookup, walk->new, new);
	for (uint32_t i = old + 1; i < tokens[old].next; i = tokens[i + 1].next) {
		uint32_t value = json_lookup_find(&lookup, walk->old, i);
		if (value)
			diff_pair(walk, i + 1, value, i, 0, compared);
		else
			put_removed(walk, segment_of_name(walk, walk->old, i), i + 1);
	}
	diff_new_members(walk, new, &lookup);
	json_lookup_fini(&lookup);
}

/* From the highest index down, so that each index is right at the moment of its removal. */
static void diff_array_shrunk(struct walk *walk, uint32_t first, uint32_t index, uint32_t count)
{
	uint32_t *elements = malloc((count - index) * sizeof(*elements));
	char room[INDEX_MAX];

	MUST(elements);
	for (uint32_t i = 0, at = first; i < count - index; i++) {
		elements[i] = at;
		at = walk->old->tokens[at].next;
	}
	for (uint32_t i = count - index; i-- > 0;)
		put_removed(walk, segment_of_index(index + i, room), elements[i]);
	free(elements);
}

static void diff_arrays(struct walk *walk, uint32_t old, uint32_t new, uint32_t compared)
{
	uint32_t old_count = walk->old->tokens[old].count;
	uint32_t new_count = walk->new->tokens[new].count;
	uint32_t old_at = old + 1;
	uint32_t new_at = new + 1;
	uint32_t index = 0;
	char room[INDEX_MAX];

	for (; index < old_count && index < new_count; index++) {
		diff_pair(walk, old_at, new_at, 0, index, compared);
		old_at = walk->old->tokens[old_at].next;
		new_at = walk->new->tokens[new_at].next;
	}
	if (index < old_count)
		diff_array_shrunk(walk, old_at, index, old_count);
	for (; index < new_count; index++) {
		put_added(walk, segment_of_index(index, room), new_at);
		new_at = walk->new->tokens[new_at].next;
	}
}

static void diff_containers(struct walk *walk, uint32_t old, uint32_t new, uint32_t compared)
{
	if (walk->old->tokens[old].type == JSON_OBJECT)
		diff_objects(walk, old, new, compared);
	else
		diff_arrays(walk, old, new, compared);
}

static void append_section(struct buffer *ret, const struct buffer *entries)
{
	if (entries->len)
		buffer_append(ret, entries->at, entries->len - 1);
}

static void append_diff(struct buffer *ret, const struct walk *walk, bool reversible)
{
	const struct buffer *removed = reversible ? &walk->removed_values : &walk->removed_paths;

	buffer_reserve(ret, walk->added.len + removed->len + walk->changed.len + 64);
	buffer_append_string(ret, "{\"added\":{");
	append_section(ret, &walk->added);
	buffer_append_string(ret, reversible ? "},\"removed\":{" : "},\"removed\":[");
	append_section(ret, removed);
	buffer_append_string(ret, reversible ? "},\"changed\":{" : "],\"changed\":{");
	append_section(ret, &walk->changed);
	buffer_append_string(ret, "}}");
}

void diff_format(const struct json *old, const struct json *new, struct buffer *ret_diff,
		 struct buffer *ret_reversible)
{
	struct walk walk = {
		.old = old,
		.new = new,
		.wants_paths = ret_diff != NULL,
		.wants_values = ret_reversible != NULL,
	};
	uint32_t compared = UINT32_MAX;

	MUST(old->tokens[0].type == JSON_OBJECT && new->tokens[0].type == JSON_OBJECT);
	if (!same_bytes(&walk, 0, 0, &compared))
		diff_objects(&walk, 0, 0, compared);
	if (ret_diff)
		append_diff(ret_diff, &walk, false);
	if (ret_reversible)
		append_diff(ret_reversible, &walk, true);
	buffer_fini(&walk.path);
	buffer_fini(&walk.name);
	buffer_fini(&walk.added);
	buffer_fini(&walk.changed);
	buffer_fini(&walk.removed_paths);
	buffer_fini(&walk.removed_values);
}

/* --- from the history to the client --- */

static void append_names(const struct json *diff, uint32_t object, struct buffer *ret)
{
	const struct json_token *tokens = diff->tokens;

	buffer_append_char(ret, '[');
	for (uint32_t i = object + 1; i < tokens[object].next; i = tokens[i + 1].next) {
		if (i > object + 1)
			buffer_append_char(ret, ',');
		buffer_append_span(ret, json_raw(diff, i));
	}
	buffer_append_char(ret, ']');
}

int diff_client_form(const struct json *diff, struct buffer *ret)
{
	uint32_t added = json_member(diff, 0, SPAN("added"));
	uint32_t removed = json_member(diff, 0, SPAN("removed"));
	uint32_t changed = json_member(diff, 0, SPAN("changed"));

	if (diff->tokens[0].count != 3 || !added || diff->tokens[added].type != JSON_OBJECT ||
	    !removed || !is_container(diff->tokens[removed].type) || !changed ||
	    diff->tokens[changed].type != JSON_OBJECT)
		return -EINVAL;
	buffer_append_string(ret, "{\"added\":");
	buffer_append_span(ret, json_raw(diff, added));
	buffer_append_string(ret, ",\"removed\":");
	if (diff->tokens[removed].type == JSON_OBJECT)
		append_names(diff, removed, ret);
	else
		buffer_append_span(ret, json_raw(diff, removed));
	buffer_append_string(ret, ",\"changed\":");
	buffer_append_span(ret, json_raw(diff, changed));
	buffer_append_char(ret, '}');
	return 0;
}
