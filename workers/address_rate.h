/* address_rate.h — limits.requests_per_address: a token bucket for each client address that was
 * here lately. One table per worker, of fixed size. Pure: the clock is fed in. */
#ifndef SYNCDOC_ADDRESS_RATE_H
#define SYNCDOC_ADDRESS_RATE_H

#include "base.h"
#include <netinet/in.h>

struct address_rate;

/* `per_second` requests on average, as many at once: at least 1. The seed must not be known to
 * clients. */
struct address_rate *address_rate_create(unsigned per_second, uint64_t hash_seed);
void address_rate_destroy(struct address_rate *rate); /* NULL is fine */
/* One request more. False: it is one too many. A unix peer, all zero, may always. `now_ms`
 * (monotonic) never goes backwards. */
bool address_rate_take(struct address_rate *rate, const struct in6_addr *address, int64_t now_ms);
/* Times the table was full of busy addresses and one of them was forgotten, which then began anew.
 */
uint64_t address_rate_forgotten(const struct address_rate *rate);

#endif
