/* jwt_token.h — a JSON Web Token into a principal. The signature is libjwt's business; what a token
 * may look like is decided here, by the strict scanner, before libjwt sees it. */
#ifndef SYNCDOC_JWT_TOKEN_H
#define SYNCDOC_JWT_TOKEN_H

#include "auth_secrets.h"
#include "principal.h"

#define JWT_TOKEN_MAX 16384
#define JWT_LEEWAY_MS 30000 /* clocks differ: for exp and nbf */

/* *ret has one reference. -EINVAL: *ret_refusal is a 401 (invalid_token, token_expired) that has
 * nothing of the token in it. */
int jwt_token_check(const struct config *config, struct span token, int64_t now_ms,
		    struct principal **ret, struct outcome *ret_refusal);

#endif
