#include "token_cache.h"

#include <bsd/sys/queue.h>

#define BUCKETS 1024 /* a power of two */

struct entry {
	TAILQ_ENTRY(entry) age;
	LIST_ENTRY(entry) link; /* in its bucket */
	unsigned char digest[AUTH_DIGEST_LEN];
	struct principal *principal; /* one reference */
};

LIST_HEAD(bucket, entry);

struct token_cache {
	TAILQ_HEAD(, entry) by_age; /* asked for longest ago first */
	size_t count;
	struct bucket buckets[BUCKETS];
};

struct token_cache *token_cache_create(void)
{
	struct token_cache *cache = calloc(1, sizeof(*cache));

	MUST(cache);
	TAILQ_INIT(&cache->by_age);
	return cache;
}

/* A cryptographic digest needs no seed: nobody can choose where it goes. */
static struct bucket *bucket_of(struct token_cache *cache, const unsigned char *digest)
{
	return &cache->buckets[(digest[0] | (unsigned)digest[1] << 8) & (BUCKETS - 1)];
}

static void drop(struct token_cache *cache, struct entry *entry)
{
	TAILQ_REMOVE(&cache->by_age, entry, age);
	LIST_REMOVE(entry, link);
	cache->count--;
	principal_put(entry->principal);
	free(entry);
}

struct principal *token_cache_find(struct token_cache *cache,
				   const unsigned char digest[AUTH_DIGEST_LEN], int64_t now_ms)
{
	struct entry *entry;

	LIST_FOREACH(entry, bucket_of(cache, digest), link)
	if (memcmp(entry->digest, digest, AUTH_DIGEST_LEN) == 0)
		break;
	if (!entry)
		return NULL;
	if (now_ms >= entry->principal->ends_at_ms) {
		drop(cache, entry);
		return NULL;
	}
	TAILQ_REMOVE(&cache->by_age, entry, age);
	TAILQ_INSERT_TAIL(&cache->by_age, entry, age);
	return entry->principal;
}

bool token_cache_add(struct token_cache *cache, const unsigned char digest[AUTH_DIGEST_LEN],
		     struct principal *principal)
{
	struct entry *entry = calloc(1, sizeof(*entry));
	bool is_full = cache->count == TOKEN_CACHE_MAX;

	MUST(entry);
	if (is_full)
		drop(cache, TAILQ_FIRST(&cache->by_age));
	memcpy(entry->digest, digest, AUTH_DIGEST_LEN);
	entry->principal = principal_get(principal);
	TAILQ_INSERT_TAIL(&cache->by_age, entry, age);
	LIST_INSERT_HEAD(bucket_of(cache, digest), entry, link);
	cache->count++;
	return is_full;
}

size_t token_cache_count(const struct token_cache *cache)
{
	return cache->count;
}

void token_cache_destroy(struct token_cache *cache)
{
	struct entry *entry;

	if (!cache)
		return;
	while ((entry = TAILQ_FIRST(&cache->by_age)))
		drop(cache, entry);
	free(cache);
}
