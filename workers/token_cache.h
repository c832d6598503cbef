/* token_cache.h — tokens that have been verified lately, by their SHA-256: a signature costs more
 * than all else of a small request. Bounded; the one that was not asked for longest goes first. */
#ifndef SYNCDOC_TOKEN_CACHE_H
#define SYNCDOC_TOKEN_CACHE_H

#include "auth_secrets.h"
#include "principal.h"

#define TOKEN_CACHE_MAX 1024

struct token_cache;

struct token_cache *token_cache_create(void);
void token_cache_destroy(struct token_cache *cache); /* NULL is fine */
/* Borrowed, until the next call; NULL: not known, or its time is over. */
struct principal *token_cache_find(struct token_cache *cache,
				   const unsigned char digest[AUTH_DIGEST_LEN], int64_t now_ms);
/* True: another one had to go. */
bool token_cache_add(struct token_cache *cache, const unsigned char digest[AUTH_DIGEST_LEN],
		     struct principal *principal);
size_t token_cache_count(const struct token_cache *cache);

#endif
