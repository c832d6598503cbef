/* diff_apply.c — a diff put onto a document, forwards and backwards, on a tree.
 *
 * Forwards: changes, removals in the order given, additions in the order given. Then every array
 * loses its elements from its end and grows at its end, as diff_format() has written them down;
 * backwards is the exact reverse. Everything a diff says about the data is checked, loosely only
 * between numbers: revisions that are equal pair by pair may differ from end to end (2^53+1, 2^53
 * as a double, 2^53), and a chain of diffs must still fit. */
#include "diff.h"
#include "json_tree.h"

struct change {
	const struct json *diff; /* borrowed */
	struct json_node *root;  /* borrowed */
	uint32_t added;          /* tokens of the sections */
	uint32_t removed;        /* an object if reversible, else an array */
	uint32_t changed;
	struct json_path path;
	struct buffer scratch;
};

/* Takes the path apart where a `.` has no `\` before it. -EINVAL: bad escape, or a NUL. */
static int path_parse(struct change *change, uint32_t token)
{
	struct buffer *segments = &change->path.segments;
	struct buffer *text = &change->scratch;

	json_path_clear(&change->path);
	text->len = 0;
	if (json_string(change->diff, token, text))
		return -EINVAL;
	change->path.count = 1;
	for (size_t i = 0; i < text->len; i++) {
		char c = text->at[i];
		if (c == '\0')
			return -EINVAL;
		if (c == '\\') {
			if (++i == text->len || (text->at[i] != '.' && text->at[i] != '\\'))
				return -EINVAL;
			buffer_append_char(segments, text->at[i]);
			continue;
		}
		change->path.count += c == '.';
		buffer_append_char(segments, c == '.' ? '\0' : c);
	}
	buffer_append_char(segments, '\0');
	return 0;
}

/* The place a path token names; its container must be there. */
static int place_of(struct change *change, uint32_t path, struct json_place *ret)
{
	if (path_parse(change, path) || json_place_find(change->root, &change->path, ret))
		return -EINVAL;
	return 0;
}

static bool fits(const struct change *change, struct json_node *value, uint32_t token)
{
	return json_tree_equals(value, change->diff, token, JSON_TREE_NUMBERS_LOOSE);
}

static int put(struct change *change, uint32_t path, uint32_t token)
{
	struct json_place place;

	if (place_of(change, path, &place) || json_place_get(&place))
		return -EINVAL;
	if (place.in_array && place.index != json_place_siblings(&place))
		return -EINVAL;
	/* No diff of two documents gets here, but one made up could go deeper with every entry. */
	if (change->path.count + json_depth(change->diff, token) > JSON_DEPTH_LIMIT)
		return -EINVAL;
	json_place_insert(&place, json_node_of(change->diff, token));
	return 0;
}

/* `token`: the value that must be there; 0: any. */
static int take(struct change *change, uint32_t path, uint32_t token)
{
	struct json_node *value;
	struct json_place place;

	if (place_of(change, path, &place) || !(value = json_place_get(&place)))
		return -EINVAL;
	if (place.in_array && place.index != json_place_siblings(&place) - 1)
		return -EINVAL;
	if (token && !fits(change, value, token))
		return -EINVAL;
	json_tree_free(json_place_take(&place));
	return 0;
}

static int swap(struct change *change, uint32_t path, uint32_t from, uint32_t to)
{
	struct json_node *value;
	struct json_place place;

	if (place_of(change, path, &place) || !(value = json_place_get(&place)))
		return -EINVAL;
	if (!fits(change, value, from) ||
	    change->path.count + json_depth(change->diff, to) > JSON_DEPTH_LIMIT)
		return -EINVAL;
	json_place_replace(&place, json_node_of(change->diff, to));
	return 0;
}

static int swap_all(struct change *change, bool backwards)
{
	const struct json *diff = change->diff;
	const struct json_token *tokens = diff->tokens;

	for (uint32_t i = change->changed + 1; i < tokens[change->changed].next;
	     i = tokens[i + 1].next) {
		uint32_t from = json_member(diff, i + 1, SPAN("from"));
		uint32_t to = json_member(diff, i + 1, SPAN("to"));
		if (!from || !to || tokens[i + 1].count != 2)
			return -EINVAL;
		if (swap(change, i, backwards ? to : from, backwards ? from : to))
			return -EINVAL;
	}
	return 0;
}

static int put_all(struct change *change, uint32_t section)
{
	const struct json_token *tokens = change->diff->tokens;

	for (uint32_t i = section + 1; i < tokens[section].next; i = tokens[i + 1].next) {
		if (put(change, i, i + 1))
			return -EINVAL;
	}
	return 0;
}

static int take_all(struct change *change, uint32_t section)
{
	const struct json_token *tokens = change->diff->tokens;
	bool has_values = tokens[section].type == JSON_OBJECT;

	for (uint32_t i = section + 1; i < tokens[section].next;
	     i = tokens[has_values ? i + 1 : i].next) {
		if (take(change, i, has_values ? i + 1 : 0))
			return -EINVAL;
	}
	return 0;
}

/* Name tokens of a section's members. The caller frees them. */
static uint32_t *names_of(const struct change *change, uint32_t section)
{
	const struct json_token *tokens = change->diff->tokens;
	uint32_t *names = malloc(tokens[section].count * sizeof(*names) + 1);
	uint32_t count = 0;

	MUST(names);
	for (uint32_t i = section + 1; i < tokens[section].next; i = tokens[i + 1].next)
		names[count++] = i;
	return names;
}

/* As put_all() or take_all(), from the last entry to the first. */
static int all_backwards(struct change *change, uint32_t section,
			 int (*one)(struct change *, uint32_t, uint32_t))
{
	uint32_t *names = names_of(change, section);
	int error = 0;

	for (uint32_t i = change->diff->tokens[section].count; !error && i-- > 0;)
		error = one(change, names[i], names[i] + 1);
	free(names);
	return error;
}

static int forwards(struct change *change)
{
	if (swap_all(change, false) || take_all(change, change->removed) ||
	    put_all(change, change->added))
		return -EINVAL;
	return 0;
}

static int backwards(struct change *change)
{
	if (change->diff->tokens[change->removed].type != JSON_OBJECT)
		return -EINVAL;
	if (all_backwards(change, change->added, take) ||
	    all_backwards(change, change->removed, put) || swap_all(change, true))
		return -EINVAL;
	return 0;
}

static bool is_type(const struct json *doc, uint32_t token, enum json_type type)
{
	return token && doc->tokens[token].type == type;
}

static int sections_find(const struct json *diff, struct change *ret)
{
	*ret = (struct change){
		.diff = diff,
		.added = json_member(diff, 0, SPAN("added")),
		.removed = json_member(diff, 0, SPAN("removed")),
		.changed = json_member(diff, 0, SPAN("changed")),
	};
	if (diff->tokens[0].count != 3 || !is_type(diff, ret->added, JSON_OBJECT) ||
	    !is_type(diff, ret->changed, JSON_OBJECT) ||
	    (!is_type(diff, ret->removed, JSON_OBJECT) && !is_type(diff, ret->removed, JSON_ARRAY)))
		return -EINVAL;
	return 0;
}

static int change_run(const struct json *data, const struct json *diff, int (*run)(struct change *),
		      struct buffer *ret)
{
	struct json_node root = json_node_of(data, 0);
	struct change change;

	if (data->tokens[0].type != JSON_OBJECT || sections_find(diff, &change))
		return -EINVAL;
	change.root = &root;
	int error = run(&change);
	if (!error)
		json_tree_format(root, ret);
	json_tree_free(root);
	json_path_fini(&change.path);
	buffer_fini(&change.scratch);
	return error;
}

int diff_apply(const struct json *data, const struct json *diff, struct buffer *ret)
{
	return change_run(data, diff, forwards, ret);
}

int diff_revert(const struct json *data, const struct json *diff, struct buffer *ret)
{
	return change_run(data, diff, backwards, ret);
}

/* Puts one more diff, parsed here, onto the tree, which keeps parts of it. */
static int revert_text(struct json_node *root, struct span text, struct json *doc)
{
	struct json_fault fault;

	if (json_parse(doc, text, JSON_DEPTH_LIMIT, &fault))
		return -EINVAL;
	struct change change;
	if (sections_find(doc, &change))
		return -EINVAL;
	change.root = root;
	int error = backwards(&change);
	json_path_fini(&change.path);
	buffer_fini(&change.scratch);
	return error;
}

int diff_revert_all(const struct json *data, const struct span *diffs, size_t count,
		    struct buffer *ret)
{
	struct json_node root = json_node_of(data, 0);
	int error = 0;

	if (data->tokens[0].type != JSON_OBJECT)
		return -EINVAL;
	struct json *docs = calloc(count + 1, sizeof(*docs));
	MUST(docs);
	for (size_t i = 0; i < count && !error; i++)
		error = revert_text(&root, diffs[i], &docs[i]);
	if (!error)
		json_tree_format(root, ret);
	json_tree_free(root);
	for (size_t i = 0; i < count; i++)
		json_fini(&docs[i]);
	free(docs);
	return error;
}
