/* test_utf8.c — what is UTF-8. Of texts that come in pieces: test_ws_reader_utf8.c. */
#include "utf8.h"

#include <criterion/criterion.h>

Test(utf8, is_judged_by_rfc_3629)
{
	static const struct {
		struct span bytes;
		bool valid;
	} rows[] = {
#define UTF8(literal, valid) {{literal, sizeof(literal) - 1}, valid}
		UTF8("", true),
		UTF8("\0 plain ASCII \x7f", true),
		UTF8("\xc2\x80", true),
		UTF8("\xdf\xbf", true),
		UTF8("\xe0\xa0\x80", true),
		UTF8("\xed\x9f\xbf\xee\x80\x80", true),
		UTF8("\xf0\x90\x80\x80\xf4\x8f\xbf\xbf", true),
		UTF8("12345678\xe2\x82\xac", true),
		UTF8("\x80", false),
		UTF8("\xc0\xaf", false),
		UTF8("\xc1\x81", false),
		UTF8("\xc3", false),
		UTF8("\xc3(", false),
		UTF8("\xe0\x80\xaf", false),
		UTF8("\xe2\x82", false),
		UTF8("\xe2\x82(", false),
		UTF8("\xed\xa0\x80", false),
		UTF8("\xf0\x80\x80\xaf", false),
		UTF8("\xf0\x9f\x98", false),
		UTF8("\xf4\x90\x80\x80", false),
		UTF8("\xf5\x80\x80\x80", false),
		UTF8("\xfe", false),
		UTF8("1234567\xff", false),
		UTF8("12345678\xff", false),
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		cr_expect_eq(utf8_is_valid(rows[i].bytes), rows[i].valid, "row %zu", i);
	cr_expect(utf8_is_valid(SPAN_NONE));
}

Test(utf8, a_character_has_its_bytes_and_what_is_none_has_no_length)
{
	cr_assert_eq(utf8_char_len(SPAN("ab")), 1);
	cr_assert_eq(utf8_char_len(SPAN("\xc3\xa4x")), 2);
	cr_assert_eq(utf8_char_len(SPAN("\xe2\x82\xacx")), 3);
	cr_assert_eq(utf8_char_len(SPAN("\xf0\x9f\x98\x80x")), 4);
	cr_assert_eq(utf8_char_len(SPAN("\x80x")), 0);
	cr_assert_eq(utf8_char_len(SPAN("\xe2\x82")), 0);
	cr_assert_eq(utf8_char_len(SPAN("\xed\xa0\x80")), 0);
}
