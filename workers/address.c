#include "address.h"

#include <arpa/inet.h>

void address_format(const struct in6_addr *address, char ret[ADDRESS_TEXT_MAX])
{
	bool mapped = IN6_IS_ADDR_V4MAPPED(address);

	if (IN6_IS_ADDR_UNSPECIFIED(address))
		strcpy(ret, "unix");
	else
		MUST(inet_ntop(mapped ? AF_INET : AF_INET6,
			       mapped ? &address->s6_addr[12] : (const void *)address, ret,
			       ADDRESS_TEXT_MAX));
}
