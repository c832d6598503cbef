#include "config_fixture.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

TestSuite(config_listen, .timeout = 100);

Test(config_listen, listen_texts_become_addresses)
{
	struct sockaddr_storage address;
	const struct sockaddr_in *in = (const struct sockaddr_in *)&address;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&address;
	const struct sockaddr_un *un = (const struct sockaddr_un *)&address;
	unsigned len = 0;

	cr_assert_eq(config_listen_parse("192.0.2.1:65535", &address, &len), 0);
	cr_expect(in->sin_family == AF_INET && ntohs(in->sin_port) == 65535 && len == sizeof(*in));
	cr_expect_eq(ntohl(in->sin_addr.s_addr), 0xc0000201);
	cr_assert_eq(config_listen_parse("[2001:db8::5]:1", &address, &len), 0);
	cr_expect(in6->sin6_family == AF_INET6 && ntohs(in6->sin6_port) == 1 &&
		  len == sizeof(*in6));
	cr_expect_eq(in6->sin6_addr.s6_addr[15], 5);
	cr_assert_eq(config_listen_parse("unix:/run/x.sock", &address, &len), 0);
	cr_expect(un->sun_family == AF_UNIX && len == offsetof(struct sockaddr_un, sun_path) + 12);
	cr_expect_str_eq(un->sun_path, "/run/x.sock");
}

Test(config_listen, listen_texts_that_are_not_addresses_are_refused_and_write_nothing)
{
	static const char *const texts[] = {"",
					    ":",
					    ":80",
					    "80",
					    "127.0.0.1",
					    "127.0.0.1:",
					    "127.0.0.1:0",
					    "127.0.0.1:65536",
					    "127.0.0.1:080000",
					    "127.0.0.1:8 ",
					    "127.0.0.1:+8",
					    "127.0.0.1:80x",
					    "127.1:80",
					    "1.2.3.256:80",
					    "localhost:80",
					    "*:80",
					    "::1:80",
					    "[::1]",
					    "[::1]80",
					    "[::1]:",
					    "[::1:80",
					    "[]:80",
					    "[1.2.3.4]:80",
					    "[fe80::1%lo]:80",
					    "unix:",
					    "unix:x.sock",
					    "unix:/",
					    "unix:/run/",
					    "http://127.0.0.1:80"};
	struct sockaddr_storage address, before;
	unsigned len = 77;

	memset(&address, 0x5a, sizeof(address));
	before = address;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		cr_expect_eq(config_listen_parse(texts[i], &address, &len), -EINVAL, "%s",
			     texts[i]);
	cr_expect_arr_eq(&address, &before, sizeof(address));
	cr_expect_eq(len, 77);
}

Test(config_listen, a_unix_path_has_at_most_107_bytes)
{
	char text[5 + 108 + 1] = "unix:/";
	struct sockaddr_storage address;
	unsigned len;

	memset(text + 6, 'x', 106);
	cr_assert_eq(config_listen_parse(text, &address, &len), 0);
	cr_expect_eq(len, sizeof(struct sockaddr_un));
	text[5 + 107] = 'x';
	cr_expect_eq(config_listen_parse(text, &address, &len), -EINVAL);
}
