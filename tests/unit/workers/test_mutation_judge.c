/* test_mutation_judge.c — conditions: every one in every state of a document. */
#include "mutation_fixture.h"

#include <criterion/criterion.h>

TestSuite(mutation_judge, .timeout = 100);

enum tags { NO_TAG, ANY, ITS, OTHER };

static struct tag_condition tags_of(enum tags tags)
{
	struct tag_condition condition = {.present = tags != NO_TAG, .any = tags == ANY};

	if (tags == ITS)
		condition.tags[condition.count++] = (struct entity_tag){REVISION, UPDATED_MS};
	if (tags == OTHER) /* the same number of another lineage is another revision */
		condition.tags[condition.count++] = (struct entity_tag){REVISION, UPDATED_MS + 1};
	return condition;
}

#define NOT_SAID -1
#define WRONG (REVISION - 1)

/* Status of a PUT for unknown, living, deleted, expired; 0: accepted. */
static const struct {
	int expected_revision;
	enum tags match, none;
	int status[STATES];
} conditions[] = {
	{NOT_SAID, NO_TAG, NO_TAG, {0, 0, 0, 0}},
	{0, NO_TAG, NO_TAG, {0, 409, 0, 0}},
	{REVISION, NO_TAG, NO_TAG, {409, 0, 0, 0}},
	{WRONG, NO_TAG, NO_TAG, {409, 409, 409, 409}},
	{NOT_SAID, ANY, NO_TAG, {412, 0, 412, 412}},
	{NOT_SAID, ITS, NO_TAG, {412, 0, 0, 0}},
	{NOT_SAID, OTHER, NO_TAG, {412, 412, 412, 412}},
	{NOT_SAID, NO_TAG, ANY, {0, 412, 0, 0}},
	{NOT_SAID, NO_TAG, ITS, {0, 412, 412, 412}},
	{NOT_SAID, NO_TAG, OTHER, {0, 0, 0, 0}},
	{WRONG, OTHER, NO_TAG, {412, 412, 412, 412}}, /* both fail: 412 first */
	{WRONG, ITS, NO_TAG, {412, 409, 409, 409}},
	{REVISION, OTHER, NO_TAG, {412, 412, 412, 412}},
	{REVISION, ITS, NO_TAG, {412, 0, 0, 0}},
	{0, NO_TAG, ANY, {0, 412, 0, 0}},
	{WRONG, NO_TAG, ANY, {409, 412, 409, 409}},
	{0, ITS, NO_TAG, {412, 409, 0, 0}},
};

static const char *code_of(enum write_kind kind, enum state state, int status)
{
	if (kind == WRITE_CREATE && state == LIVING)
		return "document_exists";
	switch (status) {
	case 404:
		return "document_not_found";
	case 409:
		return "revision_conflict";
	case 410:
		return state == EXPIRED ? "document_expired" : "document_deleted";
	default:
		return "precondition_failed";
	}
}

static int status_of(enum write_kind kind, enum state state, int put_status)
{
	if (kind == WRITE_REPLACE)
		return put_status;
	if (kind == WRITE_CREATE)
		return state == LIVING ? 409 : put_status;
	/* PATCH and DELETE need a living document, whatever the condition. */
	return state == UNKNOWN ? 404 : state == LIVING ? put_status : 410;
}

static void check_row(size_t row, enum write_kind kind, enum state state)
{
	struct revision base = base_of(state, "{}");
	struct outcome outcome = {0};
	struct write_request request = {
		.kind = kind,
		.has_expected_revision = conditions[row].expected_revision != NOT_SAID,
		.expected_revision = conditions[row].expected_revision,
		.if_match = tags_of(conditions[row].match),
		.if_none_match = tags_of(conditions[row].none),
	};
	int status = status_of(kind, state, conditions[row].status[state]);
	int error = mutation_judge(&base, &request, &outcome);

	cr_expect_eq(error, status ? -EPERM : 0, "row %zu, kind %d, state %d", row, kind, state);
	if (status && error) {
		cr_expect_eq(outcome.status, status, "row %zu, kind %d, state %d: %d, not %d", row,
			     kind, state, outcome.status, status);
		cr_expect_str_eq(outcome.code, code_of(kind, state, status), "row %zu, %s", row,
				 outcome.code);
		cr_expect_eq(outcome.has_current_revision, status != 404);
		cr_expect_eq(outcome.current_revision,
			     status == 404 || state == UNKNOWN ? 0 : REVISION);
		cr_expect_neq(outcome.detail[0], '\0');
	}
	revision_fini(&base);
}

Test(mutation_judge, every_condition_in_every_state_has_its_status_and_code)
{
	static const enum write_kind kinds[] = {WRITE_CREATE, WRITE_REPLACE, WRITE_MERGE,
						WRITE_PATCH, WRITE_DELETE};

	for (size_t row = 0; row < ARRAY_LEN(conditions); row++)
		for (size_t kind = 0; kind < ARRAY_LEN(kinds); kind++)
			for (enum state state = UNKNOWN; state < STATES; state++)
				check_row(row, kinds[kind], state);
}

Test(mutation_judge, one_matching_tag_of_several_is_enough)
{
	struct revision base = base_of(LIVING, "{}");
	struct outcome outcome;
	struct write_request request = {.kind = WRITE_REPLACE, .if_match = tags_of(OTHER)};

	request.if_match.tags[request.if_match.count++] = (struct entity_tag){REVISION, UPDATED_MS};
	cr_expect_eq(mutation_judge(&base, &request, &outcome), 0);
	request.if_none_match = request.if_match;
	request.if_match = (struct tag_condition){0};
	cr_expect_eq(mutation_judge(&base, &request, &outcome), -EPERM);
	cr_expect_eq(outcome.status, 412);
	revision_fini(&base);
}

Test(mutation_judge, list_without_any_tag_of_ours_matches_nothing_not_even_the_unknown)
{
	struct revision base = base_of(UNKNOWN, NULL);
	struct outcome outcome;
	struct write_request request = {.kind = WRITE_REPLACE};

	request.if_match.present = true;
	cr_expect_eq(mutation_judge(&base, &request, &outcome), -EPERM);
	request.if_match.tags[request.if_match.count++] = (struct entity_tag){0, 0};
	cr_expect_eq(mutation_judge(&base, &request, &outcome), -EPERM);
	cr_expect_eq(outcome.status, 412);
}
