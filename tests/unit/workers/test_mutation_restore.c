/* test_mutation_restore.c — restore among the kinds of writes: judged and applied like them, with
 * the data of a revision that was found before. */
#include "mutation.h"

#include <criterion/criterion.h>

#define NOW_MS INT64_C(1760000001000)
#define CREATED_MS INT64_C(1750000000000)

TestSuite(mutation_restore, .timeout = 100);

static const struct mutation_limits limits = {.size_max = 100, .depth_max = 3};

static struct revision base_make(const char *data, bool deleted)
{
	return (struct revision){
		.number = 7,
		.updated_at_ms = NOW_MS - 1000,
		.created_at_ms = CREATED_MS,
		.deleted = deleted,
		.data = text_create(span_string(data)),
	};
}

static struct write_request request_make(void)
{
	return (struct write_request){
		.kind = WRITE_RESTORE,
		.revision = 3,
		.found = {.state = HISTORY_REBUILT, .wanted = 3, .newest = 7, .oldest = 3},
		.found_created_at_ms = CREATED_MS,
	};
}

/* 0, or the status of the refusal. */
static int run(const struct revision *base, const struct write_request *request, const char *data,
	       struct mutation *ret, struct outcome *ret_refusal)
{
	struct mutation_scratch scratch = {0};
	struct text *text = text_create(span_string(data));
	int error = mutation_judge(base, request, ret_refusal);

	if (!error)
		error = mutation_apply(&scratch, &limits, base, request, text, NOW_MS, ret,
				       ret_refusal);
	text_put(text);
	mutation_scratch_fini(&scratch);
	return error ? ret_refusal->status : 0;
}

static void assert_refused(struct revision base, const struct write_request *request,
			   const char *data, int status, const char *code)
{
	struct mutation mutation;
	struct outcome refusal;

	cr_assert_eq(run(&base, request, data, &mutation, &refusal), status);
	cr_assert_str_eq(refusal.code, code);
	revision_fini(&base);
}

Test(mutation_restore, is_an_update_of_what_lives)
{
	struct revision base = base_make("{\"a\":2}", false);
	struct write_request request = request_make();
	struct mutation mutation;
	struct outcome refusal;

	base.expires_at_ms = NOW_MS + 5000;
	cr_assert_eq(run(&base, &request, "{\"a\":1}", &mutation, &refusal), 0);
	cr_expect_str_eq(mutation.operation, "restore");
	cr_expect_eq(mutation.event, TOPIC_UPDATED);
	cr_expect_not(mutation.created);
	cr_expect_eq(mutation.next.number, 8);
	cr_expect_eq(mutation.next.created_at_ms, CREATED_MS);
	cr_expect_eq(mutation.next.expires_at_ms, base.expires_at_ms);
	cr_expect(span_equals(text_span(mutation.next.data), SPAN("{\"a\":1}")));
	cr_expect(span_equals(buffer_span(&mutation.diff),
			      SPAN("{\"added\":{},\"removed\":[],\"changed\":{\"a\":{\"from\":2,"
				   "\"to\":1}}}")));
	mutation_fini(&mutation);
	revision_fini(&base);
}

Test(mutation_restore, brings_a_tombstone_back_to_life)
{
	struct revision base = base_make("{\"a\":2}", true);
	struct write_request request = request_make();
	struct mutation mutation;
	struct outcome refusal;

	base.expires_at_ms = NOW_MS - 500;
	cr_assert_eq(run(&base, &request, "{\"a\":1}", &mutation, &refusal), 0);
	cr_expect_str_eq(mutation.operation, "restore");
	cr_expect_eq(mutation.event, TOPIC_CREATED);
	cr_expect(mutation.created);
	cr_expect_not(mutation.next.deleted);
	cr_expect_eq(mutation.next.created_at_ms, CREATED_MS);
	cr_expect_eq(mutation.next.expires_at_ms, 0);
	mutation_fini(&mutation);
	revision_fini(&base);
}

Test(mutation_restore, conditions_come_before_the_revision)
{
	struct write_request request = request_make();
	const struct tag_condition tag = {
		.present = true, .count = 1, .tags = {{7, NOW_MS - 1001}}};

	request.found.state = HISTORY_NOT_KEPT;
	assert_refused(base_make("{}", false), &request, "", 404, "revision_not_kept");
	request.has_expected_revision = true;
	request.expected_revision = 6;
	assert_refused(base_make("{}", false), &request, "", 409, "revision_conflict");
	assert_refused(base_make("{}", true), &request, "", 409, "revision_conflict");
	request.if_match = tag;
	assert_refused(base_make("{}", false), &request, "", 412, "precondition_failed");
	assert_refused((struct revision){0}, &request, "", 404, "document_not_found");
}

Test(mutation_restore, says_what_became_of_the_revision)
{
	struct write_request request = request_make();
	struct revision base = base_make("{}", false);
	struct mutation mutation;
	struct outcome refusal;

	request.found = (struct history_finding){
		.state = HISTORY_NOT_KEPT, .wanted = 3, .newest = 7, .oldest = 5};
	cr_assert_eq(run(&base, &request, "", &mutation, &refusal), 404);
	cr_expect(refusal.has_oldest_revision);
	cr_expect_eq(refusal.oldest_revision, 5);
	request.found.state = HISTORY_NOT_FOUND;
	cr_assert_eq(run(&base, &request, "", &mutation, &refusal), 404);
	cr_expect_str_eq(refusal.code, "revision_not_found");
	cr_expect_eq(refusal.current_revision, 7);
	/* Found in a document that was purged and made anew since. */
	request = request_make();
	request.found_created_at_ms--;
	cr_assert_eq(run(&base, &request, "{}", &mutation, &refusal), 404);
	cr_expect_str_eq(refusal.code, "revision_not_kept");
	cr_expect_eq(refusal.oldest_revision, 7);
	revision_fini(&base);
}

Test(mutation_restore, old_data_must_keep_the_limits_of_today)
{
	struct write_request request = request_make();
	char large[128];

	snprintf(large, sizeof(large), "{\"a\":\"%0*d\"}", 110, 7);
	assert_refused(base_make("{}", false), &request, large, 413, "document_too_large");
	assert_refused(base_make("{}", false), &request, "{\"a\":{\"b\":{\"c\":{}}}}", 422,
		       "json_too_deep");
}
