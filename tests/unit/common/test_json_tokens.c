/* test_json_tokens.c — what the strict scanner says of a text: tokens, duplicate names, UTF-8. */
#include "parse_exactly.h"

TestSuite(json_tokens, .timeout = 100);

#define DEPTH 32

Test(json_tokens, tokens_say_where_everything_is)
{
	struct json doc CLEANUP(json_fini) = {0};
	struct json_fault fault;
	struct span text = SPAN(" {\"a\\n\": [10, {}], \"b\": \"x\"} ");
	static const struct json_token expected[] = {
		{.at = 1, .len = 27, .next = 7, .count = 2, .type = JSON_OBJECT},
		{.at = 2, .len = 5, .next = 2, .type = JSON_STRING, .escaped = 1},
		{.at = 9, .len = 8, .next = 5, .count = 2, .type = JSON_ARRAY},
		{.at = 10, .len = 2, .next = 4, .type = JSON_INTEGER},
		{.at = 14, .len = 2, .next = 5, .type = JSON_OBJECT},
		{.at = 19, .len = 3, .next = 6, .type = JSON_STRING},
		{.at = 24, .len = 3, .next = 7, .type = JSON_STRING},
	};

	cr_assert_eq(json_parse(&doc, text, DEPTH, &fault), 0);
	cr_assert_eq(doc.count, ARRAY_LEN(expected));
	for (uint32_t i = 0; i < doc.count; i++) {
		const struct json_token *got = &doc.tokens[i], *want = &expected[i];
		cr_expect_eq(got->at, want->at, "token %u: at %u", i, got->at);
		cr_expect_eq(got->len, want->len, "token %u: len %u", i, got->len);
		cr_expect_eq(got->next, want->next, "token %u: next %u", i, got->next);
		cr_expect_eq(got->count, want->count, "token %u: count %u", i, got->count);
		cr_expect_eq(got->type, want->type, "token %u: type %u", i, got->type);
		cr_expect_eq(got->escaped, want->escaped, "token %u", i);
	}
}

Test(json_tokens, parses_again_and_again_with_the_memory_it_has)
{
	struct json doc CLEANUP(json_fini) = {0};
	struct json_fault fault;

	cr_assert_eq(json_parse(&doc, SPAN("[1,2,3]"), DEPTH, &fault), 0);
	struct json_token *tokens = doc.tokens;
	cr_expect_neq(json_parse(&doc, SPAN("[1,2,"), DEPTH, &fault), 0);
	cr_expect_eq(doc.count, 0);
	cr_expect_eq(json_parse(&doc, SPAN("{\"a\":1}"), DEPTH, &fault), 0);
	cr_expect_eq(doc.count, 3);
	cr_expect_eq(doc.tokens, tokens);
}

/* {"m0":0,"m1":1,…} with the last name replaced. */
static void format_wide(struct buffer *ret, unsigned members, const char *last)
{
	buffer_append_char(ret, '{');
	for (unsigned i = 0; i + 1 < members; i++)
		buffer_printf(ret, "\"common prefix %u common suffix\":%u,", i, i);
	buffer_printf(ret, "\"%s\":0}", last);
}

Test(json_tokens, finds_duplicates_in_objects_of_any_width)
{
	struct json doc CLEANUP(json_fini) = {0};

	for (unsigned members = 2; members < 2000; members += members < 140 ? 1 : 311) {
		struct json_fault fault = {0};
		struct buffer text CLEANUP(buffer_fini) = {0};
		char middle[64];
		format_wide(&text, members, "unique");
		cr_expect_eq(json_parse(&doc, buffer_span(&text), DEPTH, &fault), 0, "%u", members);
		text.len = 0;
		snprintf(middle, sizeof(middle), "common prefix %u common suffix",
			 (members - 1) / 2);
		format_wide(&text, members, middle);
		cr_expect_eq(json_parse(&doc, buffer_span(&text), DEPTH, &fault), -ERANGE);
		cr_expect_eq(fault.offset, text.len - strlen(middle) - 5, "%u", members);
		text.len = 0;
		/* Written with an escape it is the same name. */
		snprintf(middle, sizeof(middle), "commo\\u006e prefix %u common suffix",
			 (members - 1) / 2);
		format_wide(&text, members, middle);
		cr_expect_eq(json_parse(&doc, buffer_span(&text), DEPTH, &fault), -ERANGE);
		cr_expect_eq(fault.offset, text.len - strlen(middle) - 5, "%u", members);
	}
}

Test(json_tokens, names_the_first_of_several_duplicates)
{
	struct json doc CLEANUP(json_fini) = {0};
	struct json_fault fault;
	struct buffer text CLEANUP(buffer_fini) = {0};

	buffer_append_char(&text, '{');
	for (unsigned i = 0; i < 500; i++)
		buffer_printf(&text, "\"%03u\":0,", i);
	size_t second = text.len;
	for (unsigned i = 0; i < 500; i++)
		buffer_printf(&text, "\"%03u\":0,", 499 - i);
	text.at[text.len - 1] = '}';
	cr_expect_eq(json_parse(&doc, buffer_span(&text), DEPTH, &fault), -ERANGE);
	cr_expect_eq(fault.offset, second);
}

Test(json_tokens, short_names_at_the_end_of_the_text_are_told_apart)
{
	struct json doc CLEANUP(json_fini) = {0};
	struct json_fault fault;

	/* The last names have fewer than eight bytes of text behind their quote. */
	cr_expect_eq(parse_exactly(&doc, SPAN("{\"a\":1,\"b\":1}"), DEPTH, &fault), 0);
	cr_expect_eq(parse_exactly(&doc, SPAN("{\"\":1,\"b\":1}"), DEPTH, &fault), 0);
	cr_expect_eq(parse_exactly(&doc, SPAN("{\"b\":1,\"\":1}"), DEPTH, &fault), 0);
	cr_expect_eq(parse_exactly(&doc, SPAN("{\"ab\":1,\"a\":1}"), DEPTH, &fault), 0);
	cr_expect_eq(parse_exactly(&doc, SPAN("{\"ab\":1,\"ab\":1}"), DEPTH, &fault), -ERANGE);
	cr_expect_eq(parse_exactly(&doc, SPAN("{\"abcdefg\":1,\"abcdefg\":1}"), DEPTH, &fault),
		     -ERANGE);
	cr_expect_eq(parse_exactly(&doc, SPAN("{\"abcdefgh\":1,\"abcdefgi\":1}"), DEPTH, &fault),
		     0);
	cr_expect_eq(parse_exactly(&doc, SPAN("{\"abcdefghX01234567\":1,\"abcdefghY01234567\":1}"),
				   DEPTH, &fault),
		     0);
}
