/* config_auth.c — what the texts of auth.* must look like, and what auth.mode needs. The files that
 * they name are read later: see auth_secrets.h. */
#include "auth_secrets.h"
#include "config_table.h"

#define KID_MAX 64
#define KID_ALPHABET "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"

static int refuse(struct buffer *ret_reason, const char *reason)
{
	buffer_append_string(ret_reason, reason);
	return -EINVAL;
}

int config_check_auth_key(const char *text, struct buffer *ret_reason)
{
	struct span kid = auth_key_kid(text);

	if (*text != '/' && (!kid.len || kid.len > KID_MAX ||
			     strspn(text, KID_ALPHABET) < kid.len || text[kid.len + 1] != '/')) {
		config_reason_quote(text, ret_reason);
		return refuse(ret_reason,
			      " must be an absolute path, or kid=path with a kid of 1 to "
			      "64 of A-Z, a-z, 0-9, ., _ and -");
	}
	return config_check_path_or_none(auth_key_path(text), ret_reason);
}

int config_check_auth_algorithm(const char *text, struct buffer *ret_reason)
{
	static const char *const algorithms[] = {"", "HS256", "RS256", "ES256"};

	for (size_t i = 0; i < ARRAY_LEN(algorithms); i++)
		if (strcmp(text, algorithms[i]) == 0)
			return 0;
	config_reason_quote(text, ret_reason);
	return refuse(ret_reason, " is not one of HS256, RS256, ES256");
}

static bool kid_is_twice(const struct config *config)
{
	for (size_t i = 0; i < config->auth_key.count; i++)
		for (size_t before = 0; before < i; before++) {
			struct span kid = auth_key_kid(config->auth_key.items[i]);

			if (kid.len &&
			    span_equals(kid, auth_key_kid(config->auth_key.items[before])))
				return true;
		}
	return false;
}

int config_check_auth(const struct config *config, struct buffer *ret_reason)
{
	if (config->auth_mode == CONFIG_AUTH_JWT) {
		if (!config->auth_key.count)
			return refuse(ret_reason, "\"jwt\" needs auth.key");
		if (!*config->auth_algorithm)
			return refuse(ret_reason, "\"jwt\" needs auth.algorithm");
		if (kid_is_twice(config))
			return refuse(ret_reason, "auth.key has a kid twice");
	}
	if (config->auth_mode == CONFIG_AUTH_TOKEN && !*config->auth_tokens)
		return refuse(ret_reason, "\"token\" needs auth.tokens");
	return 0;
}
