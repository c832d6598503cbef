/* hash.h — seeded hash for tables whose keys come from clients. Not cryptographic: the random seed
 * is what keeps a client from choosing collisions. The same seed gives the same hash in every
 * process. Pure. */
#ifndef SYNCDOC_HASH_H
#define SYNCDOC_HASH_H

#include "base.h"

/* Chain calls by passing one result as the next seed. */
uint64_t hash_bytes(uint64_t seed, const void *bytes, size_t len);

static inline uint64_t hash_span(uint64_t seed, struct span span)
{
	return hash_bytes(seed, span.at, span.len);
}

#endif
