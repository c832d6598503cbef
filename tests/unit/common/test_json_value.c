/* test_json_value.c — members, decoded strings, integers and equality of parsed JSON. */
#include "hash.h"
#include "json_index.h"
#include <criterion/criterion.h>
#include <locale.h>

TestSuite(json_value, .timeout = 100);

static struct json parsed(struct span text)
{
	struct json doc = {0};
	struct json_fault fault = {0};
	int error = json_parse(&doc, text, JSON_DEPTH_LIMIT, &fault);
	cr_assert_eq(error, 0, "%.*s: %s at %zu", SPAN_ARGS(text), fault.reason, fault.offset);
	return doc;
}

static bool texts_equal(const char *a, const char *b)
{
	struct json left CLEANUP(json_fini) = parsed(span_string(a));
	struct json right CLEANUP(json_fini) = parsed(span_string(b));
	bool equal = json_equals(&left, 0, &right, 0);

	cr_expect_eq(json_equals(&right, 0, &left, 0), equal, "%s and %s: not symmetric", a, b);
	return equal;
}

Test(json_value, members_are_found_by_their_decoded_name)
{
	struct json doc CLEANUP(json_fini) = parsed(
		SPAN("{\"a\":1,\"sub\":{\"b\":2},\"\":3,\"x\\u0041\\n\":4,\"b\":5,\"€\":6}"));
	static const struct {
		const char *name;
		const char *value;
	} rows[] = {{"a", "1"},    {"sub", "{\"b\":2}"}, {"", "3"},
		    {"xA\n", "4"}, {"b", "5"},           {"€", "6"}};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint32_t value = json_member(&doc, 0, span_string(rows[i].name));
		cr_assert_neq(value, 0, "%s", rows[i].name);
		cr_expect(span_equals(json_raw(&doc, value), span_string(rows[i].value)));
	}
	cr_expect_eq(json_member(&doc, 0, SPAN("c")), 0);
	cr_expect_eq(json_member(&doc, 0, SPAN("xA")), 0);
	cr_expect_eq(json_member(&doc, 0, SPAN("xA\nx")), 0);
	cr_expect_eq(json_member(&doc, 0, SPAN("x\\u0041\\n")), 0);
}

Test(json_value, what_is_no_object_has_no_members)
{
	struct json doc CLEANUP(json_fini) = parsed(SPAN("[\"a\",1]"));

	cr_expect_eq(json_member(&doc, 0, SPAN("a")), 0);
	cr_expect_eq(json_member(&doc, 1, SPAN("a")), 0);
}

Test(json_value, strings_are_decoded)
{
	static const struct {
		struct span text;
		struct span decoded;
	} rows[] = {
#define ROW(text, decoded)                                                                         \
	{                                                                                          \
		{text, sizeof(text) - 1},                                                          \
		{                                                                                  \
			decoded, sizeof(decoded) - 1                                               \
		}                                                                                  \
	}
		ROW("\"\"", ""),
		ROW("\"plain é\"", "plain é"),
		ROW("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t"),
		ROW("\"\\u0041\\u007f\"", "A\x7f"),
		ROW("\"\\u0080\\u07FF\"", "\xc2\x80\xdf\xbf"),
		ROW("\"\\u0800\\uffff\"", "\xe0\xa0\x80\xef\xbf\xbf"),
		ROW("\"\\ud800\\udc00\\uDBFF\\uDFFF\"", "\xf0\x90\x80\x80\xf4\x8f\xbf\xbf"),
		ROW("\"a\\u0000b\"", "a\0b"),
		ROW("\"x\\ty€\\u20acz\"", "x\ty€€z"),
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct json doc CLEANUP(json_fini) = parsed(rows[i].text);
		struct buffer decoded CLEANUP(buffer_fini) = {0};
		buffer_append_string(&decoded, "kept");
		cr_expect_eq(json_string(&doc, 0, &decoded), 0);
		buffer_consume(&decoded, 4);
		cr_expect(span_equals(buffer_span(&decoded), rows[i].decoded), "row %zu", i);
		cr_expect(json_string_equals(&doc, 0, rows[i].decoded), "row %zu", i);
		buffer_append_char(&decoded, 'x');
		cr_expect_not(json_string_equals(&doc, 0, buffer_span(&decoded)), "row %zu", i);
		decoded.len -= decoded.len > 1 ? 2 : 0;
		cr_expect_not(json_string_equals(&doc, 0, buffer_span(&decoded)), "row %zu", i);
	}
}

Test(json_value, what_is_no_string_decodes_to_einval)
{
	struct json doc CLEANUP(json_fini) = parsed(SPAN("[12]"));
	struct buffer decoded CLEANUP(buffer_fini) = {0};

	cr_expect_eq(json_string(&doc, 0, &decoded), -EINVAL);
	cr_expect_eq(json_string(&doc, 1, &decoded), -EINVAL);
	cr_expect_not(json_string_equals(&doc, 1, SPAN("12")));
	cr_expect_eq(decoded.len, 0);
}

Test(json_value, strings_written_by_the_buffer_are_read_back)
{
	struct buffer text CLEANUP(buffer_fini) = {0};
	struct buffer decoded CLEANUP(buffer_fini) = {0};
	char all[0x80 + 5];

	for (int c = 0; c < 0x80; c++)
		all[c] = (char)c;
	memcpy(all + 0x80, "é€", 5);
	buffer_append_json(&text, span_of(all, sizeof(all)));
	struct json doc CLEANUP(json_fini) = parsed(buffer_span(&text));
	cr_expect_eq(json_string(&doc, 0, &decoded), 0);
	cr_expect(span_equals(buffer_span(&decoded), span_of(all, sizeof(all))));
}

Test(json_value, integers_come_out_within_int64)
{
	struct json doc CLEANUP(json_fini) = parsed(
		SPAN("[0,-0,7,-9223372036854775808,9223372036854775807,9223372036854775808,1.0,1e3,"
		     "\"1\",null]"));
	static const int64_t values[] = {0, 0, 7, INT64_MIN, INT64_MAX};
	int64_t value = 99;

	for (uint32_t i = 0; i < ARRAY_LEN(values); i++) {
		cr_expect_eq(json_int64(&doc, i + 1, &value), 0);
		cr_expect_eq(value, values[i]);
	}
	value = 99;
	cr_expect_eq(json_int64(&doc, 0, &value), -EINVAL);
	cr_expect_eq(json_int64(&doc, 6, &value), -ERANGE);
	for (uint32_t i = 7; i <= 10; i++)
		cr_expect_eq(json_int64(&doc, i, &value), -EINVAL);
	cr_expect_eq(value, 99, "written only on success");
}

Test(json_value, depth_counts_containers_below_and_including)
{
	struct json doc CLEANUP(json_fini) = parsed(SPAN("{\"a\":[[],1,[[]]],\"b\":{},\"c\":2}"));

	cr_expect_eq(json_depth(&doc, 0), 4);
	cr_expect_eq(json_depth(&doc, json_member(&doc, 0, SPAN("a"))), 3);
	cr_expect_eq(json_depth(&doc, json_member(&doc, 0, SPAN("b"))), 1);
	cr_expect_eq(json_depth(&doc, json_member(&doc, 0, SPAN("c"))), 0);
}

static const char *const equal_rows[][2] = {
	{"1", "1"},
	{"0", "-0"},
	{"0", "-0.0"},
	{"0", "0e99"},
	{"1", "1.0"},
	{"1", "10e-1"},
	{"100", "1e2"},
	{"-5", "-5.000"},
	{"0.1", "1e-1"},
	{"0.1", "0.1000000000000000055511151231257827"},
	{"1e22", "10000000000000000000000.0"},
	{"1e23", "99999999999999991611392.0"},
	{"123456789012345678901234567890e-10", "12345678901234567890.1234567890"},
	{"5e-324", "4.9406564584124654e-324"},
	{"1e-400", "0"},
	{"9007199254740993", "9007199254740992.0"},
	{"18446744073709551615", "18446744073709551616.0"},
	{"-9223372036854775808", "-9.223372036854775808e18"},
	{"\"a\"", "\"\\u0061\""},
	{"\"\\n\"", "\"\\u000A\""},
	{"\"\\ud83d\\ude00\"", "\"😀\""},
	{"\"\\/\\u0041x\"", "\"/A\\u0078\""},
	{"[]", "[ ]"},
	{"[1,[2,{}]]", "[1.0, [2e0, { }]]"},
	{"{}", "{ }"},
	{"{\"a\":1,\"b\":2}", "{\"b\":2,\"a\":1}"},
	{"{\"a\":1,\"b\":{\"c\":[],\"d\":null}}", "{\"b\":{\"d\":null,\"c\":[]},\"\\u0061\":1.0}"},
	{"null", " null "},
	{"true", "true\n"},
};

Test(json_value, equal_is_what_means_the_same)
{
	for (size_t i = 0; i < ARRAY_LEN(equal_rows); i++)
		cr_expect(texts_equal(equal_rows[i][0], equal_rows[i][1]), "%s and %s",
			  equal_rows[i][0], equal_rows[i][1]);
}

static const char *const different_rows[][2] = {
	{"1", "2"},
	{"1", "-1"},
	{"1", "1.0000000000000002"},
	{"9007199254740992", "9007199254740993"},
	{"18446744073709551615", "18446744073709551614"},
	{"18446744073709551615", "-1"},
	{"9223372036854775808", "-9223372036854775808"},
	{"0.1", "0.10000000000000002"},
	{"1e23", "100000000000000008388608.0"},
	{"5e-324", "0"},
	{"1", "\"1\""},
	{"1", "true"},
	{"0", "false"},
	{"0", "null"},
	{"null", "false"},
	{"true", "false"},
	{"\"a\"", "\"A\""},
	{"\"a\"", "\"a \""},
	{"\"\\u0000\"", "\"\""},
	{"\"\\\\n\"", "\"\\n\""},
	{"\"é\"", "\"e\\u0301\""},
	{"[]", "{}"},
	{"[]", "[[]]"},
	{"[1,2]", "[2,1]"},
	{"[1,2]", "[1,2,3]"},
	{"{\"a\":1}", "{\"b\":1}"},
	{"{\"a\":1}", "{\"a\":2}"},
	{"{\"a\":1}", "{\"a\":1,\"b\":1}"},
	{"{\"a\":1,\"b\":2}", "{\"a\":2,\"b\":1}"},
	{"{\"a\":null}", "{\"b\":null}"},
	{"{\"a\":[{\"b\":1}]}", "{\"a\":[{\"b\":1.5}]}"},
};

Test(json_value, different_is_what_means_something_else)
{
	for (size_t i = 0; i < ARRAY_LEN(different_rows); i++)
		cr_expect_not(texts_equal(different_rows[i][0], different_rows[i][1]), "%s and %s",
			      different_rows[i][0], different_rows[i][1]);
}

Test(json_value, doubles_do_not_depend_on_the_locale)
{
	static const char *const with_comma[] = {"de_DE.UTF-8", "de_DE", "fr_FR.UTF-8",
						 "nl_NL.UTF-8"};
	bool changed = false;

	for (size_t i = 0; i < ARRAY_LEN(with_comma) && !changed; i++)
		changed = setlocale(LC_ALL, with_comma[i]) != NULL;
	if (!changed)
		cr_skip("no locale with a decimal comma is installed");
	cr_expect(texts_equal("0.12345678901234567890123", "12345678901234567890123e-23"));
	cr_expect_not(texts_equal("0.12345678901234567890123", "0.0"));
}

Test(json_value, doubles_are_rounded_as_strtod_rounds_them)
{
	uint64_t state = 20240611;

	for (unsigned i = 0; i < 20000; i++) {
		double value, next;
		char shortest[64], exact[400], other[64];
		state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
		uint64_t bits = state ^ state >> 29;
		if ((bits >> 52 & 0x7ff) >= 0x7fe)
			continue; /* not finite, or its neighbour is not */
		uint64_t next_bits = bits + 1;
		memcpy(&value, &bits, 8);
		memcpy(&next, &next_bits, 8);
		snprintf(shortest, sizeof(shortest), "%.17e", value);
		snprintf(exact, sizeof(exact), "%.60e", value);
		snprintf(other, sizeof(other), "%.17e", next);
		cr_assert(texts_equal(shortest, exact), "%s", exact);
		cr_assert_not(texts_equal(other, exact), "%s", exact);
	}
}

/* {"m0":0,…}: `step` coprime to `members` gives the order. */
static struct buffer wide_text(unsigned members, unsigned step, unsigned odd_one)
{
	struct buffer text = {0};

	buffer_append_char(&text, '{');
	for (unsigned i = 0, at = 0; i < members; i++, at = (at + step) % members)
		buffer_printf(&text, "%s\"m%s%u\":%u", i ? "," : "", at % 3 ? "" : "\\u005f", at,
			      at == odd_one ? 1 : 0);
	buffer_append_char(&text, '}');
	return text;
}

Test(json_value, wide_objects_are_equal_in_any_order)
{
	static const unsigned widths[] = {2, 5, 16, 17, 100, 5000};

	for (size_t i = 0; i < ARRAY_LEN(widths); i++) {
		struct buffer forward CLEANUP(buffer_fini) = wide_text(widths[i], 1, UINT32_MAX);
		struct buffer mixed CLEANUP(buffer_fini) =
			wide_text(widths[i], widths[i] - 1, UINT32_MAX);
		struct buffer changed CLEANUP(buffer_fini) =
			wide_text(widths[i], widths[i] - 1, widths[i] / 2);
		struct json a CLEANUP(json_fini) = parsed(buffer_span(&forward));
		struct json b CLEANUP(json_fini) = parsed(buffer_span(&mixed));
		struct json c CLEANUP(json_fini) = parsed(buffer_span(&changed));
		cr_expect(json_equals(&a, 0, &b, 0), "%u", widths[i]);
		cr_expect(json_equals(&b, 0, &a, 0), "%u", widths[i]);
		cr_expect_not(json_equals(&a, 0, &c, 0), "%u", widths[i]);
		cr_expect_not(json_equals(&c, 0, &b, 0), "%u", widths[i]);
	}
}

Test(json_value, an_index_finds_every_member_and_nothing_else)
{
	static const unsigned widths[] = {0, 1, 2, 3, 17, 64, 1000};

	for (size_t i = 0; i < ARRAY_LEN(widths); i++) {
		struct buffer text CLEANUP(buffer_fini) = wide_text(widths[i], 1, UINT32_MAX);
		struct json doc CLEANUP(json_fini) = parsed(buffer_span(&text));
		struct json_index index;
		json_index_init(&index, &doc, 0);
		cr_expect_eq(json_index_duplicate(&index), 0);
		for (unsigned member = 0; member <= widths[i]; member++) {
			char name[32];
			snprintf(name, sizeof(name), "m%s%u", member % 3 ? "" : "_", member);
			uint32_t found = json_index_find(&index, span_string(name));
			cr_expect_eq(found, json_member(&doc, 0, span_string(name)));
			cr_expect_eq(found != 0, member < widths[i], "%s of %u", name, widths[i]);
		}
		json_index_fini(&index);
	}
}

Test(json_value, an_index_tells_names_of_one_hash_apart)
{
	/* Made for hash.c with seed 0, as an attacker could. Change the hash, and they must be made
	 * anew. */
	static const char *const names[] = {
		"tusovkquA8LuSLVf", "jmgokkuxUwjsccCs", "cxxypzdl8lcMc9xA", "dckhjadckZGHy09F",
		"grekhdrqPcc67bx4", "kenezwxlTeNTXblm", "njctqgkuyzIQ6WKu",
	};
	static const char absent[] = "cqanbetsfNquk1q7";
	struct buffer text CLEANUP(buffer_fini) = {0};
	struct json_index index;

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		cr_assert_eq(hash_span(0, span_string(names[i])), hash_span(0, SPAN(absent)));
		buffer_printf(&text, "%c\"%s\":%zu", i ? ',' : '{', names[i], i);
	}
	buffer_append_char(&text, '}');
	struct json doc CLEANUP(json_fini) = parsed(buffer_span(&text));
	json_index_init(&index, &doc, 0);
	cr_expect_eq(json_index_duplicate(&index), 0);
	for (uint32_t i = 0; i < ARRAY_LEN(names); i++)
		cr_expect_eq(json_index_find(&index, span_string(names[i])), 2 * i + 2);
	cr_expect_eq(json_index_find(&index, SPAN(absent)), 0);
	json_index_fini(&index);
}
