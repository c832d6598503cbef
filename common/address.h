/* address.h — addresses and networks of clients and proxies, and who stands behind a proxy. IPv4 is
 * kept as ::ffff:a.b.c.d throughout, so that it is the same however a listener took it. A unix
 * socket's peer is all zero. Knows nothing but what it is given. */
#ifndef SYNCDOC_ADDRESS_H
#define SYNCDOC_ADDRESS_H

#include "base.h"
#include <netinet/in.h>

/* A network of trusted_proxies; an address alone has all bits. */
struct address_network {
	struct in6_addr address;
	unsigned bits; /* of 128 */
	bool is_unix;  /* the peers of unix sockets; nothing else counts then */
};

/* "192.0.2.1", "2001:db8::1". -EINVAL: neither. */
int address_parse(struct span text, struct in6_addr *ret);
/* An address, a network as 10.0.0.0/8 or 2001:db8::/32 (bits behind the prefix do not count), or
 * `unix`. -EINVAL: none of these. */
int address_network_parse(struct span text, struct address_network *ret);
bool address_is_in(const struct in6_addr *address, const struct address_network *networks,
		   size_t count);
bool address_is_loopback(const struct in6_addr *address);

enum address_forwarded {
	ADDRESS_DIRECT,    /* no X-Forwarded-For */
	ADDRESS_FORWARDED, /* *ret is the client */
	ADDRESS_UNCLEAR,   /* a hop is no address: *ret is the last proxy that can be told */
};

/* The client behind the trusted `peer`: of the hops in X-Forwarded-For (NULL: none), read from the
 * right, the first that is not in `networks`; are all of them, the left-most. A hop may have a port
 * and, where it is IPv6, brackets. Only hops that trusted proxies have put there are looked at:
 * what a client writes stands to the left of them. */
enum address_forwarded address_forwarded(const struct in6_addr *peer, const char *header,
					 const struct address_network *networks, size_t count,
					 struct in6_addr *ret);

/* Whom limits per address count together: an IPv6 client may take any address of its /64. Anything
 * else stands for itself. */
struct in6_addr address_group(const struct in6_addr *address);
/* As people write it; "unix" where it is all zero. */
void address_format(const struct in6_addr *address, char ret[INET6_ADDRSTRLEN]);

#endif
