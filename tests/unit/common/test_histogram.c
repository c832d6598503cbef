#include "histogram.h"
#include <criterion/criterion.h>

TestSuite(histogram, .timeout = 100);

static struct histogram histogram;

static size_t bucket_of(uint64_t elapsed_ns)
{
	memset((void *)&histogram, 0, sizeof(histogram));
	histogram_observe(&histogram, elapsed_ns);
	for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++)
		if (histogram.buckets[i])
			return i;
	return HISTOGRAM_BUCKETS;
}

Test(histogram, bounds_ascend_and_their_texts_say_the_same)
{
	for (size_t i = 0; i < HISTOGRAM_BOUNDS; i++) {
		double seconds = strtod(histogram_bounds[i].text, NULL);
		cr_assert_eq((uint64_t)(seconds * 1e9 + 0.5), histogram_bounds[i].ns, "%zu", i);
		if (i)
			cr_assert_gt(histogram_bounds[i].ns, histogram_bounds[i - 1].ns);
	}
}

Test(histogram, a_bound_belongs_to_its_bucket)
{
	for (size_t i = 0; i < HISTOGRAM_BOUNDS; i++) {
		cr_assert_eq(bucket_of(histogram_bounds[i].ns), i);
		cr_assert_eq(bucket_of(histogram_bounds[i].ns + 1), i + 1);
	}
}

Test(histogram, nothing_is_too_short_or_too_long)
{
	cr_assert_eq(bucket_of(0), 0);
	cr_assert_eq(bucket_of(UINT64_MAX), HISTOGRAM_BOUNDS);
}

Test(histogram, sums_up)
{
	histogram_observe(&histogram, 1000);
	histogram_observe(&histogram, 2000);
	cr_assert_eq(histogram.buckets[0], 2);
	cr_assert_eq(histogram.sum_ns, 3000);
}
