#include "stats.h"
#include <criterion/criterion.h>

TestSuite(stats, .timeout = 100);

static struct slot slot;

Test(stats, every_figure_has_a_name_and_a_help_of_one_line)
{
	for (size_t i = 0; i < STAT_COUNT; i++) {
		const struct stat_description *stat = &stat_descriptions[i];
		cr_assert(stat->name && stat->help, "figure %zu", i);
		cr_assert_gt(strlen(stat->help), 5, "%s", stat->name);
		cr_assert_null(strpbrk(stat->help, "\n\\"), "%s", stat->name);
	}
}

Test(stats, names_are_what_prometheus_takes)
{
	for (size_t i = 0; i < STAT_COUNT; i++) {
		const char *name = stat_descriptions[i].name;
		cr_assert_eq(strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_"), strlen(name),
			     "%s", name);
		cr_assert(name[0] >= 'a' && name[0] <= 'z', "%s", name);
	}
}

Test(stats, names_are_unique)
{
	for (size_t i = 0; i < STAT_COUNT; i++)
		for (size_t k = 0; k < i; k++)
			cr_assert_str_neq(stat_descriptions[i].name, stat_descriptions[k].name);
}

Test(stats, description_belongs_to_its_figure)
{
	cr_assert_str_eq(stat_descriptions[STAT_connections].name, "connections");
	cr_assert(stat_descriptions[STAT_connections].gauge);
	cr_assert_str_eq(stat_descriptions[STAT_ring_lapped].name, "ring_lapped");
	cr_assert_not(stat_descriptions[STAT_ring_lapped].gauge);
	cr_assert_str_eq(stat_descriptions[STAT_ring_lapped].help,
			 "Times this worker was overtaken by the ring's writer");
}

Test(stats, codes_of_refusals_are_in_order_and_found)
{
	for (size_t i = 0; i < REFUSAL_COUNT; i++) {
		if (i)
			cr_assert_lt(strcmp(refusal_codes[i - 1], refusal_codes[i]), 0, "%s",
				     refusal_codes[i]);
		cr_assert_eq(refusal_find(refusal_codes[i]), i);
	}
	cr_assert_eq(refusal_find("no_such_code"), REFUSAL_other);
	cr_assert_eq(refusal_find(""), REFUSAL_other);
	stat_refuse(&slot, "revision_conflict");
	stat_refuse(&slot, "revision_conflict");
	cr_assert_eq(slot.refusals[REFUSAL_revision_conflict], 2);
}

Test(stats, adding_sums_up)
{
	stat_add(&slot, STAT_writes_total, 2);
	stat_add(&slot, STAT_writes_total, 40);
	cr_assert_eq(stat_read(&slot, STAT_writes_total), 42);
}

Test(stats, setting_replaces)
{
	stat_set(&slot, STAT_connections, 9);
	stat_set(&slot, STAT_connections, 3);
	cr_assert_eq(stat_read(&slot, STAT_connections), 3);
}

Test(stats, one_figure_does_not_touch_the_others)
{
	stat_add(&slot, STAT_reads_total, 1);
	for (size_t i = 0; i < STAT_COUNT; i++)
		cr_assert_eq(stat_read(&slot, (enum statistic)i), i == STAT_reads_total);
}

Test(stats, level_may_go_down_by_adding_a_negative)
{
	stat_set(&slot, STAT_queue_bytes, 100);
	stat_add(&slot, STAT_queue_bytes, (uint64_t)-30);
	cr_assert_eq(stat_read(&slot, STAT_queue_bytes), 70);
}
