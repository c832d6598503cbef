/* Where a server is. */
#include "server_url.h"

#include <criterion/criterion.h>

TestSuite(server_url, .timeout = 100);

static struct server_url url;

static int parse(const char *text)
{
	const char *reason = NULL;
	int error = server_url_parse(text, &url, &reason);
	cr_assert_eq(error != 0, reason != NULL, "%s", text);
	return error;
}

static void assert_url(const char *text, bool tls, const char *host, const char *port,
		       const char *authority, const char *base)
{
	cr_assert_eq(parse(text), 0, "%s", text);
	cr_assert_eq(url.tls, tls, "%s", text);
	cr_assert_str_eq(url.host, host);
	cr_assert_str_eq(url.port, port);
	cr_assert_str_eq(url.authority, authority);
	cr_assert_str_eq(url.base, base);
	cr_assert_str_empty(url.unix_path);
}

Test(server_url, hosts_addresses_ports_and_paths)
{
	assert_url("http://127.0.0.1:8080", false, "127.0.0.1", "8080", "127.0.0.1:8080", "");
	assert_url("http://example.org", false, "example.org", "80", "example.org", "");
	assert_url("https://example.org/", true, "example.org", "443", "example.org", "");
	assert_url("https://[::1]:8443/sync//", true, "::1", "8443", "[::1]:8443", "/sync");
	assert_url("http://[fe80::1]", false, "fe80::1", "80", "[fe80::1]", "");
}

Test(server_url, unix_sockets)
{
	cr_assert_eq(parse("unix:/run/syncdoc.sock"), 0);
	cr_assert_str_eq(url.unix_path, "/run/syncdoc.sock");
	cr_assert_str_eq(url.authority, "localhost");
	cr_assert_eq(parse("unix:///run/syncdoc.sock"), 0);
	cr_assert_str_eq(url.unix_path, "/run/syncdoc.sock");
}

Test(server_url, what_is_none_is_refused)
{
	static const char *const wrong[] = {"",
					    "127.0.0.1:8080",
					    "ftp://x",
					    "http://",
					    "http://:80",
					    "http://x:",
					    "http://x:0",
					    "http://x:65536",
					    "http://x:80a",
					    "http://[::1",
					    "http://[::1]x",
					    "http://a b",
					    "http://x/a b",
					    "http://x/?q=1",
					    "http://x#y",
					    "http://me:secret@x",
					    "http://x\r\nX: y",
					    "unix:",
					    "unix:run/x"};
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
		cr_assert_eq(parse(wrong[i]), -EINVAL, "%s", wrong[i]);
	char text[600];
	snprintf(text, sizeof(text), "unix:/%0200d", 1);
	cr_assert_eq(parse(text), -EINVAL);
	snprintf(text, sizeof(text), "http://%0500d", 1);
	cr_assert_eq(parse(text), -EINVAL);
}

Test(server_url, what_goes_into_a_path_is_escaped)
{
	struct buffer text = {0};
	server_url_append_escaped(&text, SPAN("a-Z_0.9:@~/?%\r\n \xc3\xa4"));
	cr_assert(span_equals(buffer_span(&text), SPAN("a-Z_0.9:@~%2F%3F%25%0D%0A%20%C3%A4")),
		  "%.*s", SPAN_ARGS(buffer_span(&text)));
	buffer_fini(&text);
}
