#include "auth.h"

#include "jwt_token.h"
#include "token_cache.h"

#include <gnutls/gnutls.h>

struct auth {
	const struct config *config; /* borrowed */
	struct slot *slot;           /* borrowed */
	struct token_cache *cache;   /* owned; jwt */
	struct principal **tokens;   /* owned; token: in the order of the secrets' tokens */
	struct principal *everybody; /* owned reference; NULL: auth.mode is set */
	auth_revoked_fn is_revoked;  /* or NULL */
	void *is_revoked_arg;
};

static struct principal *create_everybody(void)
{
	struct json json = {0};
	struct json_fault fault;
	struct rights *rights;
	const char *reason;

	MUST(!json_parse(&json, SPAN("{\"*\":\"rwpa\"}"), 2, &fault));
	MUST(!rights_compile(&json, 0, &rights, &reason));
	json_fini(&json);
	return principal_create(NULL, NULL, rights);
}

static void create_token_principals(struct auth *auth)
{
	const struct auth_secrets *secrets = auth->config->auth_secrets;

	auth->tokens = calloc(secrets->token_count + 1, sizeof(struct principal *));
	MUST(auth->tokens);
	for (size_t i = 0; i < secrets->token_count; i++)
		auth->tokens[i] = principal_create(text_get(secrets->tokens[i].user), NULL,
						   rights_get(secrets->tokens[i].rights));
}

struct auth *auth_create(const struct config *config, struct slot *slot)
{
	struct auth *auth = calloc(1, sizeof(*auth));

	MUST(auth);
	auth->config = config;
	auth->slot = slot;
	if (!CONFIG_AUTH_IS_ON(config)) {
		auth->everybody = create_everybody();
		return auth;
	}
	MUST(config->auth_secrets); /* the supervisor does not start without */
	auth->cache = token_cache_create();
	if (config->auth_mode == CONFIG_AUTH_TOKEN)
		create_token_principals(auth);
	return auth;
}

void auth_destroy(struct auth *auth)
{
	if (!auth)
		return;
	for (size_t i = 0; auth->tokens && i < auth->config->auth_secrets->token_count; i++)
		principal_put(auth->tokens[i]);
	free(auth->tokens);
	token_cache_destroy(auth->cache);
	principal_put(auth->everybody);
	free(auth);
}

struct principal *auth_everybody(const struct auth *auth)
{
	return auth->everybody;
}

struct outcome auth_no_token(void)
{
	return outcome_refusal(401, "unauthorized", "a token is needed: Authorization: Bearer …");
}

void auth_set_revoked(struct auth *auth, auth_revoked_fn fn, void *arg)
{
	auth->is_revoked = fn;
	auth->is_revoked_arg = arg;
}

/* All are compared, each in constant time, so that the answer's time tells nothing of the list. */
static struct principal *find_static(const struct auth *auth, const unsigned char *digest)
{
	const struct auth_secrets *secrets = auth->config->auth_secrets;
	struct principal *found = NULL;

	for (size_t i = 0; i < secrets->token_count; i++)
		if (gnutls_memcmp(secrets->tokens[i].digest, digest, AUTH_DIGEST_LEN) == 0)
			found = auth->tokens[i];
	return found;
}

static int check_static(struct auth *auth, const unsigned char *digest, struct principal **ret,
			struct outcome *ret_refusal)
{
	struct principal *found = find_static(auth, digest);

	if (!found) {
		*ret_refusal = outcome_refusal(401, "invalid_token", "the token is not known");
		return -EINVAL;
	}
	*ret = principal_get(found);
	return 0;
}

static int check_jwt(struct auth *auth, struct span token, const unsigned char *digest,
		     int64_t now_ms, struct principal **ret, struct outcome *ret_refusal)
{
	struct principal *known = token_cache_find(auth->cache, digest, now_ms);

	if (known) {
		*ret = principal_get(known);
		return 0;
	}
	if (jwt_token_check(auth->config, token, now_ms, ret, ret_refusal))
		return -EINVAL;
	if (token_cache_add(auth->cache, digest, *ret))
		stat_add(auth->slot, STAT_token_cache_evictions, 1);
	return 0;
}

int auth_check(struct auth *auth, struct span token, int64_t now_ms, struct principal **ret,
	       struct outcome *ret_refusal)
{
	unsigned char digest[AUTH_DIGEST_LEN];
	struct principal *principal;
	int error;

	if (auth->everybody) { /* nothing to prove; a client that sends its token is not wrong */
		*ret = principal_get(auth->everybody);
		return 0;
	}
	auth_digest(token, digest);
	if (auth->config->auth_mode == CONFIG_AUTH_TOKEN)
		error = check_static(auth, digest, &principal, ret_refusal);
	else
		error = check_jwt(auth, token, digest, now_ms, &principal, ret_refusal);
	if (error)
		return error;
	int revoked = auth->is_revoked ? auth->is_revoked(principal, auth->is_revoked_arg) : 0;
	if (!revoked) {
		*ret = principal;
		return 0;
	}
	principal_put(principal);
	if (revoked == -EACCES) {
		*ret_refusal = outcome_refusal(401, "token_revoked", "the token has been revoked");
		return -EINVAL;
	}
	*ret_refusal = outcome_refusal(503, "redis_unavailable",
				       "Redis has not said yet which tokens are revoked");
	ret_refusal->retry_after_s = 1;
	return -EINVAL;
}
