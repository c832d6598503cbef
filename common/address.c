#include "address.h"

#include <arpa/inet.h>

static bool is_digits(struct span text)
{
	for (size_t i = 0; i < text.len; i++)
		if (text.at[i] < '0' || text.at[i] > '9')
			return false;
	return text.len;
}

int address_parse(struct span text, struct in6_addr *ret)
{
	char string[INET6_ADDRSTRLEN];
	struct in6_addr v6 = {0};

	if (!text.len || text.len >= sizeof(string) || memchr(text.at, '\0', text.len))
		return -EINVAL;
	memcpy(string, text.at, text.len);
	string[text.len] = '\0';
	if (inet_pton(AF_INET, string, &v6.s6_addr[12]) == 1)
		v6.s6_addr[10] = v6.s6_addr[11] = 0xff;
	else if (inet_pton(AF_INET6, string, &v6) != 1)
		return -EINVAL;
	*ret = v6;
	return 0;
}

int address_network_parse(struct span text, struct address_network *ret)
{
	struct address_network network = {.bits = 128};
	const char *slash = text.len ? memchr(text.at, '/', text.len) : NULL;
	struct span address = span_of(text.at, slash ? (size_t)(slash - text.at) : text.len);

	if (span_equals(text, SPAN("unix"))) {
		*ret = (struct address_network){.is_unix = true};
		return 0;
	}
	if (address_parse(address, &network.address))
		return -EINVAL;
	if (slash) {
		/* By how it is written: ::ffff:10.0.0.0/104 counts 128 bits. */
		unsigned most = memchr(address.at, ':', address.len) ? 128 : 32;
		struct span digits = span_of(slash + 1, text.len - address.len - 1);
		unsigned bits = 0;

		if (!is_digits(digits) || digits.len > 3)
			return -EINVAL;
		for (size_t i = 0; i < digits.len; i++)
			bits = bits * 10 + (unsigned)(digits.at[i] - '0');
		if (bits > most)
			return -EINVAL;
		network.bits = bits + 128 - most;
	}
	*ret = network;
	return 0;
}

static bool is_in(const struct in6_addr *address, const struct address_network *network)
{
	unsigned bytes = network->bits / 8, rest = network->bits % 8;
	unsigned char mask = (unsigned char)(0xff00 >> rest);

	if (network->is_unix || IN6_IS_ADDR_UNSPECIFIED(address))
		return network->is_unix && IN6_IS_ADDR_UNSPECIFIED(address);
	return memcmp(address, &network->address, bytes) == 0 &&
	       (!rest || ((address->s6_addr[bytes] ^ network->address.s6_addr[bytes]) & mask) == 0);
}

bool address_is_in(const struct in6_addr *address, const struct address_network *networks,
		   size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (is_in(address, &networks[i]))
			return true;
	return false;
}

bool address_is_loopback(const struct in6_addr *address)
{
	return IN6_IS_ADDR_LOOPBACK(address) ||
	       (IN6_IS_ADDR_V4MAPPED(address) && address->s6_addr[12] == IN_LOOPBACKNET);
}

static struct span trim(struct span text)
{
	while (text.len && (*text.at == ' ' || *text.at == '\t'))
		text = span_of(text.at + 1, text.len - 1);
	while (text.len && strchr(" \t", text.at[text.len - 1]))
		text.len--;
	return text;
}

/* 0.0.0.0 and ::, which is also what unix peers are here. */
static bool is_nobody(const struct in6_addr *address)
{
	return IN6_IS_ADDR_UNSPECIFIED(address) ||
	       (IN6_IS_ADDR_V4MAPPED(address) && !address->s6_addr32[3]);
}

/* 192.0.2.1, 192.0.2.1:4711, 2001:db8::1, [2001:db8::1], [2001:db8::1]:4711. */
static int parse_hop(struct span hop, struct in6_addr *ret)
{
	struct span host = hop, behind = SPAN_NONE;
	const char *colon = hop.len ? memchr(hop.at, ':', hop.len) : NULL;
	bool bracketed = hop.len && *hop.at == '[';

	if (bracketed) {
		const char *close = memchr(hop.at, ']', hop.len);

		if (!close)
			return -EINVAL;
		host = span_of(hop.at + 1, (size_t)(close - hop.at - 1));
		behind = span_of(close + 1, (size_t)(hop.at + hop.len - close - 1));
		if (!host.len || !memchr(host.at, ':', host.len))
			return -EINVAL;
	} else if (colon && !memchr(colon + 1, ':', (size_t)(hop.at + hop.len - colon - 1))) {
		host = span_of(hop.at, (size_t)(colon - hop.at));
		behind = span_of(colon, hop.len - host.len);
	}
	if (behind.len && (*behind.at != ':' || behind.len > 6 ||
			   !is_digits(span_of(behind.at + 1, behind.len - 1))))
		return -EINVAL;
	if (address_parse(host, ret))
		return -EINVAL;
	return is_nobody(ret) ? -EINVAL : 0;
}

enum address_forwarded address_forwarded(const struct in6_addr *peer, const char *header,
					 const struct address_network *networks, size_t count,
					 struct in6_addr *ret)
{
	struct span left = header ? span_string(header) : SPAN_NONE;
	bool more = header;

	*ret = *peer;
	if (!header)
		return ADDRESS_DIRECT;
	while (more) {
		const char *comma = left.len ? memrchr(left.at, ',', left.len) : NULL;
		const char *from = comma ? comma + 1 : left.at;
		struct in6_addr hop;

		if (parse_hop(trim(span_of(from, (size_t)(left.at + left.len - from))), &hop))
			return ADDRESS_UNCLEAR;
		*ret = hop;
		if (!address_is_in(&hop, networks, count))
			break;
		more = comma;
		left.len = more ? (size_t)(comma - left.at) : 0;
	}
	return ADDRESS_FORWARDED;
}

/* 64:ff9b::/96, RFC 6052: IPv4 clients as a translator shows them. */
static bool is_translated(const struct in6_addr *address)
{
	static const unsigned char prefix[12] = {0x00, 0x64, 0xff, 0x9b};

	return memcmp(address, prefix, sizeof(prefix)) == 0;
}

struct in6_addr address_group(const struct in6_addr *address)
{
	static const unsigned char nothing[8];
	struct in6_addr group = *address;

	if (memcmp(address, nothing, sizeof(nothing)) != 0 && !is_translated(address))
		memset(&group.s6_addr[8], 0, 8);
	return group;
}

void address_format(const struct in6_addr *address, char ret[INET6_ADDRSTRLEN])
{
	if (IN6_IS_ADDR_UNSPECIFIED(address))
		strcpy(ret, "unix");
	else if (IN6_IS_ADDR_V4MAPPED(address))
		inet_ntop(AF_INET, &address->s6_addr[12], ret, INET6_ADDRSTRLEN);
	else
		inet_ntop(AF_INET6, address, ret, INET6_ADDRSTRLEN);
}
