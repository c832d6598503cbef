#include <criterion/criterion.h>

#include "outcome.h"
#include "utf8.h"

TestSuite(outcome, .timeout = 100);

static void expect_members(const struct outcome *outcome, bool with_document, const char *expected)
{
	struct buffer text = {0};

	outcome_append_members(&text, outcome, with_document);
	cr_expect(span_equals(buffer_span(&text), span_string(expected)), "%.*s, not %s",
		  SPAN_ARGS(buffer_span(&text)), expected);
	buffer_fini(&text);
}

Test(outcome, refusal_has_status_code_and_detail_and_nothing_else)
{
	struct outcome outcome = outcome_refusal(409, "revision_conflict", "at %d of %s", 7, "x");

	cr_expect_eq(outcome.status, 409);
	cr_expect_str_eq(outcome.code, "revision_conflict");
	cr_expect_str_eq(outcome.detail, "at 7 of x");
	cr_expect_eq(outcome.envelope.len, 0);
	cr_expect_eq(outcome.retry_after_s, 0);
	expect_members(&outcome, true, "");
}

Test(outcome, detail_that_is_too_long_is_cut_between_characters)
{
	char text[OUTCOME_DETAIL_MAX * 2 + 1] = "";

	for (size_t shift = 0; shift < 4; shift++) { /* the cut falls on each byte of one */
		memset(text, 'x', shift);
		for (size_t i = shift; i + 3 < OUTCOME_DETAIL_MAX * 2; i += 3)
			memcpy(text + i, "\xe2\x82\xac", 4);
		struct outcome outcome = outcome_refusal(400, "x", "%s", text);
		size_t len = strlen(outcome.detail);
		cr_expect(utf8_is_valid(span_of(outcome.detail, len)), "shift %zu", shift);
		cr_expect_geq(len, OUTCOME_DETAIL_MAX - 4);
		cr_expect_eq(memcmp(outcome.detail, text, len), 0);
	}
}

Test(outcome, detail_with_bad_bytes_is_valid_all_the_same)
{
	static const char *const bad[] = {"a\xff", "\xc3", "a\xed\xa0\x80z", "\x80\x80"};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct outcome outcome = outcome_refusal(400, "x", "%s", bad[i]);
		cr_expect(utf8_is_valid(span_string(outcome.detail)), "row %zu", i);
	}
}

Test(outcome, json_faults_have_their_status_code_and_offset)
{
	static const struct {
		int error, status;
		const char *code;
	} rows[] = {
		{-EBADMSG, 400, "json_malformed"},
		{-ERANGE, 422, "json_not_representable"},
		{-E2BIG, 422, "json_too_deep"},
	};
	static const struct json_fault fault = {.offset = 17, .reason = "duplicate member name"};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct outcome outcome = outcome_of_json_fault(rows[i].error, &fault);
		cr_expect_eq(outcome.status, rows[i].status);
		cr_expect_str_eq(outcome.code, rows[i].code);
		cr_expect_str_eq(outcome.detail, "duplicate member name at byte 17");
		expect_members(&outcome, true, ",\"offset\":17");
	}
}

Test(outcome, the_first_member_that_is_not_known_is_named)
{
	static const char *const known[] = {"type", "id", NULL};
	static const struct {
		const char *text, *detail; /* NULL: nothing to refuse */
	} rows[] = {
		{"{}", NULL},
		{"{\"id\":{\"other\":1},\"type\":[1]}", NULL},
		{"{\"i\\u0064\":1}", NULL},
		{"{\"type\":{\"x\":1},\"Id\":1,\"z\":2}", "unknown member \"Id\""},
		{"{\"\":1}", "unknown member \"\""},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct json json = {0};
		struct json_fault fault;
		struct outcome outcome = {0};

		cr_assert_eq(json_parse(&json, span_string(rows[i].text), 8, &fault), 0);
		int error = outcome_check_members(&json, 0, known, &outcome);
		cr_expect_eq(error, rows[i].detail ? -EINVAL : 0, "row %zu", i);
		if (rows[i].detail) {
			cr_expect_eq(outcome.status, 422);
			cr_expect_str_eq(outcome.code, "unknown_member");
			cr_expect_str_eq(outcome.detail, rows[i].detail);
		}
		json_fini(&json);
	}
}

Test(outcome, store_errors_say_503_only_where_nothing_was_changed)
{
	static const int away[] = {-EAGAIN, -ETIMEDOUT, -ECANCELED};
	static const int others[] = {-EIO, -EINVAL, -ENOMEM};

	for (size_t i = 0; i < ARRAY_LEN(away); i++) {
		struct outcome outcome = outcome_of_store_error(away[i]);
		cr_expect_eq(outcome.status, 503);
		cr_expect_str_eq(outcome.code, "redis_unavailable");
		cr_expect_gt(outcome.retry_after_s, 0);
	}
	for (size_t i = 0; i < ARRAY_LEN(others); i++) {
		struct outcome outcome = outcome_of_store_error(others[i]);
		cr_expect_eq(outcome.status, 500);
		cr_expect_str_eq(outcome.code, "internal_error");
		cr_expect_eq(outcome.retry_after_s, 0);
	}
	struct outcome outcome = outcome_of_store_error(-EBADMSG);
	cr_expect_eq(outcome.status, 500);
	cr_expect_str_eq(outcome.code, "stored_document_invalid");
}

Test(outcome, members_stand_where_they_are_known)
{
	struct outcome outcome = outcome_refusal(409, "x", "y");

	outcome.envelope = SPAN("{\"revision\":7}");
	outcome.has_current_revision = true;
	outcome.current_revision = UINT64_MAX;
	expect_members(&outcome, true,
		       ",\"currentRevision\":18446744073709551615,\"document\":{\"revision\":7}");
	expect_members(&outcome, false, ",\"currentRevision\":18446744073709551615");
	outcome.current_revision = 0; /* an unknown document's is told too */
	outcome.envelope = SPAN_NONE;
	outcome.has_failed_operation = true;
	outcome.has_offset = true;
	expect_members(&outcome, true, ",\"currentRevision\":0,\"failedOp\":0,\"offset\":0");
}

Test(outcome, envelope_of_a_success_is_no_member_of_an_error)
{
	struct outcome outcome = {.status = 200, .envelope = SPAN("{}")};

	expect_members(&outcome, true, "");
}

Test(outcome, what_is_concealed_is_in_no_text_either)
{
	static const char stored[] =
		"{\"revision\":7,\"updatedAt\":2,\"createdAt\":1,\"service\":\"s\","
		"\"id\":\"i\",\"data\":{\"secret\":1}}";
	struct text *text = text_create(SPAN(stored));
	struct outcome outcome = {.status = 200, .envelope = text_span(text), .text = text};
	struct buffer head = {0};

	outcome_conceal(&outcome, &head);
	cr_expect_null(outcome.text);
	cr_expect(span_equals(outcome.envelope,
			      SPAN("{\"revision\":7,\"updatedAt\":2,\"createdAt\":1,"
				   "\"service\":\"s\",\"id\":\"i\"}")));
	buffer_fini(&head);
	text_put(text);
}
