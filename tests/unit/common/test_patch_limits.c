/* test_patch_limits.c — how large, deep and dear patches may get; random patches against their
 * single operations. */
#include "patch_helpers.h"
#include <sys/resource.h>

TestSuite(patch_limits, .timeout = 100);

/* Documents of exactly the limit pass; spaces in the request do not count. */
Test(patch_limits, the_result_has_at_most_size_max_bytes)
{
	struct buffer CLEANUP(buffer_fini) result = {0};
	struct patch_fault fault;
	struct span operations = SPAN("[{\"op\":\"add\",\"path\":\"/b\",\"value\":[ 1 , 2 ]}]");
	size_t size = strlen("{\"a\":1,\"b\":[1,2]}");

	cr_expect_eq(apply(SPAN("{ \"a\" : 1 }"), operations, size, &result, &fault), 0);
	result.len = 0;
	cr_expect_eq(apply(SPAN("{\"a\":1}"), operations, size - 1, &result, &fault), -E2BIG);
	cr_expect_eq(fault.kind, PATCH_INVALID);
	cr_expect_eq(fault.operation, 0);
	cr_expect_eq(result.len, 0);
}

Test(patch_limits, a_document_above_the_limit_can_be_made_smaller)
{
	struct buffer CLEANUP(buffer_fini) result = {0};
	struct patch_fault fault;

	cr_expect_eq(apply(SPAN("{\"a\":1,\"b\":[1,2,3,4,5,6,7,8]}"),
			   SPAN("[{\"op\":\"remove\",\"path\":\"/b\"}]"), 8, &result, &fault),
		     0);
	cr_expect(span_equals(buffer_span(&result), SPAN("{\"a\":1}")));
}

static void append_repeated(struct buffer *ret, const char *first, const char *operation,
			    unsigned times)
{
	buffer_append_string(ret, "[");
	buffer_append_string(ret, first);
	for (unsigned i = 0; i < times; i++) {
		if (i || *first)
			buffer_append_char(ret, ',');
		buffer_append_string(ret, operation);
	}
	buffer_append_string(ret, "]");
}

/* 2^40 copies of the document if nobody stopped it. */
Test(patch_limits, doubling_copies_stop_early)
{
	struct buffer CLEANUP(buffer_fini) operations = {0}, CLEANUP(buffer_fini) result = {0};
	struct patch_fault fault;

	append_repeated(&operations, "", "{\"op\":\"copy\",\"from\":\"/a\",\"path\":\"/a/-\"}", 40);
	cr_expect_eq(
		apply(SPAN("{\"a\":[1,2,3]}"), buffer_span(&operations), SIZE_ANY, &result, &fault),
		-E2BIG);
	cr_expect_lt(fault.operation, 25);
}

/* Far below what counts as too much work. */
Test(patch_limits, the_document_is_not_built_far_beyond_its_limit)
{
	struct buffer CLEANUP(buffer_fini) operations = {0}, CLEANUP(buffer_fini) result = {0};
	struct patch_fault fault;

	append_repeated(&operations, "", "{\"op\":\"copy\",\"from\":\"/a\",\"path\":\"/a/-\"}", 14);
	cr_expect_eq(
		apply(SPAN("{\"a\":[1,2,3]}"), buffer_span(&operations), 1000, &result, &fault),
		-E2BIG);
	cr_expect_eq(fault.operation, 7);
}

Test(patch_limits, a_document_may_be_above_its_limit_for_a_while)
{
	struct buffer CLEANUP(buffer_fini) result = {0};
	struct patch_fault fault;

	cr_expect_eq(apply(SPAN("{\"a\":[1,2,3]}"),
			   SPAN("[{\"op\":\"copy\",\"from\":\"/a\",\"path\":\"/b\"},"
				"{\"op\":\"remove\",\"path\":\"/a\"}]"),
			   strlen("{\"a\":[1,2,3]}"), &result, &fault),
		     0);
	cr_expect(span_equals(buffer_span(&result), SPAN("{\"b\":[1,2,3]}")));
}

/* The document never grows, but each operation copies half of it. */
Test(patch_limits, copying_onto_the_same_place_forever_is_refused)
{
	struct buffer CLEANUP(buffer_fini) document = {0}, CLEANUP(buffer_fini) operations = {0},
					   CLEANUP(buffer_fini) result = {0};
	struct patch_fault fault;

	buffer_append_string(&document, "{\"b\":1,\"a\":[1");
	for (unsigned i = 0; i < 100000; i++)
		buffer_append_string(&document, ",1");
	buffer_append_string(&document, "]}");
	append_repeated(&operations, "", "{\"op\":\"copy\",\"from\":\"/a\",\"path\":\"/b\"}",
			20000);
	cr_expect_eq(
		apply(buffer_span(&document), buffer_span(&operations), SIZE_ANY, &result, &fault),
		-E2BIG);
}

/* Moving all that stands behind each of them would take seconds. */
Test(patch_limits, long_arrays_may_grow_and_shrink_at_any_place)
{
	static const char *const pairs[] = {
		"{\"op\":\"add\",\"path\":\"/a/0\",\"value\":2},{\"op\":\"remove\",\"path\":"
		"\"/a/1\"}",
		"{\"op\":\"move\",\"from\":\"/a/0\",\"path\":\"/a/-\"},"
		"{\"op\":\"move\",\"from\":\"/a/300000\",\"path\":\"/a/100000\"}",
	};
	struct buffer CLEANUP(buffer_fini) document = {0};

	buffer_append_string(&document, "{\"a\":[1");
	for (unsigned i = 0; i < 400000; i++)
		buffer_append_string(&document, ",1");
	buffer_append_string(&document, "]}");
	for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
		struct buffer CLEANUP(buffer_fini) operations = {0},
						   CLEANUP(buffer_fini) result = {0};
		struct patch_fault fault;

		append_repeated(&operations, "", pairs[i], 20000);
		cr_expect_eq(apply(buffer_span(&document), buffer_span(&operations), SIZE_ANY,
				   &result, &fault),
			     0, "%s", fault.detail);
		cr_expect_eq(result.len, document.len);
	}
}

Test(patch_limits, thousands_of_ordinary_operations_are_fine)
{
	struct buffer CLEANUP(buffer_fini) operations = {0}, CLEANUP(buffer_fini) result = {0};
	struct patch_fault fault;

	append_repeated(&operations, "{\"op\":\"add\",\"path\":\"/a\",\"value\":[]}",
			"{\"op\":\"add\",\"path\":\"/a/"
			"0\",\"value\":{\"x\":1}},{\"op\":\"add\",\"path\":\"/a/-\",\"value\":2}",
			10000);
	cr_expect_eq(apply(SPAN("{}"), buffer_span(&operations), SIZE_ANY, &result, &fault), 0,
		     "%s", fault.detail);
}

/* A hundred levels with each operation. */
Test(patch_limits, nothing_gets_deeper_than_the_scanner_allows)
{
	static const char *const deepening[] = {
		"{\"op\":\"copy\",\"from\":\"\",\"path\":\"/a/a/a/a/a/a/a/a/a/a/x\"}",
		"{\"op\":\"add\",\"path\":\"/b\",\"value\":{\"a\":{\"a\":{\"a\":{}}}}},"
		"{\"op\":\"move\",\"from\":\"/a\",\"path\":\"/b/a/a/a/"
		"a\"},{\"op\":\"move\",\"from\":\"/b\",\"path\":\"/a\"}",
	};

	for (size_t i = 0; i < ARRAY_LEN(deepening); i++) {
		struct buffer CLEANUP(buffer_fini) operations = {0},
						   CLEANUP(buffer_fini) result = {0};
		struct patch_fault fault;
		append_repeated(&operations, "", deepening[i], 2000);
		cr_expect_eq(apply(SPAN("{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{"
					"\"a\":{\"a\":{}}}}}}}}}}}"),
				   buffer_span(&operations), (size_t)1 << 30, &result, &fault),
			     -EINVAL, "%s", fault.detail);
		cr_expect_gt(fault.operation, 5);
		cr_expect_not_null(strstr(fault.detail, "deep"), "%s", fault.detail);
	}
}

Test(patch_limits, moving_back_and_forth_is_not_taken_for_depth)
{
	struct buffer CLEANUP(buffer_fini) operations = {0}, CLEANUP(buffer_fini) result = {0};
	struct patch_fault fault;

	append_repeated(&operations, "",
			"{\"op\":\"move\",\"from\":\"/a\",\"path\":\"/b/c/d/e\"},"
			"{\"op\":\"move\",\"from\":\"/b/c/d/e\",\"path\":\"/a\"}",
			3000);
	cr_expect_eq(apply(SPAN("{\"a\":[1],\"b\":{\"c\":{\"d\":{}}}}"), buffer_span(&operations),
			   SIZE_ANY, &result, &fault),
		     0, "%s", fault.detail);
	cr_expect(span_equals(buffer_span(&result), SPAN("{\"b\":{\"c\":{\"d\":{}}},\"a\":[1]}")));
}

static size_t memory_most(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (size_t)usage.ru_maxrss << 10;
}

/* Each copy is 4 KB of text, and was 8 MB of memory. */
Test(patch_limits, copies_of_small_arrays_take_little_memory)
{
	struct buffer CLEANUP(buffer_fini) document = {0}, CLEANUP(buffer_fini) opened = {0},
					   CLEANUP(buffer_fini) operations = {0},
					   CLEANUP(buffer_fini) result = {0};
	struct patch_fault fault;
	const unsigned arrays = 1000;

	buffer_append_string(&document, "{\"b\":[],\"a\":[[0]");
	buffer_append_string(&opened, "{\"op\":\"test\",\"path\":\"/a/0/0\",\"value\":0}");
	for (unsigned i = 1; i < arrays; i++) {
		buffer_append_string(&document, ",[0]");
		buffer_printf(&opened, ",{\"op\":\"test\",\"path\":\"/a/%u/0\",\"value\":0}", i);
	}
	buffer_append_string(&document, "]}");
	buffer_append_char(&opened, '\0');
	append_repeated(&operations, opened.at,
			"{\"op\":\"copy\",\"from\":\"/a\",\"path\":\"/b/-\"}", 60);
	size_t before = memory_most();
	cr_expect_eq(apply(buffer_span(&document), buffer_span(&operations), (size_t)1 << 20,
			   &result, &fault),
		     0, "%s", fault.detail);
	cr_expect_lt(memory_most() - before, (size_t)100 << 20);
}

/* What was taken out of an object is in none of its copies. */
Test(patch_limits, copies_of_an_object_that_was_emptied_take_little_memory)
{
	struct buffer CLEANUP(buffer_fini) document = {0}, CLEANUP(buffer_fini) emptying = {0},
					   CLEANUP(buffer_fini) operations = {0},
					   CLEANUP(buffer_fini) result = {0};
	struct patch_fault fault;
	const unsigned members = 20000;

	buffer_append_string(&document, "{\"b\":[],\"a\":{\"0\":0");
	buffer_append_string(&emptying, "{\"op\":\"remove\",\"path\":\"/a/0\"}");
	for (unsigned i = 1; i < members; i++) {
		buffer_printf(&document, ",\"%u\":0", i);
		buffer_printf(&emptying, ",{\"op\":\"remove\",\"path\":\"/a/%u\"}", i);
	}
	buffer_append_string(&document, "}}");
	buffer_append_char(&emptying, '\0');
	append_repeated(&operations, emptying.at,
			"{\"op\":\"copy\",\"from\":\"/a\",\"path\":\"/b/-\"}", 500);
	size_t before = memory_most();
	cr_expect_eq(apply(buffer_span(&document), buffer_span(&operations), (size_t)1 << 20,
			   &result, &fault),
		     0, "%s", fault.detail);
	cr_expect_lt(memory_most() - before, (size_t)100 << 20);
}

/* Random pointers lead mostly to places that are there: a walk from the root down. */
static void append_pointer(struct random_json *random, const struct json *doc, struct buffer *ret)
{
	uint32_t at = 0;
	struct buffer CLEANUP(buffer_fini) name = {0}, CLEANUP(buffer_fini) pointer = {0};

	while (doc->tokens[at].count && random_json_below(random, 10) < 7) {
		uint32_t ordinal = random_json_below(random, doc->tokens[at].count);
		bool is_object = doc->tokens[at].type == JSON_OBJECT;
		buffer_append_char(&pointer, '/');
		at++;
		for (uint32_t i = 0; i < ordinal; i++)
			at = doc->tokens[is_object ? at + 1 : at].next;
		if (!is_object) {
			buffer_append_u64(&pointer, ordinal);
			continue;
		}
		name.len = 0;
		json_string(doc, at++, &name);
		for (size_t i = 0; i < name.len; i++) {
			if (name.at[i] == '~' || name.at[i] == '/')
				buffer_append_string(&pointer, name.at[i] == '~' ? "~0" : "~1");
			else
				buffer_append_char(&pointer, name.at[i]);
		}
	}
	if (random_json_below(random, 3) == 0) {
		static const char *const ends[] = {"/a", "/-", "/0", "/1", "/", "/new", "/b/c"};
		buffer_append_string(&pointer, ends[random_json_below(random, ARRAY_LEN(ends))]);
	}
	buffer_append_json(ret, buffer_span(&pointer));
}

static void append_operation(struct random_json *random, const struct json *doc, struct buffer *ret)
{
	static const char *const names[] = {"add",  "add",  "remove", "replace",
					    "move", "copy", "test"};

	buffer_printf(ret, "{\"op\":\"%s\",\"path\":",
		      names[random_json_below(random, ARRAY_LEN(names))]);
	append_pointer(random, doc, ret);
	buffer_append_string(ret, ",\"from\":");
	append_pointer(random, doc, ret);
	buffer_append_string(ret, ",\"value\":");
	random_json_value(random, ret);
	buffer_append_char(ret, '}');
}

/* Operation by operation, each as a patch of its own. Returns the error of the first that fails. */
static int apply_singly(struct span document, const struct json *operations, struct buffer *ret,
			uint32_t *ret_operation)
{
	struct buffer CLEANUP(buffer_fini) single = {0}, CLEANUP(buffer_fini) before = {0};

	buffer_append_span(&before, document);
	*ret_operation = 0;
	for (uint32_t i = 1; i < operations->tokens[0].next; i = operations->tokens[i].next) {
		struct patch_fault fault;
		single.len = ret->len = 0;
		buffer_append_char(&single, '[');
		buffer_append_span(&single, json_raw(operations, i));
		buffer_append_char(&single, ']');
		int error =
			apply(buffer_span(&before), buffer_span(&single), SIZE_ANY, ret, &fault);
		if (error)
			return error;
		before.len = 0;
		buffer_append_span(&before, buffer_span(ret));
		++*ret_operation;
	}
	return 0;
}

Test(patch_limits, random_patches_do_what_their_operations_do_singly_or_nothing)
{
	uint64_t seed = random_json_seed();
	struct random_json random = random_json_create(seed);
	struct buffer CLEANUP(buffer_fini) document = {0}, CLEANUP(buffer_fini) text = {0},
					   CLEANUP(buffer_fini) result = {0},
					   CLEANUP(buffer_fini) singly = {0};
	unsigned succeeded = 0;

	for (unsigned i = 0; i < 3000; i++) {
		document.len = text.len = result.len = singly.len = 0;
		random_json_object(&random, &document);
		struct json CLEANUP(json_fini) doc = random_json_parse(buffer_span(&document));
		buffer_append_char(&text, '[');
		for (unsigned left = 1 + random_json_below(&random, 4); left > 0; left--) {
			append_operation(&random, &doc, &text);
			buffer_append_string(&text, left > 1 ? "," : "]");
		}
		struct json CLEANUP(json_fini) operations = random_json_parse(buffer_span(&text));
		struct patch_fault fault;
		uint32_t failed;
		int error = patch_apply(&doc, &operations, SIZE_ANY, &result, &fault);
		int expected = apply_singly(buffer_span(&document), &operations, &singly, &failed);
		cr_assert_eq(error, expected, "seed %llu, patch %u: %.*s with %.*s",
			     (unsigned long long)seed, i, SPAN_ARGS(document), SPAN_ARGS(text));
		if (error) {
			cr_assert_eq(fault.operation, failed);
			cr_assert(fault_is_sound(&fault));
			cr_assert_eq(result.len, 0);
			continue;
		}
		succeeded++;
		cr_assert(span_equals(buffer_span(&result), buffer_span(&singly)),
			  "seed %llu, patch %u: %.*s with %.*s", (unsigned long long)seed, i,
			  SPAN_ARGS(document), SPAN_ARGS(text));
	}
	cr_expect_gt(succeeded, 300, "seed %llu: only %u patches hold", (unsigned long long)seed,
		     succeeded);
}
