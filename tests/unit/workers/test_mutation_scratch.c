/* test_mutation_scratch.c — the memory that all writes of a worker share. */
#include "../common/random_json.h"
#include "diff.h"
#include "mutation_fixture.h"

#include <criterion/criterion.h>

TestSuite(mutation_scratch, .timeout = 100);

static struct mutation_scratch scratch;
static const struct mutation_limits wide = {.size_max = 1 << 20, .depth_max = 64};

static bool mutations_equal(const struct mutation *a, const struct mutation *b)
{
	return span_equals(text_span(a->next.data), text_span(b->next.data)) &&
	       span_equals(buffer_span(&a->diff), buffer_span(&b->diff)) &&
	       span_equals(buffer_span(&a->reversible), buffer_span(&b->reversible)) &&
	       a->next.number == b->next.number;
}

/* What DESIGN.md section 5 promises of diffs, forwards and backwards. */
static void check_law(const struct revision *base, const struct mutation *mutation)
{
	struct json old = random_json_parse(base->data ? text_span(base->data) : SPAN("{}"));
	struct json new = random_json_parse(text_span(mutation->next.data));
	struct json diff = random_json_parse(buffer_span(&mutation->diff));
	struct json back = random_json_parse(buffer_span(&mutation->reversible));
	struct buffer forwards = {0}, backwards = {0};

	cr_assert_eq(diff_apply(&old, &diff, &forwards), 0);
	cr_assert_eq(diff_revert(&new, &back, &backwards), 0);
	struct json after = random_json_parse(buffer_span(&forwards));
	struct json before = random_json_parse(buffer_span(&backwards));
	cr_assert(json_equals(&after, 0, &new, 0));
	cr_assert(json_equals(&before, 0, &old, 0));
	json_fini(&old), json_fini(&new), json_fini(&diff), json_fini(&back);
	json_fini(&after), json_fini(&before);
	buffer_fini(&forwards), buffer_fini(&backwards);
}

static void random_request(struct random_json *random, struct write_request *request,
			   struct buffer *data)
{
	static const enum write_kind kinds[] = {WRITE_CREATE, WRITE_REPLACE, WRITE_MERGE,
						WRITE_MERGE,  WRITE_PATCH,   WRITE_DELETE};

	request->kind = kinds[random_json_below(random, ARRAY_LEN(kinds))];
	data->len = 0;
	if (request->kind != WRITE_PATCH) {
		random_json_object(random, data);
		return;
	}
	buffer_append_string(data, "[{\"op\":\"add\",\"path\":\"/a\",\"value\":");
	random_json_value(random, data);
	buffer_append_string(data, random_json_below(random, 3)
					   ? "}]"
					   : "},{\"op\":\"remove\",\"path\":\"/nowhere/x\"}]");
}

#define BASES 4

/* Several documents take turns on one scratch, as in the worker, each write compared with the same
 * one on a scratch of its own. */
Test(mutation_scratch, shared_scratch_makes_what_a_new_one_makes)
{
	struct random_json random = random_json_create(random_json_seed());
	struct revision bases[BASES] = {0};
	struct buffer data = {0};

	fprintf(stderr, "mutation: SYNCDOC_TEST_SEED=%llu\n", (unsigned long long)random.state);
	for (unsigned step = 0; step < 4000; step++) {
		struct revision *base = &bases[random_json_below(&random, BASES)];
		struct write_request request = {0};
		struct mutation shared = {0}, alone = {0};
		struct mutation_scratch own = {0};
		struct outcome outcome, outcome_alone;

		if (base->number && !random_json_below(&random, 12)) {
			mutation_expire(base, NOW_MS, &shared);
			revision_replace(base, revision_clone(&shared.next));
			mutation_fini(&shared);
			continue;
		}
		random_request(&random, &request, &data);
		if (mutation_judge(base, &request, &outcome))
			continue;
		struct text *text = text_create(buffer_span(&data));
		int error = mutation_apply(&scratch, &wide, base, &request, text, NOW_MS, &shared,
					   &outcome);
		int error_alone = mutation_apply(&own, &wide, base, &request, text, NOW_MS, &alone,
						 &outcome_alone);
		text_put(text);
		cr_assert_eq(error, error_alone);
		if (!error) {
			cr_assert(mutations_equal(&shared, &alone));
			if (!shared.next.deleted)
				check_law(base, &shared);
			/* As in a batch; sometimes the base stays, as after a mismatch. */
			if (random_json_below(&random, 5))
				revision_replace(base, revision_clone(&shared.next));
			mutation_fini(&shared);
			mutation_fini(&alone);
		}
		mutation_scratch_fini(&own);
	}
	for (unsigned i = 0; i < BASES; i++)
		revision_fini(&bases[i]);
	buffer_fini(&data);
	mutation_scratch_fini(&scratch);
}
