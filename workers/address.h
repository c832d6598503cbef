/* address.h — addresses of clients: IPv4 is ::ffff:a.b.c.d, a unix peer is all zero. Pure. */
#ifndef SYNCDOC_ADDRESS_H
#define SYNCDOC_ADDRESS_H

#include "base.h"
#include <netinet/in.h>

#define ADDRESS_TEXT_MAX INET6_ADDRSTRLEN

/* `10.0.0.1`, `2001:db8::1`, `unix`; NUL-terminated. */
void address_format(const struct in6_addr *address, char ret[ADDRESS_TEXT_MAX]);

#endif
