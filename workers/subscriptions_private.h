/* subscriptions_private.h — the index from inside: shared by subscriptions.c (a member's set),
 * subscription_patterns.c, audiences.c and subscription_match.c.
 *
 * Audiences hold entries, an entry holds its pattern, a pattern links back to the entries that have
 * it. The index owns patterns and audiences through their hash tables; a pattern goes with its last
 * link, an audience with its last member. */
#ifndef SYNCDOC_SUBSCRIPTIONS_PRIVATE_H
#define SYNCDOC_SUBSCRIPTIONS_PRIVATE_H

#include "subscriptions.h"

/* How a pattern is looked for. NARROWED is a subscription to all documents of a service whose
 * filter lets through only ids that begin with `prefix`: it is found as if that had been asked for,
 * so that the events of others cost it nothing; its filter still judges. */
enum pattern_kind { PATTERN_ALL, PATTERN_ID, PATTERN_PREFIX, PATTERN_NARROWED };

/* What somebody subscribed to, once per distinct topic, id and prefix: the key an event is looked
 * up by. */
struct pattern {
	struct pattern *next; /* in its bucket */
	uint64_t hash;
	enum topic_event event;
	enum pattern_kind kind;
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
	struct rights *filter; /* one reference, of who owns the entry; or NULL */
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
	/* Patterns of the kinds PREFIX and NARROWED by the length of their prefix. */
	uint32_t prefix_lengths[DOCUMENT_ID_MAX + 1], narrowed_lengths[DOCUMENT_ID_MAX + 1];
	uint64_t match_turn;
	struct audience **matched; /* owned scratch */
	size_t matched_count, matched_cap;
};

/* `names_hash` is hash_span(hash_span(seed, service), id or prefix): for an id, the record's
 * document_hash. */
static inline uint64_t pattern_hash(uint64_t names_hash, enum topic_event event,
				    enum pattern_kind kind)
{
	uint64_t hash =
		names_hash ^ ((uint64_t)event * 4 + kind + 1) * UINT64_C(0x9e3779b97f4a7c15);

	return hash ^ hash >> 32;
}

/* NULL: nobody has such a pattern. `hash` is its pattern_hash(), `name` its id or prefix. */
struct pattern *pattern_find(const struct subscription_index *index, uint64_t hash,
			     enum topic_event event, enum pattern_kind kind, struct span service,
			     struct span name);
/* The prefix that the client named. */
static inline struct span pattern_asked_prefix(const struct pattern *pattern)
{
	return pattern->kind == PATTERN_NARROWED ? SPAN_NONE : pattern->prefix;
}
/* Makes one where there is none. It stays until its last link goes: link it at once. */
struct pattern *pattern_get(struct subscription_index *index, const struct subscription_spec *spec);
/* Links entries[entry] with its pattern, and the reverse, which drops a pattern without links. */
void pattern_link(struct audience *audience, uint32_t entry);
void pattern_unlink(struct subscription_index *index, struct audience *audience, uint32_t entry);

/* Frees an array of entries that are not linked, and lets go of their filters. */
void audience_entries_free(struct entry *entries, uint32_t count);
/* What the entry adds to the hash of its audience. */
uint64_t audience_entry_hash(const struct entry *entry);
/* The audience of exactly these entries, sorted by pattern. NULL: none. */
struct audience *audience_find(const struct subscription_index *index, const struct entry *entries,
			       uint32_t count, uint64_t hash, uint8_t kind);
/* Takes `entries` over. It has no member yet: add one at once. */
struct audience *audience_create(struct subscription_index *index, struct entry *entries,
				 uint32_t count, uint64_t hash, uint8_t kind);
/* Gives an audience of one member another set. Takes `entries` over. */
void audience_change(struct subscription_index *index, struct audience *audience,
		     struct entry *entries, uint32_t count, uint64_t hash);
void audience_add_member(struct subscription_index *index, struct audience *audience,
			 struct audience_member *member);
/* Destroys the audience with its last member. */
void audience_remove_member(struct subscription_index *index, struct audience_member *member);

#endif
