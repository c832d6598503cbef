#include "access.h"

#include <criterion/criterion.h>

TestSuite(access, .timeout = 100);

static struct principal *principal_of(const char *claim)
{
	struct json json = {0};
	struct json_fault fault;
	struct rights *rights = NULL;
	const char *reason;

	cr_assert_eq(json_parse(&json, span_string(claim), 8, &fault), 0);
	cr_assert_eq(rights_compile(&json, 0, &rights, &reason), 0);
	json_fini(&json);
	return principal_create(NULL, NULL, rights);
}

struct row {
	const char *claim, *topic, *id, *prefix;
	int presence;
	bool with_document;
	int error;
	bool filtered;
	int presence_after;
};

static void expect(const struct row *row)
{
	struct principal *principal = principal_of(row->claim);
	struct subscription_spec spec = {.id = span_string(row->id),
					 .prefix = span_string(row->prefix),
					 .mode = EVENT_FULL,
					 .presence = row->presence};
	struct outcome refusal;

	cr_assert_eq(topic_parse(span_string(row->topic), &spec.topic), 0);
	cr_expect_eq(access_narrow(principal, &spec, row->with_document, &refusal), row->error,
		     "%s %s", row->claim, row->topic);
	if (row->error) {
		cr_expect_eq(refusal.status, 403);
	} else {
		cr_expect_eq(spec.filter, row->filtered ? principal->rights : NULL, "%s %s",
			     row->claim, row->topic);
		cr_expect_eq(spec.presence, row->presence_after, "%s %s", row->claim, row->topic);
	}
	principal_put(principal);
}

#define SOME "{\"s\":{\"rights\":\"rp\",\"documents\":[\"u1-*\",\"x\"]}}"

Test(access, narrows_to_what_is_allowed)
{
	static const struct row rows[] = {
		/* all of it */
		{"{\"*\":\"rp\"}", "sync.*.*", NULL, NULL, -1, false, 0, false, -1},
		{"{\"s\":\"rp\"}", "sync.s.updated", NULL, NULL, -1, false, 0, false, -1},
		{"{\"s\":\"rp\"}", "sync.s.*", "x", NULL, -1, true, 0, false, -1},
		{SOME, "sync.s.*", "x", NULL, -1, true, 0, false, -1},
		{SOME, "sync.s.*", NULL, "u1-", -1, false, 0, false, -1},
		{SOME, "sync.s.*", NULL, "u1-2", 1, false, 0, false, 1},
		{"{\"s\":\"rp\"}", "sync.s.*", "x", NULL, -2, true, 0, false, -1},
		/* some of it */
		{SOME, "sync.s.*", NULL, NULL, -1, false, 0, true, -1},
		{SOME, "sync.s.updated", NULL, "u", -1, false, 0, true, -1},
		{SOME, "sync.*.updated", NULL, NULL, -1, false, 0, true, -1},
		{SOME, "sync.*.updated", "x", NULL, -1, false, 0, true, -1},
		{"{\"*\":\"rp\",\"t\":\"p\"}", "sync.*.*", NULL, NULL, -1, false, 0, true, -1},
		{"{\"s\":\"p\",\"t\":\"r\"}", "sync.*.*", NULL, NULL, -1, false, 0, true, -1},
		/* without presence */
		{"{\"s\":\"r\"}", "sync.s.*", NULL, NULL, -1, false, 0, false, -2},
		{"{\"s\":\"r\"}", "sync.s.updated", "x", NULL, -1, true, 0, false, -2},
		{"{\"s\":\"r\"}", "sync.s.updated", "x", NULL, -2, true, 0, false, -2},
		{"{\"s\":\"r\"}", "sync.s.updated", NULL, NULL, -1, false, 0, false, -1},
		{"{\"s\":\"r\"}", "sync.s.updated", NULL, NULL, 0, false, 0, false, 0},
		/* presence only */
		{"{\"s\":\"p\"}", "sync.s.presence", NULL, NULL, -1, false, 0, false, -1},
		{"{\"s\":\"p\"}", "sync.*.presence", NULL, NULL, -1, false, 0, true, -1},
		/* nothing */
		{"{\"s\":\"p\"}", "sync.s.presence", "x", NULL, -1, true, -EACCES, false, 0},
		{"{\"s\":\"p\"}", "sync.s.updated", NULL, NULL, -1, false, -EACCES, false, 0},
		{"{\"s\":\"p\"}", "sync.s.*", NULL, NULL, -1, false, -EACCES, false, 0},
		{"{\"s\":\"r\"}", "sync.s.presence", NULL, NULL, -1, false, -EACCES, false, 0},
		{"{\"s\":\"r\"}", "sync.s.updated", "x", NULL, 1, false, -EACCES, false, 0},
		{"{\"s\":\"w\"}", "sync.s.updated", NULL, NULL, -1, false, -EACCES, false, 0},
		{"{\"s\":\"rp\"}", "sync.t.*", NULL, NULL, -1, false, -EACCES, false, 0},
		{"{}", "sync.*.*", NULL, NULL, -1, false, -EACCES, false, 0},
		{SOME, "sync.s.updated", "y", NULL, -1, false, -EACCES, false, 0},
		{SOME, "sync.s.updated", NULL, "v", -1, false, -EACCES, false, 0},
		{SOME, "sync.t.updated", NULL, NULL, -1, false, -EACCES, false, 0},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		expect(&rows[i]);
}

Test(access, nobody_gets_nothing)
{
	struct subscription_spec spec = {.topic = {.event = TOPIC_ANY}, .presence = -1};
	struct outcome refusal;

	cr_expect_eq(access_narrow(NULL, &spec, false, &refusal), -EACCES);
	cr_expect(!principal_allows(NULL, SPAN("s"), SPAN("x"), 15));
	cr_expect(!principal_is_admin(NULL));
}
