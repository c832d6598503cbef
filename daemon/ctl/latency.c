/* latency.c — see latency.h. */
#include "latency.h"

#define SUB_COUNT (UINT64_C(1) << LATENCY_SUB_BITS)

/* Values below 128 have a bucket each; above, the 7 bits behind the highest one say which. */
static unsigned bucket_of(uint64_t value)
{
	if (value < SUB_COUNT)
		return (unsigned)value;
	unsigned shift = 63 - (unsigned)__builtin_clzll(value) - LATENCY_SUB_BITS;
	return ((shift + 1) << LATENCY_SUB_BITS) + (unsigned)(value >> shift & (SUB_COUNT - 1));
}

/* The highest value of a bucket. */
static uint64_t bucket_top(unsigned bucket)
{
	if (bucket < SUB_COUNT)
		return bucket;
	unsigned shift = (bucket >> LATENCY_SUB_BITS) - 1;
	uint64_t low = (SUB_COUNT | (bucket & (SUB_COUNT - 1))) << shift;
	return low + ((UINT64_C(1) << shift) - 1);
}

void latency_add(struct latency *latency, uint64_t value)
{
	latency->counts[bucket_of(value)]++;
	if (latency->count == 0 || value < latency->min)
		latency->min = value;
	if (value > latency->max)
		latency->max = value;
	latency->count++;
	latency->sum += value;
}

void latency_merge(struct latency *to, const struct latency *from)
{
	if (from->count == 0)
		return;
	for (unsigned i = 0; i < LATENCY_BUCKETS; i++)
		to->counts[i] += from->counts[i];
	if (to->count == 0 || from->min < to->min)
		to->min = from->min;
	if (from->max > to->max)
		to->max = from->max;
	to->count += from->count;
	to->sum += from->sum;
}

uint64_t latency_percentile(const struct latency *latency, double percent)
{
	if (latency->count == 0)
		return 0;
	double exact = percent / 100. * (double)latency->count;
	uint64_t rank = exact <= 1. ? 1 : (uint64_t)exact;
	if ((double)rank < exact)
		rank++;
	uint64_t seen = 0;
	for (unsigned i = 0; i < LATENCY_BUCKETS; i++) {
		seen += latency->counts[i];
		if (seen >= rank) {
			uint64_t top = bucket_top(i);
			return top < latency->max ? top : latency->max;
		}
	}
	return latency->max;
}

double latency_mean(const struct latency *latency)
{
	return latency->count ? (double)latency->sum / (double)latency->count : 0.;
}
