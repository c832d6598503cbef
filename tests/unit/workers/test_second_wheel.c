/* test_second_wheel.c — who is looked at when; the clock is fed in, and set. */
#include <criterion/criterion.h>

#include "second_wheel.h"

TestSuite(second_wheel, .timeout = 100);

#define START_S INT64_C(1700000000)
#define DAY_S 86400

struct watched {
	struct second_watch watch;
	int64_t at_s;          /* it stops itself when looked at from then on */
	int64_t again_s;       /* it moves itself there when looked at; 0: no */
	struct watched *stops; /* when looked at */
	unsigned looks, in_time;
};

static struct second_wheel wheel;
static int64_t now_s;

static void look(struct second_watch *watch)
{
	struct watched *watched = CONTAINER_OF(watch, struct watched, watch);

	watched->looks++;
	if (watched->stops)
		second_wheel_stop(&watched->stops->watch);
	if (watched->again_s) {
		second_wheel_watch(&wheel, watch, watched->again_s * 1000, now_s * 1000);
	} else if (now_s >= watched->at_s) {
		watched->in_time++;
		second_wheel_stop(watch);
	}
}

static void turn_at(int64_t second)
{
	now_s = second;
	second_wheel_turn(&wheel, second * 1000 + 500);
}

static void watch_from(struct watched *watched, int64_t second)
{
	watched->at_s = second;
	second_wheel_watch(&wheel, &watched->watch, second * 1000, now_s * 1000);
}

static void start(void)
{
	now_s = START_S;
	second_wheel_init(&wheel, START_S * 1000 + 500, look);
}

Test(second_wheel, everybody_is_looked_at_in_his_second, .init = start)
{
	static struct watched watched[3 * SECOND_WHEEL_SLOTS];

	for (size_t i = 0; i < ARRAY_LEN(watched); i++)
		watch_from(&watched[i], START_S + (int64_t)i);
	for (size_t i = 0; i < ARRAY_LEN(watched); i++) {
		turn_at(START_S + (int64_t)i);
		cr_assert_eq(watched[i].in_time, 1);
		cr_assert(i + 1 == ARRAY_LEN(watched) || !watched[i + 1].in_time);
	}
}

Test(second_wheel, far_away_is_looked_at_rarely, .init = start)
{
	struct watched far = {0};

	watch_from(&far, START_S + 3 * DAY_S);
	for (int64_t second = 1; second < 3 * DAY_S; second++)
		turn_at(START_S + second);
	cr_expect_eq(far.in_time, 0);
	/* A second is looked at twice: when it begins, and when it is over. */
	cr_expect_leq(far.looks, 2 * 3 * DAY_S / SECOND_WHEEL_SLOTS + 2);
	turn_at(START_S + 3 * DAY_S);
	cr_expect_eq(far.in_time, 1);
}

Test(second_wheel, second_that_was_not_over_is_looked_at_again, .init = start)
{
	struct watched late = {0};

	turn_at(START_S + 1);
	watch_from(&late, START_S + 1);
	turn_at(START_S + 2);
	cr_expect_eq(late.in_time, 1);
}

Test(second_wheel, what_is_past_is_looked_at_by_the_next_turn, .init = start)
{
	struct watched past = {0};

	watch_from(&past, START_S - DAY_S);
	turn_at(START_S);
	cr_expect_eq(past.in_time, 1);
}

Test(second_wheel, all_that_was_jumped_over_is_looked_at_once, .init = start)
{
	struct watched within[10] = {0}, round[10] = {0};

	for (int i = 0; i < 10; i++) {
		watch_from(&within[i], START_S + 10 * i);
		watch_from(&round[i], START_S + 1000 * i);
	}
	turn_at(START_S + 100);
	for (int i = 0; i < 10; i++)
		cr_expect_eq(within[i].in_time, 1, "%d", i);
	turn_at(START_S + 10 * DAY_S);
	for (int i = 0; i < 10; i++) {
		cr_expect_eq(round[i].in_time, 1, "%d", i);
		cr_expect_leq(round[i].looks, 2);
	}
}

Test(second_wheel, after_the_clock_went_back_seconds_come_again, .init = start)
{
	struct watched one = {0};

	watch_from(&one, START_S + 100);
	turn_at(START_S + 90);
	turn_at(START_S - 1000);
	for (int64_t second = START_S - 999; second < START_S + 100; second++)
		turn_at(second);
	cr_expect_eq(one.in_time, 0);
	turn_at(START_S + 100);
	cr_expect_eq(one.in_time, 1);
}

Test(second_wheel, stopped_is_not_looked_at_and_may_be_stopped_again, .init = start)
{
	struct watched one = {0}, other = {0};

	watch_from(&one, START_S + 1);
	watch_from(&other, START_S + 1);
	second_wheel_stop(&one.watch);
	second_wheel_stop(&one.watch);
	turn_at(START_S + 1);
	cr_expect_eq(one.looks, 0);
	cr_expect_eq(other.looks, 1);
	second_wheel_stop(&other.watch);
}

Test(second_wheel, watching_again_moves_it, .init = start)
{
	struct watched one = {0};

	watch_from(&one, START_S + 1);
	watch_from(&one, START_S + 5);
	turn_at(START_S + 4);
	cr_expect_eq(one.looks, 0);
	turn_at(START_S + 5);
	cr_expect_eq(one.in_time, 1);
}

Test(second_wheel, who_comes_just_after_the_clock_was_set_back_is_looked_at_in_time, .init = start)
{
	struct watched one = {0};

	turn_at(START_S + 100);
	now_s = START_S; /* before the next turn */
	watch_from(&one, START_S + 5);
	turn_at(START_S + 4);
	cr_expect_eq(one.looks, 0);
	turn_at(START_S + 5);
	cr_expect_eq(one.in_time, 1);
}

Test(second_wheel, look_may_stop_and_move_what_is_beside_it, .init = start)
{
	struct watched all[3] = {0};

	for (int i = 0; i < 3; i++)
		watch_from(&all[i], START_S + 1);
	for (int i = 0; i < 3; i++)
		all[i].stops = &all[(i + 1) % 3];
	turn_at(START_S + 1);
	cr_expect_eq(all[0].looks + all[1].looks + all[2].looks, 2, "each stops the next one");
	struct watched moves = {.again_s = START_S + 1 + SECOND_WHEEL_SLOTS}; /* the same list */
	second_wheel_watch(&wheel, &moves.watch, (START_S + 2) * 1000, now_s * 1000);
	turn_at(START_S + 2);
	cr_expect_eq(moves.looks, 1);
	for (int i = 0; i < 3; i++)
		second_wheel_stop(&all[i].watch);
}
