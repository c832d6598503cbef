/* json_index.c — the members of one wide object by name. */
#include "json_index.h"
#include "hash.h"

struct json_index_entry {
	uint64_t hash;
	const char *at; /* borrowed: from the text or index->names */
	uint32_t len;
	uint32_t token; /* of the name */
};

/* Hash and length first: bytes are compared only where both agree. */
static int compare_names(const struct json_index_entry *a, const struct json_index_entry *b)
{
	if (a->hash != b->hash)
		return a->hash < b->hash ? -1 : 1;
	if (a->len != b->len)
		return a->len < b->len ? -1 : 1;
	return a->len ? memcmp(a->at, b->at, a->len) : 0;
}

static int compare_entries(const void *a, const void *b)
{
	const struct json_index_entry *left = a, *right = b;
	int order = compare_names(left, right);

	/* Equal names in order of the text, so that the second one can be named as the fault. */
	return order ? order : (left->token > right->token) - (left->token < right->token);
}

static struct json_index_entry entry_of(struct json_index *index, const struct json *doc,
					uint32_t token)
{
	const struct json_token *name = &doc->tokens[token];
	struct span bytes = {doc->text.at + name->at + 1, name->len - 2};

	if (name->escaped) {
		size_t start = index->names.len;
		json_string(doc, token, &index->names);
		bytes = span_of(index->names.at + start, index->names.len - start);
	}
	return (struct json_index_entry){hash_span(0, bytes), bytes.at, (uint32_t)bytes.len, token};
}

/* All at once: entries point into the buffer, so it must not move. A decoded name is never longer
 * than its token. */
static void reserve_names(struct json_index *index, const struct json *doc, uint32_t object)
{
	size_t len = 0;

	for (uint32_t i = object + 1; i < doc->tokens[object].next; i = doc->tokens[i + 1].next) {
		if (doc->tokens[i].escaped)
			len += doc->tokens[i].len;
	}
	if (len)
		buffer_reserve(&index->names, len);
}

/* Counting sort by bucket; buckets[i] ends as the begin of bucket i. */
static void scatter(struct json_index *index, const struct json_index_entry *unsorted)
{
	uint32_t bucket_count = UINT32_C(1) << (64 - index->shift);
	uint32_t *ends = index->buckets + 1;

	for (uint32_t i = 0; i < index->count; i++)
		ends[unsorted[i].hash >> index->shift]++;
	for (uint32_t i = 1; i < bucket_count; i++)
		ends[i] += ends[i - 1];
	/* Filled from the back, which turns each end into the begin of its bucket… */
	for (uint32_t i = index->count; i-- > 0;)
		index->entries[--ends[unsorted[i].hash >> index->shift]] = unsorted[i];
	/* …one place too far to the right. */
	memmove(index->buckets, ends, bucket_count * sizeof(*ends));
	index->buckets[bucket_count] = index->count;
}

static void sort_buckets(struct json_index *index)
{
	uint32_t bucket_count = UINT32_C(1) << (64 - index->shift);

	for (uint32_t i = 0; i < bucket_count; i++) {
		struct json_index_entry *first = &index->entries[index->buckets[i]];
		uint32_t len = index->buckets[i + 1] - index->buckets[i];
		if (len == 2 && compare_entries(&first[0], &first[1]) > 0) {
			struct json_index_entry second = first[0];
			first[0] = first[1];
			first[1] = second;
		} else if (len > 2) {
			qsort(first, len, sizeof(*first), compare_entries);
		}
	}
}

void json_index_init(struct json_index *ret, const struct json *doc, uint32_t object)
{
	MUST(doc->tokens[object].type == JSON_OBJECT);
	unsigned bits = 1;
	while (bits < 31 && (UINT32_C(1) << bits) < doc->tokens[object].count)
		bits++;
	*ret = (struct json_index){.count = doc->tokens[object].count, .shift = 64 - bits};
	ret->buckets = calloc((size_t)(UINT32_C(1) << bits) + 1, sizeof(*ret->buckets));
	ret->entries = malloc((size_t)ret->count * sizeof(*ret->entries) + 1);
	struct json_index_entry *unsorted = malloc((size_t)ret->count * sizeof(*unsorted) + 1);
	MUST(ret->buckets && ret->entries && unsorted);

	reserve_names(ret, doc, object);
	uint32_t at = 0;
	for (uint32_t i = object + 1; i < doc->tokens[object].next; i = doc->tokens[i + 1].next)
		unsorted[at++] = entry_of(ret, doc, i);
	MUST(at == ret->count);
	scatter(ret, unsorted);
	free(unsorted);
	sort_buckets(ret);
}

void json_index_fini(struct json_index *index)
{
	free(index->entries);
	free(index->buckets);
	buffer_fini(&index->names);
	*index = (struct json_index){0};
}

uint32_t json_index_find(const struct json_index *index, struct span name)
{
	if (index->count == 0 || name.len > UINT32_MAX)
		return 0;
	struct json_index_entry wanted = {hash_span(0, name), name.at, (uint32_t)name.len, 0};
	uint32_t bucket = (uint32_t)(wanted.hash >> index->shift);
	uint32_t low = index->buckets[bucket];
	uint32_t high = index->buckets[bucket + 1];

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		int order = compare_names(&index->entries[middle], &wanted);
		if (order == 0)
			return index->entries[middle].token + 1;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return 0;
}

uint32_t json_index_duplicate(const struct json_index *index)
{
	uint32_t first = 0;

	/* Equal names share their bucket, where they are neighbours. */
	for (uint32_t i = 1; i < index->count; i++) {
		const struct json_index_entry *entry = &index->entries[i];
		if (compare_names(entry - 1, entry) == 0 && (!first || entry->token < first))
			first = entry->token;
	}
	return first;
}
