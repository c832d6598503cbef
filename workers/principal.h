/* principal.h — who asks, and what they may do. Made by auth.c; immutable and counted.
 *
 * Whoever holds none (NULL) may do nothing: without auth.mode all hold the same one, which may do
 * everything (auth_everybody()). */
#ifndef SYNCDOC_PRINCIPAL_H
#define SYNCDOC_PRINCIPAL_H

#include "outcome.h"
#include "rights.h"

#define PRINCIPAL_FOR_EVER INT64_MAX

struct principal {
	uint32_t references;
	struct text *user;     /* one reference; NULL: nobody in particular (no auth.mode) */
	struct text *token_id; /* one reference; `jti`, or NULL */
	struct rights *rights; /* one reference */
	int64_t issued_at_ms;  /* Unix; 0: not known */
	int64_t ends_at_ms;    /* Unix: when sockets and streams opened with it end */
};

/* Takes the three references over; `user` and `token_id` may be NULL. */
struct principal *principal_create(struct text *user, struct text *token_id, struct rights *rights);
struct principal *principal_get(struct principal *principal); /* NULL is fine */
void principal_put(struct principal *principal);              /* NULL is fine */
/* The user; len 0: nobody in particular. */
struct span principal_user(const struct principal *principal);

static inline bool principal_allows(const struct principal *principal, struct span service,
				    struct span id, unsigned right)
{
	return principal && rights_allow(principal->rights, service, id, right);
}

/* Of some document; `service` of len 0: of any service. */
static inline bool principal_allows_some(const struct principal *principal, struct span service,
					 unsigned right)
{
	return principal && rights_allow_some(principal->rights, service, SPAN_NONE, right);
}

/* What concerns the server as a whole. */
static inline bool principal_is_admin(const struct principal *principal)
{
	return principal && rights_allow_general(principal->rights, RIGHT_ADMIN);
}

/* 403 forbidden: "the token does not allow to read session:doc_1"; service or id may be empty. */
struct outcome principal_refusal(struct span service, struct span id, unsigned right);
/* 403: an id that the server makes need not be among those the token allows. */
struct outcome principal_refuse_generated_id(void);
/* 0, or -EACCES with that. */
int principal_check(const struct principal *principal, struct span service, struct span id,
		    unsigned right, struct outcome *ret_refusal);

/* The rights that lists of the service have to look at for each id; NULL: all ids are allowed. */
struct rights *principal_filter(const struct principal *principal, struct span service,
				unsigned right);

#endif
