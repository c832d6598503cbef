#include "supervisor_page.h"
#include <criterion/criterion.h>

TestSuite(supervisor_page, .timeout = 20);

#define WORKERS 3

static struct supervisor_page *page;
static struct slot slots[WORKERS * SUPERVISOR_SLOTS];

static void set_up(void)
{
	page = calloc(1, supervisor_page_len(WORKERS));
	cr_assert(page);
	supervisor_page_init(page, WORKERS, 1700000000000);
	memset((void *)slots, 0, sizeof(slots));
}

static void claim(unsigned slot, uint64_t process, uint64_t writes)
{
	memset((void *)&slots[slot], 0, sizeof(slots[slot]));
	stat_set(&slots[slot], STAT_writes_total, writes);
	stat_set(&slots[slot], STAT_connections, 5);
	histogram_observe(&slots[slot].histograms[HISTOGRAM_write_seconds], 1000);
	atomic_store(&slots[slot].process, process);
}

static uint64_t writes_of(unsigned worker)
{
	return supervisor_page_total(page, worker)->values[STAT_writes_total];
}

Test(supervisor_page, every_figure_has_a_name_and_a_help_of_one_line)
{
	for (size_t i = 0; i < SUPERVISOR_STAT_COUNT; i++) {
		const struct supervisor_description *stat = &supervisor_descriptions[i];
		cr_assert_eq(strspn(stat->name, "abcdefghijklmnopqrstuvwxyz0123456789_"),
			     strlen(stat->name), "%s", stat->name);
		cr_assert_gt(strlen(stat->help), 5, "%s", stat->name);
		cr_assert_null(strpbrk(stat->help, "\n\\"), "%s", stat->name);
	}
}

/* Lines of one name stand together, differ in their labels and agree in the rest; no worker's
 * figure has the same name. */
Test(supervisor_page, names_with_labels_are_unique)
{
	for (size_t i = 0; i < SUPERVISOR_STAT_COUNT; i++) {
		const struct supervisor_description *stat = &supervisor_descriptions[i];
		for (size_t k = 0; k < i; k++) {
			const struct supervisor_description *other = &supervisor_descriptions[k];
			if (strcmp(stat->name, other->name) != 0)
				continue;
			cr_assert_str_neq(stat->labels, other->labels, "%s", stat->name);
			cr_assert_str_eq(stat->help, other->help, "%s", stat->name);
			cr_assert_eq(stat->gauge, other->gauge, "%s", stat->name);
			cr_assert_str_eq(supervisor_descriptions[i - 1].name, stat->name);
		}
		for (size_t k = 0; k < STAT_COUNT; k++)
			cr_assert_str_neq(stat->name, stat_descriptions[k].name);
	}
}

Test(supervisor_page, what_a_process_counted_outlives_it, .init = set_up)
{
	supervisor_page_seat_take(page, 1, 77, 2, 4711, 0, 1000);
	claim(1, 77, 40);
	supervisor_page_seat_free(page, 1, &slots[1]);
	cr_assert_eq(writes_of(2), 40);
	cr_assert_eq(writes_of(0) + writes_of(1), 0);
	cr_assert_eq(supervisor_page_seat(page, 1)->process, 0);
	const struct supervisor_total *total = supervisor_page_total(page, 2);
	cr_assert_eq(total->values[STAT_connections], 0, "levels end with their process");
	cr_assert_eq(total->histograms[HISTOGRAM_write_seconds].buckets[0], 1);
	cr_assert_eq(total->histograms[HISTOGRAM_write_seconds].sum_ns, 1000);

	supervisor_page_seat_take(page, 1, 78, 2, 4712, 0, 1000);
	claim(1, 78, 2);
	supervisor_page_seat_free(page, 1, &slots[1]);
	cr_assert_eq(writes_of(2), 42);
}

Test(supervisor_page, what_a_process_left_is_not_counted_again_for_one_that_never_began,
     .init = set_up)
{
	supervisor_page_seat_take(page, 0, 1, 0, 11, 0, 1000);
	claim(0, 1, 10);
	supervisor_page_seat_free(page, 0, &slots[0]);
	supervisor_page_seat_take(page, 0, 2, 0, 12, 0, 1000);
	supervisor_page_seat_free(page, 0, &slots[0]);
	cr_assert_eq(writes_of(0), 10);
}

Test(supervisor_page, a_change_in_between_is_noticed, .init = set_up)
{
	uint64_t begun = supervisor_page_begin_read(page);
	cr_assert(supervisor_page_end_read(page, begun));
	supervisor_page_seat_take(page, 0, 1, 0, 11, 0, 1000);
	cr_assert_not(supervisor_page_end_read(page, begun));
	begun = supervisor_page_begin_read(page);
	cr_assert(supervisor_page_end_read(page, begun));
	supervisor_page_seat_drain(page, 0);
	cr_assert_not(supervisor_page_end_read(page, begun));
	cr_assert_eq(supervisor_page_seat(page, 0)->draining, 1);
}

Test(supervisor_page, what_is_read_in_the_midst_of_a_change_is_not_whole, .init = set_up)
{
	atomic_store(&page->changes, 3);
	cr_assert_not(supervisor_page_end_read(page, supervisor_page_begin_read(page)));
}

Test(supervisor_page, seats_and_totals_do_not_touch_each_other, .init = set_up)
{
	const char *end = (const char *)page + supervisor_page_len(WORKERS);
	for (unsigned i = 0; i < WORKERS * SUPERVISOR_SLOTS; i++) {
		supervisor_page_seat_take(page, i, 100 + i, i / SUPERVISOR_SLOTS, 1, 0, 1000);
		claim(i, 100 + i, 1u << i);
	}
	for (unsigned i = 0; i < WORKERS * SUPERVISOR_SLOTS; i++)
		supervisor_page_seat_free(page, i, &slots[i]);
	for (unsigned i = 0; i < WORKERS; i++)
		cr_assert_eq(writes_of(i), 15u << 4 * i);
	cr_assert_leq((const char *)(supervisor_page_total(page, WORKERS - 1) + 1), end);
	cr_assert_eq(page->values[0], 0);
}
