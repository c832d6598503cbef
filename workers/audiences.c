#include "subscriptions_private.h"

uint64_t audience_entry_hash(const struct entry *entry)
{
	uint64_t hash = entry->pattern->hash + entry->mode * 16u + (uint64_t)(entry->presence + 1);

	hash ^= rights_hash(entry->filter);
	hash *= UINT64_C(0xd6e8feb86659fd93);
	return hash ^ hash >> 31;
}

static bool entries_equal(const struct entry *a, const struct entry *b, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		if (a[i].pattern != b[i].pattern || a[i].mode != b[i].mode ||
		    a[i].presence != b[i].presence || !rights_equal(a[i].filter, b[i].filter))
			return false;
	return true;
}

void audience_entries_free(struct entry *entries, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		rights_put(entries[i].filter);
	free(entries);
}

struct audience *audience_find(const struct subscription_index *index, const struct entry *entries,
			       uint32_t count, uint64_t hash, uint8_t kind)
{
	struct audience *audience = index->audiences[hash & (index->audience_buckets - 1)];

	while (audience && !(audience->hash == hash && audience->kind == kind &&
			     audience->entry_count == count &&
			     entries_equal(audience->entries, entries, count)))
		audience = audience->next;
	return audience;
}

static void audience_unhash(struct subscription_index *index, struct audience *audience)
{
	struct audience **place = &index->audiences[audience->hash & (index->audience_buckets - 1)];

	while (*place != audience)
		place = &(*place)->next;
	*place = audience->next;
	index->audience_count--;
}

static void grow_audiences(struct subscription_index *index)
{
	size_t buckets = index->audience_buckets * 2;
	struct audience **table = calloc(buckets, sizeof(*table));

	MUST(table);
	for (size_t i = 0; i < index->audience_buckets; i++) {
		struct audience *audience, *next;

		for (audience = index->audiences[i]; audience; audience = next) {
			next = audience->next;
			audience->next = table[audience->hash & (buckets - 1)];
			table[audience->hash & (buckets - 1)] = audience;
		}
	}
	free(index->audiences);
	index->audiences = table;
	index->audience_buckets = buckets;
}

static void audience_hash(struct subscription_index *index, struct audience *audience,
			  uint64_t hash)
{
	if (index->audience_count >= index->audience_buckets)
		grow_audiences(index);
	audience->hash = hash;
	audience->next = index->audiences[hash & (index->audience_buckets - 1)];
	index->audiences[hash & (index->audience_buckets - 1)] = audience;
	index->audience_count++;
}

void audience_add_member(struct subscription_index *index, struct audience *audience,
			 struct audience_member *member)
{
	if (audience->member_count == audience->member_cap) {
		audience->member_cap = audience->member_cap ? audience->member_cap * 2 : 1;
		audience->members = reallocarray(audience->members, audience->member_cap,
						 sizeof(*audience->members));
		MUST(audience->members);
	}
	member->audience = audience;
	member->place = audience->member_count;
	audience->members[audience->member_count++] = member;
	index->subscription_count += audience->entry_count;
}

static void audience_destroy(struct subscription_index *index, struct audience *audience)
{
	MUST(!audience->slot);
	audience_unhash(index, audience);
	for (uint32_t i = 0; i < audience->entry_count; i++)
		pattern_unlink(index, audience, i);
	audience_entries_free(audience->entries, audience->entry_count);
	free(audience->members);
	free(audience);
}

void audience_remove_member(struct subscription_index *index, struct audience_member *member)
{
	struct audience *audience = member->audience;
	struct audience_member *last = audience->members[--audience->member_count];

	audience->members[member->place] = last;
	last->place = member->place;
	member->audience = NULL;
	index->subscription_count -= audience->entry_count;
	if (!audience->member_count)
		audience_destroy(index, audience);
}

struct audience *audience_create(struct subscription_index *index, struct entry *entries,
				 uint32_t count, uint64_t hash, uint8_t kind)
{
	struct audience *audience = calloc(1, sizeof(*audience));

	MUST(audience);
	audience->kind = kind;
	audience->entries = entries;
	audience->entry_count = audience->entry_cap = count;
	for (uint32_t i = 0; i < count; i++)
		pattern_link(audience, i);
	audience_hash(index, audience, hash);
	return audience;
}

/* A set that only this member has is changed where it is: subscribing to a thousand documents one
 * by one would otherwise make and drop a thousand audiences. Both arrays are sorted by pattern. */
void audience_change(struct subscription_index *index, struct audience *audience,
		     struct entry *entries, uint32_t count, uint64_t hash)
{
	struct entry *old = audience->entries;
	uint32_t old_count = audience->entry_count, from = 0;

	audience_unhash(index, audience);
	for (uint32_t to = 0; to < count; to++) {
		while (from < old_count && old[from].pattern < entries[to].pattern)
			pattern_unlink(index, audience, from++);
		if (from < old_count && old[from].pattern == entries[to].pattern)
			entries[to].link = old[from++].link;
		else
			entries[to].link = UINT32_MAX;
	}
	while (from < old_count)
		pattern_unlink(index, audience, from++);
	audience->entries = entries;
	audience->entry_count = audience->entry_cap = count;
	for (uint32_t i = 0; i < count; i++) {
		if (entries[i].link == UINT32_MAX)
			pattern_link(audience, i);
		else
			entries[i].pattern->links[entries[i].link].entry = i;
	}
	audience_entries_free(old, old_count);
	audience_hash(index, audience, hash);
	index->subscription_count += count;
	index->subscription_count -= old_count;
}

unsigned audience_subscription_count(const struct audience *audience)
{
	return audience ? audience->entry_count : 0;
}

enum audience_kind audience_kind(const struct audience *audience)
{
	return (enum audience_kind)audience->kind;
}

size_t audience_member_count(const struct audience *audience)
{
	return audience->member_count;
}

struct audience_member *audience_member_at(const struct audience *audience, size_t place)
{
	return audience->members[place];
}

void audience_each_subscription(const struct audience *audience, subscription_each_fn fn, void *arg)
{
	for (uint32_t i = 0; i < audience->entry_count; i++) {
		const struct entry *entry = &audience->entries[i];
		struct subscription_spec spec = {
			.topic = {.service = entry->pattern->service,
				  .event = entry->pattern->event},
			.id = entry->pattern->id,
			.prefix = pattern_asked_prefix(entry->pattern),
			.mode = (enum event_mode)entry->mode,
			.presence = entry->presence,
			.filter = entry->filter,
		};

		fn(&spec, arg);
	}
}

void **audience_slot(struct audience *audience)
{
	return &audience->slot;
}
