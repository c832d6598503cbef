/* test_json_tree.c — JSON that is changed place by place: against arrays and objects kept the plain
 * way. Patches and diffs that work on it have tests of their own. */
#include "json_container.h"
#include "random_json.h"
#include <criterion/criterion.h>

TestSuite(json_tree, .timeout = 100);

#define ELEMENTS 3000

/* The place with one segment below the root. */
static struct json_place place_at(struct json_node *root, struct json_path *path, const char *name)
{
	struct json_place place;

	json_path_clear(path);
	buffer_append(&path->segments, name, strlen(name) + 1);
	path->count = 1;
	cr_assert_eq(json_place_find(root, path, &place), 0);
	return place;
}

static void expect_text(struct json_node root, struct span expected)
{
	struct buffer CLEANUP(buffer_fini) text = {0};

	json_tree_format(root, &text);
	cr_expect(span_equals(buffer_span(&text), expected), "%.*s, not %.*s", SPAN_ARGS(text),
		  SPAN_ARGS(expected));
	cr_expect_eq(json_tree_size(root), text.len);
}

static void append_numbers(struct buffer *ret, const unsigned *numbers, size_t count)
{
	buffer_append_char(ret, '[');
	for (size_t i = 0; i < count; i++)
		buffer_printf(ret, "%s%u", i ? "," : "", numbers[i]);
	buffer_append_char(ret, ']');
}

/* From empty to many blocks and back; mostly near the last place, as users do, and anywhere. */
Test(json_tree, elements_come_and_go_as_in_a_plain_array)
{
	uint64_t seed = random_json_seed();
	struct random_json random = random_json_create(seed);
	struct buffer CLEANUP(buffer_fini) all = {0}, CLEANUP(buffer_fini) expected = {0};
	static unsigned numbers[ELEMENTS], plain[ELEMENTS];
	size_t count = 0, at = 0;

	for (unsigned i = 0; i < ELEMENTS; i++)
		numbers[i] = i;
	append_numbers(&all, numbers, ELEMENTS);
	struct json CLEANUP(json_fini) doc = random_json_parse(buffer_span(&all));
	struct json CLEANUP(json_fini) empty = random_json_parse(SPAN("[]"));
	struct json_elements elements;

	json_elements_init(&elements, &empty, 0);
	for (unsigned step = 0; step < 60000; step++) {
		bool grows = step / 20000 != 1; /* up, down, up again */
		bool adds = count == 0 || (count < ELEMENTS &&
					   random_json_below(&random, 10) < (grows ? 7u : 2u));
		at = random_json_below(&random, 3) && at <= count
			     ? at
			     : random_json_below(&random, (unsigned)count + 1);
		if (adds) {
			unsigned number = random_json_below(&random, ELEMENTS);
			json_elements_insert(&elements, at, json_node_of(&doc, number + 1));
			memmove(&plain[at + 1], &plain[at], (count++ - at) * sizeof(*plain));
			plain[at] = number;
			continue;
		}
		at = at < count ? at : count - 1;
		cr_assert_eq(json_elements_at(&elements, at)->token, plain[at] + 1, "seed %llu",
			     (unsigned long long)seed);
		cr_assert_eq(json_elements_take(&elements, at).token, plain[at] + 1);
		memmove(&plain[at], &plain[at + 1], (--count - at) * sizeof(*plain));
	}
	cr_assert_eq(elements.count, count);
	append_numbers(&expected, plain, count);
	struct json_container container = {.is_array = true, .elements = elements};
	expect_text((struct json_node){.container = &container}, buffer_span(&expected));
	json_elements_fini(&container.elements);
}

Test(json_tree, members_keep_their_order_and_new_ones_come_last)
{
	struct json CLEANUP(json_fini) doc =
		random_json_parse(SPAN("{ \"a\" : 1, \"\\u0062\": [ 2 ], \"c\":{}}"));
	struct json_node root = json_node_of(&doc, 0);
	struct json_path path = {0};
	struct json_place place;

	expect_text(root, SPAN("{\"a\":1,\"\\u0062\":[2],\"c\":{}}"));
	place = place_at(&root, &path, "b");
	cr_expect_eq(json_place_name_size(&place), strlen("\"\\u0062\""));
	json_tree_free(json_place_take(&place));
	cr_expect_null(json_place_get(&(struct json_place){.index = SIZE_MAX}));
	place = place_at(&root, &path, "b");
	cr_expect_null(json_place_get(&place));
	cr_expect_eq(json_place_name_size(&place), strlen("\"b\""));
	json_place_insert(&place, json_node_of(&doc, 2));
	place = place_at(&root, &path, "q\"\n");
	json_place_insert(&place, json_node_of(&doc, 2));
	expect_text(root, SPAN("{\"a\":1,\"c\":{},\"b\":1,\"q\\\"\\n\":1}"));
	place = place_at(&root, &path, "b");
	json_tree_free(json_place_take(&place));
	cr_expect_eq(json_place_siblings(&place), 3);
	expect_text(root, SPAN("{\"a\":1,\"c\":{},\"q\\\"\\n\":1}"));
	json_tree_free(root);
	json_path_fini(&path);
}

/* So many look-ups that the index is built, and members on both sides of it. */
Test(json_tree, wide_objects_find_all_of_their_members_and_no_others)
{
	struct buffer CLEANUP(buffer_fini) text = {0};
	struct json_path path = {0};
	char name[16];

	buffer_append_string(&text, "{\"k0\":0");
	for (unsigned i = 1; i < 1000; i++)
		buffer_printf(&text, ",\"k%u\":%u", i, i);
	buffer_append_char(&text, '}');
	struct json CLEANUP(json_fini) doc = random_json_parse(buffer_span(&text));
	struct json_node root = json_node_of(&doc, 0);
	for (unsigned i = 0; i < 1500; i++) {
		snprintf(name, sizeof(name), "k%u", i);
		struct json_place place = place_at(&root, &path, name);
		cr_assert_eq(json_place_get(&place) != NULL, i < 1000, "%s", name);
		if (i >= 1000)
			json_place_insert(&place, json_node_of(&doc, 2));
		else if (i % 2)
			json_tree_free(json_place_take(&place));
	}
	struct json_node copy = json_tree_copy(root);
	for (unsigned i = 0; i < 2000; i++) {
		snprintf(name, sizeof(name), "k%u", i);
		struct json_place place = place_at(&copy, &path, name);
		cr_assert_eq(json_place_get(&place) != NULL, i < 1500 && (i >= 1000 || i % 2 == 0),
			     "%s", name);
	}
	json_tree_free(copy);
	json_tree_free(root);
	json_path_fini(&path);
}

static void expect_members(struct json_node root, const unsigned (*plain)[2], size_t count)
{
	struct buffer CLEANUP(buffer_fini) expected = {0};

	buffer_append_char(&expected, '{');
	for (size_t i = 0; i < count; i++)
		buffer_printf(&expected, "%s\"k%u\":%u", i ? "," : "", plain[i][0], plain[i][1]);
	buffer_append_char(&expected, '}');
	expect_text(root, buffer_span(&expected));
}

/* Up, down to almost none, up again; copies go on in place of what they are copies of. */
Test(json_tree, members_come_and_go_as_in_a_plain_object)
{
	enum { MEMBERS = 100, NAMES = 150 };
	uint64_t seed = random_json_seed();
	struct random_json random = random_json_create(seed);
	struct buffer CLEANUP(buffer_fini) text = {0};
	struct json_path path = {0};
	unsigned plain[NAMES][2];
	size_t count = MEMBERS;
	char name[16];

	for (unsigned i = 0; i < MEMBERS; i++) {
		plain[i][0] = plain[i][1] = i;
		buffer_printf(&text, "%c\"k%u\":%u", i ? ',' : '{', i, i);
	}
	buffer_append_char(&text, '}');
	struct json CLEANUP(json_fini) doc = random_json_parse(buffer_span(&text));
	struct json_node root = json_node_of(&doc, 0);
	for (unsigned step = 0; step < 20000; step++) {
		unsigned number = random_json_below(&random, NAMES);
		bool grows = step / 500 % 2;
		size_t at = 0;

		snprintf(name, sizeof(name), "k%u", number);
		struct json_place place = place_at(&root, &path, name);
		while (at < count && plain[at][0] != number)
			at++;
		cr_assert_eq(json_place_get(&place) != NULL, at < count, "seed %llu, step %u",
			     (unsigned long long)seed, step);
		if (at < count && !(grows && random_json_below(&random, 5))) {
			json_tree_free(json_place_take(&place));
			memmove(&plain[at], &plain[at + 1], (--count - at) * sizeof(*plain));
		} else if (at == count && (grows || !random_json_below(&random, 20))) {
			json_place_insert(&place, json_node_of(&doc, 2));
			plain[count][0] = number;
			plain[count++][1] = 0;
		}
		if (step % 100)
			continue;
		expect_members(root, plain, count);
		struct json_node copy = json_tree_copy(root);
		json_tree_free(root);
		root = copy;
	}
	expect_members(root, plain, count);
	json_tree_free(root);
	json_path_fini(&path);
}

Test(json_tree, copies_of_what_was_taken_apart_are_apart)
{
	struct json CLEANUP(json_fini) doc = random_json_parse(SPAN("[[1,[2]],3]"));
	struct json_node root = json_node_of(&doc, 0), copy;
	struct json_container *outer, *inner;

	cr_assert(json_tree_open(&root, &outer));
	cr_assert(json_tree_open(json_elements_at(&outer->elements, 0), &inner));
	copy = json_tree_copy(root);
	json_elements_take(&inner->elements, 0);
	expect_text(root, SPAN("[[[2]],3]"));
	expect_text(copy, SPAN("[[1,[2]],3]"));
	cr_expect_eq(json_tree_depth(root), 3);
	cr_expect_not(json_tree_open(json_elements_at(&outer->elements, 1), &inner));
	json_tree_free(root);
	json_tree_free(copy);
}
