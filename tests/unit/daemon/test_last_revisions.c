/* The table of what went into the ring last. */
#include "last_revisions.h"

#include <criterion/criterion.h>

TestSuite(last_revisions, .timeout = 100);

static struct last_revisions *table;

static int set(const char *id, uint64_t revision, int64_t at_ms, uint64_t mark)
{
	const struct last_revision what = {.revision = revision,
					   .at_ms = at_ms,
					   .mark = mark,
					   .service = SPAN("s"),
					   .id = span_string(id)};
	return last_revisions_set(table, &what);
}

static enum last_revisions_judgement judge(const char *id, uint64_t revision, int64_t at_ms)
{
	return last_revisions_judge(table, SPAN("s"), span_string(id), revision, at_ms);
}

static bool is_known(const char *id)
{
	return last_revisions_find(table, SPAN("s"), span_string(id)) != NULL;
}

Test(last_revisions, an_event_is_the_next_or_it_is_not)
{
	table = last_revisions_create(8, 1);
	cr_assert_eq(judge("x", 7, 100), LAST_UNKNOWN);
	cr_assert_eq(set("x", 7, 100, 5), 0);
	cr_assert_eq(judge("x", 8, 101), LAST_NEXT);
	cr_assert_eq(judge("x", 9, 102), LAST_HOLE);
	cr_assert_eq(judge("x", 7, 100), LAST_REPEATED);
	cr_assert_eq(judge("x", 6, 99), LAST_REPEATED);
	cr_assert_eq(judge("x", 7, 101), LAST_NEW_LINEAGE);
	cr_assert_eq(judge("x", 1, 101), LAST_NEW_LINEAGE);
	cr_assert_eq(last_revisions_judge(table, SPAN("sx"), SPAN(""), 8, 101), LAST_UNKNOWN);
	last_revisions_destroy(table);
}

Test(last_revisions, full_it_forgets_what_is_longest_without_an_event)
{
	table = last_revisions_create(3, 1);
	cr_assert_eq(set("a", 1, 1, 1), 0);
	cr_assert_eq(set("b", 1, 1, 1), 0);
	cr_assert_eq(set("c", 1, 1, 2), 0);
	cr_assert_eq(set("a", 2, 2, 2), 0);
	cr_assert_eq(set("d", 1, 1, 3), 0);
	cr_assert_eq(last_revisions_count(table), 3);
	cr_assert(last_revisions_forgot(table, 1) && !last_revisions_forgot(table, 2));
	cr_assert(is_known("a") && !is_known("b") && is_known("c") && is_known("d"));
	last_revisions_destroy(table);
}

Test(last_revisions, what_came_after_the_last_mark_is_never_forgotten)
{
	table = last_revisions_create(2, 1);
	cr_assert_eq(set("a", 1, 1, 4), 0);
	cr_assert_eq(set("b", 1, 1, 4), 0);
	cr_assert_eq(set("c", 1, 1, 4), -ENOSPC);
	cr_assert(is_known("a") && is_known("b") && !is_known("c"));
	cr_assert_eq(set("b", 2, 2, 4), 0);
	cr_assert_eq(set("c", 1, 1, 5), 0);
	cr_assert(!is_known("a") && is_known("c"));
	cr_assert(last_revisions_forgot(table, 4));
	cr_assert(!last_revisions_forgot(table, 5));
	last_revisions_destroy(table);
}

static void count_one(const struct last_revision *last, void *arg)
{
	cr_assert_geq(last->mark, 5);
	(*(int *)arg)++;
}

Test(last_revisions, those_since_a_mark_are_found_and_single_ones_dropped)
{
	int count = 0;
	char id[16];
	table = last_revisions_create(1000, 1);
	for (int i = 0; i < 1000; i++) {
		snprintf(id, sizeof(id), "d%d", i);
		cr_assert_eq(set(id, 1, 1, i / 100), 0);
	}
	last_revisions_each(table, 5, count_one, &count);
	cr_assert_eq(count, 500);
	last_revisions_drop(table, SPAN("s"), SPAN("d999"));
	last_revisions_drop(table, SPAN("s"), SPAN("none"));
	cr_assert_eq(last_revisions_count(table), 999);
	cr_assert(!last_revisions_forgot(table, 0));
	last_revisions_clear(table);
	cr_assert(last_revisions_forgot(table, 9) && !last_revisions_forgot(table, 10));
	cr_assert_eq(last_revisions_count(table), 0);
	cr_assert(!is_known("d5"));
	last_revisions_destroy(table);
}
