#include <criterion/criterion.h>

#include "../common/random_json.h"
#include "diff.h"
#include "mutation.h"

#define REVISION 7
#define UPDATED_MS INT64_C(1760000000000)
#define CREATED_MS INT64_C(1750000000000)
#define EXPIRES_MS (UPDATED_MS + 5000)
#define NOW_MS (UPDATED_MS + 1000)

TestSuite(mutation, .timeout = 30);

static const struct mutation_limits limits = {.size_max = 200, .depth_max = 5};

enum state { UNKNOWN, LIVING, DELETED, EXPIRED, STATES };

static struct revision base_of(enum state state, const char *data)
{
	if (state == UNKNOWN)
		return (struct revision){0};
	return (struct revision){
		.number = REVISION,
		.updated_at_ms = UPDATED_MS,
		.created_at_ms = CREATED_MS,
		.expires_at_ms = state == EXPIRED ? UPDATED_MS - 1 : 0,
		.deleted = state != LIVING,
		.data = text_create(span_string(data)),
	};
}

/* --- judge --- */

enum tags { NO_TAG, ANY, ITS, OTHER };

static struct tag_condition tags_of(enum tags tags)
{
	struct tag_condition condition = {.present = tags != NO_TAG, .any = tags == ANY};

	if (tags == ITS)
		condition.tags[condition.count++] = (struct entity_tag){REVISION, UPDATED_MS};
	if (tags == OTHER) /* the same number of another lineage is another revision */
		condition.tags[condition.count++] = (struct entity_tag){REVISION, UPDATED_MS + 1};
	return condition;
}

#define NOT_SAID -1
#define WRONG (REVISION - 1)

/* Status of a PUT for unknown, living, deleted, expired; 0: accepted. */
static const struct {
	int expected_revision;
	enum tags match, none;
	int status[STATES];
} conditions[] = {
	{NOT_SAID, NO_TAG, NO_TAG, {0, 0, 0, 0}},
	{0, NO_TAG, NO_TAG, {0, 409, 0, 0}},
	{REVISION, NO_TAG, NO_TAG, {409, 0, 0, 0}},
	{WRONG, NO_TAG, NO_TAG, {409, 409, 409, 409}},
	{NOT_SAID, ANY, NO_TAG, {412, 0, 412, 412}},
	{NOT_SAID, ITS, NO_TAG, {412, 0, 0, 0}},
	{NOT_SAID, OTHER, NO_TAG, {412, 412, 412, 412}},
	{NOT_SAID, NO_TAG, ANY, {0, 412, 0, 0}},
	{NOT_SAID, NO_TAG, ITS, {0, 412, 412, 412}},
	{NOT_SAID, NO_TAG, OTHER, {0, 0, 0, 0}},
	{WRONG, OTHER, NO_TAG, {412, 412, 412, 412}}, /* both fail: 412 first */
	{WRONG, ITS, NO_TAG, {412, 409, 409, 409}},
	{REVISION, OTHER, NO_TAG, {412, 412, 412, 412}},
	{REVISION, ITS, NO_TAG, {412, 0, 0, 0}},
	{0, NO_TAG, ANY, {0, 412, 0, 0}},
	{WRONG, NO_TAG, ANY, {409, 412, 409, 409}},
	{0, ITS, NO_TAG, {412, 409, 0, 0}},
};

static const char *code_of(enum write_kind kind, enum state state, int status)
{
	if (kind == WRITE_CREATE && state == LIVING)
		return "document_exists";
	switch (status) {
	case 404:
		return "document_not_found";
	case 409:
		return "revision_conflict";
	case 410:
		return state == EXPIRED ? "document_expired" : "document_deleted";
	default:
		return "precondition_failed";
	}
}

static int status_of(enum write_kind kind, enum state state, int put_status)
{
	if (kind == WRITE_REPLACE)
		return put_status;
	if (kind == WRITE_CREATE)
		return state == LIVING ? 409 : put_status;
	/* PATCH and DELETE need a living document, whatever the condition. */
	return state == UNKNOWN ? 404 : state == LIVING ? put_status : 410;
}

static void check_row(size_t row, enum write_kind kind, enum state state)
{
	struct revision base = base_of(state, "{}");
	struct outcome outcome = {0};
	struct write_request request = {
		.kind = kind,
		.has_expected_revision = conditions[row].expected_revision != NOT_SAID,
		.expected_revision = conditions[row].expected_revision,
		.if_match = tags_of(conditions[row].match),
		.if_none_match = tags_of(conditions[row].none),
	};
	int status = status_of(kind, state, conditions[row].status[state]);
	int error = mutation_judge(&base, &request, &outcome);

	cr_expect_eq(error, status ? -EPERM : 0, "row %zu, kind %d, state %d", row, kind, state);
	if (status && error) {
		cr_expect_eq(outcome.status, status, "row %zu, kind %d, state %d: %d, not %d", row,
			     kind, state, outcome.status, status);
		cr_expect_str_eq(outcome.code, code_of(kind, state, status), "row %zu, %s", row,
				 outcome.code);
		cr_expect_eq(outcome.has_current_revision, status != 404);
		cr_expect_eq(outcome.current_revision,
			     status == 404 || state == UNKNOWN ? 0 : REVISION);
		cr_expect_neq(outcome.detail[0], '\0');
	}
	revision_fini(&base);
}

Test(mutation, every_condition_in_every_state_has_its_status_and_code)
{
	static const enum write_kind kinds[] = {WRITE_CREATE, WRITE_REPLACE, WRITE_MERGE,
						WRITE_PATCH, WRITE_DELETE};

	for (size_t row = 0; row < ARRAY_LEN(conditions); row++)
		for (size_t kind = 0; kind < ARRAY_LEN(kinds); kind++)
			for (enum state state = UNKNOWN; state < STATES; state++)
				check_row(row, kinds[kind], state);
}

Test(mutation, one_matching_tag_of_several_is_enough)
{
	struct revision base = base_of(LIVING, "{}");
	struct outcome outcome;
	struct write_request request = {.kind = WRITE_REPLACE, .if_match = tags_of(OTHER)};

	request.if_match.tags[request.if_match.count++] = (struct entity_tag){REVISION, UPDATED_MS};
	cr_expect_eq(mutation_judge(&base, &request, &outcome), 0);
	request.if_none_match = request.if_match;
	request.if_match = (struct tag_condition){0};
	cr_expect_eq(mutation_judge(&base, &request, &outcome), -EPERM);
	cr_expect_eq(outcome.status, 412);
	revision_fini(&base);
}

Test(mutation, list_without_any_tag_of_ours_matches_nothing_not_even_the_unknown)
{
	struct revision base = base_of(UNKNOWN, NULL);
	struct outcome outcome;
	struct write_request request = {.kind = WRITE_REPLACE};

	request.if_match.present = true;
	cr_expect_eq(mutation_judge(&base, &request, &outcome), -EPERM);
	request.if_match.tags[request.if_match.count++] = (struct entity_tag){0, 0};
	cr_expect_eq(mutation_judge(&base, &request, &outcome), -EPERM);
	cr_expect_eq(outcome.status, 412);
}

/* --- apply --- */

static struct mutation_scratch scratch;

/* Applies `data` as a client's; the caller ends *ret with mutation_fini(). */
static int apply_at(const struct revision *base, struct write_request request, const char *data,
		    int64_t now_ms, struct mutation *ret, struct outcome *ret_refusal)
{
	struct text *text = text_create(span_string(data));

	memset(ret_refusal, 0, sizeof(*ret_refusal));
	int error =
		mutation_apply(&scratch, &limits, base, &request, text, now_ms, ret, ret_refusal);
	text_put(text);
	return error;
}

static struct mutation apply(const struct revision *base, struct write_request request,
			     const char *data)
{
	struct mutation mutation = {0};
	struct outcome outcome;

	cr_assert_eq(apply_at(base, request, data, NOW_MS, &mutation, &outcome), 0, "%s",
		     outcome.detail);
	return mutation;
}

static struct outcome refuse(const struct revision *base, enum write_kind kind, const char *data)
{
	struct mutation mutation = {0};
	struct outcome outcome;

	cr_assert_eq(apply_at(base, (struct write_request){.kind = kind}, data, NOW_MS, &mutation,
			      &outcome),
		     -EPERM);
	cr_expect_null(mutation.next.data);
	return outcome;
}

static void expect_text(struct span text, const char *expected)
{
	cr_expect(span_equals(text, span_string(expected)), "%.*s, not %s", SPAN_ARGS(text),
		  expected);
}

#define EMPTY_DIFF "{\"added\":{},\"removed\":[],\"changed\":{}}"
#define EMPTY_REVERSIBLE "{\"added\":{},\"removed\":{},\"changed\":{}}"

Test(mutation, next_revision_follows_its_base)
{
	struct revision base = base_of(LIVING, "{\"a\":1}");
	struct mutation mutation =
		apply(&base, (struct write_request){.kind = WRITE_MERGE}, "{\"b\":2}");

	cr_expect_eq(mutation.next.number, REVISION + 1);
	cr_expect_eq(mutation.next.updated_at_ms, NOW_MS);
	cr_expect_eq(mutation.next.created_at_ms, CREATED_MS);
	cr_expect_not(mutation.next.deleted);
	cr_expect_not(mutation.created);
	expect_text(text_span(mutation.next.data), "{\"a\":1,\"b\":2}");
	mutation_fini(&mutation);
	revision_fini(&base);
	mutation_scratch_fini(&scratch);
}

Test(mutation, updated_at_never_repeats_or_goes_back)
{
	static const int64_t clocks[] = {UPDATED_MS - 100000, UPDATED_MS - 1, UPDATED_MS,
					 UPDATED_MS + 1, UPDATED_MS + 2};
	struct revision base = base_of(LIVING, "{}");
	struct outcome outcome;

	for (size_t i = 0; i < ARRAY_LEN(clocks); i++) {
		struct mutation mutation = {0}, expiry = {0};
		int64_t expected = clocks[i] > UPDATED_MS ? clocks[i] : UPDATED_MS + 1;
		cr_assert_eq(apply_at(&base, (struct write_request){.kind = WRITE_DELETE}, "",
				      clocks[i], &mutation, &outcome),
			     0);
		cr_expect_eq(mutation.next.updated_at_ms, expected);
		mutation_expire(&base, clocks[i], &expiry);
		cr_expect_eq(expiry.next.updated_at_ms, expected);
		mutation_fini(&mutation);
		mutation_fini(&expiry);
	}
	revision_fini(&base);
	mutation_scratch_fini(&scratch);
}

Test(mutation, operation_and_event_have_their_names)
{
	static const struct {
		enum write_kind kind;
		enum state state;
		const char *data, *operation;
		enum topic_event event;
		bool created;
	} rows[] = {
		{WRITE_CREATE, UNKNOWN, "{}", "create", TOPIC_CREATED, true},
		{WRITE_CREATE, DELETED, "{}", "create", TOPIC_CREATED, true},
		{WRITE_CREATE, EXPIRED, "{}", "create", TOPIC_CREATED, true},
		{WRITE_REPLACE, UNKNOWN, "{}", "create", TOPIC_CREATED, true},
		{WRITE_REPLACE, DELETED, "{}", "create", TOPIC_CREATED, true},
		{WRITE_REPLACE, LIVING, "{}", "replace", TOPIC_UPDATED, false},
		{WRITE_MERGE, LIVING, "{}", "merge", TOPIC_UPDATED, false},
		{WRITE_PATCH, LIVING, "[]", "patch", TOPIC_UPDATED, false},
		{WRITE_DELETE, LIVING, "", "delete", TOPIC_DELETED, false},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct revision base = base_of(rows[i].state, "{\"a\":1}");
		struct mutation mutation =
			apply(&base, (struct write_request){.kind = rows[i].kind}, rows[i].data);
		cr_expect_str_eq(mutation.operation, rows[i].operation, "row %zu", i);
		cr_expect_eq(mutation.event, rows[i].event, "row %zu", i);
		cr_expect_eq(mutation.created, rows[i].created, "row %zu", i);
		cr_expect_eq(mutation.next.deleted, rows[i].kind == WRITE_DELETE);
		cr_expect_eq(mutation.next.created_at_ms,
			     rows[i].state == UNKNOWN ? NOW_MS : CREATED_MS, "row %zu", i);
		mutation_fini(&mutation);
		revision_fini(&base);
	}
	mutation_scratch_fini(&scratch);
}

Test(mutation, expires_at_follows_what_was_asked)
{
	static const struct {
		enum write_kind kind;
		enum state state;
		enum expiry_kind expiry;
		int64_t value, expected;
	} rows[] = {
		{WRITE_MERGE, LIVING, EXPIRY_UNCHANGED, 0, EXPIRES_MS},
		{WRITE_REPLACE, LIVING, EXPIRY_UNCHANGED, 0, EXPIRES_MS},
		{WRITE_MERGE, LIVING, EXPIRY_REMOVED, 0, 0},
		{WRITE_MERGE, LIVING, EXPIRY_TTL, 60, NOW_MS + 60000},
		{WRITE_REPLACE, LIVING, EXPIRY_AT, NOW_MS + 77, NOW_MS + 77},
		{WRITE_DELETE, LIVING, EXPIRY_UNCHANGED, 0, 0},
		{WRITE_CREATE, UNKNOWN, EXPIRY_UNCHANGED, 0, 0},
		{WRITE_CREATE, UNKNOWN, EXPIRY_TTL, 1, NOW_MS + 1000},
		{WRITE_CREATE, EXPIRED, EXPIRY_UNCHANGED, 0, 0}, /* or it were born dead */
		{WRITE_REPLACE, EXPIRED, EXPIRY_UNCHANGED, 0, 0},
		{WRITE_REPLACE, EXPIRED, EXPIRY_TTL, 31536000, NOW_MS + INT64_C(31536000000)},
		{WRITE_REPLACE, DELETED, EXPIRY_REMOVED, 0, 0},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct revision base = base_of(rows[i].state, "{}");
		if (rows[i].state == LIVING)
			base.expires_at_ms = EXPIRES_MS;
		struct mutation mutation = apply(&base,
						 (struct write_request){
							 .kind = rows[i].kind,
							 .expiry = rows[i].expiry,
							 .expiry_value = rows[i].value,
						 },
						 "{}");
		cr_expect_eq(mutation.next.expires_at_ms, rows[i].expected, "row %zu", i);
		mutation_fini(&mutation);
		revision_fini(&base);
	}
	mutation_scratch_fini(&scratch);
}

Test(mutation, ttl_counts_from_updated_at_also_when_the_clock_is_behind)
{
	struct revision base = base_of(LIVING, "{}");
	struct mutation mutation;
	struct outcome outcome;
	struct write_request request = {
		.kind = WRITE_MERGE, .expiry = EXPIRY_TTL, .expiry_value = 2};

	cr_assert_eq(apply_at(&base, request, "{}", UPDATED_MS - 9999, &mutation, &outcome), 0);
	cr_expect_eq(mutation.next.expires_at_ms, UPDATED_MS + 1 + 2000);
	mutation_fini(&mutation);
	revision_fini(&base);
	mutation_scratch_fini(&scratch);
}

Test(mutation, first_revision_is_diffed_against_nothing)
{
	struct revision base = {0};
	struct mutation mutation =
		apply(&base, (struct write_request){.kind = WRITE_CREATE}, "{\"a\":1}");

	cr_expect_eq(mutation.next.number, 1);
	expect_text(buffer_span(&mutation.diff),
		    "{\"added\":{\"a\":1},\"removed\":[],\"changed\":{}}");
	mutation_fini(&mutation);
	mutation_scratch_fini(&scratch);
}

Test(mutation, created_on_a_tombstone_is_diffed_against_the_revision_before)
{
	struct revision base = base_of(DELETED, "{\"a\":1,\"b\":2}");
	struct mutation mutation =
		apply(&base, (struct write_request){.kind = WRITE_CREATE}, "{\"a\":1,\"c\":3}");

	expect_text(buffer_span(&mutation.diff),
		    "{\"added\":{\"c\":3},\"removed\":[\"b\"],\"changed\":{}}");
	expect_text(buffer_span(&mutation.reversible),
		    "{\"added\":{\"c\":3},\"removed\":{\"b\":2},\"changed\":{}}");
	mutation_fini(&mutation);
	revision_fini(&base);
	mutation_scratch_fini(&scratch);
}

Test(mutation, tombstones_keep_the_data_and_have_an_empty_diff)
{
	struct revision base = base_of(LIVING, "{\"a\":1}");
	struct mutation deleted = apply(&base, (struct write_request){.kind = WRITE_DELETE}, "");
	struct mutation expired = {0};

	base.expires_at_ms = EXPIRES_MS;
	mutation_expire(&base, NOW_MS, &expired);
	cr_expect_eq(expired.event, TOPIC_EXPIRED);
	cr_expect_str_eq(expired.operation, "expire");
	cr_expect_eq(expired.next.expires_at_ms, EXPIRES_MS, "tells it from a deleted one");
	cr_expect_eq(expired.next.number, REVISION + 1);
	cr_expect_eq(expired.next.created_at_ms, CREATED_MS);
	cr_expect(expired.next.deleted && deleted.next.deleted);
	expect_text(text_span(deleted.next.data), "{\"a\":1}");
	expect_text(text_span(expired.next.data), "{\"a\":1}");
	expect_text(buffer_span(&deleted.diff), EMPTY_DIFF);
	expect_text(buffer_span(&expired.diff), EMPTY_DIFF);
	expect_text(buffer_span(&deleted.reversible), EMPTY_REVERSIBLE);
	expect_text(buffer_span(&expired.reversible), EMPTY_REVERSIBLE);
	mutation_fini(&deleted);
	mutation_fini(&expired);
	revision_fini(&base);
	mutation_scratch_fini(&scratch);
}

Test(mutation, write_that_changes_nothing_is_a_revision_with_the_same_empty_diff)
{
	struct revision base = base_of(LIVING, "{\"a\":1}");
	struct mutation mutation =
		apply(&base, (struct write_request){.kind = WRITE_REPLACE}, "{ \"a\": 1.0 }");

	cr_expect_eq(mutation.next.number, REVISION + 1);
	expect_text(buffer_span(&mutation.diff), EMPTY_DIFF);
	expect_text(buffer_span(&mutation.reversible), EMPTY_REVERSIBLE);
	expect_text(text_span(mutation.next.data), "{ \"a\": 1.0 }");
	mutation_fini(&mutation);
	revision_fini(&base);
	mutation_scratch_fini(&scratch);
}

/* --- refusals of the result --- */

Test(mutation, patch_failures_have_their_codes_and_the_failed_operation)
{
	static const struct {
		const char *operations, *code;
		int status;
		unsigned failed;
	} rows[] = {
		{"[{\"op\":\"add\",\"path\":\"/b\",\"value\":1},{\"op\":\"test\",\"path\":\"/a\","
		 "\"value\":2}]",
		 "patch_test_failed", 409, 1},
		{"[{\"op\":\"remove\",\"path\":\"/nowhere\"}]", "patch_path_missing", 409, 0},
		{"[{\"op\":\"add\",\"path\":\"/a/x\",\"value\":1}]", "patch_path_missing", 409, 0},
		{"[{\"op\":\"dance\",\"path\":\"/a\"}]", "patch_invalid", 422, 0},
		{"[{\"op\":\"move\",\"from\":\"/o\",\"path\":\"/o/x\"}]", "patch_invalid", 422, 0},
	};
	struct revision base = base_of(LIVING, "{\"a\":1,\"o\":{}}");

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct outcome outcome = refuse(&base, WRITE_PATCH, rows[i].operations);
		cr_expect_eq(outcome.status, rows[i].status, "row %zu", i);
		cr_expect_str_eq(outcome.code, rows[i].code, "row %zu", i);
		cr_expect(outcome.has_failed_operation, "row %zu", i);
		cr_expect_eq(outcome.failed_operation, rows[i].failed, "row %zu", i);
	}
	revision_fini(&base);
	mutation_scratch_fini(&scratch);
}

Test(mutation, result_that_is_too_large_is_413)
{
	char large[160], merge[200];
	struct revision base;
	struct outcome outcome;

	memset(large, 'x', sizeof(large));
	large[sizeof(large) - 1] = '\0';
	snprintf(merge, sizeof(merge), "{\"a\":\"%s\"}", large);
	base = base_of(LIVING, merge);
	snprintf(merge, sizeof(merge), "{\"b\":\"%s\"}", large);
	outcome = refuse(&base, WRITE_MERGE, merge);
	cr_expect_eq(outcome.status, 413);
	cr_expect_str_eq(outcome.code, "document_too_large");
	outcome = refuse(&base, WRITE_PATCH, "[{\"op\":\"copy\",\"from\":\"/a\",\"path\":\"/b\"}]");
	cr_expect_eq(outcome.status, 413);
	cr_expect_str_eq(outcome.code, "document_too_large");
	revision_fini(&base);
	mutation_scratch_fini(&scratch);
}

Test(mutation, result_that_is_too_deep_is_422_without_an_offset)
{
	static const struct {
		enum write_kind kind;
		const char *data;
	} rows[] = {
		{WRITE_REPLACE, "{\"a\":{\"b\":{\"c\":{\"d\":{}}}}}"},
		{WRITE_MERGE, "{\"a\":{\"b\":{\"c\":{\"d\":{\"e\":{}}}}}}"},
		{WRITE_PATCH, "[{\"op\":\"add\",\"path\":\"/o/p\",\"value\":[[[[]]]]}]"},
	};
	struct revision base = base_of(LIVING, "{\"o\":{}}");

	struct mutation fits =
		apply(&base, (struct write_request){.kind = rows[0].kind}, rows[0].data);
	mutation_fini(&fits);
	for (size_t i = 1; i < ARRAY_LEN(rows); i++) {
		struct outcome outcome = refuse(&base, rows[i].kind, rows[i].data);
		cr_expect_eq(outcome.status, 422, "row %zu", i);
		cr_expect_str_eq(outcome.code, "json_too_deep", "row %zu", i);
		cr_expect_not(outcome.has_offset, "row %zu: of what would it be?", i);
	}
	revision_fini(&base);
	mutation_scratch_fini(&scratch);
}

Test(mutation, patch_that_leaves_no_object_is_422)
{
	static const char *const values[] = {"1", "[]", "null", "\"{}\""};
	struct revision base = base_of(LIVING, "{}");
	char operations[80];

	for (size_t i = 0; i < ARRAY_LEN(values); i++) {
		snprintf(operations, sizeof(operations),
			 "[{\"op\":\"replace\",\"path\":\"\",\"value\":%s}]", values[i]);
		struct outcome outcome = refuse(&base, WRITE_PATCH, operations);
		cr_expect_eq(outcome.status, 422, "%s", values[i]);
		cr_expect_str_eq(outcome.code, "data_not_object", "%s", values[i]);
	}
	revision_fini(&base);
	mutation_scratch_fini(&scratch);
}

Test(mutation, stored_data_that_is_no_json_can_be_deleted_and_nothing_else)
{
	struct revision base = base_of(LIVING, "{broken}}");
	struct outcome outcome = refuse(&base, WRITE_MERGE, "{}");
	struct mutation mutation;

	cr_expect_eq(outcome.status, 500);
	cr_expect_str_eq(outcome.code, "stored_document_invalid");
	outcome = refuse(&base, WRITE_MERGE, "{}"); /* not taken for scanned the second time */
	cr_expect_eq(outcome.status, 500);
	mutation = apply(&base, (struct write_request){.kind = WRITE_DELETE}, "");
	cr_expect(mutation.next.deleted);
	mutation_fini(&mutation);
	revision_fini(&base);
	mutation_scratch_fini(&scratch);
}

/* --- the scratch that writes share --- */

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
Test(mutation, shared_scratch_makes_what_a_new_one_makes)
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
