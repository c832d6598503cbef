#include "subscriptions.h"

#include "hash.h"

/* What somebody subscribed to, once per distinct topic, id and prefix: the key an event is looked
 * up by. */
struct pattern {
	struct pattern *next; /* in its bucket */
	uint64_t hash;
	enum topic_event event;
	struct span service, id, prefix; /* point into names */
	struct link *links;              /* owned: the audiences that have it */
	uint32_t link_count, link_cap;
	char names[];
};

struct link {
	struct audience *audience;
	uint32_t entry; /* index in audience->entries */
};

/* One subscription of an audience. Entries are sorted by pattern, so that equal sets are equal
 * arrays. */
struct entry {
	struct pattern *pattern;
	uint32_t link; /* index in pattern->links */
	uint8_t mode;
	int8_t presence;
	struct rights *filter; /* one reference, of the audience; or NULL */
};

struct audience {
	struct audience *next; /* in its bucket */
	uint64_t hash;         /* sum over the entries: does not depend on their order */
	struct entry *entries; /* owned */
	uint32_t entry_count, entry_cap;
	struct audience_member **members; /* owned array of borrowed members */
	uint32_t member_count, member_cap;
	uint64_t match_turn; /* the last subscription_match() that touched it */
	unsigned match_mode;
	uint8_t kind; /* enum audience_kind, of all members; not in the hash */
	void *slot;
};

struct subscription_index {
	uint64_t seed;
	struct pattern **patterns; /* pattern_buckets is a power of two */
	size_t pattern_buckets, pattern_count;
	struct audience **audiences;
	size_t audience_buckets, audience_count;
	size_t subscription_count;
	uint32_t prefix_lengths[DOCUMENT_ID_MAX + 1]; /* patterns by length of their prefix */
	uint64_t match_turn;
	struct audience **matched; /* owned scratch */
	size_t matched_count, matched_cap;
};

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

/* --- patterns --- */

enum pattern_kind { KIND_ALL, KIND_ID, KIND_PREFIX };

/* `names_hash` is hash_span(hash_span(seed, service), id or prefix): for an id, the record's
 * document_hash. */
static uint64_t pattern_hash(uint64_t names_hash, enum topic_event event, enum pattern_kind kind)
{
	uint64_t hash =
		names_hash ^ ((uint64_t)event * 4 + kind + 1) * UINT64_C(0x9e3779b97f4a7c15);

	return hash ^ hash >> 32;
}

static uint64_t spec_hash(const struct subscription_index *index,
			  const struct subscription_spec *spec)
{
	uint64_t hash = hash_span(index->seed, spec->topic.service);

	if (spec->id.len)
		return pattern_hash(hash_span(hash, spec->id), spec->topic.event, KIND_ID);
	if (spec->prefix.len)
		return pattern_hash(hash_span(hash, spec->prefix), spec->topic.event, KIND_PREFIX);
	return pattern_hash(hash, spec->topic.event, KIND_ALL);
}

static struct pattern **pattern_place(const struct subscription_index *index, uint64_t hash,
				      enum topic_event event, struct span service, struct span id,
				      struct span prefix)
{
	struct pattern **place = &index->patterns[hash & (index->pattern_buckets - 1)];

	for (; *place; place = &(*place)->next) {
		const struct pattern *pattern = *place;

		if (pattern->hash == hash && pattern->event == event &&
		    span_equals(pattern->service, service) && span_equals(pattern->id, id) &&
		    span_equals(pattern->prefix, prefix))
			break;
	}
	return place;
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

static struct pattern *pattern_get(struct subscription_index *index,
				   const struct subscription_spec *spec)
{
	uint64_t hash = spec_hash(index, spec);
	struct pattern *pattern = *pattern_place(index, hash, spec->topic.event,
						 spec->topic.service, spec->id, spec->prefix);

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

static void link_entry(struct audience *audience, uint32_t entry)
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

static void unlink_entry(struct subscription_index *index, struct audience *audience,
			 uint32_t entry)
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

/* --- audiences --- */

static uint64_t entry_hash(const struct entry *entry)
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

static void entries_free(struct entry *entries, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		rights_put(entries[i].filter);
	free(entries);
}

static struct audience *audience_find(const struct subscription_index *index,
				      const struct entry *entries, uint32_t count, uint64_t hash,
				      uint8_t kind)
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

static void audience_add_member(struct subscription_index *index, struct audience *audience,
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
		unlink_entry(index, audience, i);
	entries_free(audience->entries, audience->entry_count);
	free(audience->members);
	free(audience);
}

void subscription_leave(struct subscription_index *index, struct audience_member *member)
{
	struct audience *audience = member->audience;

	if (!audience)
		return;
	struct audience_member *last = audience->members[--audience->member_count];
	audience->members[member->place] = last;
	last->place = member->place;
	member->audience = NULL;
	index->subscription_count -= audience->entry_count;
	if (!audience->member_count)
		audience_destroy(index, audience);
}

/* --- changing a member's set --- */

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

/* A set that only this member has is changed where it is: subscribing to a thousand documents one
 * by one would otherwise make and drop a thousand audiences. Both arrays are sorted by pattern. */
static void audience_change(struct subscription_index *index, struct audience *audience,
			    struct entry *entries, uint32_t count, uint64_t hash)
{
	struct entry *old = audience->entries;
	uint32_t old_count = audience->entry_count, from = 0;

	audience_unhash(index, audience);
	for (uint32_t to = 0; to < count; to++) {
		while (from < old_count && old[from].pattern < entries[to].pattern)
			unlink_entry(index, audience, from++);
		if (from < old_count && old[from].pattern == entries[to].pattern)
			entries[to].link = old[from++].link;
		else
			entries[to].link = UINT32_MAX;
	}
	while (from < old_count)
		unlink_entry(index, audience, from++);
	audience->entries = entries;
	audience->entry_count = audience->entry_cap = count;
	for (uint32_t i = 0; i < count; i++) {
		if (entries[i].link == UINT32_MAX)
			link_entry(audience, i);
		else
			entries[i].pattern->links[entries[i].link].entry = i;
	}
	entries_free(old, old_count);
	audience_hash(index, audience, hash);
	index->subscription_count += count;
	index->subscription_count -= old_count;
}

static struct audience *audience_create(struct subscription_index *index, struct entry *entries,
					uint32_t count, uint64_t hash, uint8_t kind)
{
	struct audience *audience = calloc(1, sizeof(*audience));

	MUST(audience);
	audience->kind = kind;
	audience->entries = entries;
	audience->entry_count = audience->entry_cap = count;
	for (uint32_t i = 0; i < count; i++)
		link_entry(audience, i);
	audience_hash(index, audience, hash);
	return audience;
}

/* Moves the member to the audience that has exactly these entries. Takes `entries` over. New links
 * are made before old ones go, so that a pattern both have is not dropped in between. */
static void member_move(struct subscription_index *index, struct audience_member *member,
			struct entry *entries, uint32_t count, uint64_t hash)
{
	struct audience *audience = audience_find(index, entries, count, hash, member->kind);

	if (audience) {
		entries_free(entries, count);
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

static bool spec_is_entry(const struct subscription_spec *spec, const struct entry *entry)
{
	const struct pattern *pattern = entry->pattern;

	return pattern->event == spec->topic.event &&
	       span_equals(pattern->service, spec->topic.service) &&
	       span_equals(pattern->id, spec->id) && span_equals(pattern->prefix, spec->prefix);
}

/* Binary search is not possible by what a spec knows; sets are small and this is no hot path. */
static int64_t find_entry(const struct audience *audience, const struct subscription_spec *spec)
{
	for (uint32_t i = 0; audience && i < audience->entry_count; i++)
		if (spec_is_entry(spec, &audience->entries[i]))
			return i;
	return -1;
}

int subscription_add(struct subscription_index *index, struct audience_member *member,
		     const struct subscription_spec *spec, unsigned subscription_max)
{
	struct audience *audience = member->audience;
	int64_t replaced = find_entry(audience, spec);
	uint32_t count;

	MUST(!(spec->id.len && spec->prefix.len) && spec->prefix.len <= DOCUMENT_ID_MAX);
	if (replaced < 0 && audience_subscription_count(audience) >= subscription_max)
		return -ENOSPC;
	struct entry change = {pattern_get(index, spec), 0, (uint8_t)spec->mode,
			       (int8_t)spec->presence, spec->filter};
	uint64_t hash = (audience ? audience->hash : 0) + entry_hash(&change);
	if (replaced >= 0)
		hash -= entry_hash(&audience->entries[replaced]);
	struct entry *entries = entries_with(audience, change, &count);
	member_move(index, member, entries, count, hash);
	return 0;
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
	uint64_t hash = member->audience->hash - entry_hash(&member->audience->entries[place]);
	struct entry *entries = entries_without(member->audience, (uint32_t)place, &count);
	member_move(index, member, entries, count, hash);
	return 0;
}

/* --- matching --- */

static void touch(struct subscription_index *index, struct audience *audience, unsigned mode)
{
	if (audience->match_turn == index->match_turn) {
		audience->match_mode |= mode;
		return;
	}
	audience->match_turn = index->match_turn;
	audience->match_mode = mode;
	if (index->matched_count == index->matched_cap) {
		index->matched_cap = index->matched_cap ? index->matched_cap * 2 : 64;
		index->matched =
			reallocarray(index->matched, index->matched_cap, sizeof(*index->matched));
		MUST(index->matched);
	}
	index->matched[index->matched_count++] = audience;
}

static bool wants_presence(const struct entry *entry)
{
	const struct pattern *pattern = entry->pattern;

	if (entry->presence >= 0)
		return entry->presence;
	return pattern->id.len || pattern->event == TOPIC_PRESENCE || pattern->event == TOPIC_ANY;
}

/* A notice for a whole document is for whoever gets any of its events. */
static bool filter_allows(const struct entry *entry, const struct event_record *record)
{
	unsigned right = record->name == TOPIC_PRESENCE ? RIGHT_PRESENCE : RIGHT_READ;

	return !entry->filter || !record->id.len ||
	       rights_allow(entry->filter, record->service, record->id, right);
}

static void match_pattern(struct subscription_index *index, const struct pattern *pattern,
			  const struct event_record *record)
{
	bool presence = record->name == TOPIC_PRESENCE;

	if (!pattern)
		return;
	for (uint32_t i = 0; i < pattern->link_count; i++) {
		const struct link *link = &pattern->links[i];
		const struct entry *entry = &link->audience->entries[link->entry];

		if ((!presence || wants_presence(entry)) && filter_allows(entry, record))
			touch(index, link->audience, entry->mode);
	}
}

/* All patterns of one service (or `*`) and one event that fit the id: 2 lookups, and one per prefix
 * length in use. */
static void match_event(struct subscription_index *index, const struct event_record *record,
			struct span service, uint64_t service_hash, uint64_t id_hash,
			enum topic_event event)
{
	uint64_t hash = pattern_hash(service_hash, event, KIND_ALL);

	match_pattern(index, *pattern_place(index, hash, event, service, SPAN_NONE, SPAN_NONE),
		      record);
	hash = pattern_hash(id_hash, event, KIND_ID);
	match_pattern(index, *pattern_place(index, hash, event, service, record->id, SPAN_NONE),
		      record);
	for (size_t len = 1; len <= record->id.len && len <= DOCUMENT_ID_MAX; len++) {
		struct span prefix = {record->id.at, len};

		if (!index->prefix_lengths[len])
			continue;
		hash = pattern_hash(hash_span(service_hash, prefix), event, KIND_PREFIX);
		match_pattern(index, *pattern_place(index, hash, event, service, SPAN_NONE, prefix),
			      record);
	}
}

static void match_service(struct subscription_index *index, const struct event_record *record,
			  struct span service, uint64_t service_hash, uint64_t id_hash)
{
	if (record->name == TOPIC_PRESENCE) { /* comes with whatever names the document */
		for (enum topic_event event = 0; event < TOPIC_ANY; event++)
			match_event(index, record, service, service_hash, id_hash, event);
	} else if (record->name == TOPIC_ANY) { /* a resync for whoever gets any of its events */
		for (enum topic_event event = 0; event < TOPIC_PRESENCE; event++)
			match_event(index, record, service, service_hash, id_hash, event);
	} else {
		match_event(index, record, service, service_hash, id_hash, record->name);
	}
	match_event(index, record, service, service_hash, id_hash, TOPIC_ANY);
}

static bool audience_wants_presence(const struct audience *audience)
{
	for (uint32_t i = 0; i < audience->entry_count; i++)
		if (wants_presence(&audience->entries[i]))
			return true;
	return false;
}

static void match_everybody(struct subscription_index *index, bool presence)
{
	for (size_t i = 0; i < index->audience_buckets; i++)
		for (struct audience *audience = index->audiences[i]; audience;
		     audience = audience->next)
			if (!presence || audience_wants_presence(audience))
				touch(index, audience, EVENT_FULL);
}

size_t subscription_match(struct subscription_index *index, const struct event_record *record,
			  audience_match_fn fn, void *arg)
{
	index->match_turn++;
	index->matched_count = 0;
	if (!record->service.len) {
		match_everybody(index, record->name == TOPIC_PRESENCE);
	} else if (index->pattern_count) {
		uint64_t any_hash = hash_span(index->seed, SPAN_NONE);

		match_service(index, record, record->service,
			      hash_span(index->seed, record->service), record->document_hash);
		match_service(index, record, SPAN_NONE, any_hash, hash_span(any_hash, record->id));
	}
	for (size_t i = 0; i < index->matched_count; i++)
		fn(index->matched[i], (enum event_mode)index->matched[i]->match_mode, arg);
	return index->matched_count;
}

/* --- reading --- */

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

size_t subscription_index_audiences(const struct subscription_index *index)
{
	return index->audience_count;
}

size_t subscription_index_subscriptions(const struct subscription_index *index)
{
	return index->subscription_count;
}

static bool entry_wants(const struct entry *entry, const struct event_record *record)
{
	const struct pattern *pattern = entry->pattern;

	if ((pattern->service.len && !span_equals(pattern->service, record->service)) ||
	    (pattern->id.len && !span_equals(pattern->id, record->id)) ||
	    !span_starts_with(record->id, pattern->prefix) || !filter_allows(entry, record))
		return false;
	if (record->name == TOPIC_PRESENCE)
		return wants_presence(entry);
	if (record->name == TOPIC_ANY) /* a resync for whoever gets any of its events */
		return pattern->event != TOPIC_PRESENCE;
	return pattern->event == TOPIC_ANY || pattern->event == record->name;
}

unsigned audience_mode(const struct audience *audience, const struct event_record *record)
{
	unsigned mode = 0;

	for (uint32_t i = 0; audience && i < audience->entry_count; i++)
		if (entry_wants(&audience->entries[i], record))
			mode |= audience->entries[i].mode;
	return mode;
}

void audience_each_subscription(const struct audience *audience, subscription_each_fn fn, void *arg)
{
	for (uint32_t i = 0; i < audience->entry_count; i++) {
		const struct entry *entry = &audience->entries[i];
		struct subscription_spec spec = {
			.topic = {.service = entry->pattern->service,
				  .event = entry->pattern->event},
			.id = entry->pattern->id,
			.prefix = entry->pattern->prefix,
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
