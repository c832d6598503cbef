/* document_cache.h — the newest revision this worker has seen of each document, least recently used
 * out first. It only proposes the base of a write: Redis judges (DESIGN.md section 4). */
#ifndef SYNCDOC_DOCUMENT_CACHE_H
#define SYNCDOC_DOCUMENT_CACHE_H

#include "revision.h"

struct document_cache;

struct document_cache *document_cache_create(size_t bytes_max, uint64_t hash_seed);
void document_cache_destroy(struct document_cache *cache); /* NULL is fine */
/* NULL: not there. Valid until the next call. */
const struct revision *document_cache_find(struct document_cache *cache, struct span service,
					   struct span id);
/* Keeps a reference to the data. What is larger than an eighth of the cache is not kept. */
void document_cache_put(struct document_cache *cache, struct span service, struct span id,
			const struct revision *revision);
void document_cache_drop(struct document_cache *cache, struct span service, struct span id);
size_t document_cache_bytes(const struct document_cache *cache);

#endif
