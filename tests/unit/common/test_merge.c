/* test_merge.c — JSON Merge Patch: the RFC's table, exact bytes, and a naive implementation to
 * compare with. */
#include "merge.h"
#include "random_json.h"
#include <criterion/criterion.h>

TestSuite(merge, .timeout = 100);

#define DOCUMENTS 4000

struct row {
	const char *target;
	const char *patch;
	const char *result;
};

static struct buffer merged(struct span target, struct span patch)
{
	struct json CLEANUP(json_fini) target_doc = random_json_parse(target);
	struct json CLEANUP(json_fini) patch_doc = random_json_parse(patch);
	struct buffer ret = {0};

	merge_apply(&target_doc, &patch_doc, &ret);
	return ret;
}

/* Byte for byte. */
static void expect_rows(const struct row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct buffer CLEANUP(buffer_fini) result =
			merged(span_string(rows[i].target), span_string(rows[i].patch));
		cr_expect(span_equals(buffer_span(&result), span_string(rows[i].result)),
			  "%s with %s: %.*s, not %s", rows[i].target, rows[i].patch,
			  SPAN_ARGS(result), rows[i].result);
	}
}

static bool texts_equal(struct span a, struct span b)
{
	struct json CLEANUP(json_fini) a_doc = random_json_parse(a);
	struct json CLEANUP(json_fini) b_doc = random_json_parse(b);

	return json_equals(&a_doc, 0, &b_doc, 0);
}

Test(merge, the_table_of_rfc_7396_holds)
{
	static const struct row rows[] = {
		{"{\"a\":\"b\"}", "{\"a\":\"c\"}", "{\"a\":\"c\"}"},
		{"{\"a\":\"b\"}", "{\"b\":\"c\"}", "{\"a\":\"b\",\"b\":\"c\"}"},
		{"{\"a\":\"b\"}", "{\"a\":null}", "{}"},
		{"{\"a\":\"b\",\"b\":\"c\"}", "{\"a\":null}", "{\"b\":\"c\"}"},
		{"{\"a\":[\"b\"]}", "{\"a\":\"c\"}", "{\"a\":\"c\"}"},
		{"{\"a\":\"c\"}", "{\"a\":[\"b\"]}", "{\"a\":[\"b\"]}"},
		{"{\"a\":{\"b\":\"c\"}}", "{\"a\":{\"b\":\"d\",\"c\":null}}",
		 "{\"a\":{\"b\":\"d\"}}"},
		{"{\"a\":[{\"b\":\"c\"}]}", "{\"a\":[1]}", "{\"a\":[1]}"},
		{"[\"a\",\"b\"]", "[\"c\",\"d\"]", "[\"c\",\"d\"]"},
		{"{\"a\":\"b\"}", "[\"c\"]", "[\"c\"]"},
		{"{\"a\":\"foo\"}", "null", "null"},
		{"{\"a\":\"foo\"}", "\"bar\"", "\"bar\""},
		{"{\"e\":null}", "{\"a\":1}", "{\"e\":null,\"a\":1}"},
		{"[1,2]", "{\"a\":\"b\",\"c\":null}", "{\"a\":\"b\"}"},
		{"{}", "{\"a\":{\"bb\":{\"ccc\":null}}}", "{\"a\":{\"bb\":{}}}"},
	};

	expect_rows(rows, ARRAY_LEN(rows));
}

Test(merge, nulls_inside_arrays_stay)
{
	static const struct row rows[] = {
		{"{}", "{\"a\":[null,{\"b\":null}]}", "{\"a\":[null,{\"b\":null}]}"},
		{"{\"a\":1}", "{\"a\":{\"b\":[{\"c\":null}],\"d\":null}}",
		 "{\"a\":{\"b\":[{\"c\":null}]}}"},
	};

	expect_rows(rows, ARRAY_LEN(rows));
}

Test(merge, nulls_vanish_at_any_depth_where_no_object_was)
{
	static const struct row rows[] = {
		{"{\"a\":1}",
		 "{\"a\":{\"x\":null,\"b\":{\"c\":null,\"d\":2,\"e\":null},\"y\":null}}",
		 "{\"a\":{\"b\":{\"d\":2}}}"},
		{"{\"a\":[]}", "{\"a\":{\"b\":null}}", "{\"a\":{}}"},
		{"null", "{\"a\":{\"b\":{\"c\":null}}}", "{\"a\":{\"b\":{}}}"},
		{"{\"a\":null}", "{\"a\":{\"b\":null,\"c\":null,\"d\":1,\"e\":2}}",
		 "{\"a\":{\"d\":1,\"e\":2}}"},
	};

	expect_rows(rows, ARRAY_LEN(rows));
}

Test(merge, untouched_members_keep_their_bytes_and_their_order)
{
	static const struct row rows[] = {
		{"{ \"x\" : 1.0,\t\"\\u0061\":1E2 , \"z\":[ ] }", "{\"z\":1}",
		 "{\"x\" : 1.0,\t\"\\u0061\":1E2,\"z\":1}"},
		{"{\"p\":-0,\"q\":18446744073709551615,\"r\":0.10}", "{\"q\":null}",
		 "{\"p\":-0,\"r\":0.10}"},
		{"{\"a\":1,\"b\":{\"c\": 2, \"d\":3},\"e\":4}", "{\"b\":{\"d\":5,\"f\":6}}",
		 "{\"a\":1,\"b\":{\"c\": 2,\"d\":5,\"f\":6},\"e\":4}"},
		{"{\"b\":1,\"a\":2}", "{}", "{\"b\":1,\"a\":2}"},
		{"{\"a\":{}}", "{\"a\":{}}", "{\"a\":{}}"},
	};

	expect_rows(rows, ARRAY_LEN(rows));
}

Test(merge, names_are_compared_decoded)
{
	static const struct row rows[] = {
		{"{\"\\u0061\":1,\"b\":2}", "{\"a\":3,\"\\u0062\":null}", "{\"\\u0061\":3}"},
		{"{\"\\ud83d\\ude00\":1}", "{\"\xf0\x9f\x98\x80\":2}", "{\"\\ud83d\\ude00\":2}"},
		{"{\"\":1}", "{\"\":{\"\":2}}", "{\"\":{\"\":2}}"},
		{"{\"a\":1}", "{\"\\u0062\":1,\"a\":{\"\\n\":1}}",
		 "{\"a\":{\"\\n\":1},\"\\u0062\":1}"},
	};

	expect_rows(rows, ARRAY_LEN(rows));
}

/* RFC 7396, section 2, line by line. */
static void naive_merge(const struct json *target, uint32_t t, const struct json *patch, uint32_t p,
			struct buffer *ret)
{
	static const struct json_token empty_object = {.len = 2, .next = 1, .type = JSON_OBJECT};
	static const struct json nothing = {.tokens = (struct json_token *)(uintptr_t)&empty_object,
					    .count = 1};
	const char *comma = "";

	if (patch->tokens[p].type != JSON_OBJECT) {
		buffer_append_span(ret, json_raw(patch, p));
		return;
	}
	if (target->tokens[t].type != JSON_OBJECT) {
		target = &nothing;
		t = 0;
	}
	buffer_append_char(ret, '{');
	for (uint32_t i = t + 1; i < target->tokens[t].next; i = target->tokens[i + 1].next) {
		struct buffer CLEANUP(buffer_fini) name = {0};
		json_string(target, i, &name);
		uint32_t value = json_member(patch, p, buffer_span(&name));
		if (value && patch->tokens[value].type == JSON_NULL)
			continue;
		buffer_printf(ret, "%s%.*s:", comma, SPAN_ARGS(json_raw(target, i)));
		comma = ",";
		if (value)
			naive_merge(target, i + 1, patch, value, ret);
		else
			buffer_append_span(ret, json_raw(target, i + 1));
	}
	for (uint32_t i = p + 1; i < patch->tokens[p].next; i = patch->tokens[i + 1].next) {
		struct buffer CLEANUP(buffer_fini) name = {0};
		json_string(patch, i, &name);
		if (patch->tokens[i + 1].type == JSON_NULL ||
		    json_member(target, t, buffer_span(&name)))
			continue;
		buffer_printf(ret, "%s%.*s:", comma, SPAN_ARGS(json_raw(patch, i)));
		comma = ",";
		naive_merge(&nothing, 0, patch, i + 1, ret);
	}
	buffer_append_char(ret, '}');
}

static struct buffer naively_merged(struct span target, struct span patch)
{
	struct json CLEANUP(json_fini) target_doc = random_json_parse(target);
	struct json CLEANUP(json_fini) patch_doc = random_json_parse(patch);
	struct buffer ret = {0};

	naive_merge(&target_doc, 0, &patch_doc, 0, &ret);
	return ret;
}

static void append_random_pair(struct random_json *random, struct buffer *target,
			       struct buffer *patch)
{
	target->len = patch->len = 0;
	random->width_max = 3 + random_json_below(random, 8);
	if (random_json_below(random, 10) == 0)
		random_json_value(random, target);
	else
		random_json_object(random, target);
	random_json_value(random, patch);
}

Test(merge, random_documents_merge_as_the_naive_way_does)
{
	uint64_t seed = random_json_seed();
	struct random_json random = random_json_create(seed);
	struct buffer CLEANUP(buffer_fini) target = {0}, CLEANUP(buffer_fini) patch = {0};

	for (unsigned i = 0; i < DOCUMENTS; i++) {
		append_random_pair(&random, &target, &patch);
		struct buffer CLEANUP(buffer_fini) result =
			merged(buffer_span(&target), buffer_span(&patch));
		struct buffer CLEANUP(buffer_fini) naive =
			naively_merged(buffer_span(&target), buffer_span(&patch));
		cr_assert(texts_equal(buffer_span(&result), buffer_span(&naive)),
			  "seed %llu, document %u: %.*s with %.*s: %.*s, not %.*s",
			  (unsigned long long)seed, i, SPAN_ARGS(target), SPAN_ARGS(patch),
			  SPAN_ARGS(result), SPAN_ARGS(naive));
	}
}

Test(merge, merging_twice_changes_nothing_more)
{
	uint64_t seed = random_json_seed();
	struct random_json random = random_json_create(seed);
	struct buffer CLEANUP(buffer_fini) target = {0}, CLEANUP(buffer_fini) patch = {0};

	for (unsigned i = 0; i < DOCUMENTS; i++) {
		append_random_pair(&random, &target, &patch);
		struct buffer CLEANUP(buffer_fini) once =
			merged(buffer_span(&target), buffer_span(&patch));
		struct buffer CLEANUP(buffer_fini) twice =
			merged(buffer_span(&once), buffer_span(&patch));
		cr_assert(texts_equal(buffer_span(&once), buffer_span(&twice)),
			  "seed %llu, document %u: %.*s with %.*s", (unsigned long long)seed, i,
			  SPAN_ARGS(target), SPAN_ARGS(patch));
	}
}

static struct buffer wide_object(unsigned first, unsigned step, unsigned count, const char *value)
{
	struct buffer ret = {0};

	for (unsigned i = 0; i < count; i++)
		buffer_printf(&ret, "%c\"member %u\":%s", i ? ',' : '{', first + i * step, value);
	buffer_append_char(&ret, '}');
	return ret;
}

/* Read through, this would be 10^10 comparisons of names. */
Test(merge, a_wide_object_is_merged_in_linear_time)
{
	struct buffer CLEANUP(buffer_fini) target = wide_object(0, 1, 100000, "1");
	struct buffer CLEANUP(buffer_fini) patch = wide_object(200000, -2u, 100000, "2");
	struct buffer CLEANUP(buffer_fini) result =
		merged(buffer_span(&target), buffer_span(&patch));
	struct json CLEANUP(json_fini) doc = random_json_parse(buffer_span(&result));

	cr_expect_eq(doc.tokens[0].count, 150001);
	uint32_t value = json_member(&doc, 0, SPAN("member 2"));
	cr_expect(span_equals(json_raw(&doc, value), SPAN("2")));
	value = json_member(&doc, 0, SPAN("member 3"));
	cr_expect(span_equals(json_raw(&doc, value), SPAN("1")));
}

static struct buffer deep_object(unsigned depth, const char *value)
{
	struct buffer ret = {0};

	for (unsigned i = 0; i < depth; i++)
		buffer_append_string(&ret, "{\"a\":");
	buffer_append_string(&ret, value);
	for (unsigned i = 0; i < depth; i++)
		buffer_append_char(&ret, '}');
	return ret;
}

Test(merge, the_deepest_documents_merge)
{
	struct buffer CLEANUP(buffer_fini) target = deep_object(JSON_DEPTH_LIMIT, "1");
	struct buffer CLEANUP(buffer_fini) patch = deep_object(JSON_DEPTH_LIMIT, "null");
	struct buffer CLEANUP(buffer_fini) result =
		merged(buffer_span(&target), buffer_span(&patch));
	struct buffer CLEANUP(buffer_fini) expected = deep_object(JSON_DEPTH_LIMIT - 1, "{}");
	struct buffer CLEANUP(buffer_fini) stripped = merged(SPAN("1"), buffer_span(&patch));

	cr_expect(span_equals(buffer_span(&result), buffer_span(&expected)));
	cr_expect(span_equals(buffer_span(&stripped), buffer_span(&expected)));
}

Test(merge, the_result_is_appended)
{
	struct json CLEANUP(json_fini) target = random_json_parse(SPAN("{\"a\":1}"));
	struct json CLEANUP(json_fini) patch = random_json_parse(SPAN("{\"a\":2}"));
	struct buffer CLEANUP(buffer_fini) ret = {0};

	buffer_append_string(&ret, "before ");
	merge_apply(&target, &patch, &ret);
	cr_expect(span_equals(buffer_span(&ret), SPAN("before {\"a\":2}")));
}
