#include <criterion/criterion.h>

#include "conditions.h"

TestSuite(conditions, .timeout = 100);

static struct tag_condition parse(const char *header, bool weak_matches)
{
	struct tag_condition condition;

	cr_assert_eq(condition_parse_tags(header, weak_matches, &condition), 0, "%s", header);
	return condition;
}

Test(conditions, no_header_is_no_condition)
{
	cr_expect(!parse(NULL, false).present);
}

Test(conditions, star_stands_for_any)
{
	struct tag_condition condition = parse(" * ", false);

	cr_expect(condition.present && condition.any);
	cr_expect_eq(condition.count, 0);
}

Test(conditions, our_tag_is_read)
{
	struct tag_condition condition = parse("\"7-1760000000000\"", false);

	cr_expect(condition.present && !condition.any);
	cr_assert_eq(condition.count, 1);
	cr_expect_eq(condition.tags[0].revision, 7);
	cr_expect_eq(condition.tags[0].updated_at_ms, 1760000000000);
}

Test(conditions, list_may_have_spaces_and_empty_elements)
{
	struct tag_condition condition = parse(" ,\"1-2\" ,\t, \"3-4\",", false);

	cr_assert_eq(condition.count, 2);
	cr_expect_eq(condition.tags[0].revision, 1);
	cr_expect_eq(condition.tags[1].revision, 3);
	cr_expect_eq(condition.tags[1].updated_at_ms, 4);
}

Test(conditions, foreign_tags_are_a_condition_that_holds_for_nothing)
{
	static const char *const foreign[] = {"\"\"",
					      "\"abc\"",
					      "\"7\"",
					      "\"7-\"",
					      "\"-7\"",
					      "\"07-1\"",
					      "\"7-01\"",
					      "\"0-1\"",
					      "\"7-1x\"",
					      "\"7-1-1\"",
					      "\"+7-1\"",
					      "\"99999999999999999999-1\"",
					      "\"1-9223372036854775808\"",
					      "\"7-1,8-2\"",
					      "\"\xc3\xa4\""};

	for (size_t i = 0; i < ARRAY_LEN(foreign); i++) {
		struct tag_condition condition = parse(foreign[i], false);
		cr_expect(condition.present && !condition.any, "%s", foreign[i]);
		cr_expect_eq(condition.count, 0, "%s", foreign[i]);
	}
}

Test(conditions, largest_numbers_are_read)
{
	struct tag_condition condition =
		parse("\"18446744073709551615-9223372036854775807\"", false);

	cr_assert_eq(condition.count, 1);
	cr_expect_eq(condition.tags[0].revision, UINT64_MAX);
	cr_expect_eq(condition.tags[0].updated_at_ms, INT64_MAX);
}

Test(conditions, weak_tags_match_only_where_comparison_is_weak)
{
	cr_expect_eq(parse("W/\"7-1\"", true).count, 1);
	cr_expect_eq(parse("W/\"7-1\"", false).count, 0);
	cr_expect(parse("W/\"7-1\"", false).present);
}

Test(conditions, what_is_no_list_of_tags_is_refused)
{
	static const char *const bad[] = {
		"",          " ",         ",",  "7-1",       "\"7-1", "7-1\"", "\"7-1\" \"8-2\"",
		"*,\"7-1\"", "\"7-1\",*", "**", "w/\"7-1\"", "W/",    "W/7-1", "\"7 1\"",
		"\"7-1\"x"};
	struct tag_condition condition;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		cr_expect_eq(condition_parse_tags(bad[i], true, &condition), -EINVAL, "%s", bad[i]);
}

Test(conditions, more_tags_than_fit_are_refused_not_dropped)
{
	struct tag_condition condition;
	char header[512] = "";

	for (int i = 0; i < CONDITION_TAGS_MAX; i++)
		strcat(header, "\"7-1\",");
	cr_expect_eq(condition_parse_tags(header, false, &condition), 0);
	cr_expect_eq(condition.count, CONDITION_TAGS_MAX);
	strcat(header, "\"foreign\"");
	cr_expect_eq(condition_parse_tags(header, false, &condition), 0);
	strcat(header, ",\"8-2\"");
	cr_expect_eq(condition_parse_tags(header, false, &condition), -E2BIG);
}

Test(conditions, prefer_return_minimal_is_found)
{
	static const char *const minimal[] = {
		"return=minimal",
		"Return=Minimal",
		"return = \"minimal\"",
		"wait=10, return=minimal",
		"a=\"b, return=representation\", return=minimal",
		"return=minimal; x=y",
		"respond-async,return=minimal , return=representation"};

	for (size_t i = 0; i < ARRAY_LEN(minimal); i++)
		cr_expect(condition_prefers_minimal(minimal[i]), "%s", minimal[i]);
}

Test(conditions, other_preferences_are_passed_over)
{
	static const char *const others[] = {NULL,
					     "",
					     "return=representation",
					     "return",
					     "returns=minimal",
					     "return=minimalist",
					     "wait=10",
					     "return=representation, return=minimal",
					     "x=\"return=minimal",
					     "a=\"\\\", return=minimal\"",
					     "return=\"min"};

	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		cr_expect(!condition_prefers_minimal(others[i]), "%s", others[i]);
}

Test(conditions, idempotency_key_is_visible_ascii)
{
	char key[IDEMPOTENCY_KEY_MAX + 2];
	struct span span;

	memset(key, 'k', sizeof(key));
	key[IDEMPOTENCY_KEY_MAX + 1] = '\0';
	cr_expect_eq(condition_parse_idempotency_key(key, &span), -EINVAL);
	key[IDEMPOTENCY_KEY_MAX] = '\0';
	cr_expect_eq(condition_parse_idempotency_key(key, &span), 0);
	cr_expect_eq(span.len, IDEMPOTENCY_KEY_MAX);
	cr_expect_eq(condition_parse_idempotency_key("!~", &span), 0);
	cr_expect_eq(condition_parse_idempotency_key(NULL, &span), 0);
	cr_expect_eq(span.len, 0);
	cr_expect_eq(condition_parse_idempotency_key("", &span), -EINVAL);
	cr_expect_eq(condition_parse_idempotency_key("a b", &span), -EINVAL);
	cr_expect_eq(condition_parse_idempotency_key("a\x7f", &span), -EINVAL);
	cr_expect_eq(condition_parse_idempotency_key("\xc3\xa4", &span), -EINVAL);
}
