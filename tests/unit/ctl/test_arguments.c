/* syncdocctl's command line. */
#include "arguments.h"

#include <criterion/criterion.h>

TestSuite(arguments, .timeout = 100);

static struct arguments arguments;
static struct buffer error;

static int parse(int argc, const char *const *argv)
{
	buffer_fini(&error);
	int status = arguments_parse(argc, argv, &arguments, &error);
	buffer_append_char(&error, '\0');
	return status;
}

#define PARSE(...)                                                                                 \
	parse(ARRAY_LEN(((const char *[]){"syncdocctl", __VA_ARGS__})),                            \
	      (const char *[]){"syncdocctl", __VA_ARGS__, NULL})

#define REFUSED(text, ...)                                                                         \
	do {                                                                                       \
		cr_assert_eq(PARSE(__VA_ARGS__), -EINVAL);                                         \
		cr_assert_str_eq(error.at, text);                                                  \
	} while (0)

Test(arguments, options_and_operands_come_in_any_order)
{
	cr_assert_eq(PARSE("--json", "replace", "session", "--ttl", "60", "doc_1",
			   "--expected-revision=7", "{}"),
		     0);
	cr_assert_eq(arguments.verb, VERB_REPLACE);
	cr_assert_eq(arguments.operand_count, 3);
	cr_assert_str_eq(arguments.operands[0], "session");
	cr_assert_str_eq(arguments.operands[1], "doc_1");
	cr_assert_str_eq(arguments.operands[2], "{}");
	cr_assert(arguments_has(&arguments, OPTION_JSON));
	cr_assert(!arguments_has(&arguments, OPTION_URL));
	cr_assert_eq(arguments_number(&arguments, OPTION_TTL, 0), 60);
	cr_assert_eq(arguments_number(&arguments, OPTION_EXPECTED_REVISION, 0), 7);
	cr_assert_eq(arguments_number(&arguments, OPTION_LIMIT, 42), 42);
}

Test(arguments, the_last_of_an_option_counts)
{
	cr_assert_eq(PARSE("get", "a", "b", "--revision", "3", "--revision=4"), 0);
	cr_assert_eq(arguments_number(&arguments, OPTION_REVISION, 0), 4);
}

Test(arguments, behind_two_dashes_all_are_operands_and_one_dash_is_one)
{
	cr_assert_eq(PARSE("replace", "s", "--", "--id", "-"), 0);
	cr_assert_str_eq(arguments.operands[1], "--id");
	cr_assert_str_eq(arguments.operands[2], "-");
	cr_assert_eq(PARSE("replace", "s", "i", "-"), 0);
	cr_assert_str_eq(arguments.operands[2], "-");
}

Test(arguments, a_word_may_stand_for_a_number)
{
	cr_assert_eq(PARSE("list", "s", "--limit", "all"), 0);
	cr_assert_eq(arguments_number(&arguments, OPTION_LIMIT, 0), -1);
	cr_assert_eq(PARSE("merge", "s", "i", "{}", "--ttl=never"), 0);
	cr_assert_eq(arguments_number(&arguments, OPTION_TTL, 0), -1);
	REFUSED("--limit: must be a whole number from 1, or all, not \"never\"", "list", "s",
		"--limit", "never");
}

Test(arguments, help_and_version_need_nothing_else)
{
	cr_assert_eq(PARSE("--help"), 0);
	cr_assert_eq(arguments.verb, VERB_ID_COUNT);
	cr_assert_eq(PARSE("get", "-h"), 0);
	cr_assert_eq(arguments.verb, VERB_GET);
	cr_assert_eq(PARSE("-V"), 0);
	cr_assert(arguments_has(&arguments, OPTION_VERSION));
}

Test(arguments, what_is_wrong_is_said_with_the_nearest_right_one)
{
	REFUSED("no verb given", "--json");
	REFUSED("unknown verb \"wacth\"; did you mean watch?", "wacth");
	REFUSED("unknown verb \"frobnicate\"", "frobnicate");
	REFUSED("unknown option --expectd-revision; did you mean --expected-revision?", "delete",
		"a", "b", "--expectd-revision", "1");
	REFUSED("unknown option -x", "-x", "get");
	REFUSED("get does not take --ttl", "get", "a", "b", "--ttl", "1");
	REFUSED("get does not take --ttl", "--ttl", "1", "get", "a", "b");
	REFUSED("get needs SERVICE ID", "get", "a");
	REFUSED("get: unexpected argument \"c\"", "get", "a", "b", "c");
	REFUSED("--json takes no value", "get", "a", "b", "--json=yes");
	REFUSED("--url needs a value: --url URL", "get", "a", "b", "--url");
	REFUSED("--url: must be something, not \"\"", "get", "a", "b", "--url", "");
}

Test(arguments, values_outside_their_limits_are_refused)
{
	REFUSED("--ttl: must be a whole number from 1 to 31536000, or never, not \"0\"", "create",
		"s", "--ttl", "0");
	REFUSED("--revision: must be a whole number from 1, not \"-1\"", "get", "a", "b",
		"--revision", "-1");
	REFUSED("--revision: must be a whole number from 1, not \"99999999999999999999\"", "get",
		"a", "b", "--revision", "99999999999999999999");
	REFUSED("--order: must be updated or id, not \"up\"", "list", "s", "--order", "up");
	REFUSED("--mode: must be full, diff or both, not \"full|diff\"", "watch", "s", "--mode",
		"full|diff");
	REFUSED("--interval: must be seconds from 0.1 to 60, not \"0.05\"", "top", "--interval",
		"0.05");
}

Test(arguments, times_have_up_to_three_decimals)
{
	int64_t ms = -1;
	cr_assert_eq(arguments_parse_time("2", &ms), 0);
	cr_assert_eq(ms, 2000);
	cr_assert_eq(arguments_parse_time("0.5", &ms), 0);
	cr_assert_eq(ms, 500);
	cr_assert_eq(arguments_parse_time("1.005", &ms), 0);
	cr_assert_eq(ms, 1005);
	for (const char *const *wrong = (const char *[]){"", ".", "1.", ".5", "1.0005", "1,5", "-1",
							 "1e3", "99999999999", "1.-1", NULL};
	     *wrong; wrong++)
		cr_assert_eq(arguments_parse_time(*wrong, &ms), -EINVAL, "%s", *wrong);
}

/* Every name leads to itself, and every name with one slip in it to some name. */
Test(verb_table, slips_find_their_verb, .timeout = 100)
{
	for (unsigned i = 0; i < VERB_ID_COUNT; i++) {
		const char *name = verb_rows[i].name;
		char slip[32];
		cr_assert_eq(verb_find(span_string(name)), i);
		snprintf(slip, sizeof(slip), "%sx", name);
		cr_assert_eq(verb_find(span_string(slip)), VERB_ID_COUNT);
		cr_assert_str_eq(verb_suggest(slip), name);
	}
	cr_assert_str_eq(verb_suggest("stauts"), "status");
	cr_assert_str_eq(verb_suggest("hist"), "history");
	cr_assert_null(verb_suggest("x"));
	cr_assert_null(verb_suggest(""));
	cr_assert_null(verb_suggest("a-word-that-is-longer-than-all-the-names-there-are"));
}

Test(verb_table, rows_are_whole, .timeout = 100)
{
	for (unsigned i = 0; i < OPTION_ID_COUNT; i++) {
		const struct option_row *row = &option_rows[i];
		cr_assert(row->name && row->help, "option %u", i);
		cr_assert_eq(option_find(span_string(row->name)), i, "%s stands twice", row->name);
		cr_assert_eq(row->value == NULL, row->kind == OPTION_KIND_FLAG, "%s", row->name);
		cr_assert_eq(row->choices != NULL, row->kind == OPTION_KIND_CHOICE, "%s",
			     row->name);
	}
	for (unsigned i = 0; i < VERB_ID_COUNT; i++) {
		const struct verb *verb = &verb_rows[i];
		cr_assert(verb->name && verb->operands && verb->summary && verb->description &&
				  verb->options,
			  "verb %u", i);
		cr_assert_leq(verb->operands_max, OPERANDS_MAX);
		cr_assert_eq(verb_find(span_string(verb->name)), i, "%s stands twice", verb->name);
	}
}
