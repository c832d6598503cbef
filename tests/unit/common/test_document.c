#include "document.h"

#include <criterion/criterion.h>

TestSuite(document, .timeout = 100);

#define PLAIN                                                                                      \
	"{\"revision\":7,\"updatedAt\":1700000000123,\"createdAt\":1600000000000,"                 \
	"\"service\":\"session\",\"id\":\"doc_1\",\"data\":{\"a\":[1,{}]}}"
#define FULL                                                                                       \
	"{\"revision\":18446744073709551615,\"updatedAt\":9223372036854775807,\"createdAt\":0,"    \
	"\"expiresAt\":1,\"deleted\":true,\"service\":\"A-z_09\",\"id\":\"a.b:c@d-e_f\","          \
	"\"data\":{}}"

static void assert_text(const struct buffer *buffer, const char *text)
{
	cr_assert(span_equals(buffer_span(buffer), span_string(text)), "got %.*s\nnot %s",
		  SPAN_ARGS(buffer_span(buffer)), text);
}

static struct span repeated(char *buffer, size_t len)
{
	memset(buffer, 'x', len);
	return span_of(buffer, len);
}

/* Names of one byte: those are valid that stand in `characters`. */
static void expect_characters(bool (*is_valid)(struct span), const char *characters)
{
	for (unsigned byte = 0; byte < 256; byte++) {
		char c = (char)byte;
		bool valid = byte && strchr(characters, c);
		cr_assert_eq(is_valid(span_of(&c, 1)), valid, "byte %u", byte);
	}
}

#define LETTERS_AND_DIGITS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

Test(document, a_service_is_1_to_64_letters_digits_dashes_and_underscores)
{
	char bytes[65];
	cr_assert(document_service_is_valid(SPAN("s")));
	cr_assert(document_service_is_valid(SPAN("A-z_09")));
	cr_assert(document_service_is_valid(repeated(bytes, 64)));
	cr_assert_not(document_service_is_valid(repeated(bytes, 65)));
	cr_assert_not(document_service_is_valid(SPAN_NONE));
	expect_characters(document_service_is_valid, LETTERS_AND_DIGITS "_-");
}

Test(document, an_id_is_1_to_128_bytes_and_may_have_dots_colons_and_ats)
{
	char bytes[129];
	cr_assert(document_id_is_valid(SPAN("a.b:c@d-e_f")));
	cr_assert(document_id_is_valid(repeated(bytes, 128)));
	cr_assert_not(document_id_is_valid(repeated(bytes, 129)));
	cr_assert_not(document_id_is_valid(SPAN_NONE));
	expect_characters(document_id_is_valid, LETTERS_AND_DIGITS "_-.:@");
}

Test(document, parse_reads_the_plain_form)
{
	struct document document;
	cr_assert_eq(document_parse(SPAN(PLAIN), &document), 0);
	cr_assert_eq(document.revision, 7);
	cr_assert_eq(document.updated_at_ms, 1700000000123);
	cr_assert_eq(document.created_at_ms, 1600000000000);
	cr_assert_eq(document.expires_at_ms, 0);
	cr_assert_not(document.deleted);
	cr_assert(span_equals(document.service, SPAN("session")));
	cr_assert(span_equals(document.id, SPAN("doc_1")));
	cr_assert(span_equals(document.data, SPAN("{\"a\":[1,{}]}")));
}

Test(document, parse_reads_optional_members_and_the_largest_numbers)
{
	struct document document;
	cr_assert_eq(document_parse(SPAN(FULL), &document), 0);
	cr_assert_eq(document.revision, UINT64_MAX);
	cr_assert_eq(document.updated_at_ms, INT64_MAX);
	cr_assert_eq(document.created_at_ms, 0);
	cr_assert_eq(document.expires_at_ms, 1);
	cr_assert(document.deleted);
	cr_assert(span_equals(document.id, SPAN("a.b:c@d-e_f")));
	cr_assert(span_equals(document.data, SPAN("{}")));
}

Test(document, format_writes_what_parse_reads)
{
	static const char *const rows[] = {PLAIN, FULL};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(buffer_fini) struct buffer buffer = {0};
		struct document document;
		cr_assert_eq(document_parse(span_string(rows[i]), &document), 0);
		document_format(&buffer, &document);
		assert_text(&buffer, rows[i]);
	}
}

Test(document, format_appends)
{
	CLEANUP(buffer_fini) struct buffer buffer = {0};
	struct document document;
	cr_assert_eq(document_parse(SPAN(PLAIN), &document), 0);
	buffer_append_string(&buffer, "before");
	document_format(&buffer, &document);
	assert_text(&buffer, "before" PLAIN);
}

Test(document, the_longest_head_keeps_to_its_maximum)
{
	CLEANUP(buffer_fini) struct buffer buffer = {0};
	char service[64], id[128];
	struct document document = {
		.revision = UINT64_MAX,
		.updated_at_ms = INT64_MAX,
		.created_at_ms = INT64_MAX,
		.expires_at_ms = INT64_MAX,
		.deleted = true,
		.service = repeated(service, sizeof(service)),
		.id = repeated(id, sizeof(id)),
		.data = SPAN("{}"),
	};
	document_format(&buffer, &document);
	cr_assert_leq(buffer.len - sizeof("{}}") + 1, DOCUMENT_HEAD_MAX);
	cr_assert_eq(document_parse(buffer_span(&buffer), &document), 0);
}

/* One row replaces the first `from` in PLAIN by `to`. */
Test(document, parse_refuses_any_other_head)
{
	static const struct {
		const char *from, *to;
	} rows[] = {
		{"{\"rev", "{ \"rev"},
		{"{\"rev", " {\"rev"},
		{"7,", "0,"},
		{"7,", "07,"},
		{"7,", "-7,"},
		{"7,", "+7,"},
		{"7,", "7.0,"},
		{"7,", "7e0,"},
		{"7,", "\"7\","},
		{"7,", ","},
		{"7,", "7 ,"},
		{"7,", "18446744073709551616,"},
		{"7,", "99999999999999999999,"},
		{"1700000000123", "9223372036854775808"},
		{"1700000000123", "null"},
		{"1700000000123", "-1"},
		{"1600000000000", "01"},
		{",\"createdAt\":1600000000000", ""},
		{",\"service\"", ",\"expiresAt\":0,\"service\""},
		{",\"service\"", ",\"expiresAt\":null,\"service\""},
		{",\"service\"", ",\"deleted\":false,\"service\""},
		{",\"service\"", ",\"deleted\":true,\"expiresAt\":5,\"service\""},
		{",\"service\"", ",\"deleted\":true,\"deleted\":true,\"service\""},
		{",\"service\"", ",\"extra\":1,\"service\""},
		{"\"session\"", "\"\""},
		{"\"session\"", "\"ses.sion\""},
		{"\"session\"", "\"se\\u0073sion\""},
		{"\"session\"", "7"},
		{"\"doc_1\"", "\"\""},
		{"\"doc_1\"", "\"doc 1\""},
		{"\"doc_1\"", "\"doc_1"},
		{"\"data\":{", "\"data\": {"},
		{"\"data\":{", "\"data\":["},
		{"\"data\":{\"a\":[1,{}]}", "\"data\":[{}]"},
		{"\"data\":{\"a\":[1,{}]}", "\"data\":null"},
		{"\"data\":{\"a\":[1,{}]}", "\"data\":"},
		{"\"data\":{\"a\":[1,{}]}", "\"data\":}"},
		{"]}}", "]} }"},
		{"]}}", "]}} "},
		{"]}}", "]}"},
		{"\"service\":\"session\",\"id\":\"doc_1\"",
		 "\"id\":\"doc_1\",\"service\":\"session\""},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(buffer_fini) struct buffer buffer = {0};
		const char *plain = PLAIN, *at = strstr(plain, rows[i].from);
		cr_assert_not_null(at);
		buffer_append(&buffer, plain, at - plain);
		buffer_append_string(&buffer, rows[i].to);
		buffer_append_string(&buffer, at + strlen(rows[i].from));
		struct document document = {.revision = 99};
		cr_assert_eq(document_parse(buffer_span(&buffer), &document), -EBADMSG, "%.*s",
			     SPAN_ARGS(buffer_span(&buffer)));
		cr_assert_eq(document.revision, 99);
	}
}

Test(document, parse_refuses_every_text_that_is_cut_short)
{
	for (size_t len = 0; len < sizeof(FULL) - 1; len++) {
		/* Memory of its own, so that a sanitizer sees a read behind the end. */
		char *copy = malloc(len ? len : 1);
		struct document document;
		memcpy(copy, FULL, len);
		cr_assert_eq(document_parse(span_of(copy, len), &document), -EBADMSG, "%zu", len);
		free(copy);
	}
	struct document document;
	cr_assert_eq(document_parse(SPAN_NONE, &document), -EBADMSG);
}

Test(document, parse_refuses_names_that_are_too_long)
{
	char service[65], id[129];
	for (int longer = 0; longer < 3; longer++) {
		CLEANUP(buffer_fini) struct buffer buffer = {0};
		struct document document;
		buffer_printf(
			&buffer,
			"{\"revision\":1,\"updatedAt\":1,\"createdAt\":1,\"service\":\"%.*s\","
			"\"id\":\"%.*s\",\"data\":{}}",
			SPAN_ARGS(repeated(service, longer == 1 ? 65 : 64)),
			SPAN_ARGS(repeated(id, longer == 2 ? 129 : 128)));
		cr_assert_eq(document_parse(buffer_span(&buffer), &document),
			     longer ? -EBADMSG : 0);
	}
}

Test(document, the_head_alone_is_enough_for_lists)
{
	CLEANUP(buffer_fini) struct buffer buffer = {0};
	const char *full = FULL;
	size_t head_len = strstr(full, "{}}") - full;
	cr_assert_eq(document_format_head(span_of(full, head_len), &buffer), 0);
	assert_text(&buffer,
		    "{\"revision\":18446744073709551615,\"updatedAt\":9223372036854775807,"
		    "\"createdAt\":0,\"expiresAt\":1,\"deleted\":true,\"service\":\"A-z_09\","
		    "\"id\":\"a.b:c@d-e_f\"}");
	buffer.len = 0;
	cr_assert_eq(document_format_head(SPAN(PLAIN), &buffer), 0);
	assert_text(&buffer,
		    "{\"revision\":7,\"updatedAt\":1700000000123,"
		    "\"createdAt\":1600000000000,\"service\":\"session\",\"id\":\"doc_1\"}");
}

Test(document, a_head_that_is_cut_is_refused_and_nothing_appended)
{
	CLEANUP(buffer_fini) struct buffer buffer = {0};
	const char *plain = PLAIN;
	size_t head_len = strstr(plain, "{\"a\"") - plain;
	for (size_t len = 0; len < head_len; len++)
		cr_assert_eq(document_format_head(span_of(plain, len), &buffer), -EBADMSG);
	cr_assert_eq(buffer.len, 0);
}

Test(document, canonicalise_orders_members_and_takes_white_space_out)
{
	static const struct {
		const char *from, *to;
	} rows[] = {
		{PLAIN, PLAIN},
		{FULL, FULL},
		{"\n{ \"data\" : {\"z\": 1, \"a\":[] } ,\t\"id\":\"doc_1\",\"deleted\":true, "
		 "\"service\":\"session\",\"createdAt\":5,\"expiresAt\":9,\"updatedAt\":6,"
		 "\"revision\":2 }\n",
		 "{\"revision\":2,\"updatedAt\":6,\"createdAt\":5,\"expiresAt\":9,\"deleted\":true,"
		 "\"service\":\"session\",\"id\":\"doc_1\",\"data\":{\"z\": 1, \"a\":[] }}"},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(buffer_fini) struct buffer buffer = {0};
		struct document document;
		cr_assert_eq(document_canonicalise(span_string(rows[i].from), &buffer), 0);
		assert_text(&buffer, rows[i].to);
		cr_assert_eq(document_parse(buffer_span(&buffer), &document), 0);
	}
}

Test(document, canonicalise_refuses_what_is_no_envelope)
{
#define REST "\"createdAt\":5,\"service\":\"s\",\"id\":\"i\""
	static const char *const rows[] = {
		"",
		"[]",
		"{}",
		"null",
		"7",
		"{\"revision\":1,\"updatedAt\":6," REST "}",
		"{\"revision\":1," REST ",\"data\":{}}",
		"{\"updatedAt\":6," REST ",\"data\":{}}",
		"{\"revision\":1,\"updatedAt\":6,\"createdAt\":5,\"id\":\"i\",\"data\":{}}",
		"{\"revision\":1,\"updatedAt\":6,\"createdAt\":5,\"service\":\"s\",\"data\":{}}",
		"{\"revision\":0,\"updatedAt\":6," REST ",\"data\":{}}",
		"{\"revision\":-1,\"updatedAt\":6," REST ",\"data\":{}}",
		"{\"revision\":1.0,\"updatedAt\":6," REST ",\"data\":{}}",
		"{\"revision\":\"1\",\"updatedAt\":6," REST ",\"data\":{}}",
		"{\"revision\":1,\"updatedAt\":-6," REST ",\"data\":{}}",
		"{\"revision\":1,\"updatedAt\":9223372036854775808," REST ",\"data\":{}}",
		"{\"revision\":1,\"updatedAt\":6," REST ",\"data\":[]}",
		"{\"revision\":1,\"updatedAt\":6," REST ",\"data\":null}",
		"{\"revision\":1,\"updatedAt\":6," REST ",\"data\":\"{}\"}",
		"{\"revision\":1,\"updatedAt\":6," REST ",\"data\":{},\"extra\":1}",
		"{\"revision\":1,\"updatedAt\":6," REST ",\"data\":{},\"deleted\":false}",
		"{\"revision\":1,\"updatedAt\":6," REST ",\"data\":{},\"deleted\":1}",
		"{\"revision\":1,\"updatedAt\":6," REST ",\"data\":{},\"expiresAt\":0}",
		"{\"revision\":1,\"updatedAt\":6," REST ",\"data\":{},\"expiresAt\":null}",
		"{\"revision\":1,\"updatedAt\":6," REST ",\"data\":{},\"data\":{}}",
		"{\"revision\":1,\"updatedAt\":6," REST ",\"data\":{}}}",
		"{\"revision\":1,\"updatedAt\":6," REST ",\"data\":{\"a\":NaN}}",
		"{\"revision\":1,\"updatedAt\":6,\"createdAt\":5,\"service\":\"a.b\",\"id\":\"i\","
		"\"data\":{}}",
		"{\"revision\":1,\"updatedAt\":6,\"createdAt\":5,\"service\":\"s\",\"id\":\"a b\","
		"\"data\":{}}",
		"{\"revision\":1,\"updatedAt\":6,\"createdAt\":5,\"service\":7,\"id\":\"i\","
		"\"data\":{}}",
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(buffer_fini) struct buffer buffer = {0};
		buffer_append_char(&buffer, '!');
		cr_assert_eq(document_canonicalise(span_string(rows[i]), &buffer), -EBADMSG, "%s",
			     rows[i]);
		assert_text(&buffer, "!");
	}
}

Test(document, an_etag_is_revision_and_time_in_quotes)
{
	char etag[DOCUMENT_ETAG_MAX];
	struct document document = {.revision = 7, .updated_at_ms = 1700000000123};
	size_t len = document_etag(&document, etag);
	cr_assert_str_eq(etag, "\"7-1700000000123\"");
	cr_assert_eq(len, strlen(etag));
	document = (struct document){.revision = UINT64_MAX, .updated_at_ms = INT64_MAX};
	len = document_etag(&document, etag);
	cr_assert_str_eq(etag, "\"18446744073709551615-9223372036854775807\"");
	cr_assert_eq(len, strlen(etag));
}

Test(document, a_document_lives_until_it_is_deleted_or_its_time_has_come)
{
	struct document document = {.revision = 1};
	cr_assert(document_is_living(&document, INT64_MAX));
	document.expires_at_ms = 100;
	cr_assert(document_is_living(&document, 99));
	cr_assert_not(document_is_living(&document, 100));
	cr_assert(document_is_expired(&document, 100));
	document.deleted = true;
	cr_assert_not(document_is_expired(&document, 100));
	cr_assert_not(document_is_living(&document, 99));
	cr_assert_not(document_is_living(&(struct document){0}, 0));
}

Test(document, a_text_is_what_is_formatted)
{
	struct document document = {
		.revision = UINT64_MAX,
		.updated_at_ms = INT64_MAX,
		.created_at_ms = INT64_MAX,
		.expires_at_ms = INT64_MAX,
		.deleted = true,
		.service = SPAN("s"),
		.id = SPAN("i"),
		.data = SPAN("{\"a\":[1]}"),
	};
	struct buffer formatted = {0};
	struct text *text = document_text(&document);

	document_format(&formatted, &document);
	cr_expect(span_equals(text_span(text), buffer_span(&formatted)));
	buffer_fini(&formatted);
	text_put(text);
}
