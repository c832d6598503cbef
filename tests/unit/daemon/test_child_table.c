/* Slots, generations and heartbeats of worker processes, without processes. */
#include "child_table.h"

#include <criterion/criterion.h>

TestSuite(child_table, .timeout = 100);

#define SLOTS 8

/* The table reads its part of a larger struct, as in children.c. */
struct larger {
	struct child_seat seat;
	char more[40];
};

static struct larger children[SLOTS];
static const struct child_table table = {&children[0].seat, sizeof(children[0]), SLOTS};

static void sit(unsigned slot, unsigned generation, bool draining)
{
	children[slot].seat = (struct child_seat){
		.pid = 100 + (pid_t)slot, .generation = generation, .draining = draining};
}

Test(child_table, the_lowest_free_slot_is_taken)
{
	unsigned slot = 99;
	cr_assert_eq(child_table_find_free(&table, &slot), 0);
	cr_assert_eq(slot, 0);
	sit(0, 1, false);
	sit(1, 1, false);
	sit(3, 1, false);
	cr_assert_eq(child_table_find_free(&table, &slot), 0);
	cr_assert_eq(slot, 2);
}

Test(child_table, a_full_table_refuses_and_leaves_the_slot_untouched)
{
	unsigned slot = 99;
	for (unsigned i = 0; i < SLOTS; i++)
		sit(i, 1, false);
	cr_assert_eq(child_table_find_free(&table, &slot), -ENOSPC);
	cr_assert_eq(slot, 99);
	cr_assert_eq(child_table_free_count(&table), 0);
}

Test(child_table, a_freed_slot_is_given_again)
{
	unsigned slot = 99;
	for (unsigned i = 0; i < SLOTS; i++)
		sit(i, 1, false);
	children[5].seat.pid = 0;
	cr_assert_eq(child_table_find_free(&table, &slot), 0);
	cr_assert_eq(slot, 5);
	cr_assert_eq(child_table_used_count(&table), SLOTS - 1);
}

Test(child_table, draining_generations_are_counted_once_each_and_the_oldest_is_named)
{
	unsigned oldest = 99;
	sit(0, 5, true);
	sit(1, 5, true);
	sit(2, 3, true);
	sit(3, 6, false);
	cr_assert_eq(child_table_draining(&table, &oldest), 2);
	cr_assert_eq(oldest, 3);
}

Test(child_table, nothing_drains_when_only_the_running_generation_is_there)
{
	unsigned oldest = 99;
	sit(0, 1, false);
	sit(1, 1, false);
	cr_assert_eq(child_table_draining(&table, &oldest), 0);
	cr_assert_eq(oldest, 99);
}

Test(child_table, a_heartbeat_that_stands_still_is_dead_after_the_given_ticks)
{
	struct heartbeat heartbeat = {.seen = 7};
	cr_assert(!heartbeat_is_dead(&heartbeat, 7, 3));
	cr_assert(!heartbeat_is_dead(&heartbeat, 7, 3));
	cr_assert(heartbeat_is_dead(&heartbeat, 7, 3));
}

Test(child_table, any_change_of_the_heartbeat_is_life_even_a_wild_value)
{
	struct heartbeat heartbeat = {.seen = 7, .still = 2};
	cr_assert(!heartbeat_is_dead(&heartbeat, UINT64_MAX, 3));
	cr_assert(!heartbeat_is_dead(&heartbeat, 0, 3));
	cr_assert(!heartbeat_is_dead(&heartbeat, 0, 3));
	cr_assert(!heartbeat_is_dead(&heartbeat, 0, 3));
	cr_assert(heartbeat_is_dead(&heartbeat, 0, 3));
}
