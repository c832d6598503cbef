/* test_json.c — what the strict scanner accepts, and what it refuses with which error at which
 * byte. */
#include "parse_exactly.h"

TestSuite(json, .timeout = 100);

#define DEPTH 32

struct accepted {
	const char *text;
	size_t len;
	enum json_type type; /* of the root */
	uint32_t tokens;
};

#define YES(literal, type, tokens)                                                                 \
	{                                                                                          \
		literal, sizeof(literal) - 1, type, tokens                                         \
	}

static const struct accepted accepted_rows[] = {
	/* arrays */
	YES("[]", JSON_ARRAY, 1),
	YES("[[]   ]", JSON_ARRAY, 2),
	YES("[\"\"]", JSON_ARRAY, 2),
	YES("[\"a\"]", JSON_ARRAY, 2),
	YES("[false]", JSON_ARRAY, 2),
	YES("[null, 1, \"1\", {}]", JSON_ARRAY, 5),
	YES("[1\n]", JSON_ARRAY, 2),
	YES(" [1]", JSON_ARRAY, 2),
	YES("[1,null,null,null,2]", JSON_ARRAY, 6),
	YES("[2] ", JSON_ARRAY, 2),
	YES("[[[[[[[[]]]]]]]]", JSON_ARRAY, 8),
	YES("[[],[[]],{}]", JSON_ARRAY, 5),
	YES("\t[\r\n true\t,\r\nfalse ]\n", JSON_ARRAY, 3),
	/* numbers */
	YES("0", JSON_INTEGER, 1),
	YES("-0", JSON_INTEGER, 1),
	YES("42", JSON_INTEGER, 1),
	YES("-123", JSON_INTEGER, 1),
	YES("9007199254740993", JSON_INTEGER, 1),
	YES("9223372036854775807", JSON_INTEGER, 1),
	YES("9223372036854775808", JSON_INTEGER, 1),
	YES("-9223372036854775808", JSON_INTEGER, 1),
	YES("18446744073709551615", JSON_INTEGER, 1),
	YES("0e1", JSON_DOUBLE, 1),
	YES("0e+1", JSON_DOUBLE, 1),
	YES("-0.0", JSON_DOUBLE, 1),
	YES("-0.1", JSON_DOUBLE, 1),
	YES("20e1", JSON_DOUBLE, 1),
	YES("1E22", JSON_DOUBLE, 1),
	YES("1E-2", JSON_DOUBLE, 1),
	YES("1E+2", JSON_DOUBLE, 1),
	YES("1e21", JSON_DOUBLE, 1),
	YES("123e45", JSON_DOUBLE, 1),
	YES("123.456e78", JSON_DOUBLE, 1),
	YES("123.456789", JSON_DOUBLE, 1),
	YES("-0.000000000000000000000000000000000000000000000000000000000001", JSON_DOUBLE, 1),
	YES("1e308", JSON_DOUBLE, 1),
	YES("1.7976931348623157e308", JSON_DOUBLE, 1),
	YES("1.7976931348623158e+308", JSON_DOUBLE, 1),
	YES("-17976931348623157e292", JSON_DOUBLE, 1),
	YES("0.00017976931348623157E312", JSON_DOUBLE, 1),
	YES("1e-400", JSON_DOUBLE, 1),
	YES("0e400", JSON_DOUBLE, 1),
	YES("0.000e99999999999999999999999", JSON_DOUBLE, 1),
	YES("1e-99999999999999999999999999", JSON_DOUBLE, 1),
	YES("[1.5,-2,3E1]", JSON_ARRAY, 4),
	/* objects */
	YES("{}", JSON_OBJECT, 1),
	YES("{ }", JSON_OBJECT, 1),
	YES("{\"asd\":\"sdf\"}", JSON_OBJECT, 3),
	YES("{\"asd\":\"sdf\", \"dfg\":\"fgh\"}", JSON_OBJECT, 5),
	YES("{\"\":0}", JSON_OBJECT, 3),
	YES("{\"a\":[]}", JSON_OBJECT, 3),
	YES("{\n\"a\" :\t\"b\"\r}", JSON_OBJECT, 3),
	YES("{\"min\": -1.0e+28, \"max\": 1.0e+28}", JSON_OBJECT, 5),
	YES("{\"a\":{\"a\":{\"a\":1}}}", JSON_OBJECT, 7),
	YES("{\"a\":1,\"A\":2,\"a \":3,\"\":4}", JSON_OBJECT, 9),
	YES("[{\"a\":1},{\"a\":2}]", JSON_ARRAY, 7),
	YES("{\"\\u0061b\":1,\"a\":2}", JSON_OBJECT, 5),
	YES("{\"member\\u0001\":0}", JSON_OBJECT, 3),
	/* strings */
	YES("\"\"", JSON_STRING, 1),
	YES("\"asd\"", JSON_STRING, 1),
	YES("\" \"", JSON_STRING, 1),
	YES("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", JSON_STRING, 1),
	YES("\"\\u0060\\u012a\\u12AB\\uabCD\"", JSON_STRING, 1),
	YES("\"\\uD801\\udc37\"", JSON_STRING, 1),
	YES("\"\\ud83d\\ude39\\ud83d\\udc8d\"", JSON_STRING, 1),
	YES("\"\\uDBFF\\uDFFF\"", JSON_STRING, 1),
	YES("\"\\uD7FF\\uE000\\uFDD0\\uFFFE\\uFFFF\"", JSON_STRING, 1),
	YES("\"\\u0000\"", JSON_STRING, 1),
	YES("[\"a\\u0000b\"]", JSON_ARRAY, 2),
	YES("\"\\\\u0000\"", JSON_STRING, 1),
	YES("\"\\\\a\"", JSON_STRING, 1),
	YES("\"a/*b*/c/*d//e\"", JSON_STRING, 1),
	YES("\"\x7f\"", JSON_STRING, 1),
	YES("\"\xc2\x80\xdf\xbf\"", JSON_STRING, 1),
	YES("\"\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf\"", JSON_STRING, 1),
	YES("\"\xf0\x90\x80\x80\xf4\x8f\xbf\xbf\"", JSON_STRING, 1),
	YES("\"\xe2\x80\xa8\xe2\x80\xa9\"", JSON_STRING, 1),
	YES("\"\xef\xbb\xbf in a string\"", JSON_STRING, 1),
	YES("{\"\xcf\x80\":\"\xd0\xb6\xd0\xb6\xd0\xb6\"}", JSON_OBJECT, 3),
	/* words and space */
	YES("true", JSON_TRUE, 1),
	YES("false", JSON_FALSE, 1),
	YES("null", JSON_NULL, 1),
	YES(" \t\r\n null \t\r\n ", JSON_NULL, 1),
};

Test(json, accepts_what_rfc_8259_allows)
{
	struct json doc = {0};

	for (size_t i = 0; i < ARRAY_LEN(accepted_rows); i++) {
		const struct accepted *row = &accepted_rows[i];
		struct json_fault fault = {0, "none"};
		int error = parse_exactly(&doc, span_of(row->text, row->len), DEPTH, &fault);
		cr_expect_eq(error, 0, "%s: %d at %zu: %s", row->text, error, fault.offset,
			     fault.reason);
		if (error)
			continue;
		cr_expect_eq(doc.count, row->tokens, "%s: %u tokens", row->text, doc.count);
		cr_expect_eq(doc.tokens[0].type, row->type, "%s", row->text);
	}
	json_fini(&doc);
}

struct refused {
	const char *text;
	size_t len;
	int error;
	size_t offset;
};

#define BAD(literal, offset)                                                                       \
	{                                                                                          \
		literal, sizeof(literal) - 1, -EBADMSG, offset                                     \
	}
#define RANGE(literal, offset)                                                                     \
	{                                                                                          \
		literal, sizeof(literal) - 1, -ERANGE, offset                                      \
	}

static const struct refused malformed_rows[] = {
	/* nothing there */
	BAD("", 0),
	BAD(" ", 1),
	BAD("\n\t ", 3),
	BAD("\0", 0),
	BAD("\xef\xbb\xbf", 0),
	BAD("\xef\xbb\xbf{}", 0),
	BAD("\xfe\xff\0[\0]", 0),
	/* arrays */
	BAD("[", 1),
	BAD("]", 0),
	BAD("[1", 2),
	BAD("[1,", 3),
	BAD("[1,]", 3),
	BAD("[,1]", 1),
	BAD("[,]", 1),
	BAD("[1,,2]", 3),
	BAD("[1 true]", 3),
	BAD("[1 000]", 3),
	BAD("[\"a\" \"b\"]", 5),
	BAD("[\"x\"]]", 5),
	BAD("[1}", 2),
	BAD("[}", 1),
	BAD("[3[4]]", 2),
	BAD("[x]", 1),
	BAD("[a\xc3\xa5]", 1),
	BAD("[\"\": 1]", 3),
	BAD("[*]", 1),
	BAD("[1]x", 3),
	BAD("[\v1]", 1),
	BAD("[\xc2\xa0]", 1),
	BAD("[\xe2\x81\xa0]", 1),
	BAD("[<null>]", 1),
	BAD("1]", 1),
	BAD("[][]", 2),
	BAD("[1]\0", 3),
	/* objects */
	BAD("{", 1),
	BAD("}", 0),
	BAD("{]", 1),
	BAD("{\"a\":0]", 6),
	BAD("{\"a\"", 4),
	BAD("{\"a\":", 5),
	BAD("{\"a\":0", 6),
	BAD("{\"a\":0,", 7),
	BAD("{\"a\":0,}", 7),
	BAD("{,}", 1),
	BAD("{\"a\":0,,\"b\":1}", 7),
	BAD("{\"a\" 0}", 5),
	BAD("{\"a\",0}", 4),
	BAD("{\"a\"::0}", 5),
	BAD("{\"a\":0 \"b\":1}", 7),
	BAD("{\"a\":}", 5),
	BAD("{a:0}", 1),
	BAD("{1:0}", 1),
	BAD("{'a':0}", 1),
	BAD("{null:null}", 1),
	BAD("{[]:0}", 1),
	BAD("{\"a\":0}}", 7),
	BAD("{\"a\":0}#", 7),
	BAD("{\"a\":0}//", 7),
	BAD("{\"a\":/**/0}", 5),
	BAD("{}{}", 2),
	/* numbers */
	BAD("-", 1),
	BAD("+", 0),
	BAD("+1", 0),
	BAD("--1", 1),
	BAD("-x", 1),
	BAD("- 1", 1),
	BAD("01", 1),
	BAD("-01", 2),
	BAD("00", 1),
	BAD("012.5", 1),
	BAD("[-012]", 3),
	BAD(".5", 0),
	BAD("-.5", 1),
	BAD("1.", 2),
	BAD("[1.]", 3),
	BAD("1.e1", 2),
	BAD("1.x", 2),
	BAD("1e", 2),
	BAD("1e+", 3),
	BAD("[1e]", 3),
	BAD("[1e+]", 4),
	BAD("1e-x", 3),
	BAD("1e1.5", 3),
	BAD("1.2.3", 3),
	BAD("1e1e1", 3),
	BAD("0x1F", 1),
	BAD("1_000", 1),
	BAD("1,5", 1),
	BAD("\xef\xbc\x91", 0),
	BAD("-NaN", 1),
	BAD("-Infinit", 1),
	BAD("nan", 1),
	BAD("inf", 0),
	/* words */
	BAD("t", 1),
	BAD("tru", 3),
	BAD("[tru]", 4),
	BAD("truth", 3),
	BAD("TRUE", 0),
	BAD("fals", 4),
	BAD("[fals3]", 5),
	BAD("nul", 3),
	BAD("nil", 1),
	BAD("nulll", 4),
	BAD("undefined", 0),
	BAD("a", 0),
	/* strings */
	BAD("\"", 1),
	BAD("\"abc", 4),
	BAD("\"abc\\", 5),
	BAD("\"abc\\\"", 6),
	BAD("'a'", 0),
	BAD("a\"", 0),
	BAD("\"a\"b", 3),
	BAD("\"\\x00\"", 2),
	BAD("\"\\a\"", 2),
	BAD("\"\\'\"", 2),
	BAD("\"\\U0041\"", 2),
	BAD("\"\\\xc3\xa5\"", 2),
	BAD("\"\\\n\"", 2),
	BAD("\"\\u\"", 3),
	BAD("\"\\u", 3),
	BAD("\"\\u00A\"", 6),
	BAD("\"\\u00G0\"", 5),
	BAD("\"\\u+123\"", 3),
	BAD("\"\\u12", 5),
	BAD("\"\\ud800", 7),
	BAD("\"\\ud800\\", 8),
	BAD("\"\\ud800\\u1x\"", 10),
	BAD("\"\\ud800\\udc0", 12),
	BAD("\"a\0b\"", 2),
	BAD("\"a\x1f\"", 2),
	BAD("\"a\nb\"", 2),
	BAD("\"\t\"", 1),
	BAD("\"0123456789\x01\"", 11),
	BAD("\"\x80\"", 1),
	BAD("\"a\xbf\"", 2),
	BAD("\"\xc0\x80\"", 1),
	BAD("\"\xc1\xbf\"", 1),
	BAD("\"\xc3\"", 1),
	BAD("\"\xc3", 1),
	BAD("\"\xe0\x9f\xbf\"", 1),
	BAD("\"\xe2\x82\"", 1),
	BAD("\"\xe2\x28\xa1\"", 1),
	BAD("\"\xed\xa0\x80\"", 1),
	BAD("\"\xed\xbf\xbf\"", 1),
	BAD("\"\xf0\x8f\xbf\xbf\"", 1),
	BAD("\"\xf0\x9f\x98\"", 1),
	BAD("\"\xf0\x9f\x98", 1),
	BAD("\"\xf4\x90\x80\x80\"", 1),
	BAD("\"\xf5\x80\x80\x80\"", 1),
	BAD("\"\xf8\x88\x80\x80\x80\"", 1),
	BAD("\"\xff\"", 1),
	BAD("\"\xd0\xb6\xe9\"", 3),
	BAD("{\"\xff\":1}", 2),
	BAD("{\"a\nb\":1}", 3),
};

static const struct refused unkeepable_rows[] = {
	/* words that other parsers take for numbers */
	RANGE("NaN", 0),
	RANGE("[NaN]", 1),
	RANGE("Infinity", 0),
	RANGE("[1,-Infinity]", 3),
	RANGE("{\"a\": Infinity}", 6),
	/* numbers */
	RANGE("18446744073709551616", 0),
	RANGE("18446744073709551620", 0),
	RANGE("-9223372036854775809", 0),
	RANGE("-10000000000000000000", 0),
	RANGE("[1,100000000000000000000]", 3),
	RANGE("1e309", 0),
	RANGE("[-1e400]", 1),
	RANGE("1.7976931348623159e308", 0),
	RANGE("179769313486231570000e300", 0),
	RANGE("0.000001e999", 0),
	RANGE("1e99999999999999999999999", 0),
	RANGE("{\"a\":1e+1000}", 5),
	/* duplicate members */
	RANGE("{\"a\":1,\"a\":1}", 7),
	RANGE("{\"\":1,\"\":2}", 6),
	RANGE("{\"a\":1,\"b\":2,\"b\":3,\"a\":4}", 13),
	RANGE("{\"a\":1,\"\\u0061\":2}", 7),
	RANGE("{\"\\u0061\":1,\"a\":2}", 12),
	RANGE("{\"\\n\":1,\"\\u000a\":2}", 8),
	RANGE("{\"\xc3\xa9\":1,\"\\u00E9\":2}", 8),
	RANGE("{\"\xf0\x9f\x98\x80\":1,\"\\ud83d\\uDE00\":2}", 10),
	RANGE("[0,{\"x\":{\"name of nine\":1,\"y\":[{}],\"name of nine\":2}}]", 35),
	RANGE("{\"a\":{\"b\":1,\"b\":2},\"a\":", 12),
	/* lone surrogates */
	RANGE("\"\\ud800\"", 1),
	RANGE("\"\\uDFFF\"", 1),
	RANGE("\"ab\\uDBFFcd\"", 3),
	RANGE("\"\\ud800\\n\"", 1),
	RANGE("\"\\ud800\\\\\"", 1),
	RANGE("\"\\ud800\\ud800\\udc00\"", 1),
	RANGE("\"\\ud800\\u0041\"", 1),
	RANGE("\"\\ud83d\\ude00\\udc00\"", 13),
	RANGE("\"\\udc00\\ud800\"", 1),
	RANGE("{\"\\ud800\":1}", 2),
	/* NUL in names */
	RANGE("{\"\\u0000\":1}", 2),
	RANGE("{\"ab\\u0000c\":1}", 4),
	/* the first fault counts */
	RANGE("[1e400,}", 1),
	RANGE("[\"\\ud800\",", 2),
	BAD("[01,1e400]", 2),
	BAD("{\"a\":1,\"a\":2,}", 13),
};

static void expect_refused(const struct refused *rows, size_t count)
{
	struct json doc = {0};

	for (size_t i = 0; i < count; i++) {
		struct json_fault fault = {SIZE_MAX, NULL};
		struct span text = {rows[i].text, rows[i].len};
		int error = parse_exactly(&doc, text, DEPTH, &fault);
		cr_expect_eq(error, rows[i].error, "%.*s: error %d", SPAN_ARGS(text), error);
		cr_expect_eq(fault.offset, rows[i].offset, "%.*s: offset %zu", SPAN_ARGS(text),
			     fault.offset);
		cr_expect_not_null(fault.reason, "%.*s", SPAN_ARGS(text));
		cr_expect_eq(doc.count, 0, "%.*s: tokens left", SPAN_ARGS(text));
	}
	json_fini(&doc);
}

Test(json, refuses_malformed_text_at_the_first_wrong_byte)
{
	expect_refused(malformed_rows, ARRAY_LEN(malformed_rows));
}

Test(json, refuses_what_it_could_not_keep_unaltered)
{
	expect_refused(unkeepable_rows, ARRAY_LEN(unkeepable_rows));
}

Test(json, takes_doubles_up_to_the_last_that_binary64_rounds_down)
{
	/* 2^1024 - 2^970 lies half way between the greatest double and the next power of two, and
	 * rounds up. */
	static const char half_way[] = "17976931348623158079372897140530341507993413271003782693617"
				       "3778980444968292764750946"
				       "64901797758720709633028641669288791094655554785194040263065"
				       "7488671505820681908902000"
				       "70838367627385484581771153176447573027006985557136695962284"
				       "2914819860834936475292719"
				       "074168444365510704342711559699508093042880177904174497792";
	struct json doc = {0};
	struct json_fault fault;
	char text[400];

	snprintf(text, sizeof(text), "%s.0", half_way);
	cr_expect_eq(json_parse(&doc, span_string(text), 1, &fault), -ERANGE);
	snprintf(text, sizeof(text), "%se0", half_way);
	cr_expect_eq(json_parse(&doc, span_string(text), 1, &fault), -ERANGE);
	snprintf(text, sizeof(text), "-%.9s.%se+300", half_way, half_way + 9);
	cr_expect_eq(json_parse(&doc, span_string(text), 1, &fault), -ERANGE);
	snprintf(text, sizeof(text), "-%.8s.%se300", half_way, half_way + 8);
	cr_expect_eq(json_parse(&doc, span_string(text), 1, &fault), 0);
	snprintf(text, sizeof(text), "0.000%se312", half_way);
	cr_expect_eq(json_parse(&doc, span_string(text), 1, &fault), -ERANGE);
	snprintf(text, sizeof(text), "%.308s1.9999999", half_way);
	cr_expect_eq(json_parse(&doc, span_string(text), 1, &fault), 0);
	json_fini(&doc);
}

Test(json, depth_is_refused_at_the_bracket_that_goes_too_deep)
{
	struct json doc = {0};
	struct json_fault fault;

	cr_expect_eq(parse_exactly(&doc, SPAN("{\"a\":[]}"), 2, &fault), 0);
	cr_expect_eq(parse_exactly(&doc, SPAN("{\"a\":[]}"), 1, &fault), -E2BIG);
	cr_expect_eq(fault.offset, 5);
	cr_expect_eq(parse_exactly(&doc, SPAN("[1,{\"a\":{}}]"), 2, &fault), -E2BIG);
	cr_expect_eq(fault.offset, 8);
	cr_expect_eq(parse_exactly(&doc, SPAN("7"), 0, &fault), 0);
	cr_expect_eq(parse_exactly(&doc, SPAN("[]"), 0, &fault), -E2BIG);
	cr_expect_eq(fault.offset, 0);
	cr_expect_eq(parse_exactly(&doc, SPAN("[[],[],[]]"), 2, &fault), 0);
	json_fini(&doc);
}

Test(json, never_goes_deeper_than_its_own_limit)
{
	struct json doc = {0};
	struct json_fault fault;
	struct buffer text CLEANUP(buffer_fini) = {0};

	for (unsigned i = 0; i < 100000; i++)
		buffer_append_char(&text, '[');
	cr_expect_eq(json_parse(&doc, buffer_span(&text), UINT32_MAX, &fault), -E2BIG);
	cr_expect_eq(fault.offset, JSON_DEPTH_LIMIT);
	text.len = JSON_DEPTH_LIMIT;
	for (unsigned i = 0; i < JSON_DEPTH_LIMIT; i++)
		buffer_append_char(&text, ']');
	cr_expect_eq(json_parse(&doc, buffer_span(&text), UINT32_MAX, &fault), 0);
	cr_expect_eq(json_depth(&doc, 0), JSON_DEPTH_LIMIT);
	cr_expect(json_equals(&doc, 0, &doc, 0));
	json_fini(&doc);
}
