/* rights.h — what somebody may do: the claim "syncdoc" of a token, compiled once. Pure.
 *
 *     {"session":"rwp","board":{"rights":"rw","documents":["u42-*","lobby"]},"*":"r"}
 *
 * A name is a service, or `*` for all services that are not named; a service that is named gets
 * nothing from `*`. Letters: r read and subscribe, w write, p presence, a administration. A
 * document is an id, or the beginning of ids with a `*` behind it; `*` anywhere else is refused.
 *
 * Immutable and counted; one thread. Two that allow the same in the same words are equal. */
#ifndef SYNCDOC_RIGHTS_H
#define SYNCDOC_RIGHTS_H

#include "json.h"

enum right {
	RIGHT_READ = 1,
	RIGHT_WRITE = 2,
	RIGHT_PRESENCE = 4,
	RIGHT_ADMIN = 8,
};

#define RIGHTS_SERVICES_MAX 256
#define RIGHTS_PATTERNS_MAX 1024 /* of all services together */

struct rights;

/* Compiles the value `token` of `doc` (NULL: there is no claim, so nothing is allowed); *ret has
 * one reference, the caller's. -EINVAL: *ret_reason is static and says what is wrong. */
int rights_compile(const struct json *doc, uint32_t token, struct rights **ret,
		   const char **ret_reason);
struct rights *rights_get(struct rights *rights);                  /* NULL is fine */
void rights_put(struct rights *rights);                            /* NULL is fine */
bool rights_equal(const struct rights *a, const struct rights *b); /* NULL equals NULL only */
uint64_t rights_hash(const struct rights *rights);                 /* of NULL: 0 */

/* May `right` (one, or any of several) be used on this document? */
bool rights_allow(const struct rights *rights, struct span service, struct span id, unsigned right);
/* On at least one document whose id begins with `prefix` (may be empty)? `service` of len 0: of any
 * service. */
bool rights_allow_some(const struct rights *rights, struct span service, struct span prefix,
		       unsigned right);
/* On every document whose id begins with `prefix`? `service` of len 0: of every service. */
bool rights_allow_all(const struct rights *rights, struct span service, struct span prefix,
		      unsigned right);

/* What is not about a service: the letters of `*`. */
bool rights_allow_general(const struct rights *rights, unsigned right);

/* A document pattern. */
struct rights_pattern {
	struct span text; /* without the `*` */
	bool is_prefix;
};

/* Patterns of the service, sorted bytewise, none of which matches what another matches. NULL: the
 * service has none, its rights are for all documents. *ret_count may be 0: no document at all. */
const struct rights_pattern *rights_patterns(const struct rights *rights, struct span service,
					     size_t *ret_count);

/* The services named, in bytewise order; `*` comes first, with len 0. */
size_t rights_service_count(const struct rights *rights);
struct span rights_service_at(const struct rights *rights, size_t place);

#endif
