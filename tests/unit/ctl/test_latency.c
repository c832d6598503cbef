/* Percentiles of many durations. */
#include "latency.h"

#include "random.h"

#include <criterion/criterion.h>

TestSuite(latency, .timeout = 100);

static struct latency one, other, both; /* too large for the stack */

Test(latency, of_nothing_is_zero)
{
	cr_assert_eq(latency_percentile(&one, 50.), 0);
	cr_assert_eq(latency_mean(&one), 0.);
}

Test(latency, small_values_are_exact)
{
	for (uint64_t i = 1; i <= 100; i++)
		latency_add(&one, i);
	cr_assert_eq(latency_percentile(&one, 0.), 1);
	cr_assert_eq(latency_percentile(&one, 1.), 1);
	cr_assert_eq(latency_percentile(&one, 50.), 50);
	cr_assert_eq(latency_percentile(&one, 99.), 99);
	cr_assert_eq(latency_percentile(&one, 99.1), 100);
	cr_assert_eq(latency_percentile(&one, 100.), 100);
	cr_assert_eq(latency_mean(&one), 50.5);
	cr_assert_eq(one.min, 1);
	cr_assert_eq(one.max, 100);
}

Test(latency, one_value_is_every_percentile)
{
	latency_add(&one, 123456789);
	for (double percent = 0.; percent <= 100.; percent += 12.5)
		cr_assert_eq(latency_percentile(&one, percent), 123456789);
}

Test(latency, the_largest_number_has_a_bucket)
{
	latency_add(&one, UINT64_MAX);
	latency_add(&one, 0);
	cr_assert_eq(latency_percentile(&one, 100.), UINT64_MAX);
	cr_assert_eq(latency_percentile(&one, 50.), 0);
}

static int compare(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
	return left < right ? -1 : left > right;
}

/* Against sorting: never below the true value, never more than 1 % above it. */
Test(latency, percentiles_are_exact_to_one_percent)
{
	enum { COUNT = 20000 };
	static uint64_t values[COUNT];
	uint64_t random = 7;
	for (unsigned i = 0; i < COUNT; i++) {
		values[i] = random_next(&random) >> (random_next(&random) % 60);
		latency_add(&one, values[i]);
	}
	qsort(values, COUNT, sizeof(values[0]), compare);
	for (unsigned rank = 1; rank <= COUNT; rank += 97) {
		uint64_t exact = values[rank - 1];
		uint64_t found = latency_percentile(&one, (double)rank * 100. / COUNT);
		/* The division may round up to the next rank. */
		uint64_t next = values[rank < COUNT ? rank : rank - 1];
		cr_assert_geq(found, exact);
		cr_assert_leq((double)found, (double)next * 1.01, "rank %u", rank);
	}
}

Test(latency, merged_ones_are_as_one)
{
	uint64_t random = 11;
	for (unsigned i = 0; i < 5000; i++) {
		uint64_t value = random_next(&random) % 1000000;
		latency_add(i % 3 ? &one : &other, value);
		latency_add(&both, value);
	}
	latency_merge(&one, &other);
	cr_assert_arr_eq(&one, &both, sizeof(one));
	static const struct latency none;
	latency_merge(&one, &none);
	cr_assert_arr_eq(&one, &both, sizeof(one));
}
