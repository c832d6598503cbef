/* test_deadline.c — lists of equal limits; the clock is fed in. */
#include <criterion/criterion.h>

#include "deadline.h"

TestSuite(deadline, .timeout = 100);

struct waiting {
	struct deadline deadline;
	struct waiting *takes_along; /* stopped when this one is late */
	struct deadline_list *again; /* started when this one is late */
	unsigned met;
};

static void meet(struct deadline *deadline)
{
	struct waiting *waiting = CONTAINER_OF(deadline, struct waiting, deadline);

	cr_expect_null(deadline->list, "it is off the list");
	waiting->met++;
	if (waiting->takes_along)
		deadline_stop(&waiting->takes_along->deadline);
	if (waiting->again)
		deadline_start(waiting->again, deadline, 1000);
}

static struct deadline_list list = {.limit_ms = 100, .meet = meet};

Test(deadline, start_says_when_it_is_late)
{
	struct waiting one = {0};

	cr_expect_eq(deadline_start(&list, &one.deadline, 7), 107);
}

Test(deadline, empty_list_is_never_late)
{
	cr_expect_eq(deadline_meet_late(&list, 1000), DEADLINE_NEVER);
}

Test(deadline, late_are_met_once_and_the_next_is_told)
{
	struct waiting first = {0}, second = {0}, third = {0};

	deadline_start(&list, &first.deadline, 0);
	deadline_start(&list, &second.deadline, 0);
	deadline_start(&list, &third.deadline, 50);
	cr_expect_eq(deadline_meet_late(&list, 99), 100);
	cr_expect_eq(first.met, 0);
	cr_expect_eq(deadline_meet_late(&list, 100), 150);
	cr_expect_eq(deadline_meet_late(&list, 149), 150);
	cr_expect_eq(first.met, 1);
	cr_expect_eq(second.met, 1);
	cr_expect_eq(third.met, 0);
}

Test(deadline, stopped_at_any_place_is_not_met)
{
	for (unsigned stopped = 0; stopped < 3; stopped++) {
		struct waiting all[3] = {0};

		for (unsigned i = 0; i < 3; i++)
			deadline_start(&list, &all[i].deadline, 0);
		deadline_stop(&all[stopped].deadline);
		deadline_stop(&all[stopped].deadline); /* twice is fine */
		cr_expect_eq(deadline_meet_late(&list, 100), DEADLINE_NEVER);
		for (unsigned i = 0; i < 3; i++)
			cr_expect_eq(all[i].met, i != stopped, "%u of %u", i, stopped);
	}
}

Test(deadline, started_again_is_the_last)
{
	struct waiting first = {0}, second = {0};

	deadline_start(&list, &first.deadline, 0);
	deadline_start(&list, &second.deadline, 10);
	deadline_stop(&first.deadline);
	deadline_start(&list, &first.deadline, 20);
	cr_expect_eq(deadline_meet_late(&list, 110), 120);
	cr_expect_eq(second.met, 1);
	cr_expect_eq(first.met, 0);
}

Test(deadline, callback_may_stop_the_next_one)
{
	struct waiting first = {0}, second = {0};

	first.takes_along = &second;
	deadline_start(&list, &first.deadline, 0);
	deadline_start(&list, &second.deadline, 0);
	cr_expect_eq(deadline_meet_late(&list, 100), DEADLINE_NEVER);
	cr_expect_eq(second.met, 0);
}

Test(deadline, callback_may_start_it_again)
{
	struct waiting one = {.again = &list};

	deadline_start(&list, &one.deadline, 0);
	cr_expect_eq(deadline_meet_late(&list, 1000), 1100);
	cr_expect_eq(one.met, 1);
}

Test(deadline, without_a_limit_nothing_is_late)
{
	struct deadline_list endless = {.meet = meet};
	struct waiting one = {0};

	cr_expect_eq(deadline_start(&endless, &one.deadline, 0), DEADLINE_NEVER);
	cr_expect_eq(deadline_meet_late(&endless, INT64_MAX - 1), DEADLINE_NEVER);
	cr_expect_eq(one.met, 0);
	cr_expect_eq(endless.first, &one.deadline);
}
