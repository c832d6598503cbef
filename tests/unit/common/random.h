/* random.h — numbers for property tests. A run that failed is repeated with
 * SYNCDOC_TEST_SEED=<seed>. */
#ifndef RANDOM_H
#define RANDOM_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static inline uint64_t random_next(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/* Steele, Lea and Flood's SplitMix64: unlike random_next() good also from 0, and from seeds that
 * are next to each other. */
static inline uint64_t random_split(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

/* Says the seed at once: what a sanitizer ends does not get to say it later. */
static inline uint64_t random_seed(const char *test)
{
	const char *given = getenv("SYNCDOC_TEST_SEED");
	uint64_t seed = given ? strtoull(given, NULL, 0)
			      : (uint64_t)time(NULL) * 2654435761u + (uint64_t)getpid();
	seed += !seed;
	fprintf(stderr, "%s: SYNCDOC_TEST_SEED=%llu\n", test, (unsigned long long)seed);
	return seed;
}

#endif
