#include <criterion/criterion.h>

#include "address_count.h"
#include <arpa/inet.h>
#include <sys/un.h>

TestSuite(address_count, .timeout = 100);

static struct in6_addr v4(const char *text)
{
	struct sockaddr_in peer = {.sin_family = AF_INET, .sin_port = htons(1234)};
	struct in6_addr address;

	cr_assert_eq(inet_pton(AF_INET, text, &peer.sin_addr), 1);
	address_of_peer((const struct sockaddr *)(const void *)&peer, &address);
	return address;
}

static struct in6_addr v6(const char *text)
{
	struct sockaddr_in6 peer = {.sin6_family = AF_INET6, .sin6_port = htons(1234)};
	struct in6_addr address;

	cr_assert_eq(inet_pton(AF_INET6, text, &peer.sin6_addr), 1);
	address_of_peer((const struct sockaddr *)(const void *)&peer, &address);
	return address;
}

static bool equal(struct in6_addr a, struct in6_addr b)
{
	return memcmp(&a, &b, sizeof(a)) == 0;
}

Test(address_count, ipv4_is_the_same_however_the_listener_took_it)
{
	cr_expect(equal(v4("192.0.2.1"), v6("::ffff:192.0.2.1")));
	cr_expect_not(equal(v4("192.0.2.1"), v4("192.0.2.2")));
	cr_expect_not(equal(v4("192.0.2.1"), v6("2001:db8::1")));
}

Test(address_count, unix_peer_and_no_peer_are_all_zero_and_never_full)
{
	struct address_count *count = address_count_create(1);
	struct sockaddr_un peer = {.sun_family = AF_UNIX};
	struct in6_addr address, nobody;

	address_of_peer((const struct sockaddr *)(const void *)&peer, &address);
	address_of_peer(NULL, &nobody);
	cr_expect(IN6_IS_ADDR_UNSPECIFIED(&address));
	cr_expect(IN6_IS_ADDR_UNSPECIFIED(&nobody));
	for (unsigned i = 0; i < 10; i++)
		address_count_add(count, &address);
	cr_expect_not(address_count_is_full(count, &address, 1));
	address_count_remove(count, &address);
	address_count_destroy(count);
}

Test(address_count, address_is_full_at_its_limit_and_not_before)
{
	struct address_count *count = address_count_create(1);
	struct in6_addr a = v4("192.0.2.1"), b = v4("192.0.2.2");

	cr_expect_not(address_count_is_full(count, &a, 1));
	for (unsigned i = 0; i < 3; i++) {
		cr_expect_not(address_count_is_full(count, &a, 3));
		address_count_add(count, &a);
	}
	cr_expect(address_count_is_full(count, &a, 3));
	cr_expect_not(address_count_is_full(count, &a, 0), "0 is no limit");
	cr_expect_not(address_count_is_full(count, &b, 3), "each for itself");
	address_count_remove(count, &a);
	cr_expect_not(address_count_is_full(count, &a, 3));
	address_count_destroy(count);
}

Test(address_count, removing_what_was_not_added_changes_nothing)
{
	struct address_count *count = address_count_create(1);
	struct in6_addr a = v4("192.0.2.1");

	address_count_remove(count, &a);
	address_count_add(count, &a);
	address_count_remove(count, &a);
	address_count_remove(count, &a);
	cr_expect_not(address_count_is_full(count, &a, 1));
	address_count_add(count, &a);
	cr_expect(address_count_is_full(count, &a, 1));
	address_count_destroy(count);
	address_count_destroy(NULL);
}

static struct in6_addr numbered(unsigned number)
{
	struct in6_addr address = v6("2001:db8::");

	memcpy(&address.s6_addr[4], &number, sizeof(number));
	return address;
}

Test(address_count, many_addresses_are_told_apart)
{
	struct address_count *count = address_count_create(0x5eed);
	const unsigned many = 30000;

	for (unsigned i = 0; i < many; i++) {
		struct in6_addr address = numbered(i);
		for (unsigned n = 0; n <= i % 3; n++)
			address_count_add(count, &address);
	}
	for (unsigned i = 0; i < many; i++) {
		struct in6_addr address = numbered(i);
		cr_assert(address_count_is_full(count, &address, i % 3 + 1));
		cr_assert_not(address_count_is_full(count, &address, i % 3 + 2));
		address_count_remove(count, &address);
		cr_assert_not(address_count_is_full(count, &address, i % 3 + 1));
	}
	address_count_destroy(count); /* with some left */
}

Test(address_count, addresses_of_one_ipv6_network_count_together)
{
	struct address_count *count = address_count_create(1);
	struct in6_addr a = v6("2001:db8::1"), b = v6("2001:db8::2:3:4:5"),
			c = v6("2001:db8:0:1::1");

	address_count_add(count, &a);
	cr_expect(address_count_is_full(count, &b, 1));
	cr_expect_not(address_count_is_full(count, &c, 1));
	address_count_remove(count, &b);
	cr_expect_not(address_count_is_full(count, &a, 1));
	address_count_destroy(count);
}
