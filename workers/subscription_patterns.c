#include "hash.h"
#include "subscriptions_private.h"

static uint64_t spec_hash(const struct subscription_index *index,
			  const struct subscription_spec *spec)
{
	uint64_t hash = hash_span(index->seed, spec->topic.service);

	if (spec->id.len)
		return pattern_hash(hash_span(hash, spec->id), spec->topic.event, PATTERN_ID);
	if (spec->prefix.len)
		return pattern_hash(hash_span(hash, spec->prefix), spec->topic.event,
				    PATTERN_PREFIX);
	return pattern_hash(hash, spec->topic.event, PATTERN_ALL);
}

struct pattern *pattern_find(const struct subscription_index *index, uint64_t hash,
			     enum topic_event event, struct span service, struct span id,
			     struct span prefix)
{
	struct pattern *pattern = index->patterns[hash & (index->pattern_buckets - 1)];

	while (pattern && !(pattern->hash == hash && pattern->event == event &&
			    span_equals(pattern->service, service) &&
			    span_equals(pattern->id, id) && span_equals(pattern->prefix, prefix)))
		pattern = pattern->next;
	return pattern;
}

static void grow_patterns(struct subscription_index *index)
{
	size_t buckets = index->pattern_buckets * 2;
	struct pattern **table = calloc(buckets, sizeof(*table));

	MUST(table);
	for (size_t i = 0; i < index->pattern_buckets; i++) {
		struct pattern *pattern, *next;

		for (pattern = index->patterns[i]; pattern; pattern = next) {
			next = pattern->next;
			pattern->next = table[pattern->hash & (buckets - 1)];
			table[pattern->hash & (buckets - 1)] = pattern;
		}
	}
	free(index->patterns);
	index->patterns = table;
	index->pattern_buckets = buckets;
}

static struct span store_span(char **at, struct span span)
{
	struct span copy = {*at, span.len};

	if (span.len)
		memcpy(*at, span.at, span.len);
	*at += span.len;
	return copy;
}

struct pattern *pattern_get(struct subscription_index *index, const struct subscription_spec *spec)
{
	uint64_t hash = spec_hash(index, spec);
	struct pattern *pattern = pattern_find(index, hash, spec->topic.event, spec->topic.service,
					       spec->id, spec->prefix);

	if (pattern)
		return pattern;
	if (index->pattern_count >= index->pattern_buckets)
		grow_patterns(index);
	pattern = calloc(1, sizeof(*pattern) + spec->topic.service.len + spec->id.len +
				    spec->prefix.len);
	MUST(pattern);
	char *at = pattern->names;
	pattern->hash = hash;
	pattern->event = spec->topic.event;
	pattern->service = store_span(&at, spec->topic.service);
	pattern->id = store_span(&at, spec->id);
	pattern->prefix = store_span(&at, spec->prefix);
	pattern->next = index->patterns[hash & (index->pattern_buckets - 1)];
	index->patterns[hash & (index->pattern_buckets - 1)] = pattern;
	index->pattern_count++;
	index->prefix_lengths[spec->prefix.len]++;
	return pattern;
}

static void pattern_drop_if_unused(struct subscription_index *index, struct pattern *pattern)
{
	if (pattern->link_count)
		return;
	struct pattern **place = &index->patterns[pattern->hash & (index->pattern_buckets - 1)];
	while (*place != pattern)
		place = &(*place)->next;
	*place = pattern->next;
	index->pattern_count--;
	index->prefix_lengths[pattern->prefix.len]--;
	free(pattern->links);
	free(pattern);
}

void pattern_link(struct audience *audience, uint32_t entry)
{
	struct pattern *pattern = audience->entries[entry].pattern;

	if (pattern->link_count == pattern->link_cap) {
		pattern->link_cap = pattern->link_cap ? pattern->link_cap * 2 : 1;
		pattern->links =
			reallocarray(pattern->links, pattern->link_cap, sizeof(*pattern->links));
		MUST(pattern->links);
	}
	audience->entries[entry].link = pattern->link_count;
	pattern->links[pattern->link_count++] = (struct link){audience, entry};
}

void pattern_unlink(struct subscription_index *index, struct audience *audience, uint32_t entry)
{
	struct pattern *pattern = audience->entries[entry].pattern;
	uint32_t place = audience->entries[entry].link;
	struct link last = pattern->links[--pattern->link_count];

	if (place != pattern->link_count) {
		pattern->links[place] = last;
		last.audience->entries[last.entry].link = place;
	}
	pattern_drop_if_unused(index, pattern);
}
