/* How things look. */
#include "output.h"

#include "client.h"

#include <criterion/criterion.h>

TestSuite(output, .timeout = 100);

static struct buffer text;

#define ASSERT_TEXT(expected)                                                                      \
	do {                                                                                       \
		cr_assert(span_equals(buffer_span(&text), span_string(expected)), "%.*s",          \
			  SPAN_ARGS(buffer_span(&text)));                                          \
		text.len = 0;                                                                      \
	} while (0)

Test(output, counts_sizes_and_durations_are_short)
{
	output_append_count(&text, 0.);
	ASSERT_TEXT("0");
	output_append_count(&text, 9999.);
	ASSERT_TEXT("9999");
	output_append_count(&text, 12345.);
	ASSERT_TEXT("12.3 k");
	output_append_count(&text, 999999999.);
	ASSERT_TEXT("1000 M");
	output_append_bytes(&text, 1023);
	ASSERT_TEXT("1023 B");
	output_append_bytes(&text, 1536);
	ASSERT_TEXT("1.5 KiB");
	output_append_bytes(&text, UINT64_C(5) << 30);
	ASSERT_TEXT("5.0 GiB");
	output_append_duration(&text, 0);
	ASSERT_TEXT("0 ms");
	output_append_duration(&text, 59999);
	ASSERT_TEXT("59 s");
	output_append_duration(&text, 61000);
	ASSERT_TEXT("1 min 1 s");
	output_append_duration(&text, 93784000);
	ASSERT_TEXT("1 d 2 h");
	output_append_duration(&text, 86400000);
	ASSERT_TEXT("1 d");
}

Test(output, nothing_in_a_text_steers_the_terminal)
{
	output_append_safe(&text, SPAN("a\x1b[2J\x7f\xc2\x9b"
				       "1\xe2\x80\xae\xe2\x81\xa6\xc3\xa4\xf0\x9f\x98\x80\xff\n"));
	ASSERT_TEXT("a\\u001b[2J\\u007f\\u009b1\\u202e\\u2066\xc3\xa4\xf0\x9f\x98\x80?\\u000a");
}

static void parse(const char *source, struct json *json)
{
	struct json_fault fault;
	cr_assert_eq(json_parse(json, span_string(source), JSON_DEPTH_LIMIT, &fault), 0);
}

Test(output, json_is_laid_out_and_its_numbers_stay)
{
	struct json json = {0};
	parse("{\"a\":[1,2.50,{}],\"b\":[],\"\\u001b\":{\"c\":\"x\x7f\"}}", &json);
	output_append_pretty(&text, &json, 0, 0);
	ASSERT_TEXT(
		"{\n  \"a\": [\n    1,\n    2.50,\n    {}\n  ],\n  \"b\": [],\n  \"\\u001b\": {\n"
		"    \"c\": \"x\\u007f\"\n  }\n}");
	json_fini(&json);
}

/* What is laid out means the same as before. */
Test(output, laid_out_json_is_the_same_json)
{
	struct json before = {0}, after = {0};
	parse("{\"n\":-0.0e1,\"s\":\"\xc2\x85 \xe2\x80\xa8\",\"l\":[[[]],[null,true]]}", &before);
	output_append_pretty(&text, &before, 0, 3);
	buffer_append_char(&text, '\0');
	parse(text.at, &after);
	cr_assert(json_equals(&before, 0, &after, 0));
	json_fini(&before);
	json_fini(&after);
}

Test(output, long_values_are_cut_at_a_character)
{
	output_append_short(&text, SPAN("12345"), 5);
	ASSERT_TEXT("12345");
	output_append_short(&text, SPAN("123456"), 5);
	ASSERT_TEXT("1234…");
	output_append_short(&text, SPAN("\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4"), 3);
	ASSERT_TEXT("\xc3\xa4\xc3\xa4…");
	output_append_short(&text, SPAN("\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98\x80"), 2);
	ASSERT_TEXT("\xf0\x9f\x98\x80…");
	output_append_short(&text, SPAN("anything"), 0);
	ASSERT_TEXT("anything");
}

Test(output, columns_are_as_wide_as_they_must)
{
	struct output plain = {0}, coloured = {.colour = true};
	struct table table = {.columns = 3, .right = 2};
	for (unsigned i = 0; i < 2; i++) {
		table_cell(&table, "NAME");
		table_cell(&table, "N");
		table_cell(&table, "END");
		table_cell_span(&table, SPAN("\xc3\xa4\x1b"));
		table_printf(&table, "%d", 1000);
		table_cell(&table, "");
		table_print(&table, i ? &coloured : &plain, &text);
		if (i)
			ASSERT_TEXT("\033[1mNAME        N  END\033[0m\n\xc3\xa4\\u001b  1000\n");
		else
			ASSERT_TEXT("NAME        N  END\n\xc3\xa4\\u001b  1000\n");
	}
	table_fini(&table);
}

Test(client, statuses_have_their_exit_codes, .timeout = 100)
{
	static const struct {
		int status;
		const char *code;
		int exit_code;
	} rows[] = {
		{200, "", EXIT_DONE},
		{201, "", EXIT_DONE},
		{304, "", EXIT_DONE},
		{400, "invalid_id", EXIT_FAILED},
		{401, "unauthorized", EXIT_FORBIDDEN},
		{403, "forbidden", EXIT_FORBIDDEN},
		{404, "document_not_found", EXIT_NOT_FOUND},
		{409, "revision_conflict", EXIT_CONFLICT},
		{410, "document_deleted", EXIT_NOT_FOUND},
		{412, "precondition_failed", EXIT_CONFLICT},
		{413, "too_large", EXIT_FAILED},
		{429, "rate_limited", EXIT_UNAVAILABLE},
		{500, "", EXIT_FAILED},
		{503, "redis_unavailable", EXIT_UNAVAILABLE},
		{503, "outcome_unknown", EXIT_FAILED},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		cr_assert_eq(client_exit_code(rows[i].status, span_string(rows[i].code)),
			     rows[i].exit_code, "%d %s", rows[i].status, rows[i].code);
}
