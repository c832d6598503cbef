#include "principal.h"

struct principal *principal_create(struct text *user, struct text *token_id, struct rights *rights)
{
	struct principal *principal = calloc(1, sizeof(*principal));

	MUST(principal && rights);
	principal->references = 1;
	principal->user = user;
	principal->token_id = token_id;
	principal->rights = rights;
	principal->ends_at_ms = PRINCIPAL_FOR_EVER;
	return principal;
}

struct principal *principal_get(struct principal *principal)
{
	if (principal)
		principal->references++;
	return principal;
}

void principal_put(struct principal *principal)
{
	if (!principal || --principal->references)
		return;
	text_put(principal->user);
	text_put(principal->token_id);
	rights_put(principal->rights);
	free(principal);
}

struct span principal_user(const struct principal *principal)
{
	return principal ? text_span(principal->user) : SPAN_NONE;
}

struct outcome principal_refusal(struct span service, struct span id, unsigned right)
{
	const char *what = right & RIGHT_READ       ? "reading"
			   : right & RIGHT_WRITE    ? "writing"
			   : right & RIGHT_PRESENCE ? "presence"
						    : "administration";

	if (!service.len)
		return outcome_refusal(403, "forbidden", "the token does not allow %s", what);
	if (!id.len)
		return outcome_refusal(403, "forbidden", "the token does not allow %s in %.*s",
				       what, SPAN_ARGS(service));
	return outcome_refusal(403, "forbidden", "the token does not allow %s of %.*s in %.*s",
			       what, SPAN_ARGS(id), SPAN_ARGS(service));
}

struct outcome principal_refuse_generated_id(void)
{
	return outcome_refusal(403, "forbidden",
			       "the token does not allow ids that the server chooses; give one");
}

int principal_check(const struct principal *principal, struct span service, struct span id,
		    unsigned right, struct outcome *ret_refusal)
{
	if (principal_allows(principal, service, id, right))
		return 0;
	*ret_refusal = principal_refusal(service, id, right);
	return -EACCES;
}

struct rights *principal_filter(const struct principal *principal, struct span service,
				unsigned right)
{
	MUST(principal); /* whoever lists has been let in */
	return rights_allow_all(principal->rights, service, SPAN_NONE, right) ? NULL
									      : principal->rights;
}
