/* revocations.h — tokens that are good no more though their time is not over (DESIGN.md section 4,
 * syncdoc:revoked). Every worker holds all of them: read at its start and wherever messages between
 * hosts may have been lost, kept up by such messages. Asking Redis for each request would cost a
 * round trip. One per worker. */
#ifndef SYNCDOC_REVOCATIONS_H
#define SYNCDOC_REVOCATIONS_H

#include "context.h"
#include "principal.h"

#define REVOCATION_NAME_MAX 512 /* bytes of a subject or token id */

struct revocations;

/* Needs auth, the store, WebSockets, streams and long polls. From here on auth asks it. */
struct revocations *revocations_create(struct worker *worker);
void revocations_destroy(struct revocations *revocations); /* NULL is fine */
/* Known since the start: until then tokens are neither good nor bad. True without auth.mode. */
bool revocations_are_known(const struct revocations *revocations);
/* `name` is `sub:…` or `jti:…`. Ends what was opened with such tokens, at once; only between two
 * passes of the fan-out. */
void revocations_add(struct revocations *revocations, struct span name, int64_t issued_before_ms);
/* Reads all of them again, and ends what has to end. */
void revocations_reload(struct revocations *revocations);

/* Whether what was opened with it has to end. */
typedef bool (*principal_test_fn)(const struct principal *principal, void *arg);

#endif
