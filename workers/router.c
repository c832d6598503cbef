#define _GNU_SOURCE
#include "router.h"

#include "conditions.h"
#include "cors.h"
#include "handlers.h"
#include "host_check.h"
#include "operations.h"
#include "request_private.h"
#include "static_files.h"
#include "static_handler.h"
#include "stream.h"
#include "websocket.h"

#include <strings.h>

static const struct route routes[] = {
	{.pattern = "/v1/services/{service}/documents/{id}",
	 .methods = HTTP_GET | HTTP_PUT | HTTP_PATCH | HTTP_DELETE,
	 .handle = documents_handle_document,
	 .read_right = RIGHT_READ,
	 .change_right = RIGHT_WRITE,
	 .put_types = MEDIA_TYPE_JSON,
	 .patch_types = MEDIA_TYPE_JSON | MEDIA_TYPE_MERGE_PATCH | MEDIA_TYPE_JSON_PATCH},
	{.pattern = "/v1/services/{service}/documents/{id}/history",
	 .methods = HTTP_GET,
	 .handle = documents_handle_history,
	 .read_right = RIGHT_READ},
	{.pattern = "/v1/services/{service}/documents/{id}/restore",
	 .methods = HTTP_POST,
	 .handle = documents_handle_restore,
	 .change_right = RIGHT_WRITE,
	 .post_types = MEDIA_TYPE_JSON},
	{.pattern = "/v1/services/{service}/documents/{id}/events",
	 .methods = HTTP_GET,
	 .handle = stream_handle_document,
	 .read_right = RIGHT_READ | RIGHT_PRESENCE,
	 .stream = true},
	{.pattern = "/v1/events",
	 .methods = HTTP_GET,
	 .handle = stream_handle_topics,
	 .token_only = true,
	 .stream = true},
	{.pattern = "/v1/services/{service}/documents/{id}/presence",
	 .methods = HTTP_GET,
	 .handle = presence_handle_list,
	 .read_right = RIGHT_PRESENCE},
	{.pattern = "/v1/services/{service}/documents/{id}/presence/{member}",
	 .methods = HTTP_GET | HTTP_PUT | HTTP_DELETE,
	 .handle = presence_handle_member,
	 .read_right = RIGHT_PRESENCE,
	 .change_right = RIGHT_PRESENCE,
	 .put_types = MEDIA_TYPE_JSON},
	{.pattern = "/v1/services/{service}/documents",
	 .methods = HTTP_GET | HTTP_POST,
	 .handle = documents_handle_collection,
	 .read_right = RIGHT_READ,
	 .change_right = RIGHT_WRITE,
	 .post_types = MEDIA_TYPE_JSON},
	{.pattern = "/v1/services/{service}/documents:batchGet",
	 .methods = HTTP_POST,
	 .handle = documents_handle_batch_get,
	 .change_right = RIGHT_READ,
	 .post_types = MEDIA_TYPE_JSON},
	{.pattern = "/v1/services",
	 .methods = HTTP_GET,
	 .handle = services_handle,
	 .token_only = true},
	{.pattern = "/v1/realtime",
	 .methods = HTTP_GET,
	 .handle = websocket_handle_upgrade,
	 .token_later = true,
	 .upgrade = true},
	{.pattern = "/v1/connections", .methods = HTTP_GET, .handle = connections_handle},
	{.pattern = "/v1/connections/{id}",
	 .methods = HTTP_DELETE,
	 .handle = connections_handle_one},
	{.pattern = "/v1/auth/revoke",
	 .methods = HTTP_POST,
	 .handle = revoke_handle,
	 .post_types = MEDIA_TYPE_JSON},
	{.pattern = "/livez", .methods = HTTP_GET, .handle = health_handle_live, .open = true},
	{.pattern = "/readyz", .methods = HTTP_GET, .handle = health_handle_ready, .open = true},
	{.pattern = "/metrics",
	 .methods = HTTP_GET,
	 .handle = metrics_handle,
	 .read_right = RIGHT_ADMIN,
	 .local_open = true,
	 .any_type = true},
	{.pattern = "/",
	 .methods = HTTP_GET,
	 .handle = health_handle_root,
	 .open = true,
	 .any_type = true},
};

/* The files of workers/web: static_files.h has their paths. */
static const struct route static_route = {.pattern = "",
					  .methods = HTTP_GET,
					  .handle = static_handle,
					  .open = true,
					  .any_type = true};

/* --- matching -------------------------------------------------------------- */

static bool match_route(const struct route *route, const struct target *target,
			struct span *ret_service, struct span *ret_id, struct span *ret_member)
{
	const char *at = route->pattern[1] ? route->pattern : "";
	unsigned count = 0;

	for (; *at; count++) {
		const char *from = at + 1;
		at = strchrnul(from, '/');
		if (count >= target->segment_count)
			return false;
		struct span expected = span_of(from, (size_t)(at - from));
		struct span segment = target->segments[count];
		if (*from != '{') {
			if (!span_equals(expected, segment))
				return false;
		} else if (!segment.len) {
			return false;
		} else {
			*(span_equals(expected, SPAN("{id}"))       ? ret_id
			  : span_equals(expected, SPAN("{member}")) ? ret_member
								    : ret_service) = segment;
		}
	}
	return count == target->segment_count;
}

const struct route *router_match(const struct target *target, struct span *ret_service,
				 struct span *ret_id, struct span *ret_member)
{
	for (size_t i = 0; i < ARRAY_LEN(routes) && target->path_is_valid && !target->asterisk;
	     i++) {
		struct span service = SPAN_NONE, id = SPAN_NONE, member = SPAN_NONE;

		if (!match_route(&routes[i], target, &service, &id, &member))
			continue;
		*ret_service = service;
		*ret_id = id;
		*ret_member = member;
		return &routes[i];
	}
	if (!static_files_find(target))
		return NULL;
	*ret_service = *ret_id = *ret_member = SPAN_NONE;
	return &static_route;
}

static unsigned allowed_methods(const struct route *route)
{
	unsigned methods = route->methods | HTTP_OPTIONS;

	return (methods & HTTP_GET) && !route->upgrade ? methods | HTTP_HEAD : methods;
}

void router_format_allow(const struct route *route, char ret[ROUTER_ALLOW_MAX])
{
	static const char *const names[] = {"GET",   "HEAD",   "POST",   "PUT",
					    "PATCH", "DELETE", "OPTIONS"};
	unsigned methods = route ? allowed_methods(route) : 0;
	char *at = ret;

	for (size_t i = 0; i < ARRAY_LEN(routes) && !route; i++)
		methods |= allowed_methods(&routes[i]);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (!(methods & 1u << i))
			continue;
		at = stpcpy(at, at == ret ? "" : ", ");
		at = stpcpy(at, names[i]);
	}
}

/* --- what is judged before the handler ------------------------------------- */

static int check_host(const struct request *request, struct outcome *ret)
{
	struct span host = request_host(request);

	/* Only HTTP/1.0 comes here without one, and no browser speaks that; who reaches a unix
	 * socket is on this machine. */
	if (!host.at || request->client->local ||
	    host_check_allows(request->http->host_check, host))
		return 0;
	*ret = outcome_refusal(421, "misdirected_request",
			       "\"%.*s\" is not a name of this server; add it to `hosts`",
			       (int)(host.len > 128 ? 128 : host.len), host.at);
	return -EINVAL;
}

/* A form on a foreign page can POST without asking (no preflight), so the Origin decides, as it
 * does for the WebSocket. */
static int check_origin(const struct request *request, struct outcome *ret)
{
	const char *origin =
		request_changes_something(request) ? request_header(request, "Origin") : NULL;
	char host[256];
	struct span authority = request_host(request);

	if (!origin)
		return 0;
	snprintf(host, sizeof(host), "%.*s", (int)(authority.len > 255 ? 0 : authority.len),
		 authority.len ? authority.at : "");
	if (cors_origin_is_allowed(request->http->worker, origin, host))
		return 0;
	*ret = outcome_refusal(403, "origin_not_allowed",
			       "pages of \"%.128s\" may not write here; add it to `cors_origins`",
			       origin);
	return -EINVAL;
}

static void append_type(char **at, unsigned types, enum media_type type, const char *name)
{
	if (types & type)
		*at = stpcpy(*at, name);
}

/* RFC 9110 15.5.16: says which types there are, in the header the method has for it. */
static int refuse_type(struct request *request, unsigned types, struct outcome *ret)
{
	char list[128], *at = list;

	append_type(&at, types, MEDIA_TYPE_JSON, ", " MEDIA_JSON);
	append_type(&at, types, MEDIA_TYPE_MERGE_PATCH, ", " MEDIA_MERGE_PATCH);
	append_type(&at, types, MEDIA_TYPE_JSON_PATCH, ", " MEDIA_JSON_PATCH);
	MUST(at > list);
	request_set_header(request,
			   request->method == HTTP_PATCH  ? "Accept-Patch"
			   : request->method == HTTP_POST ? "Accept-Post"
							  : "Accept",
			   list + 2);
	*ret = outcome_refusal(415, "unsupported_media_type", "Content-Type must be %s", list + 2);
	return -EINVAL;
}

/* No decoder stands before the limits of a body, and text in one would only be malformed JSON. */
static int check_coding(struct request *request, struct outcome *ret)
{
	const char *coding = request_header(request, MHD_HTTP_HEADER_CONTENT_ENCODING);

	if (!request->body.len || !coding || strcasecmp(coding, "identity") == 0)
		return 0;
	request_set_header(request, MHD_HTTP_HEADER_ACCEPT_ENCODING, "identity");
	*ret = outcome_refusal(415, "unsupported_media_type",
			       "bodies are taken as they are, without Content-Encoding");
	return -EINVAL;
}

static int check_body(struct request *request, const struct route *route, struct outcome *ret)
{
	unsigned types = request->method == HTTP_POST    ? route->post_types
			 : request->method == HTTP_PUT   ? route->put_types
			 : request->method == HTTP_PATCH ? route->patch_types
							 : 0;
	enum media_type type = request_media_type(request);

	if (check_coding(request, ret))
		return -EINVAL;
	if (types) {
		/* PATCH without a type cannot be understood; the others may leave it out where
		 * there is no body. */
		bool needed = request->body.len || request->method == HTTP_PATCH;
		return (type ? types & type : !needed) ? 0 : refuse_type(request, types, ret);
	}
	if (request->method == HTTP_DELETE && request->body.len) {
		/* An expectedRevision in it would be passed over in silence. */
		*ret = outcome_refusal(400, "unexpected_body",
				       "DELETE has no body; expectedRevision goes into the query");
		return -EINVAL;
	}
	return 0;
}

static int check_method(struct request *request, const struct route *route, struct outcome *ret)
{
	char allow[ROUTER_ALLOW_MAX];

	if (request->method & allowed_methods(route))
		return 0;
	router_format_allow(route, allow);
	request_set_header(request, MHD_HTTP_HEADER_ALLOW, allow);
	*ret = outcome_refusal(405, "method_not_allowed", "allowed here: %s", allow);
	return -EINVAL;
}

/* Only the routes of documents have a service. */
static int check_names(const struct request *request, struct outcome *ret)
{
	if (!request->path_service.len)
		return 0;
	if (operations_check_names(request->path_service, request->path_id, ret))
		return -EINVAL;
	return request->path_member.len ? operations_check_member(request->path_member, ret) : 0;
}

static int check_representation(struct request *request, const struct route *route,
				struct outcome *ret)
{
	const char *accept = request_header(request, MHD_HTTP_HEADER_ACCEPT);

	if (route->stream
		    ? !media_type_event_stream_is_accepted(accept)
		    : !route->upgrade && !route->any_type && !media_type_json_is_accepted(accept)) {
		*ret = outcome_refusal(406, "not_acceptable", "answers are %s",
				       route->stream ? MEDIA_EVENT_STREAM : MEDIA_JSON);
		return -EINVAL;
	}
	if (request->target.query_fault) {
		*ret = outcome_refusal(400, "invalid_query", "%s", request->target.query_fault);
		return -EINVAL;
	}
	return check_body(request, route, ret);
}

/* --- dispatch -------------------------------------------------------------- */

static void answer_options(struct request *request, const struct route *route)
{
	char allow[ROUTER_ALLOW_MAX];

	router_format_allow(route, allow);
	request_set_header(request, MHD_HTTP_HEADER_ALLOW, allow);
	if (route) {
		if (route->patch_types)
			request_set_header(request, "Accept-Patch",
					   MEDIA_JSON ", " MEDIA_MERGE_PATCH ", " MEDIA_JSON_PATCH);
		if (route->post_types)
			request_set_header(request, "Accept-Post", MEDIA_JSON);
		cors_set_preflight_headers(request, allow);
	}
	request_answer(request, MHD_HTTP_NO_CONTENT, NULL, SPAN_NONE);
}

static int find_route(struct request *request, const struct route **ret_route, struct outcome *ret)
{
	if (!request->target.path_is_valid) {
		*ret = outcome_refusal(400, "invalid_path",
				       "the path has bad percent-encoding, NUL or invalid UTF-8");
		return -EINVAL;
	}
	*ret_route = router_match(&request->target, &request->path_service, &request->path_id,
				  &request->path_member);
	/* Switched off, the Admin UI is not there. */
	if (*ret_route && (*ret_route != &static_route ||
			   static_is_served(request->http->worker->config, &request->target)))
		return 0;
	*ret = outcome_refusal(404, "not_found", "there is no such route");
	return -EINVAL;
}

void router_dispatch(struct request *request)
{
	const struct route *route = NULL;
	struct outcome refusal;

	request->prefer_minimal = request_changes_something(request) &&
				  condition_prefers_minimal(request_header(request, "Prefer"));
	if (check_host(request, &refusal)) {
		request_answer_problem(request, &refusal);
		return;
	}
	if (request->target.asterisk && request->method == HTTP_OPTIONS) {
		answer_options(request, NULL);
		return;
	}
	if (find_route(request, &route, &refusal)) {
		if (refusal.status != MHD_HTTP_NOT_FOUND ||
		    !static_answer_not_found(request, &refusal))
			request_answer_problem(request, &refusal);
		return;
	}
	if (check_method(request, route, &refusal)) {
		request_answer_problem(request, &refusal);
		return;
	}
	if (request->method == HTTP_OPTIONS) {
		answer_options(request, route);
		return;
	}
	if (check_origin(request, &refusal) || request_authenticate(request, route, &refusal) ||
	    check_names(request, &refusal) || check_representation(request, route, &refusal)) {
		request_answer_problem(request, &refusal);
		return;
	}
	route->handle(request);
}
