/* address_count.h — how many connections each client address has in this worker; those of one IPv6
 * /64 count together (address.h). */
#ifndef SYNCDOC_ADDRESS_COUNT_H
#define SYNCDOC_ADDRESS_COUNT_H

#include "base.h"
#include <netinet/in.h>

struct address_count;
struct sockaddr;

struct address_count *address_count_create(uint64_t hash_seed);
void address_count_destroy(struct address_count *count); /* NULL is fine */
/* IPv4 becomes ::ffff:a.b.c.d; a unix peer is all zero, and is never counted. */
void address_of_peer(const struct sockaddr *peer, struct in6_addr *ret);
/* It has `max` connections already (0: no limit). */
bool address_count_is_full(struct address_count *count, const struct in6_addr *address,
			   unsigned max);
void address_count_add(struct address_count *count, const struct in6_addr *address);
void address_count_remove(struct address_count *count, const struct in6_addr *address);

#endif
