/* request_access.c — who asks, and whether the route is for them. Tokens come in the Authorization
 * header; for event streams also as `access_token` in the query, because a browser's EventSource
 * can send no header. What stood there is wiped at once: no handler and no log sees it. */
#include "auth.h"
#include "request_private.h"
#include "router.h"

#include <strings.h>

#define QUERY_NAME "access_token"
#define CHALLENGE "Bearer realm=\"syncdoc\""

struct principal *request_principal(const struct request *request)
{
	return request->principal;
}

/* --- the token ------------------------------------------------------------------- */

/* Takes the parameter out of the query. `ret` keeps its value. */
static bool take_query_token(struct request *request, struct buffer *ret)
{
	struct target *target = &request->target;
	unsigned kept = 0;
	bool found = false;

	for (unsigned i = 0; i < target->parameter_count; i++) {
		struct target_parameter *parameter = &target->parameters[i];

		if (strcmp(parameter->name, QUERY_NAME) != 0) {
			target->parameters[kept++] = *parameter;
			continue;
		}
		ret->len = 0;
		buffer_append_string(ret, parameter->value);
		explicit_bzero((char *)parameter->value, strlen(parameter->value));
		found = true;
	}
	target->parameter_count = kept;
	return found;
}

static struct span bearer_of(const char *header)
{
	if (strncasecmp(header, "Bearer ", 7) != 0)
		return SPAN_NONE;
	header += 7 + strspn(header + 7, " ");
	return span_of(header, strlen(header));
}

/* 0; *ret of len 0: there is none. */
static int find_token(struct request *request, const struct route *route, struct buffer *memory,
		      struct span *ret, struct outcome *ret_refusal)
{
	const char *header = request_header(request, "Authorization");
	bool in_query = route->stream && take_query_token(request, memory);

	*ret = SPAN_NONE;
	if (header && in_query) {
		*ret_refusal = outcome_refusal(
			400, "invalid_query",
			"the token may not stand in the header and in \"" QUERY_NAME "\"");
		return -EINVAL;
	}
	if (in_query)
		*ret = buffer_span(memory);
	else if (header)
		*ret = bearer_of(header);
	if (!ret->len && (header || in_query)) {
		*ret_refusal = outcome_refusal(401, "invalid_token",
					       "Authorization must be Bearer and a token");
		return -EINVAL;
	}
	return 0;
}

/* RFC 6750 section 3. */
static void set_challenge(struct request *request, const struct outcome *refusal)
{
	const char *challenge = CHALLENGE;

	if (refusal->status != 401 && refusal->status != 403)
		return;
	if (refusal->status == 403)
		challenge = CHALLENGE ", error=\"insufficient_scope\"";
	else if (strcmp(refusal->code, "unauthorized") != 0)
		challenge = CHALLENGE ", error=\"invalid_token\"";
	request_set_header(request, "WWW-Authenticate", challenge);
}

static int identify(struct request *request, const struct route *route, struct outcome *ret_refusal)
{
	struct worker *worker = request->http->worker;
	struct principal *everybody = auth_everybody(worker->auth);
	CLEANUP(buffer_fini) struct buffer memory = {0};
	struct span token;

	if (everybody) {
		if (route->stream)
			take_query_token(request, &memory);
		request->principal = principal_get(everybody);
		return 0;
	}
	if (find_token(request, route, &memory, &token, ret_refusal))
		return -EINVAL;
	if (token.len)
		return auth_check(worker->auth, token, worker_now_ms(), &request->principal,
				  ret_refusal);
	if (route->token_later)
		return 0;
	*ret_refusal = auth_no_token();
	return -EINVAL;
}

/* --- rights ---------------------------------------------------------------------- */

int request_access(struct request *request, struct span service, struct span id, unsigned right,
		   struct outcome *ret_refusal)
{
	const struct principal *principal = request->principal;
	bool allowed = !service.len ? principal_is_admin(principal) && right == RIGHT_ADMIN
		       : id.len     ? principal_allows(principal, service, id, right)
				    : principal_allows_some(principal, service, right);

	if (allowed)
		return 0;
	*ret_refusal = principal_refusal(service, id, right);
	set_challenge(request, ret_refusal);
	return -EACCES;
}

static int check_rights(struct request *request, const struct route *route,
			struct outcome *ret_refusal)
{
	bool changes = request_changes_something(request);
	unsigned right = changes ? route->change_right : route->read_right;
	struct span service = right ? request->path_service : SPAN_NONE;

	request->conceals = right == RIGHT_WRITE &&
			    !principal_allows_some(request->principal, service, RIGHT_READ);
	if (route->token_only || route->token_later)
		return 0;
	return request_access(request, service, request->path_id, right ? right : RIGHT_ADMIN,
			      ret_refusal);
}

bool request_may_look_inside(struct request *request)
{
	static const struct route no_stream = {.pattern = ""};
	struct outcome unused;

	if (request_is_local(request))
		return true;
	if (!request->principal && identify(request, &no_stream, &unused))
		return false;
	return principal_is_admin(request->principal);
}

int request_authenticate(struct request *request, const struct route *route,
			 struct outcome *ret_refusal)
{
	if (route->open || (route->local_open && request_is_local(request)))
		return 0;
	if (identify(request, route, ret_refusal)) {
		set_challenge(request, ret_refusal);
		return -EACCES;
	}
	return check_rights(request, route, ret_refusal);
}
