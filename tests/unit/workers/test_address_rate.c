/* test_address_rate.c — token buckets of client addresses; the clock is fed in. */
#include <criterion/criterion.h>

#include "address.h"
#include "address_rate.h"

TestSuite(address_rate, .timeout = 100);

static struct in6_addr numbered(unsigned number)
{
	struct in6_addr address = {{{0x20, 0x01, 0x0d, 0xb8}}};

	memcpy(&address.s6_addr[4], &number, sizeof(number));
	return address;
}

static unsigned take(struct address_rate *rate, unsigned number, unsigned times, int64_t now_ms)
{
	struct in6_addr address = numbered(number);
	unsigned taken = 0;

	for (unsigned i = 0; i < times; i++)
		taken += address_rate_take(rate, &address, now_ms);
	return taken;
}

Test(address_rate, a_second_s_worth_at_once_and_then_as_time_goes)
{
	struct address_rate *rate = address_rate_create(10, 1);

	cr_expect_eq(take(rate, 1, 100, 5000), 10);
	cr_expect_eq(take(rate, 1, 100, 5099), 0);
	cr_expect_eq(take(rate, 1, 100, 5100), 1);
	cr_expect_eq(take(rate, 1, 100, 5400), 3);
	cr_expect_eq(take(rate, 1, 100, 1000000), 10, "no more than a second's");
	address_rate_destroy(rate);
}

Test(address_rate, each_address_has_its_own)
{
	struct address_rate *rate = address_rate_create(2, 1);

	cr_expect_eq(take(rate, 1, 5, 0), 2);
	cr_expect_eq(take(rate, 2, 5, 0), 2);
	cr_expect_eq(take(rate, 1, 5, 0), 0);
	address_rate_destroy(rate);
}

Test(address_rate, one_ipv6_network_is_one_client)
{
	struct address_rate *rate = address_rate_create(2, 1);
	struct in6_addr address = numbered(1);

	cr_expect_eq(take(rate, 1, 2, 0), 2);
	address.s6_addr[15] = 99;
	cr_expect_not(address_rate_take(rate, &address, 0));
	address_rate_destroy(rate);
}

Test(address_rate, unix_peers_may_always)
{
	struct address_rate *rate = address_rate_create(1, 1);
	struct in6_addr nobody = {0};

	for (unsigned i = 0; i < 10; i++)
		cr_expect(address_rate_take(rate, &nobody, 0));
	address_rate_destroy(rate);
	address_rate_destroy(NULL);
}

Test(address_rate, clock_that_wraps_in_32_bits_changes_nothing)
{
	struct address_rate *rate = address_rate_create(10, 1);
	int64_t now = INT64_C(0xffffffff);

	cr_expect_eq(take(rate, 1, 100, now), 10);
	cr_expect_eq(take(rate, 1, 100, now + 200), 2);
	address_rate_destroy(rate);
}

Test(address_rate, addresses_without_number_cost_the_least_active_their_place)
{
	struct address_rate *rate = address_rate_create(10, 0x5eed);

	cr_expect_eq(take(rate, 0, 100, 0), 10);
	cr_expect_eq(address_rate_forgotten(rate), 0);
	for (unsigned i = 1; i < 200000; i++)
		cr_assert_eq(take(rate, i, 1, 0), 1, "a new one is never refused");
	cr_expect(address_rate_forgotten(rate) > 0);
	cr_expect_eq(take(rate, 0, 100, 0), 0, "who has used up its tokens is kept");
	address_rate_destroy(rate);
}

Test(address_rate, idle_addresses_are_replaced_without_loss)
{
	struct address_rate *rate = address_rate_create(10, 0x5eed);
	unsigned number = 0;

	for (int64_t second = 0; second < 200; second++)
		for (unsigned i = 0; i < 500; i++)
			cr_assert_eq(take(rate, number++, 1, second * 1000), 1);
	cr_expect_eq(address_rate_forgotten(rate), 0);
	address_rate_destroy(rate);
}
