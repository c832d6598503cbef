/* test_mutation.c — what a write makes of a document, and what it may not make. */
#include "mutation_fixture.h"

#include <criterion/criterion.h>

TestSuite(mutation, .timeout = 100);

static const struct mutation_limits limits = {.size_max = 200, .depth_max = 5};

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
