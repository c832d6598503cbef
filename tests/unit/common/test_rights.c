#include "rights.h"

#include <criterion/criterion.h>

TestSuite(rights, .timeout = 100);

static int compile(const char *claim, struct rights **ret, const char **ret_reason)
{
	struct json json = {0};
	struct json_fault fault;

	cr_assert_eq(json_parse(&json, span_string(claim), 8, &fault), 0, "%s", claim);
	int error = rights_compile(&json, 0, ret, ret_reason);
	json_fini(&json);
	return error;
}

static struct rights *must_compile(const char *claim)
{
	struct rights *rights = NULL;
	const char *reason = "";

	cr_assert_eq(compile(claim, &rights, &reason), 0, "%s: %s", claim, reason);
	return rights;
}

static bool may(const struct rights *rights, const char *service, const char *id, unsigned right)
{
	return rights_allow(rights, span_string(service), span_string(id), right);
}

Test(rights, a_named_service_gets_its_letters_and_nothing_of_the_star)
{
	struct rights *rights = must_compile("{\"session\":\"wp\",\"*\":\"ra\",\"mute\":\"\"}");

	cr_expect(!may(rights, "session", "x", RIGHT_READ));
	cr_expect(may(rights, "session", "x", RIGHT_WRITE));
	cr_expect(may(rights, "session", "x", RIGHT_PRESENCE));
	cr_expect(may(rights, "board", "x", RIGHT_READ));
	cr_expect(!may(rights, "board", "x", RIGHT_WRITE));
	cr_expect(!may(rights, "mute", "x", RIGHT_READ | RIGHT_WRITE | RIGHT_PRESENCE));
	cr_expect(may(rights, "session", "x", RIGHT_READ | RIGHT_WRITE), "any of several");
	cr_expect(rights_allow_general(rights, RIGHT_ADMIN));
	cr_expect(!rights_allow_general(rights, RIGHT_WRITE));
	rights_put(rights);
}

Test(rights, without_a_claim_or_a_star_nothing_else_is_allowed)
{
	struct rights *rights = must_compile("{\"session\":\"rwpa\"}"), *none = NULL;
	const char *reason;

	cr_expect(!may(rights, "sessio", "x", 15));
	cr_expect(!may(rights, "sessions", "x", 15));
	cr_expect(!rights_allow_general(rights, RIGHT_ADMIN));
	cr_assert_eq(rights_compile(NULL, 0, &none, &reason), 0);
	cr_expect(!may(none, "session", "x", 15));
	cr_expect(!rights_allow_some(none, SPAN_NONE, SPAN_NONE, 15));
	rights_put(rights);
	rights_put(none);
}

Test(rights, patterns_are_ids_and_beginnings_of_ids)
{
	struct rights *rights = must_compile("{\"board\":{\"rights\":\"rw\",\"documents\":[\"u42-*"
					     "\",\"lobby\",\"a\",\"a-*\"]}}");
	static const struct {
		const char *id;
		bool allowed;
	} rows[] = {
		{"u42-1", true},  {"u42-", true},    {"u42", false},  {"u43-1", false},
		{"lobby", true},  {"lobby2", false}, {"lobb", false}, {"a", true},
		{"a-1", true},    {"a.", false},     {"a0", false},   {"b", false},
		{"U42-1", false}, {"u42-*", true},   {"", false},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		cr_expect_eq(may(rights, "board", rows[i].id, RIGHT_WRITE), rows[i].allowed, "%s",
			     rows[i].id);
	cr_expect(!may(rights, "board", "lobby", RIGHT_PRESENCE));
	cr_expect(!may(rights, "other", "lobby", RIGHT_READ));
	rights_put(rights);
}

Test(rights, what_another_pattern_matches_is_joined_with_it)
{
	struct rights *rights =
		must_compile("{\"s\":{\"rights\":\"r\",\"documents\":[\"ab*\",\"abc\","
			     "\"a\",\"abd-*\",\"ab\",\"a\",\"z*\"]}}");
	struct rights *all = must_compile("{\"s\":{\"rights\":\"r\",\"documents\":[\"x\",\"*\"]}}");
	struct rights *none = must_compile("{\"s\":{\"rights\":\"r\",\"documents\":[]}}");
	size_t count;
	const struct rights_pattern *patterns = rights_patterns(rights, SPAN("s"), &count);

	cr_assert_eq(count, 3);
	cr_expect(span_equals(patterns[0].text, SPAN("a")) && !patterns[0].is_prefix);
	cr_expect(span_equals(patterns[1].text, SPAN("ab")) && patterns[1].is_prefix);
	cr_expect(span_equals(patterns[2].text, SPAN("z")) && patterns[2].is_prefix);
	cr_expect_null(rights_patterns(all, SPAN("s"), &count));
	cr_expect(may(all, "s", "anything", RIGHT_READ));
	cr_expect_not_null(rights_patterns(none, SPAN("s"), &count));
	cr_expect_eq(count, 0);
	cr_expect(!may(none, "s", "x", RIGHT_READ));
	cr_expect(!rights_allow_some(none, SPAN("s"), SPAN_NONE, RIGHT_READ));
	cr_expect_not_null(rights_patterns(none, SPAN("unknown"), &count), "no document at all");
	cr_expect_eq(count, 0);
	rights_put(rights);
	rights_put(all);
	rights_put(none);
}

Test(rights, some_and_all_of_a_service)
{
	struct rights *rights = must_compile("{\"a\":{\"rights\":\"rp\",\"documents\":[\"u1-*\","
					     "\"x\"]},\"b\":\"r\",\"*\":\"r\"}");
	struct rights *wide = must_compile("{\"*\":\"r\",\"b\":\"rw\"}");

	cr_expect(rights_allow_some(rights, SPAN("a"), SPAN_NONE, RIGHT_READ));
	cr_expect(rights_allow_some(rights, SPAN("a"), SPAN("u1-2"), RIGHT_READ));
	cr_expect(rights_allow_some(rights, SPAN("a"), SPAN("u"), RIGHT_READ));
	cr_expect(!rights_allow_some(rights, SPAN("a"), SPAN("u2"), RIGHT_READ));
	cr_expect(!rights_allow_some(rights, SPAN("a"), SPAN("xy"), RIGHT_READ));
	cr_expect(!rights_allow_some(rights, SPAN("a"), SPAN_NONE, RIGHT_WRITE));
	cr_expect(!rights_allow_all(rights, SPAN("a"), SPAN_NONE, RIGHT_READ));
	cr_expect(rights_allow_all(rights, SPAN("a"), SPAN("u1-"), RIGHT_READ));
	cr_expect(rights_allow_all(rights, SPAN("a"), SPAN("u1-9"), RIGHT_READ));
	cr_expect(!rights_allow_all(rights, SPAN("a"), SPAN("u1"), RIGHT_READ));
	cr_expect(!rights_allow_all(rights, SPAN("a"), SPAN("x"), RIGHT_READ), "x, but not xy");
	cr_expect(rights_allow_all(rights, SPAN("b"), SPAN_NONE, RIGHT_READ));
	cr_expect(!rights_allow_all(rights, SPAN_NONE, SPAN_NONE, RIGHT_READ), "not all of a");
	cr_expect(rights_allow_all(rights, SPAN_NONE, SPAN("u1-"), RIGHT_READ));
	cr_expect(rights_allow_some(rights, SPAN_NONE, SPAN_NONE, RIGHT_PRESENCE));
	cr_expect(!rights_allow_some(rights, SPAN_NONE, SPAN("z"), RIGHT_PRESENCE));
	cr_expect(rights_allow_all(wide, SPAN_NONE, SPAN_NONE, RIGHT_READ));
	cr_expect(!rights_allow_all(wide, SPAN_NONE, SPAN_NONE, RIGHT_WRITE));
	rights_put(rights);
	rights_put(wide);
}

Test(rights, the_same_in_another_order_is_equal)
{
	struct rights *a = must_compile(
		"{\"s\":{\"rights\":\"wr\",\"documents\":[\"b\",\"a*\"]},\"*\":\"r\"}");
	struct rights *b = must_compile(
		"{\"*\":\"r\",\"s\":{\"documents\":[\"a*\",\"a1\",\"b\"],\"rights\":\"rw\"}}");
	struct rights *c = must_compile("{\"s\":{\"rights\":\"rw\",\"documents\":[]}}");
	struct rights *d = must_compile("{\"s\":\"rw\"}");

	cr_expect(rights_equal(a, b));
	cr_expect_eq(rights_hash(a), rights_hash(b));
	cr_expect(!rights_equal(a, c));
	cr_expect(!rights_equal(c, d), "no document is not all documents");
	cr_expect(!rights_equal(a, NULL));
	cr_expect(rights_equal(NULL, NULL));
	rights_put(a);
	rights_put(b);
	rights_put(c);
	rights_put(d);
}

Test(rights, malformed_claims_are_refused_with_a_reason)
{
	static const char *const claims[] = {
		"[]",
		"\"rwp\"",
		"null",
		"7",
		"true",
		"{\"s\":\"rr\"}",
		"{\"s\":\"x\"}",
		"{\"s\":\"R\"}",
		"{\"s\":\"r w\"}",
		"{\"s\":\"r\\u0000\"}",
		"{\"s\":7}",
		"{\"s\":null}",
		"{\"s\":[\"r\"]}",
		"{\"\":\"r\"}",
		"{\"a b\":\"r\"}",
		"{\"**\":\"r\"}",
		"{\"s*\":\"r\"}",
		"{\"s\":{}}",
		"{\"s\":{\"documents\":[]}}",
		"{\"s\":{\"rights\":7}}",
		"{\"s\":{\"rights\":\"r\",\"document\":[\"u*\"]}}",
		"{\"s\":{\"rights\":\"r\",\"documents\":\"u*\"}}",
		"{\"s\":{\"rights\":\"r\",\"documents\":[7]}}",
		"{\"s\":{\"rights\":\"r\",\"documents\":[\"\"]}}",
		"{\"s\":{\"rights\":\"r\",\"documents\":[\"u*1\"]}}",
		"{\"s\":{\"rights\":\"r\",\"documents\":[\"*u\"]}}",
		"{\"s\":{\"rights\":\"r\",\"documents\":[\"u**\"]}}",
		"{\"s\":{\"rights\":\"r\",\"documents\":[\"a b*\"]}}",
		"{\"s\":{\"rights\":\"r\",\"documents\":[\"u?\"]}}",
		"{\"s\":{\"rights\":\"r\",\"documents\":[\"a\"],\"more\":1}}",
	};

	for (size_t i = 0; i < ARRAY_LEN(claims); i++) {
		struct rights *rights = NULL;
		const char *reason = NULL;

		cr_expect_eq(compile(claims[i], &rights, &reason), -EINVAL, "%s", claims[i]);
		cr_expect(reason && *reason, "%s", claims[i]);
		cr_expect_null(rights, "%s", claims[i]);
	}
}

Test(rights, services_and_patterns_have_a_limit)
{
	CLEANUP(buffer_fini) struct buffer claim = {0};
	struct rights *rights = NULL;
	const char *reason = NULL;

	buffer_append_string(&claim, "{\"s\":{\"rights\":\"r\",\"documents\":[\"x\"");
	for (unsigned i = 1; i < RIGHTS_PATTERNS_MAX; i++)
		buffer_printf(&claim, ",\"x%u\"", i);
	buffer_append_string(&claim, "]}}");
	buffer_append_char(&claim, '\0');
	cr_assert_eq(compile(claim.at, &rights, &reason), 0);
	cr_expect(may(rights, "s", "x77", RIGHT_READ));
	rights_put(rights);
	claim.len -= 4;
	buffer_append(&claim, ",\"y\"]}}", 8);
	cr_expect_eq(compile(claim.at, &rights, &reason), -EINVAL);
	claim.len = 0;
	buffer_append_string(&claim, "{\"s\":\"r\"");
	for (unsigned i = 0; i < RIGHTS_SERVICES_MAX; i++)
		buffer_printf(&claim, ",\"s%u\":\"r\"", i);
	buffer_append(&claim, "}", 2);
	cr_expect_eq(compile(claim.at, &rights, &reason), -EINVAL);
}
