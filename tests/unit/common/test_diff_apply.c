/* test_diff_apply.c — diffs that do not fit, the way back, limits, and the vectors shared with the
 * client. */
#include "diff_helpers.h"
#include "json_tree.h"

TestSuite(diff_apply, .timeout = 100);

/* Revisions 2^53+1, 2^53 as a double, 2^53: each equals the next, the first not the last. A history
 * of them must still go back to what was before. */
Test(diff_apply, a_chain_of_equal_pairs_still_reverts)
{
	struct forms CLEANUP(forms_fini) forms =
		differ(SPAN("{\"a\":1}"), SPAN("{\"a\":9007199254740993}"));

	cr_expect(runs_to(diff_revert, SPAN("{\"a\":9007199254740992}"),
			  buffer_span(&forms.reversible), SPAN("{\"a\":1}")));
}

Test(diff_apply, malformed_diffs_are_refused)
{
	static const char *const rows[] = {
		"null",
		"[]",
		"{}",
		"{\"added\":{},\"removed\":[]}",
		"{\"added\":{},\"changed\":{}}",
		"{\"removed\":[],\"changed\":{}}",
		"{\"added\":{},\"removed\":[],\"changed\":{},\"moved\":{}}",
		"{\"added\":[],\"removed\":[],\"changed\":{}}",
		"{\"added\":{},\"removed\":null,\"changed\":{}}",
		"{\"added\":{},\"removed\":[],\"changed\":[]}",
		"{\"added\":{},\"removed\":[1],\"changed\":{}}",
		"{\"added\":{},\"removed\":[],\"changed\":{\"a\":1}}",
		"{\"added\":{},\"removed\":[],\"changed\":{\"a\":{\"from\":1}}}",
		"{\"added\":{},\"removed\":[],\"changed\":{\"a\":{\"to\":1}}}",
		"{\"added\":{},\"removed\":[],\"changed\":{\"a\":{\"from\":1,\"to\":2,\"by\":3}}}",
		"{\"added\":{},\"removed\":[],\"changed\":{\"a\":[1,2]}}",
		"{\"added\":{\"\\\\\":1},\"removed\":[],\"changed\":{}}",
		"{\"added\":{\"\\\\n\":1},\"removed\":[],\"changed\":{}}",
		"{\"added\":{},\"removed\":[\"a\\u0000\"],\"changed\":{}}",
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct buffer CLEANUP(buffer_fini) result = {0};
		cr_expect_eq(run(diff_apply, SPAN("{\"a\":1}"), span_string(rows[i]), &result),
			     -EINVAL, "%s", rows[i]);
		cr_expect_eq(run(diff_revert, SPAN("{\"a\":1}"), span_string(rows[i]), &result),
			     -EINVAL, "%s", rows[i]);
		cr_expect_eq(result.len, 0);
	}
}

Test(diff_apply, diffs_of_other_documents_do_not_fit)
{
	static const char *const rows[] = {
		"{\"added\":{\"a\":1},\"removed\":{},\"changed\":{}}",   /* already there */
		"{\"added\":{\"x.y\":1},\"removed\":{},\"changed\":{}}", /* nothing to put it into
									  */
		"{\"added\":{\"a.y\":1},\"removed\":{},\"changed\":{}}", /* into a scalar */
		"{\"added\":{\"list.4\":1},\"removed\":{},\"changed\":{}}",  /* leaves a hole */
		"{\"added\":{\"list.0\":1},\"removed\":{},\"changed\":{}}",  /* not at the end */
		"{\"added\":{\"list.02\":1},\"removed\":{},\"changed\":{}}", /* no canonical index
									      */
		"{\"added\":{\"list.-\":1},\"removed\":{},\"changed\":{}}",  /* no index */
		"{\"added\":{\"list.\":1},\"removed\":{},\"changed\":{}}",   /* no index */
		"{\"added\":{},\"removed\":{\"x\":1},\"changed\":{}}",       /* not there */
		"{\"added\":{},\"removed\":{\"a\":2},\"changed\":{}}",       /* another value */
		"{\"added\":{},\"removed\":[\"list.0\"],\"changed\":{}}",    /* not from the end */
		"{\"added\":{},\"removed\":[\"list.2\"],\"changed\":{}}",    /* behind the end */
		"{\"added\":{},\"removed\":[\"a\",\"a\"],\"changed\":{}}",   /* twice */
		"{\"added\":{},\"removed\":{},\"changed\":{\"x\":{\"from\":1,\"to\":2}}}",
		"{\"added\":{},\"removed\":{},\"changed\":{\"a\":{\"from\":2,\"to\":3}}}",
		"{\"added\":{},\"removed\":{},\"changed\":{\"list.2\":{\"from\":null,\"to\":3}}}",
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct buffer CLEANUP(buffer_fini) result = {0};
		cr_expect_eq(run(diff_apply, SPAN("{\"a\":1,\"list\":[1,2]}"), span_string(rows[i]),
				 &result),
			     -EINVAL, "%s", rows[i]);
		cr_expect_eq(result.len, 0);
	}
	struct buffer CLEANUP(buffer_fini) result = {0};
	cr_expect_eq(run(diff_apply, SPAN("[1]"), SPAN(NOTHING), &result), -EINVAL);
}

Test(diff_apply, the_way_back_needs_the_reversible_form)
{
	struct buffer CLEANUP(buffer_fini) result = {0};

	cr_expect_eq(run(diff_revert, SPAN("{}"), SPAN(NOTHING), &result), -EINVAL);
	cr_expect_eq(run(diff_revert, SPAN("{\"a\":1}"),
			 SPAN("{\"added\":{},\"removed\":{\"a\":1},\"changed\":{}}"), &result),
		     -EINVAL);
	cr_expect_eq(run(diff_revert, SPAN("{\"a\":1}"),
			 SPAN("{\"added\":{\"a\":2},\"removed\":{},\"changed\":{}}"), &result),
		     -EINVAL);
	cr_expect_eq(run(diff_revert, SPAN("{\"a\":1}"), SPAN(NOTHING_REVERSIBLE), &result), 0);
}

static void append_nested(struct buffer *ret, const char *open, const char *inner,
			  const char *close, unsigned depth)
{
	for (unsigned i = 0; i < depth; i++)
		buffer_append_string(ret, open);
	buffer_append_string(ret, inner);
	for (unsigned i = 0; i < depth; i++)
		buffer_append_string(ret, close);
}

/* Each entry goes 500 levels down into the value that the one before has put there. */
static struct buffer deepening_diff(unsigned entries)
{
	struct buffer ret = {0};

	buffer_append_string(&ret, "{\"added\":{");
	for (unsigned i = 0; i < entries; i++) {
		buffer_append_string(&ret, i ? ",\"a" : "\"a");
		append_nested(&ret, ".a", "", "", i * 500);
		buffer_append_string(&ret, "\":");
		append_nested(&ret, "{\"a\":", "{}", "}", 499);
	}
	buffer_append_string(&ret, "},\"removed\":{},\"changed\":{}}");
	return ret;
}

Test(diff_apply, a_diff_cannot_build_a_document_deeper_than_the_limit)
{
	struct buffer CLEANUP(buffer_fini) fits = deepening_diff(2);
	struct buffer CLEANUP(buffer_fini) too_deep = deepening_diff(3);
	struct buffer CLEANUP(buffer_fini) result = {0};

	cr_expect_eq(run(diff_apply, SPAN("{}"), buffer_span(&too_deep), &result), -EINVAL);
	cr_expect_eq(result.len, 0);
	cr_expect_eq(run(diff_apply, SPAN("{}"), buffer_span(&fits), &result), 0);
	struct json CLEANUP(json_fini) doc = random_json_parse(buffer_span(&result));
	cr_expect_eq(json_depth(&doc, 0), 1001);
}

Test(diff_apply, a_change_cannot_make_a_document_deeper_than_the_limit)
{
	struct buffer CLEANUP(buffer_fini) data = {0}, CLEANUP(buffer_fini) diff = {0},
					   CLEANUP(buffer_fini) result = {0};

	append_nested(&data, "{\"a\":", "1", "}", 600);
	buffer_append_string(&diff, "{\"added\":{},\"removed\":[],\"changed\":{\"a");
	append_nested(&diff, ".a", "", "", 599);
	buffer_append_string(&diff, "\":{\"from\":1,\"to\":");
	append_nested(&diff, "[", "", "]", 425);
	buffer_append_string(&diff, "}}}");
	cr_expect_eq(run(diff_apply, buffer_span(&data), buffer_span(&diff), &result), -EINVAL);
}

Test(diff_apply, the_deepest_documents_differ_in_one_place)
{
	unsigned depth = JSON_DEPTH_LIMIT;
	struct buffer CLEANUP(buffer_fini) old = {0}, CLEANUP(buffer_fini) new = {0};

	append_nested(&old, "{\"a\":", "1", "}", depth);
	append_nested(&new, "{\"a\":", "2", "}", depth);
	struct forms CLEANUP(forms_fini) forms = differ(buffer_span(&old), buffer_span(&new));
	cr_expect(runs_to(diff_apply, buffer_span(&old), buffer_span(&forms.diff),
			  buffer_span(&new)));
	cr_expect(runs_to(diff_revert, buffer_span(&new), buffer_span(&forms.reversible),
			  buffer_span(&old)));
}

static void append_wide(struct buffer *ret, unsigned from, unsigned to, int step,
			const char *format)
{
	for (unsigned i = from; i != to; i += (unsigned)step)
		buffer_printf(ret, format, i == from ? '{' : ',', i, i % 3);
	buffer_append_char(ret, '}');
}

/* Read through, this would be 10^10 comparisons of names. */
Test(diff_apply, wide_objects_differ_in_linear_time)
{
	struct buffer CLEANUP(buffer_fini) old = {0}, CLEANUP(buffer_fini) new = {0};

	append_wide(&old, 0, 100000, 1, "%c\"member %u\":%u");
	append_wide(&new, 150000, 50000, -1, "%c\"member %u\":\"%u\"");
	struct forms CLEANUP(forms_fini) forms = differ(buffer_span(&old), buffer_span(&new));
	cr_expect(runs_to(diff_apply, buffer_span(&old), buffer_span(&forms.diff),
			  buffer_span(&new)));
	cr_expect(runs_to(diff_revert, buffer_span(&new), buffer_span(&forms.reversible),
			  buffer_span(&old)));
}

Test(diff_apply, long_arrays_grow_and_shrink_in_linear_time)
{
	struct buffer CLEANUP(buffer_fini) old = {0}, CLEANUP(buffer_fini) new = {0};

	buffer_append_string(&old, "{\"a\":[0");
	for (unsigned i = 0; i < 100000; i++)
		buffer_append_string(&old, ",0");
	buffer_append_string(&old, "]}");
	buffer_append_string(&new, "{\"a\":[0]}");
	struct forms CLEANUP(forms_fini) forms = differ(buffer_span(&old), buffer_span(&new));
	cr_expect(runs_to(diff_apply, buffer_span(&old), buffer_span(&forms.diff),
			  buffer_span(&new)));
	cr_expect(runs_to(diff_revert, buffer_span(&new), buffer_span(&forms.reversible),
			  buffer_span(&old)));
}

/* The file beside us, wherever the tests run. */
static struct buffer read_vectors(void)
{
	const char *root = getenv("SYNCDOC_SOURCE_ROOT");
	struct buffer CLEANUP(buffer_fini) path = {0};
	struct buffer ret = {0};

	if (root)
		buffer_printf(&path, "%s/tests", root);
	else
		buffer_printf(&path, "%.*s/../..", (int)(strrchr(__FILE__, '/') - __FILE__),
			      __FILE__);
	buffer_append(&path, "/vectors/diff.json", sizeof("/vectors/diff.json"));
	FILE *file = fopen(path.at, "r");
	cr_assert_not_null(file, "%s", path.at);
	for (size_t got = 1; got > 0; ret.len += got)
		got = fread(buffer_reserve(&ret, 4096), 1, 4096, file);
	fclose(file);
	return ret;
}

Test(diff_apply, the_vectors_of_the_javascript_client_hold)
{
	struct buffer CLEANUP(buffer_fini) text = read_vectors();
	struct json CLEANUP(json_fini) vectors = random_json_parse(buffer_span(&text));

	cr_assert_geq(vectors.tokens[0].count, 200);
	for (uint32_t i = 1; i < vectors.tokens[0].next; i = vectors.tokens[i].next) {
		struct span old = json_raw(&vectors, json_member(&vectors, i, SPAN("old")));
		struct span new = json_raw(&vectors, json_member(&vectors, i, SPAN("new")));
		struct span diff = json_raw(&vectors, json_member(&vectors, i, SPAN("diff")));
		struct forms CLEANUP(forms_fini) forms = differ(old, new);
		cr_expect(span_equals(buffer_span(&forms.diff), diff),
			  "%.*s to %.*s: %.*s, not %.*s", SPAN_ARGS(old), SPAN_ARGS(new),
			  SPAN_ARGS(forms.diff), SPAN_ARGS(diff));
		cr_expect(runs_to(diff_apply, old, diff, new), "%.*s", SPAN_ARGS(diff));
	}
}

/* --- many diffs in one go --- */

static int revert_all(struct span data, const struct span *diffs, size_t count, struct buffer *ret)
{
	struct json CLEANUP(json_fini) doc = random_json_parse(data);

	return diff_revert_all(&doc, diffs, count, ret);
}

/* Equality does not pass along a chain: 2^53 + 1 equals 9007199254740992.0, and that equals 2^53.
 * No diff tells one from the next, so an old revision may come back with such a neighbour. */
static bool is_neighbour(struct span text, struct span wanted)
{
	struct json CLEANUP(json_fini) doc = random_json_parse(text);
	struct json CLEANUP(json_fini) other = random_json_parse(wanted);
	struct json_node node = json_node_of(&doc, 0);
	bool equal = json_tree_equals(&node, &other, 0, JSON_TREE_NUMBERS_LOOSE);

	json_tree_free(node);
	return equal;
}

enum { CHAIN = 40 };

/* Revisions 0…CHAIN, each made from the one before; diffs[i] leads from i to i + 1. */
struct chain {
	struct buffer revisions[CHAIN + 1];
	struct forms forms[CHAIN];
};

static void chain_make(struct chain *chain, uint64_t seed)
{
	struct random_json random = random_json_create(seed);

	memset(chain, 0, sizeof(*chain));
	random_json_object(&random, &chain->revisions[0]);
	for (size_t i = 0; i < CHAIN; i++) {
		struct json CLEANUP(json_fini) doc =
			random_json_parse(buffer_span(&chain->revisions[i]));
		random_json_changed(&random, &doc, &chain->revisions[i + 1]);
		chain->forms[i] = differ(buffer_span(&chain->revisions[i]),
					 buffer_span(&chain->revisions[i + 1]));
	}
}

static void chain_fini(struct chain *chain)
{
	for (size_t i = 0; i <= CHAIN; i++)
		buffer_fini(&chain->revisions[i]);
	for (size_t i = 0; i < CHAIN; i++)
		forms_fini(&chain->forms[i]);
}

Test(diff_apply, every_revision_of_a_chain_comes_back_from_its_end)
{
	uint64_t seed = random_json_seed();

	for (uint64_t round = 0; round < 20; round++) {
		struct chain chain;
		struct span newest_first[CHAIN];
		chain_make(&chain, seed + round);
		for (size_t i = 0; i < CHAIN; i++)
			newest_first[i] = buffer_span(&chain.forms[CHAIN - 1 - i].reversible);
		for (size_t wanted = 0; wanted <= CHAIN; wanted++) {
			struct buffer CLEANUP(buffer_fini) data = {0};
			cr_assert_eq(revert_all(buffer_span(&chain.revisions[CHAIN]), newest_first,
						CHAIN - wanted, &data),
				     0, "seed %llu", (unsigned long long)(seed + round));
			cr_assert(is_neighbour(buffer_span(&data),
					       buffer_span(&chain.revisions[wanted])),
				  "seed %llu, revision %zu", (unsigned long long)(seed + round),
				  wanted);
		}
		chain_fini(&chain);
	}
}

Test(diff_apply, a_chain_with_a_bad_diff_gives_nothing)
{
	const struct span good = SPAN("{\"added\":{\"a\":1},\"removed\":{},\"changed\":{}}");
	const struct span bad[] = {SPAN(""), SPAN("{"), SPAN("[]"), SPAN(NOTHING),
				   SPAN("{\"added\":{\"x\":1},\"removed\":{},\"changed\":{}}")};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct span diffs[] = {good, bad[i]};
		struct buffer CLEANUP(buffer_fini) data = {0};
		cr_expect_eq(revert_all(SPAN("{\"a\":1}"), diffs, 1, &data), 0);
		cr_expect(span_equals(buffer_span(&data), SPAN("{}")));
		data.len = 0;
		cr_expect_eq(revert_all(SPAN("{\"a\":1}"), diffs, 2, &data), -EINVAL, "%zu", i);
		cr_expect_eq(data.len, 0);
	}
	struct buffer CLEANUP(buffer_fini) data = {0};
	cr_expect_eq(revert_all(SPAN("[]"), &good, 1, &data), -EINVAL);
	cr_expect_eq(data.len, 0);
}
