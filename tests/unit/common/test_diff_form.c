/* From the history's form of a diff to the client's. */
#include "diff.h"
#include "diff_form.h"

#include <criterion/criterion.h>

TestSuite(diff_form, .timeout = 10);

static struct json parsed(const char *text)
{
	struct json doc = {0};
	struct json_fault fault;
	cr_assert_eq(json_parse(&doc, span_string(text), JSON_DEPTH_LIMIT, &fault), 0, "%s", text);
	return doc;
}

Test(diff_form, it_is_what_diff_format_gives_to_clients)
{
	struct json old = parsed("{\"a\":1,\"b\":[1,2,3],\"c.d\":{\"\":null},\"e\":{\"f\":1}}");
	struct json new = parsed("{\"a\":2,\"b\":[1],\"e\":{\"g\":[]}}");
	struct buffer client = {0}, reversible = {0}, made = {0};
	diff_format(&old, &new, &client, &reversible);
	buffer_append_char(&reversible, '\0');
	struct json diff = parsed(reversible.at);
	cr_assert_eq(diff_client_form(&diff, &made), 0);
	cr_assert(span_equals(buffer_span(&made), buffer_span(&client)), "%.*s and %.*s",
		  SPAN_ARGS(buffer_span(&made)), SPAN_ARGS(buffer_span(&client)));
	json_fini(&old);
	json_fini(&new);
	json_fini(&diff);
	buffer_fini(&client);
	buffer_fini(&reversible);
	buffer_fini(&made);
}

Test(diff_form, what_is_no_reversible_diff_is_refused)
{
	const char *const texts[] = {"{}",
				     "[]",
				     "1",
				     "{\"added\":{},\"removed\":{}}",
				     "{\"added\":[],\"removed\":{},\"changed\":{}}",
				     "{\"added\":{},\"removed\":1,\"changed\":{}}",
				     "{\"added\":{},\"removed\":{},\"changed\":{},\"more\":{}}"};
	struct buffer made = {0};
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct json diff = parsed(texts[i]);
		cr_assert_eq(diff_client_form(&diff, &made), -EINVAL, "%s", texts[i]);
		cr_assert_eq(made.len, 0);
		json_fini(&diff);
	}
}
