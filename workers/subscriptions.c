#include "subscriptions_private.h"

#include "hash.h"

#define FIRST_BUCKETS 256

struct subscription_index *subscription_index_create(uint64_t hash_seed)
{
	struct subscription_index *index = calloc(1, sizeof(*index));

	MUST(index);
	index->seed = hash_seed;
	index->pattern_buckets = index->audience_buckets = FIRST_BUCKETS;
	index->patterns = calloc(index->pattern_buckets, sizeof(*index->patterns));
	index->audiences = calloc(index->audience_buckets, sizeof(*index->audiences));
	MUST(index->patterns && index->audiences);
	return index;
}

void subscription_index_destroy(struct subscription_index *index)
{
	if (!index)
		return;
	MUST(!index->pattern_count && !index->audience_count);
	free(index->patterns);
	free(index->audiences);
	free(index->matched);
	free(index);
}

void subscription_leave(struct subscription_index *index, struct audience_member *member)
{
	if (member->audience)
		audience_remove_member(index, member);
}

/* The audience's entries with `change` put in, or, at `without`, one left out. Sorted; each with a
 * reference of its own to its filter; the caller frees. */
static struct entry *entries_with(const struct audience *audience, struct entry change,
				  uint32_t *ret_count)
{
	uint32_t count = audience ? audience->entry_count : 0, from = 0, to = 0;
	struct entry *entries = calloc(count + 1, sizeof(*entries));

	MUST(entries);
	while (from < count && audience->entries[from].pattern < change.pattern)
		entries[to++] = audience->entries[from++];
	entries[to++] = change;
	if (from < count && audience->entries[from].pattern == change.pattern)
		from++;
	while (from < count)
		entries[to++] = audience->entries[from++];
	for (uint32_t i = 0; i < to; i++)
		rights_get(entries[i].filter);
	*ret_count = to;
	return entries;
}

static struct entry *entries_without(const struct audience *audience, uint32_t without,
				     uint32_t *ret_count)
{
	uint32_t to = 0;
	struct entry *entries = calloc(audience->entry_count, sizeof(*entries));

	MUST(entries);
	for (uint32_t i = 0; i < audience->entry_count; i++)
		if (i != without) {
			entries[to] = audience->entries[i];
			rights_get(entries[to++].filter);
		}
	*ret_count = to;
	return entries;
}
/* Moves the member to the audience that has exactly these entries. Takes `entries` over. New links
 * are made before old ones go, so that a pattern both have is not dropped in between. */
static void member_move(struct subscription_index *index, struct audience_member *member,
			struct entry *entries, uint32_t count, uint64_t hash)
{
	struct audience *audience = audience_find(index, entries, count, hash, member->kind);

	if (audience) {
		audience_entries_free(entries, count);
		if (audience == member->audience)
			return;
	} else if (member->audience && member->audience->member_count == 1) {
		audience_change(index, member->audience, entries, count, hash);
		return;
	} else {
		audience = audience_create(index, entries, count, hash, member->kind);
	}
	subscription_leave(index, member);
	audience_add_member(index, audience, member);
}

bool subscription_is_same(const struct subscription_spec *a, const struct subscription_spec *b)
{
	return a->topic.event == b->topic.event &&
	       span_equals(a->topic.service, b->topic.service) && span_equals(a->id, b->id) &&
	       span_equals(a->prefix, b->prefix);
}

static bool spec_is_entry(const struct subscription_spec *spec, const struct entry *entry)
{
	const struct pattern *pattern = entry->pattern;

	return pattern->event == spec->topic.event &&
	       span_equals(pattern->service, spec->topic.service) &&
	       span_equals(pattern->id, spec->id) &&
	       span_equals(pattern_asked_prefix(pattern), spec->prefix);
}

/* Binary search is not possible by what a spec knows; sets are small and this is no hot path. */
static int64_t find_entry(const struct audience *audience, const struct subscription_spec *spec)
{
	for (uint32_t i = 0; audience && i < audience->entry_count; i++)
		if (spec_is_entry(spec, &audience->entries[i]))
			return i;
	return -1;
}

static bool entry_is_narrowed(const struct audience *audience, int64_t place)
{
	return audience->entries[place].pattern->kind == PATTERN_NARROWED;
}

int subscription_add(struct subscription_index *index, struct audience_member *member,
		     const struct subscription_spec *spec, unsigned subscription_max)
{
	int64_t replaced = find_entry(member->audience, spec);
	uint32_t count;

	MUST(!(spec->id.len && spec->prefix.len) && spec->prefix.len <= DOCUMENT_ID_MAX);
	if (replaced < 0 && audience_subscription_count(member->audience) >= subscription_max)
		return -ENOSPC;
	/* With another filter it may have another pattern. */
	if (replaced >= 0 && (spec->filter || entry_is_narrowed(member->audience, replaced))) {
		subscription_remove(index, member, spec);
		replaced = -1;
	}
	struct audience *audience = member->audience;
	struct entry change = {pattern_get(index, spec), 0, (uint8_t)spec->mode,
			       (int8_t)spec->presence, spec->filter};
	uint64_t hash = (audience ? audience->hash : 0) + audience_entry_hash(&change);
	if (replaced >= 0)
		hash -= audience_entry_hash(&audience->entries[replaced]);
	struct entry *entries = entries_with(audience, change, &count);
	member_move(index, member, entries, count, hash);
	return 0;
}

static int compare_patterns(const void *a, const void *b)
{
	const struct entry *first = a, *second = b;

	return (first->pattern > second->pattern) - (first->pattern < second->pattern);
}

void subscription_set(struct subscription_index *index, struct audience_member *member,
		      const struct subscription_spec *specs, size_t count)
{
	struct entry *entries = calloc(count + 1, sizeof(*entries));
	uint64_t hash = 0;

	MUST(entries);
	for (size_t i = 0; i < count; i++) {
		entries[i] =
			(struct entry){pattern_get(index, &specs[i]), 0, (uint8_t)specs[i].mode,
				       (int8_t)specs[i].presence, rights_get(specs[i].filter)};
		hash += audience_entry_hash(&entries[i]);
	}
	qsort(entries, count, sizeof(*entries), compare_patterns);
	if (count) {
		member_move(index, member, entries, (uint32_t)count, hash);
	} else {
		subscription_leave(index, member);
		audience_entries_free(entries, 0);
	}
}

int subscription_remove(struct subscription_index *index, struct audience_member *member,
			const struct subscription_spec *spec)
{
	int64_t place = find_entry(member->audience, spec);
	uint32_t count;

	if (place < 0)
		return -ENOENT;
	if (member->audience->entry_count == 1) {
		subscription_leave(index, member);
		return 0;
	}
	uint64_t hash =
		member->audience->hash - audience_entry_hash(&member->audience->entries[place]);
	struct entry *entries = entries_without(member->audience, (uint32_t)place, &count);
	member_move(index, member, entries, count, hash);
	return 0;
}

size_t subscription_index_audiences(const struct subscription_index *index)
{
	return index->audience_count;
}

size_t subscription_index_subscriptions(const struct subscription_index *index)
{
	return index->subscription_count;
}
