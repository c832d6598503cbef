/* test_diff.c — diffs: their text, the law, the way back, hostile diffs, and the vectors shared
 * with the client. */
#include "diff_helpers.h"

TestSuite(diff, .timeout = 100);

#define PAIRS 5000

/* Both forms byte for byte, and both ways. */
static void expect_diff(const char *old, const char *new, const char *diff, const char *reversible)
{
	struct forms CLEANUP(forms_fini) forms = differ(span_string(old), span_string(new));

	cr_expect(span_equals(buffer_span(&forms.diff), span_string(diff)), "%s to %s: %.*s", old,
		  new, SPAN_ARGS(forms.diff));
	cr_expect(span_equals(buffer_span(&forms.reversible), span_string(reversible)),
		  "%s to %s: %.*s", old, new, SPAN_ARGS(forms.reversible));
	cr_expect(runs_to(diff_apply, span_string(old), span_string(diff), span_string(new)), "%s",
		  diff);
	cr_expect(runs_to(diff_apply, span_string(old), span_string(reversible), span_string(new)),
		  "%s", reversible);
	cr_expect(runs_to(diff_revert, span_string(new), span_string(reversible), span_string(old)),
		  "%s", reversible);
}

Test(diff, a_flat_document_has_its_keys_as_paths)
{
	expect_diff("{\"a\":1,\"b\":\"x\",\"c\":true}", "{\"a\":2,\"c\":true,\"d\":null}",
		    "{\"added\":{\"d\":null},\"removed\":[\"b\"],\"changed\":{\"a\":{\"from\":1,"
		    "\"to\":2}}}",
		    "{\"added\":{\"d\":null},\"removed\":{\"b\":\"x\"},\"changed\":{\"a\":{"
		    "\"from\":1,\"to\":2}}}");
}

Test(diff, nested_members_are_named_at_their_topmost_path)
{
	expect_diff("{\"a\":{\"b\":{\"c\":1,\"d\":{\"e\":2}}}}",
		    "{\"a\":{\"b\":{\"c\":3,\"f\":{\"g\":[4]}}}}",
		    "{\"added\":{\"a.b.f\":{\"g\":[4]}},\"removed\":[\"a.b.d\"],"
		    "\"changed\":{\"a.b.c\":{\"from\":1,\"to\":3}}}",
		    "{\"added\":{\"a.b.f\":{\"g\":[4]}},\"removed\":{\"a.b.d\":{\"e\":2}},"
		    "\"changed\":{\"a.b.c\":{\"from\":1,\"to\":3}}}");
}

Test(diff, arrays_are_compared_index_by_index_and_shrink_from_their_end)
{
	expect_diff("{\"items\":[1,{\"x\":1},3,4,5]}", "{\"items\":[1,{\"x\":2},4]}",
		    "{\"added\":{},\"removed\":[\"items.4\",\"items.3\"],\"changed\":"
		    "{\"items.1.x\":{\"from\":1,\"to\":2},\"items.2\":{\"from\":3,\"to\":4}}}",
		    "{\"added\":{},\"removed\":{\"items.4\":5,\"items.3\":4},\"changed\":"
		    "{\"items.1.x\":{\"from\":1,\"to\":2},\"items.2\":{\"from\":3,\"to\":4}}}");
	expect_diff("{\"a\":[]}", "{\"a\":[[],null]}",
		    "{\"added\":{\"a.0\":[],\"a.1\":null},\"removed\":[],\"changed\":{}}",
		    "{\"added\":{\"a.0\":[],\"a.1\":null},\"removed\":{},\"changed\":{}}");
}

Test(diff, indices_above_nine_keep_their_order)
{
	expect_diff(
		"{\"a\":[0,0,0,0,0,0,0,0,0]}", "{\"a\":[0,0,0,0,0,0,0,0,0,9,10,11]}",
		"{\"added\":{\"a.9\":9,\"a.10\":10,\"a.11\":11},\"removed\":[],\"changed\":{}}",
		"{\"added\":{\"a.9\":9,\"a.10\":10,\"a.11\":11},\"removed\":{},\"changed\":{}}");
	expect_diff("{\"a\":[0,0,0,0,0,0,0,0,0,9,10]}", "{\"a\":[0,0,0,0,0,0,0,0,0]}",
		    "{\"added\":{},\"removed\":[\"a.10\",\"a.9\"],\"changed\":{}}",
		    "{\"added\":{},\"removed\":{\"a.10\":10,\"a.9\":9},\"changed\":{}}");
}

Test(diff, type_changes_are_whole_values)
{
	expect_diff("{\"a\":{\"b\":1},\"c\":[1],\"d\":null}",
		    "{\"a\":[{\"b\":1}],\"c\":{\"0\":1},\"d\":false}",
		    "{\"added\":{},\"removed\":[],\"changed\":{\"a\":{\"from\":{\"b\":1},\"to\":[{"
		    "\"b\":1}]},"
		    "\"c\":{\"from\":[1],\"to\":{\"0\":1}},\"d\":{\"from\":null,\"to\":false}}}",
		    "{\"added\":{},\"removed\":{},\"changed\":{\"a\":{\"from\":{\"b\":1},\"to\":[{"
		    "\"b\":1}]},"
		    "\"c\":{\"from\":[1],\"to\":{\"0\":1}},\"d\":{\"from\":null,\"to\":false}}}");
}

/* Path-escaped first, then JSON-escaped: `a.b` is `a\.b` is "a\\.b". */
Test(diff, names_with_dots_backslashes_quotes_and_nothing_are_told_apart)
{
	expect_diff("{\"a.b\":1,\"a\":{\"b\":1},\"\":{\"\":1},\"\\\\\":1}",
		    "{\"a.b\":2,\"a\":{\"b\":3},\"\":{\"\":4},\"\\\\\":5,\"\\\"\\n\":6,\"x\":7}",
		    "{\"added\":{\"\\\"\\n\":6,\"x\":7},\"removed\":[],\"changed\":{\"a\\\\.b\":{"
		    "\"from\":1,\"to\":2},"
		    "\"a.b\":{\"from\":1,\"to\":3},\".\":{\"from\":1,\"to\":4},"
		    "\"\\\\\\\\\":{\"from\":1,\"to\":5}}}",
		    "{\"added\":{\"\\\"\\n\":6,\"x\":7},\"removed\":{},\"changed\":{\"a\\\\.b\":{"
		    "\"from\":1,\"to\":2},"
		    "\"a.b\":{\"from\":1,\"to\":3},\".\":{\"from\":1,\"to\":4},"
		    "\"\\\\\\\\\":{\"from\":1,\"to\":5}}}");
	expect_diff("{\"\":1}", "{}", "{\"added\":{},\"removed\":[\"\"],\"changed\":{}}",
		    "{\"added\":{},\"removed\":{\"\":1},\"changed\":{}}");
	expect_diff("{\"a\\\\\":{\".\":1}}", "{\"a\\\\\":{}}",
		    "{\"added\":{},\"removed\":[\"a\\\\\\\\.\\\\.\"],\"changed\":{}}",
		    "{\"added\":{},\"removed\":{\"a\\\\\\\\.\\\\.\":1},\"changed\":{}}");
}

Test(diff, names_are_compared_decoded)
{
	expect_diff("{\"\\u0061\":1,\"\\ud83d\\ude00\":[1]}", "{\"a\":1,\"\xf0\x9f\x98\x80\":[2]}",
		    "{\"added\":{},\"removed\":[],\"changed\":{\"\xf0\x9f\x98\x80.0\":{\"from\":1,"
		    "\"to\":2}}}",
		    "{\"added\":{},\"removed\":{},\"changed\":{\"\xf0\x9f\x98\x80.0\":{\"from\":1,"
		    "\"to\":2}}}");
}

Test(diff, equal_values_differ_in_nothing_however_they_are_spelled)
{
	expect_diff("{\"a\":1,\"b\":[1e2,\"\\u00e9\"],\"c\":{\"x\":1,\"y\":2}}",
		    "{ \"c\":{\"y\":2.0, \"x\":1},\"b\":[100,\"\xc3\xa9\"],\"a\":1.0 }", NOTHING,
		    NOTHING_REVERSIBLE);
	expect_diff("{}", "{ }", NOTHING, NOTHING_REVERSIBLE);
}

Test(diff, integers_differ_by_their_last_bit)
{
	expect_diff("{\"a\":9007199254740992,\"b\":18446744073709551615}",
		    "{\"a\":9007199254740993,\"b\":18446744073709551614}",
		    "{\"added\":{},\"removed\":[],\"changed\":{\"a\":{\"from\":9007199254740992,"
		    "\"to\":9007199254740993},"
		    "\"b\":{\"from\":18446744073709551615,\"to\":18446744073709551614}}}",
		    "{\"added\":{},\"removed\":{},\"changed\":{\"a\":{\"from\":9007199254740992,"
		    "\"to\":9007199254740993},"
		    "\"b\":{\"from\":18446744073709551615,\"to\":18446744073709551614}}}");
}

Test(diff, one_form_alone_is_the_same_and_is_appended)
{
	struct span old = SPAN("{\"a\":[1,2],\"b\":1}"), new = SPAN("{\"a\":[1],\"b\":2}");
	struct json CLEANUP(json_fini) old_doc = random_json_parse(old);
	struct json CLEANUP(json_fini) new_doc = random_json_parse(new);
	struct forms CLEANUP(forms_fini) both = differ(old, new);
	struct buffer CLEANUP(buffer_fini) alone = {0};

	diff_format(&old_doc, &new_doc, &alone, NULL);
	cr_expect(span_equals(buffer_span(&alone), buffer_span(&both.diff)));
	diff_format(&old_doc, &new_doc, NULL, &alone);
	cr_expect_eq(alone.len, both.diff.len + both.reversible.len);
	cr_expect(memcmp(alone.at + both.diff.len, both.reversible.at, both.reversible.len) == 0);
	diff_format(&old_doc, &new_doc, NULL, NULL);
}

static void append_random_pair(struct random_json *random, struct buffer *old, struct buffer *new)
{
	old->len = new->len = 0;
	random->width_max = 3 + random_json_below(random, 8);
	random_json_object(random, old);
	if (random_json_below(random, 5) == 0) {
		random_json_object(random, new);
		return;
	}
	struct json CLEANUP(json_fini) doc = random_json_parse(buffer_span(old));
	random_json_changed(random, &doc, new);
}

Test(diff, the_law_holds_for_random_documents)
{
	uint64_t seed = random_json_seed();
	struct random_json random = random_json_create(seed);
	struct buffer CLEANUP(buffer_fini) old = {0}, CLEANUP(buffer_fini) new = {0};
	unsigned equal = 0;

	for (unsigned i = 0; i < PAIRS; i++) {
		append_random_pair(&random, &old, &new);
		struct span from = buffer_span(&old), to = buffer_span(&new);
		struct forms CLEANUP(forms_fini) forms = differ(from, to);
		struct span diff = buffer_span(&forms.diff),
			    reversible = buffer_span(&forms.reversible);
		bool same = texts_equal(from, to);
		equal += same;
		cr_assert_eq(span_equals(diff, SPAN(NOTHING)), same,
			     "seed %llu, pair %u: %.*s to %.*s: %.*s", (unsigned long long)seed, i,
			     SPAN_ARGS(from), SPAN_ARGS(to), SPAN_ARGS(diff));
		cr_assert_eq(span_equals(reversible, SPAN(NOTHING_REVERSIBLE)), same);
		cr_assert(runs_to(diff_apply, from, diff, to),
			  "seed %llu, pair %u: %.*s to %.*s: %.*s", (unsigned long long)seed, i,
			  SPAN_ARGS(from), SPAN_ARGS(to), SPAN_ARGS(diff));
		cr_assert(runs_to(diff_apply, from, reversible, to),
			  "seed %llu, pair %u: %.*s to %.*s: %.*s", (unsigned long long)seed, i,
			  SPAN_ARGS(from), SPAN_ARGS(to), SPAN_ARGS(reversible));
		cr_assert(runs_to(diff_revert, to, reversible, from),
			  "seed %llu, pair %u: %.*s to %.*s: %.*s", (unsigned long long)seed, i,
			  SPAN_ARGS(from), SPAN_ARGS(to), SPAN_ARGS(reversible));
	}
	cr_expect(equal > PAIRS / 100 && equal < PAIRS / 2, "seed %llu: %u of %u pairs equal",
		  (unsigned long long)seed, equal, PAIRS);
}

/* Members of an object of the diff, whether they are names or elements. */
static bool section_names(const struct json *a, uint32_t a_section, const struct json *b,
			  uint32_t b_section)
{
	struct buffer CLEANUP(buffer_fini) left = {0}, CLEANUP(buffer_fini) right = {0};
	uint32_t i = a_section + 1, j = b_section + 1;

	if (a->tokens[a_section].count != b->tokens[b_section].count)
		return false;
	while (i < a->tokens[a_section].next) {
		left.len = right.len = 0;
		json_string(a, i, &left);
		json_string(b, j, &right);
		if (!span_equals(buffer_span(&left), buffer_span(&right)))
			return false;
		i = a->tokens[a->tokens[a_section].type == JSON_OBJECT ? i + 1 : i].next;
		j = b->tokens[b->tokens[b_section].type == JSON_OBJECT ? j + 1 : j].next;
	}
	return true;
}

Test(diff, both_forms_name_the_same_paths_in_the_same_order)
{
	uint64_t seed = random_json_seed();
	struct random_json random = random_json_create(seed);
	struct buffer CLEANUP(buffer_fini) old = {0}, CLEANUP(buffer_fini) new = {0};

	for (unsigned i = 0; i < 1000; i++) {
		append_random_pair(&random, &old, &new);
		struct forms CLEANUP(forms_fini) forms =
			differ(buffer_span(&old), buffer_span(&new));
		struct json CLEANUP(json_fini) a = random_json_parse(buffer_span(&forms.diff));
		struct json CLEANUP(json_fini) b =
			random_json_parse(buffer_span(&forms.reversible));
		uint32_t a_removed = json_member(&a, 0, SPAN("removed"));
		uint32_t b_removed = json_member(&b, 0, SPAN("removed"));
		cr_assert_eq(a.tokens[a_removed].type, JSON_ARRAY);
		cr_assert_eq(b.tokens[b_removed].type, JSON_OBJECT);
		cr_assert(section_names(&a, a_removed, &b, b_removed), "seed %llu, pair %u",
			  (unsigned long long)seed, i);
		cr_assert(json_equals(&a, json_member(&a, 0, SPAN("added")), &b,
				      json_member(&b, 0, SPAN("added"))));
		cr_assert(json_equals(&a, json_member(&a, 0, SPAN("changed")), &b,
				      json_member(&b, 0, SPAN("changed"))));
	}
}

/* --- the client form of what the history keeps --- */

Test(diff, client_form_of_the_reversible_form_is_the_client_form)
{
	uint64_t seed = random_json_seed();
	struct random_json random = random_json_create(seed);

	for (int i = 0; i < 500; i++) {
		struct buffer CLEANUP(buffer_fini) old = {0}, new = {0}, client = {0};
		random_json_object(&random, &old);
		struct json CLEANUP(json_fini) old_doc = random_json_parse(buffer_span(&old));
		random_json_changed(&random, &old_doc, &new);
		struct forms CLEANUP(forms_fini) forms =
			differ(buffer_span(&old), buffer_span(&new));
		struct json CLEANUP(json_fini) reversible =
			random_json_parse(buffer_span(&forms.reversible));
		cr_assert_eq(diff_client_form(&reversible, &client), 0, "seed %llu",
			     (unsigned long long)seed);
		cr_assert(span_equals(buffer_span(&client), buffer_span(&forms.diff)),
			  "seed %llu: %.*s, not %.*s", (unsigned long long)seed,
			  SPAN_ARGS(buffer_span(&client)), SPAN_ARGS(buffer_span(&forms.diff)));
	}
}

Test(diff, client_form_of_the_client_form_is_itself)
{
	const struct span diff = SPAN("{\"added\":{},\"removed\":[\"a\",\"b.c\"],\"changed\":{}}");
	struct json CLEANUP(json_fini) doc = random_json_parse(diff);
	struct buffer CLEANUP(buffer_fini) client = {0};

	cr_assert_eq(diff_client_form(&doc, &client), 0);
	cr_assert(span_equals(buffer_span(&client), diff));
}

Test(diff, what_is_no_diff_has_no_client_form)
{
	static const char *const rows[] = {
		"null",
		"[]",
		"{}",
		"{\"added\":{},\"removed\":{}}",
		"{\"added\":{},\"removed\":{},\"moved\":{}}",
		"{\"added\":{},\"removed\":{},\"changed\":{},\"moved\":{}}",
		"{\"added\":[],\"removed\":{},\"changed\":{}}",
		"{\"added\":{},\"removed\":1,\"changed\":{}}",
		"{\"added\":{},\"removed\":{},\"changed\":null}",
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct json CLEANUP(json_fini) doc = random_json_parse(span_string(rows[i]));
		struct buffer CLEANUP(buffer_fini) client = {0};
		cr_expect_eq(diff_client_form(&doc, &client), -EINVAL, "%s", rows[i]);
		cr_expect_eq(client.len, 0);
	}
}
