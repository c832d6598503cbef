/* test_address.c — addresses, networks, and who stands behind a proxy. */
#include <criterion/criterion.h>

#include "address.h"

TestSuite(address, .timeout = 100);

static struct in6_addr parse(const char *text)
{
	struct in6_addr address;

	cr_assert_eq(address_parse(span_string(text), &address), 0, "%s", text);
	return address;
}

static struct address_network network(const char *text)
{
	struct address_network network;

	cr_assert_eq(address_network_parse(span_string(text), &network), 0, "%s", text);
	return network;
}

static bool is_in(const char *address, const char *text)
{
	struct in6_addr parsed = parse(address);
	struct address_network parsed_network = network(text);

	return address_is_in(&parsed, &parsed_network, 1);
}

Test(address, what_is_no_address_is_refused)
{
	static const char *const texts[] = {"",
					    "1.2.3",
					    "1.2.3.4.5",
					    "256.1.1.1",
					    "::g",
					    "a.example",
					    "1.2.3.4 ",
					    "01.2.3.4",
					    "[::1]",
					    "1.2.3.4:80",
					    "1111:2222:3333:4444:5555:6666:7777:8888:9999"};
	struct in6_addr address;

	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		cr_expect_eq(address_parse(span_string(texts[i]), &address), -EINVAL, "%s",
			     texts[i]);
	cr_expect_eq(address_parse(SPAN("1.2.3.4\0"), &address), -EINVAL);
	cr_expect_eq(address_parse(SPAN_NONE, &address), -EINVAL);
}

Test(address, what_is_no_network_is_refused)
{
	static const char *const texts[] = {"",       "/8",          "10.0.0.0/33", "10.0.0.0/",
					    "::/129", "10.0.0.0/-1", "10.0.0.0/8 ", "10.0.0.0/8/8",
					    "unix:",  "Unix",        "10.0.0.0/+8", "::/0x1"};
	struct address_network ret;

	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		cr_expect_eq(address_network_parse(span_string(texts[i]), &ret), -EINVAL, "%s",
			     texts[i]);
}

Test(address, networks_hold_what_begins_like_them)
{
	cr_expect(is_in("10.1.2.3", "10.0.0.0/8"));
	cr_expect(is_in("10.1.2.3", "10.99.99.99/8"), "bits behind the prefix do not count");
	cr_expect_not(is_in("11.0.0.0", "10.0.0.0/8"));
	cr_expect(is_in("192.0.2.127", "192.0.2.0/25"));
	cr_expect_not(is_in("192.0.2.128", "192.0.2.0/25"));
	cr_expect(is_in("192.0.2.1", "192.0.2.1"));
	cr_expect_not(is_in("192.0.2.2", "192.0.2.1"));
	cr_expect(is_in("203.0.113.9", "0.0.0.0/0"));
	cr_expect_not(is_in("2001:db8::1", "0.0.0.0/0"), "all of IPv4, not all");
	cr_expect(is_in("2001:db8:ffff::1", "2001:db8::/32"));
	cr_expect_not(is_in("2001:db9::1", "2001:db8::/32"));
	cr_expect(is_in("2001:db8::1", "::/0"));
	cr_expect(is_in("::ffff:10.1.2.3", "10.0.0.0/8"));
	cr_expect(is_in("10.1.2.3", "::ffff:10.0.0.0/104"));
}

Test(address, unix_peers_are_in_unix_only)
{
	struct in6_addr peer = IN6ADDR_ANY_INIT;
	struct address_network networks[] = {network("::/0"), network("0.0.0.0/0")};
	struct address_network unix_network = network("unix");

	cr_expect_not(address_is_in(&peer, networks, 2));
	cr_expect(address_is_in(&peer, &unix_network, 1));
	cr_expect_not(is_in("127.0.0.1", "unix"));
}

static struct address_network trusted[3];

static void trust(void)
{
	trusted[0] = network("10.0.0.0/8");
	trusted[1] = network("2001:db8:1::/48");
	trusted[2] = network("unix");
}

static void expect_client(const char *header, enum address_forwarded expected, const char *client)
{
	struct in6_addr peer = parse("10.0.0.1"), found, wanted = parse(client);

	trust();
	cr_expect_eq(address_forwarded(&peer, header, trusted, ARRAY_LEN(trusted), &found),
		     expected, "%s", header ? header : "(none)");
	cr_expect(memcmp(&found, &wanted, sizeof(found)) == 0, "%s", header ? header : "(none)");
}

Test(address, client_is_the_last_hop_that_is_not_trusted)
{
	expect_client(NULL, ADDRESS_DIRECT, "10.0.0.1");
	expect_client("192.0.2.7", ADDRESS_FORWARDED, "192.0.2.7");
	expect_client(" 192.0.2.7 , 10.2.2.2", ADDRESS_FORWARDED, "192.0.2.7");
	expect_client("192.0.2.7,10.2.2.2,2001:db8:1::5", ADDRESS_FORWARDED, "192.0.2.7");
	expect_client("2001:db8:2::7, 10.2.2.2", ADDRESS_FORWARDED, "2001:db8:2::7");
}

Test(address, what_a_client_writes_itself_is_not_believed)
{
	expect_client("127.0.0.1, 192.0.2.7", ADDRESS_FORWARDED, "192.0.2.7");
	expect_client("10.9.9.9, 192.0.2.7, 10.2.2.2", ADDRESS_FORWARDED, "192.0.2.7");
	expect_client("nonsense, \"<>, 192.0.2.7", ADDRESS_FORWARDED, "192.0.2.7");
	expect_client(",,,192.0.2.7", ADDRESS_FORWARDED, "192.0.2.7");
}

Test(address, are_all_trusted_it_is_the_first)
{
	expect_client("10.3.3.3, 10.2.2.2", ADDRESS_FORWARDED, "10.3.3.3");
}

Test(address, hops_may_have_ports_and_brackets)
{
	expect_client("192.0.2.7:4711", ADDRESS_FORWARDED, "192.0.2.7");
	expect_client("[2001:db8:2::7]:4711", ADDRESS_FORWARDED, "2001:db8:2::7");
	expect_client("[2001:db8:2::7]", ADDRESS_FORWARDED, "2001:db8:2::7");
	expect_client("192.0.2.7, 10.2.2.2:80", ADDRESS_FORWARDED, "192.0.2.7");
}

Test(address, hop_that_is_no_address_ends_the_search)
{
	static const char *const hops[] = {"",
					   "unknown",
					   "_hidden",
					   "unix:",
					   "192.0.2.7:",
					   "[192.0.2.7]",
					   "192.0.2.7:123456",
					   "[::1",
					   "[::1]x",
					   "192.0.2.7;x",
					   "::",
					   "0.0.0.0",
					   "[]",
					   "10.2.2.2:x"};
	char header[64];

	for (size_t i = 0; i < ARRAY_LEN(hops); i++) {
		expect_client(hops[i], ADDRESS_UNCLEAR, "10.0.0.1");
		snprintf(header, sizeof(header), "192.0.2.9, %s, 10.2.2.2", hops[i]);
		expect_client(header, ADDRESS_UNCLEAR, "10.2.2.2");
	}
}

static bool same_group(const char *a, const char *b)
{
	struct in6_addr first = parse(a), second = parse(b);

	first = address_group(&first);
	second = address_group(&second);
	return memcmp(&first, &second, sizeof(first)) == 0;
}

Test(address, ipv6_clients_of_a_64_are_one_and_nobody_else)
{
	cr_expect(same_group("2001:db8::1", "2001:db8::ffff:1"));
	cr_expect_not(same_group("2001:db8:0:1::1", "2001:db8::1"));
	cr_expect_not(same_group("192.0.2.1", "192.0.2.2"));
	cr_expect_not(same_group("::1", "::2"));
	cr_expect_not(same_group("64:ff9b::192.0.2.1", "64:ff9b::192.0.2.2"));
}

Test(address, loopback_is_known_in_both_families)
{
	static const struct {
		const char *text;
		bool loopback;
	} table[] = {{"127.0.0.1", true},  {"127.9.9.9", true}, {"::1", true},
		     {"128.0.0.1", false}, {"::2", false},      {"::7f00:1", false}};

	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct in6_addr address = parse(table[i].text);

		cr_expect_eq(address_is_loopback(&address), table[i].loopback, "%s", table[i].text);
	}
}

Test(address, text_is_as_people_write_it)
{
	struct in6_addr v4 = parse("192.0.2.1"), v6 = parse("2001:db8:0:0::1"), none = {0};
	char text[INET6_ADDRSTRLEN];

	address_format(&v4, text);
	cr_expect_str_eq(text, "192.0.2.1");
	address_format(&v6, text);
	cr_expect_str_eq(text, "2001:db8::1");
	address_format(&none, text);
	cr_expect_str_eq(text, "unix");
}
