#include "hash.h"
#include "subscriptions_private.h"

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

	if (entry->presence != -1)
		return entry->presence == 1;
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

static void match_prefix(struct subscription_index *index, const struct event_record *record,
			 struct span service, uint64_t service_hash, enum topic_event event,
			 enum pattern_kind kind, size_t len)
{
	struct span prefix = {record->id.at, len};
	uint64_t hash = pattern_hash(hash_span(service_hash, prefix), event, kind);

	match_pattern(index, pattern_find(index, hash, event, kind, service, prefix), record);
}

/* All patterns of one service (or `*`) and one event that fit the id: 2 lookups, and one per prefix
 * length in use. */
static void match_event(struct subscription_index *index, const struct event_record *record,
			struct span service, uint64_t service_hash, uint64_t id_hash,
			enum topic_event event)
{
	uint64_t hash = pattern_hash(service_hash, event, PATTERN_ALL);

	match_pattern(index, pattern_find(index, hash, event, PATTERN_ALL, service, SPAN_NONE),
		      record);
	hash = pattern_hash(id_hash, event, PATTERN_ID);
	match_pattern(index, pattern_find(index, hash, event, PATTERN_ID, service, record->id),
		      record);
	for (size_t len = 1; len <= record->id.len && len <= DOCUMENT_ID_MAX; len++) {
		if (index->prefix_lengths[len])
			match_prefix(index, record, service, service_hash, event, PATTERN_PREFIX,
				     len);
		if (index->narrowed_lengths[len])
			match_prefix(index, record, service, service_hash, event, PATTERN_NARROWED,
				     len);
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
