/* store_control.h — what hosts tell and ask each other through Redis: revoked tokens, and questions
 * that every worker answers. Errors as in store.h. */
#ifndef SYNCDOC_STORE_CONTROL_H
#define SYNCDOC_STORE_CONTROL_H

#include "store.h"

/* Entries are kept for a year behind issuedBefore: no token is good for longer. */
#define STORE_REVOKED_KEPT_MS (INT64_C(366) * 86400 * 1000)
#define STORE_REVOKED_MAX 20000
#define STORE_QUESTION_LEN 20 /* of [0-9a-z] */
#define STORE_ANSWERS_MAX 1024
#define STORE_ANSWER_MAX (256u << 10) /* bytes */

typedef void (*store_done_fn)(int error, void *arg);

/* Keeps `name` (`sub:…`, `jti:…`) and publishes `message`. -ENOSPC: STORE_REVOKED_MAX is reached,
 * nothing was done. */
void store_revoke(struct store *store, struct span name, int64_t issued_before_ms, int64_t now_ms,
		  struct span message, store_done_fn fn, void *arg);

struct store_revoked {
	struct span name;
	int64_t issued_before_ms;
};
typedef void (*store_revoked_fn)(int error, const struct store_revoked *entries, size_t count,
				 void *arg);
/* All that are kept, those past their time too. */
void store_revoked(struct store *store, store_revoked_fn fn, void *arg);

/* Strings: run ids, or answers. */
typedef void (*store_strings_fn)(int error, const struct span *strings, size_t count, void *arg);
/* Publishes the question; gives the runs that should answer. */
void store_ask(struct store *store, struct span question, store_strings_fn fn, void *arg);
/* The answers behind the first `known`. */
void store_answers(struct store *store, struct span question_id, size_t known, store_strings_fn fn,
		   void *arg);
/* Nobody reads them any more. */
void store_answers_drop(struct store *store, struct span question_id);
/* `answer` of at most STORE_ANSWER_MAX bytes. Nobody is told whether it arrived. */
void store_answer(struct store *store, struct span question_id, struct span answer);

#endif
