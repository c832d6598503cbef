/* auth.h — tokens into principals, for REST, streams and WebSockets. One per worker. */
#ifndef SYNCDOC_AUTH_H
#define SYNCDOC_AUTH_H

#include "config.h"
#include "principal.h"
#include "stats.h"

struct auth;

/* `config` with its auth_secrets is borrowed, and so is the slot whose counters it moves. */
struct auth *auth_create(const struct config *config, struct slot *slot);
void auth_destroy(struct auth *auth); /* NULL is fine */

/* Whom everybody is without auth.mode; NULL: everybody needs a token. */
struct principal *auth_everybody(const struct auth *auth);
/* *ret has one reference. -EINVAL: *ret_refusal is a 401, or a 503. */
int auth_check(struct auth *auth, struct span token, int64_t now_ms, struct principal **ret,
	       struct outcome *ret_refusal);
/* 401 unauthorized: there is no token. */
struct outcome auth_no_token(void);

/* Asked for each token that is otherwise good, also for those that are known already: whether it
 * has been revoked. For the list of revocations: 0, -EACCES: it has, -EAGAIN: not known yet. */
typedef int (*auth_revoked_fn)(const struct principal *principal, void *arg);
void auth_set_revoked(struct auth *auth, auth_revoked_fn fn, void *arg);

#endif
