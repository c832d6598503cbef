#include <criterion/criterion.h>

#include "host_check.h"

TestSuite(host_check, .timeout = 100);

static bool allows(const char *listen, const char *host)
{
	char *listens[] = {(char *)listen, "unix:/run/x.sock"};
	char *hosts[] = {"docs.example.com", "Other.Example:8443", "2001:db8::7", "192.0.2.9"};
	struct config config = {
		.listen = {listens, 2},
		.hosts = {hosts, ARRAY_LEN(hosts)},
		.node = "node-7",
	};
	struct host_check *check = host_check_create(&config);
	bool allowed = host_check_allows(check, span_string(host));

	host_check_destroy(check);
	return allowed;
}

Test(host_check, address_of_a_listener_is_allowed)
{
	cr_expect(allows("127.0.0.1:8080", "127.0.0.1"));
	cr_expect(allows("127.0.0.1:8080", "127.0.0.1:8080"));
	cr_expect(allows("[::1]:8080", "[::1]:8080"));
	cr_expect(allows("[::1]:8080", "[0:0:0:0:0:0:0:1]"));
}

Test(host_check, port_does_not_count)
{
	cr_expect(allows("127.0.0.1:8080", "127.0.0.1:1"));
	cr_expect(allows("127.0.0.1:8080", "localhost:65535"));
	cr_expect(allows("127.0.0.1:8080", "localhost:"));
	cr_expect(allows("127.0.0.1:8080", "other.example"));
}

Test(host_check, other_addresses_are_not_allowed)
{
	cr_expect(!allows("127.0.0.1:8080", "127.0.0.2"));
	cr_expect(!allows("127.0.0.1:8080", "[::1]"));
	cr_expect(!allows("127.0.0.1:8080", "127.1"));
	cr_expect(!allows("127.0.0.1:8080", "2130706433"));
	cr_expect(!allows("127.0.0.1:8080", "[::ffff:127.0.0.1]"));
}

Test(host_check, names_are_allowed_whatever_their_case)
{
	cr_expect(allows("127.0.0.1:8080", "LocalHost"));
	cr_expect(allows("127.0.0.1:8080", "localhost."));
	cr_expect(allows("127.0.0.1:8080", "NODE-7:80"));
	cr_expect(allows("127.0.0.1:8080", "DOCS.example.com"));
	cr_expect(allows("127.0.0.1:8080", "[2001:DB8:0::7]:443"));
	cr_expect(allows("127.0.0.1:8080", "192.0.2.9"));
}

Test(host_check, foreign_names_are_not_allowed)
{
	cr_expect(!allows("127.0.0.1:8080", "evil.example"));
	cr_expect(!allows("127.0.0.1:8080", "localhost.evil.example"));
	cr_expect(!allows("127.0.0.1:8080", "xdocs.example.com"));
	cr_expect(!allows("127.0.0.1:8080", "docs.example.co"));
	cr_expect(!allows("127.0.0.1:8080", "127.0.0.1.evil.example"));
}

Test(host_check, listening_everywhere_allows_any_address_but_no_other_name)
{
	static const char *const everywhere[] = {"0.0.0.0:8080", "[::]:8080"};

	for (size_t i = 0; i < ARRAY_LEN(everywhere); i++) {
		cr_expect(allows(everywhere[i], "198.51.100.4:8080"));
		cr_expect(allows(everywhere[i], "[2001:db8::1]"));
		cr_expect(allows(everywhere[i], "localhost"));
		cr_expect(!allows(everywhere[i], "evil.example"));
	}
}

Test(host_check, what_is_no_host_is_not_allowed)
{
	static const char *const bad[] = {"",
					  ":",
					  ":80",
					  ".",
					  "[::1",
					  "[]",
					  "::1",
					  "[::1]x",
					  "localhost:x",
					  "localhost:123456",
					  "localhost:80:80",
					  "user@localhost",
					  "localhost/",
					  " localhost",
					  "localhost, localhost"};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		cr_expect(!allows("[::1]:8080", bad[i]), "\"%s\"", bad[i]);
}

Test(host_check, split_gives_name_and_port)
{
	struct span name, port;

	cr_assert_eq(host_split(SPAN("[::1]:80"), &name, &port), 0);
	cr_expect(span_equals(name, SPAN("::1")) && span_equals(port, SPAN("80")));
	cr_assert_eq(host_split(SPAN("example.com."), &name, &port), 0);
	cr_expect(span_equals(name, SPAN("example.com")) && port.len == 0);
	cr_expect_eq(host_split(SPAN_NONE, &name, &port), -EINVAL);
}

Test(host_check, a_name_too_long_is_refused)
{
	char host[300];

	memset(host, 'a', sizeof(host) - 1);
	host[sizeof(host) - 1] = '\0';
	cr_expect(!allows("0.0.0.0:8080", host));
}
