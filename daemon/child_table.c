/* child_table.c — see child_table.h. */
#include "child_table.h"

int child_table_find_free(const struct child_table *table, unsigned *ret_slot)
{
	for (unsigned i = 0; i < table->count; i++) {
		if (child_table_seat(table, i)->pid != 0)
			continue;
		*ret_slot = i;
		return 0;
	}
	return -ENOSPC;
}

unsigned child_table_used_count(const struct child_table *table)
{
	unsigned used = 0;
	for (unsigned i = 0; i < table->count; i++)
		used += child_table_seat(table, i)->pid != 0;
	return used;
}

unsigned child_table_free_count(const struct child_table *table)
{
	return table->count - child_table_used_count(table);
}

/* Generations only grow, so the next one above `after` is found by looking for the smallest that is
 * greater. */
static bool next_draining(const struct child_table *table, unsigned after, unsigned *ret)
{
	bool found = false;
	for (unsigned i = 0; i < table->count; i++) {
		const struct child_seat *seat = child_table_seat(table, i);
		if (!seat->pid || !seat->draining || seat->generation <= after)
			continue;
		if (!found || seat->generation < *ret)
			*ret = seat->generation;
		found = true;
	}
	return found;
}

unsigned child_table_draining(const struct child_table *table, unsigned *ret_oldest)
{
	unsigned count = 0, generation = 0; /* the first generation is 1 */
	while (next_draining(table, generation, &generation))
		if (count++ == 0)
			*ret_oldest = generation;
	return count;
}

bool heartbeat_is_dead(struct heartbeat *heartbeat, uint64_t value, unsigned ticks)
{
	if (value != heartbeat->seen) {
		heartbeat->seen = value;
		heartbeat->still = 0;
		return false;
	}
	heartbeat->still++;
	return heartbeat->still >= ticks;
}
