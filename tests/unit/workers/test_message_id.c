/* test_message_id.c — the id of messages that are no JSON text. */
#include "message_id.h"

#include <criterion/criterion.h>

TestSuite(message_id, .timeout = 100);

static void finds(const char *text, const char *id)
{
	struct span found = message_id_find(span_string(text));

	cr_assert(span_equals(found, span_string(id)), "%.*s instead of %s in %s", SPAN_ARGS(found),
		  id, text);
}

Test(message_id, is_found_where_the_message_is_cut_off_behind_it)
{
	finds("{\"id\":\"a\",\"x\":\"yyyy", "\"a\"");
	finds("{\"id\":\"a\"", "\"a\"");
	finds(" {\"x\" : [1,{\"y\":\"]}\"}] ,\n\"id\" :\t17 ,\"", "17");
	finds("{\"x\":\"\\\"\",\"id\":-1.5e3}", "-1.5e3");
	finds("{\"id\":\"a\\\"\\u0041\",", "\"a\\\"\\u0041\"");
}

Test(message_id, is_none_where_its_end_is_not_there)
{
	finds("{\"id\":17", "");
	finds("{\"id\":17 ", "");
	finds("{\"id\":\"a", "");
	finds("{\"id\":\"a\\\"", "");
	finds("{\"id\":", "");
	finds("{\"id\"", "");
	finds("{\"id", "");
	finds("{", "");
	finds("", "");
}

Test(message_id, is_never_that_of_another_level)
{
	finds("{\"data\":{\"id\":1},\"x\":2}", "");
	finds("{\"data\":{\"id\":1},\"id\":2}", "2");
	finds("{\"data\":[{\"id\":1}", "");
	finds("{\"data\":\"\\\",\\\"id\\\":1,\",", "");
	finds("{\"type\":\"id\",\"x\":5,", "");
	finds("[{\"id\":1},2]", "");
	finds("\"id\":1,", "");
}

Test(message_id, is_a_string_or_a_number_of_bounded_length)
{
	char text[400];

	finds("{\"id\":null,", "");
	finds("{\"id\":true,", "");
	finds("{\"id\":{},", "");
	finds("{\"id\":[1],", "");
	finds("{\"id\":01,", "");
	finds("{\"id\":1 2,", "");
	finds("{\"id\":\"\\x\",", "");
	finds("{\"id\":\"\xff\",", "");
	finds("{\"id\":,", "");
	snprintf(text, sizeof(text), "{\"id\":\"%0300d\",", 1);
	finds(text, "");
	snprintf(text, sizeof(text), "{\"id\":\"%0254d\",", 1);
	cr_assert_eq(message_id_find(span_string(text)).len, 256);
}

Test(message_id, no_text_makes_it_read_beyond_the_end)
{
	static const char alphabet[] = "{}[]\",:\\id 1";
	uint32_t state = 1;

	for (int i = 0; i < 200000; i++) {
		size_t len = i % 24;
		char *text = malloc(len ? len : 1); /* the sanitizer guards its end */

		for (size_t j = 0; j < len; j++) {
			state = state * 1664525 + 1013904223;
			text[j] = alphabet[(state >> 16) % (sizeof(alphabet) - 1)];
		}
		struct span found = message_id_find(span_of(text, len));
		cr_assert(!found.len || (found.at >= text && found.at + found.len <= text + len));
		free(text);
	}
}
