#include <criterion/criterion.h>

#include "router.h"

TestSuite(router, .timeout = 100);

static struct span service, id, member;
static char memory[1024];

static const struct route *match(const char *uri)
{
	struct target target;

	service = id = member = SPAN("not set");
	target_parse(span_string(uri), memory, &target);
	return router_match(&target, &service, &id, &member);
}

static void expect_route(const char *uri, const char *pattern)
{
	const struct route *route = match(uri);

	cr_assert(route, "%s has no route", uri);
	cr_expect_str_eq(route->pattern, pattern);
}

Test(router, each_route_is_found)
{
	expect_route("/", "/");
	expect_route("/livez", "/livez");
	expect_route("/readyz?verbose", "/readyz");
	expect_route("/v1/realtime", "/v1/realtime");
	expect_route("/v1/services", "/v1/services");
	expect_route("/v1/services/s/documents", "/v1/services/{service}/documents");
	expect_route("/v1/services/s/documents:batchGet",
		     "/v1/services/{service}/documents:batchGet");
	expect_route("/v1/services/s/documents/d", "/v1/services/{service}/documents/{id}");
	expect_route("/v1/services/s/documents/d/events",
		     "/v1/services/{service}/documents/{id}/events");
	expect_route("/v1/events?topic=sync.*.*", "/v1/events");
	expect_route("/v1/services/s/documents/d/presence",
		     "/v1/services/{service}/documents/{id}/presence");
	expect_route("/v1/services/s/documents/d/presence/m",
		     "/v1/services/{service}/documents/{id}/presence/{member}");
	cr_expect(span_equals(member, SPAN("m")));
}

Test(router, parameters_are_given_decoded)
{
	expect_route("/v1/services/a%5Fb/documents/c%3Ad", "/v1/services/{service}/documents/{id}");
	cr_expect(span_equals(service, SPAN("a_b")));
	cr_expect(span_equals(id, SPAN("c:d")));
}

Test(router, parameters_a_route_has_not_are_empty)
{
	expect_route("/v1/services/s/documents", "/v1/services/{service}/documents");
	cr_expect(span_equals(service, SPAN("s")));
	cr_expect_eq(id.len, 0);
	expect_route("/v1/services", "/v1/services");
	cr_expect_eq(service.len, 0);
}

Test(router, colon_may_be_encoded)
{
	expect_route("/v1/services/s/documents%3AbatchGet",
		     "/v1/services/{service}/documents:batchGet");
}

Test(router, encoded_slash_stays_in_its_segment)
{
	expect_route("/v1/services/s/documents/a%2Fb", "/v1/services/{service}/documents/{id}");
	cr_expect(span_equals(id, SPAN("a/b")));
}

Test(router, trailing_slash_is_another_path)
{
	cr_expect(!match("/livez/"));
	cr_expect(!match("/v1/services/"));
	cr_expect(!match("/v1/services/s/documents/"));
	cr_expect(!match("/v1/services/s/documents/d/"));
}

Test(router, unknown_paths_have_no_route)
{
	static const char *const unknown[] = {"/v1",
					      "/v2/services",
					      "/V1/services",
					      "/v1/services/s",
					      "/v1/services//documents",
					      "//v1/services",
					      "/v1/services/s/documents/d/history/x/y/z/1/2/3",
					      "/v1/services/s/documents:x",
					      "/livezz",
					      "/live",
					      "/v1/../livez",
					      "*",
					      "/%00"};

	for (size_t i = 0; i < ARRAY_LEN(unknown); i++)
		cr_expect(!match(unknown[i]), "%s", unknown[i]);
}

Test(router, allow_names_what_a_route_takes)
{
	char allow[ROUTER_ALLOW_MAX];

	router_format_allow(match("/v1/services/s/documents/d"), allow);
	cr_expect_str_eq(allow, "GET, HEAD, PUT, PATCH, DELETE, OPTIONS");
	router_format_allow(match("/v1/services/s/documents"), allow);
	cr_expect_str_eq(allow, "GET, HEAD, POST, OPTIONS");
	router_format_allow(match("/v1/services/s/documents:batchGet"), allow);
	cr_expect_str_eq(allow, "POST, OPTIONS");
}

Test(router, upgrade_route_has_no_head)
{
	char allow[ROUTER_ALLOW_MAX];

	router_format_allow(match("/v1/realtime"), allow);
	cr_expect_str_eq(allow, "GET, OPTIONS");
}

Test(router, allow_of_the_server_names_all)
{
	char allow[ROUTER_ALLOW_MAX];

	router_format_allow(NULL, allow);
	cr_expect_str_eq(allow, "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
}
