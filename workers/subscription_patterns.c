#include "hash.h"
#include "subscriptions_private.h"

/* What all documents that the filter lets through begin with; they are sorted. */
static struct span common_prefix(const struct subscription_spec *spec)
{
	size_t count = 0, len = 0;
	const struct rights_pattern *patterns =
		spec->filter && spec->topic.service.len
			? rights_patterns(spec->filter, spec->topic.service, &count)
			: NULL;

	if (!patterns || !count)
		return SPAN_NONE;
	struct span first = patterns[0].text, last = patterns[count - 1].text;
	while (len < first.len && len < last.len && first.at[len] == last.at[len])
		len++;
	return span_of(first.at, len);
}

/* *ret_name: the id or prefix to look for. */
static enum pattern_kind kind_of(const struct subscription_spec *spec, struct span *ret_name)
{
	*ret_name = spec->id.len ? spec->id : spec->prefix;
	if (ret_name->len)
		return spec->id.len ? PATTERN_ID : PATTERN_PREFIX;
	*ret_name = common_prefix(spec);
	return ret_name->len ? PATTERN_NARROWED : PATTERN_ALL;
}

struct pattern *pattern_find(const struct subscription_index *index, uint64_t hash,
			     enum topic_event event, enum pattern_kind kind, struct span service,
			     struct span name)
{
	struct pattern *pattern = index->patterns[hash & (index->pattern_buckets - 1)];

	while (pattern && !(pattern->hash == hash && pattern->event == event &&
			    pattern->kind == kind && span_equals(pattern->service, service) &&
			    span_equals(kind == PATTERN_ID ? pattern->id : pattern->prefix, name)))
		pattern = pattern->next;
	return pattern;
}

static void count_length(struct subscription_index *index, const struct pattern *pattern, int by)
{
	uint32_t *count = pattern->kind == PATTERN_NARROWED
				  ? &index->narrowed_lengths[pattern->prefix.len]
				  : &index->prefix_lengths[pattern->prefix.len];

	*count += (uint32_t)by;
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
	struct span service = spec->topic.service, name;
	enum topic_event event = spec->topic.event;
	enum pattern_kind kind = kind_of(spec, &name);
	uint64_t hash = hash_span(index->seed, service);

	hash = pattern_hash(kind == PATTERN_ALL ? hash : hash_span(hash, name), event, kind);
	struct pattern *pattern = pattern_find(index, hash, event, kind, service, name);

	if (pattern)
		return pattern;
	if (index->pattern_count >= index->pattern_buckets)
		grow_patterns(index);
	pattern = calloc(1, sizeof(*pattern) + service.len + name.len);
	MUST(pattern);
	char *at = pattern->names;
	pattern->hash = hash;
	pattern->event = event;
	pattern->kind = kind;
	pattern->service = store_span(&at, service);
	*(kind == PATTERN_ID ? &pattern->id : &pattern->prefix) = store_span(&at, name);
	pattern->next = index->patterns[hash & (index->pattern_buckets - 1)];
	index->patterns[hash & (index->pattern_buckets - 1)] = pattern;
	index->pattern_count++;
	count_length(index, pattern, 1);
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
	count_length(index, pattern, -1);
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
