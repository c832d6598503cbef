/* conditions.h — request headers that change what an operation does: If-Match, If-None-Match,
 * Prefer, Idempotency-Key. Pure. */
#ifndef SYNCDOC_CONDITIONS_H
#define SYNCDOC_CONDITIONS_H

#include "operations.h"

#define IDEMPOTENCY_KEY_MAX 255

/* `header` NULL: absent. `weak_matches`: W/"…" counts as its strong tag (If-None-Match compares
 * weakly, If-Match never matches a weak tag). 0, or -EINVAL: not a list of entity tags, -E2BIG:
 * more than CONDITION_TAGS_MAX of our form. */
int condition_parse_tags(const char *header, bool weak_matches, struct tag_condition *ret);

/* `Prefer: return=minimal`; the first `return` counts, unknown preferences are passed over. NULL:
 * false. */
bool condition_prefers_minimal(const char *prefer);

/* 1…255 visible ASCII characters. 0, or -EINVAL; `header` NULL gives an empty span. */
int condition_parse_idempotency_key(const char *header, struct span *ret);

#endif
