#include "document_cache.h"

#include "hash.h"
#include <bsd/sys/queue.h>

struct entry {
	struct entry *next;       /* in its bucket */
	TAILQ_ENTRY(entry) order; /* head: most recently used */
	uint64_t hash;
	struct revision revision;
	uint8_t service_len, id_len;
	char names[]; /* service, id */
};

struct document_cache {
	struct entry **buckets; /* bucket_count is a power of two */
	size_t bucket_count;
	size_t count;
	size_t bytes;
	size_t bytes_max;
	uint64_t seed;
	TAILQ_HEAD(entry_order, entry) order;
};

struct document_cache *document_cache_create(size_t bytes_max, uint64_t hash_seed)
{
	struct document_cache *cache = calloc(1, sizeof(*cache));

	MUST(cache);
	cache->bytes_max = bytes_max;
	cache->seed = hash_seed;
	cache->bucket_count = 1024;
	cache->buckets = calloc(cache->bucket_count, sizeof(*cache->buckets));
	MUST(cache->buckets);
	TAILQ_INIT(&cache->order);
	return cache;
}

static size_t entry_bytes(const struct entry *entry)
{
	return sizeof(*entry) + entry->service_len + entry->id_len + sizeof(struct text) +
	       entry->revision.data->len;
}

static struct entry **entry_place(struct document_cache *cache, struct span service, struct span id,
				  uint64_t hash)
{
	struct entry **place = &cache->buckets[hash & (cache->bucket_count - 1)];

	for (; *place; place = &(*place)->next) {
		struct entry *entry = *place;

		if (entry->hash == hash &&
		    span_equals(span_of(entry->names, entry->service_len), service) &&
		    span_equals(span_of(entry->names + entry->service_len, entry->id_len), id))
			break;
	}
	return place;
}

static uint64_t names_hash(const struct document_cache *cache, struct span service, struct span id)
{
	return hash_span(hash_span(cache->seed, service), id);
}

static void entry_remove(struct document_cache *cache, struct entry **place)
{
	struct entry *entry = *place;

	*place = entry->next;
	TAILQ_REMOVE(&cache->order, entry, order);
	cache->bytes -= entry_bytes(entry);
	cache->count--;
	revision_fini(&entry->revision);
	free(entry);
}

static void remove_oldest(struct document_cache *cache)
{
	struct entry *oldest = TAILQ_LAST(&cache->order, entry_order);
	struct entry **place = &cache->buckets[oldest->hash & (cache->bucket_count - 1)];

	while (*place != oldest)
		place = &(*place)->next;
	entry_remove(cache, place);
}

static void grow_buckets(struct document_cache *cache)
{
	size_t count = cache->bucket_count * 2;
	struct entry **buckets = calloc(count, sizeof(*buckets));
	struct entry *entry;

	MUST(buckets);
	TAILQ_FOREACH(entry, &cache->order, order)
	{
		struct entry **bucket = &buckets[entry->hash & (count - 1)];

		entry->next = *bucket;
		*bucket = entry;
	}
	free(cache->buckets);
	cache->buckets = buckets;
	cache->bucket_count = count;
}

const struct revision *document_cache_find(struct document_cache *cache, struct span service,
					   struct span id)
{
	struct entry *entry = *entry_place(cache, service, id, names_hash(cache, service, id));

	if (!entry)
		return NULL;
	TAILQ_REMOVE(&cache->order, entry, order);
	TAILQ_INSERT_HEAD(&cache->order, entry, order);
	return &entry->revision;
}

static struct entry *entry_add(struct document_cache *cache, struct span service, struct span id,
			       uint64_t hash)
{
	struct entry *entry = calloc(1, sizeof(*entry) + service.len + id.len);

	MUST(entry);
	entry->hash = hash;
	entry->service_len = (uint8_t)service.len;
	entry->id_len = (uint8_t)id.len;
	memcpy(entry->names, service.at, service.len);
	memcpy(entry->names + service.len, id.at, id.len);
	if (cache->count >= cache->bucket_count)
		grow_buckets(cache);
	struct entry **bucket = &cache->buckets[hash & (cache->bucket_count - 1)];
	entry->next = *bucket;
	*bucket = entry;
	TAILQ_INSERT_HEAD(&cache->order, entry, order);
	cache->count++;
	return entry;
}

void document_cache_put(struct document_cache *cache, struct span service, struct span id,
			const struct revision *revision)
{
	uint64_t hash = names_hash(cache, service, id);
	struct entry **place = entry_place(cache, service, id, hash);

	if (revision->data->len > cache->bytes_max / 8) {
		if (*place)
			entry_remove(cache, place);
		return;
	}
	struct entry *entry = *place;
	if (entry) {
		cache->bytes -= entry_bytes(entry);
		TAILQ_REMOVE(&cache->order, entry, order);
		TAILQ_INSERT_HEAD(&cache->order, entry, order);
	} else {
		entry = entry_add(cache, service, id, hash);
	}
	revision_replace(&entry->revision, revision_clone(revision));
	cache->bytes += entry_bytes(entry);
	while (cache->bytes > cache->bytes_max)
		remove_oldest(cache);
}

void document_cache_drop(struct document_cache *cache, struct span service, struct span id)
{
	struct entry **place = entry_place(cache, service, id, names_hash(cache, service, id));

	if (*place)
		entry_remove(cache, place);
}

size_t document_cache_bytes(const struct document_cache *cache)
{
	return cache->bytes;
}

void document_cache_destroy(struct document_cache *cache)
{
	if (!cache)
		return;
	while (!TAILQ_EMPTY(&cache->order))
		remove_oldest(cache);
	free(cache->buckets);
	free(cache);
}
