#include "supervisor_page.h"
#include <criterion/criterion.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

TestSuite(supervisor_page, .timeout = 100);

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

/* ---- two processes ---- */

#define LIVES 200000
#define WRITES_OF_A_LIFE 3

struct shared {
	struct slot slot;
	_Atomic int done;
	struct supervisor_page page; /* last: seats and totals follow */
};

/* A supervisor and the workers it forks, one after the other in one slot. */
static void live_and_die(struct shared *shared)
{
	for (uint64_t process = 1; process <= LIVES; process++) {
		supervisor_page_seat_take(&shared->page, 0, process, 0, 1, 0, 1000);
		atomic_store(&shared->slot.process, 0);
		stat_set(&shared->slot, STAT_writes_total, 0);
		atomic_store(&shared->slot.process, process);
		for (int i = 0; i < WRITES_OF_A_LIFE; i++)
			stat_add(&shared->slot, STAT_writes_total, 1);
		supervisor_page_seat_free(&shared->page, 0, &shared->slot);
	}
	atomic_store(&shared->done, 1);
}

/* False: it was not whole. */
static bool read_writes(const struct shared *shared, uint64_t *ret)
{
	const struct supervisor_seat *seat = supervisor_page_seat(&shared->page, 0);
	const struct supervisor_total *total = supervisor_page_total(&shared->page, 0);
	uint64_t begun = supervisor_page_begin_read(&shared->page);
	uint64_t process = atomic_load(&seat->process), sum = 0;
	if (process && atomic_load(&shared->slot.process) == process)
		sum = atomic_load(&shared->slot.values[STAT_writes_total]);
	sum += atomic_load(&total->values[STAT_writes_total]);
	*ret = sum;
	return supervisor_page_end_read(&shared->page, begun);
}

Test(supervisor_page, no_reader_sees_a_counter_go_back)
{
	size_t len = sizeof(struct shared) + supervisor_page_len(1);
	struct shared *shared =
		mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	cr_assert(shared != MAP_FAILED);
	supervisor_page_init(&shared->page, 1, 0);
	pid_t pid = fork();
	if (pid == 0) {
		live_and_die(shared);
		_exit(0);
	}
	uint64_t last = 0, sum, back = 0, whole = 0;
	while (!atomic_load(&shared->done)) {
		if (!read_writes(shared, &sum))
			continue;
		whole++;
		back += sum < last;
		last = sum;
	}
	int status;
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert_eq(status, 0);
	cr_assert_eq(back, 0, "%llu of %llu", (unsigned long long)back, (unsigned long long)whole);
	cr_assert(read_writes(shared, &sum));
	cr_assert_eq(sum, LIVES * WRITES_OF_A_LIFE);
	cr_assert_gt(whole, 0);
}
