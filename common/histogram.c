/* histogram.c — see histogram.h. */
#include "histogram.h"

/* Dense where answers usually are, from 0.1 to 10 ms. */
const struct histogram_bound histogram_bounds[HISTOGRAM_BOUNDS] = {
	{25000, "0.000025"}, {50000, "0.00005"},  {100000, "0.0001"},  {250000, "0.00025"},
	{500000, "0.0005"},  {1000000, "0.001"},  {2500000, "0.0025"}, {5000000, "0.005"},
	{10000000, "0.01"},  {25000000, "0.025"}, {50000000, "0.05"},  {100000000, "0.1"},
	{250000000, "0.25"}, {500000000, "0.5"},  {1000000000, "1"},   {2500000000, "2.5"},
	{5000000000, "5"},   {10000000000, "10"},
};

/* relaxed: each word has one writer and is only a figure. */
static void add(_Atomic uint64_t *word, uint64_t amount)
{
	uint64_t value = atomic_load_explicit(word, memory_order_relaxed);
	atomic_store_explicit(word, value + amount, memory_order_relaxed);
}

void histogram_observe(struct histogram *histogram, uint64_t elapsed_ns)
{
	size_t bucket = 0;
	while (bucket < HISTOGRAM_BOUNDS && elapsed_ns > histogram_bounds[bucket].ns)
		bucket++;
	add(&histogram->buckets[bucket], 1);
	add(&histogram->sum_ns, elapsed_ns);
}
