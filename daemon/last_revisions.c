/* last_revisions.c — a hash table whose entries also stand in the order of their last event. */
#include "last_revisions.h"

#include "hash.h"

TAILQ_HEAD(revision_list, last_revision);

struct last_revisions {
	uint64_t seed;
	size_t max, count;
	size_t mask;
	struct last_revision **buckets; /* owned */
	struct revision_list order;     /* owned; oldest first */
	bool has_forgotten;
	uint64_t forgotten_mark; /* highest of what was forgotten for want of room, or cleared */
};

struct last_revisions *last_revisions_create(size_t max, uint64_t hash_seed)
{
	struct last_revisions *table = calloc(1, sizeof(*table));
	MUST(table && max);
	size_t buckets = 1;
	while (buckets < max)
		buckets *= 2;
	table->seed = hash_seed;
	table->max = max;
	table->mask = buckets - 1;
	table->buckets = calloc(buckets, sizeof(struct last_revision *));
	MUST(table->buckets);
	TAILQ_INIT(&table->order);
	return table;
}

static uint64_t hash_of(const struct last_revisions *table, struct span service, struct span id)
{
	return hash_span(hash_span(table->seed, service), id);
}

/* Where the entry hangs, or would. */
static struct last_revision **place_of(const struct last_revisions *table, uint64_t hash,
				       struct span service, struct span id)
{
	struct last_revision **place = &table->buckets[hash & table->mask];
	while (*place && ((*place)->hash != hash || !span_equals((*place)->id, id) ||
			  !span_equals((*place)->service, service)))
		place = &(*place)->next;
	return place;
}

static void remove_at(struct last_revisions *table, struct last_revision **place)
{
	struct last_revision *entry = *place;
	*place = entry->next;
	TAILQ_REMOVE(&table->order, entry, link);
	table->count--;
	free(entry);
}

static void note_forgotten(struct last_revisions *table, uint64_t mark)
{
	if (!table->has_forgotten || mark > table->forgotten_mark)
		table->forgotten_mark = mark;
	table->has_forgotten = true;
}

static void forget(struct last_revisions *table, const struct last_revision *entry)
{
	note_forgotten(table, entry->mark);
	remove_at(table, place_of(table, entry->hash, entry->service, entry->id));
}

void last_revisions_clear(struct last_revisions *table)
{
	while (!TAILQ_EMPTY(&table->order))
		forget(table, TAILQ_FIRST(&table->order));
}

void last_revisions_destroy(struct last_revisions *table)
{
	if (!table)
		return;
	last_revisions_clear(table);
	free(table->buckets);
	free(table);
}

size_t last_revisions_count(const struct last_revisions *table)
{
	return table->count;
}

const struct last_revision *last_revisions_find(const struct last_revisions *table,
						struct span service, struct span id)
{
	return *place_of(table, hash_of(table, service, id), service, id);
}

enum last_revisions_judgement last_revisions_judge(const struct last_revisions *table,
						   struct span service, struct span id,
						   uint64_t revision, int64_t at_ms)
{
	const struct last_revision *last = last_revisions_find(table, service, id);
	if (!last)
		return LAST_UNKNOWN;
	if (revision > last->revision)
		return revision == last->revision + 1 ? LAST_NEXT : LAST_HOLE;
	/* updatedAt only grows within a lineage. An id that begins anew after its purge is a new
	 * lineage too: clients ignore revisions up to what they hold, so they must be told. */
	return at_ms > last->at_ms ? LAST_NEW_LINEAGE : LAST_REPEATED;
}

static struct last_revision *add(struct last_revisions *table, const struct last_revision *what)
{
	size_t names_len = what->service.len + what->id.len;
	struct last_revision *entry = calloc(1, sizeof(*entry) + names_len);
	MUST(entry);
	memcpy(entry->names, what->service.at, what->service.len);
	memcpy(entry->names + what->service.len, what->id.at, what->id.len);
	entry->service = span_of(entry->names, what->service.len);
	entry->id = span_of(entry->names + what->service.len, what->id.len);
	entry->hash = hash_of(table, what->service, what->id);
	struct last_revision **place = &table->buckets[entry->hash & table->mask];
	entry->next = *place;
	*place = entry;
	TAILQ_INSERT_TAIL(&table->order, entry, link);
	table->count++;
	return entry;
}

int last_revisions_set(struct last_revisions *table, const struct last_revision *what)
{
	uint64_t hash = hash_of(table, what->service, what->id);
	struct last_revision *entry = *place_of(table, hash, what->service, what->id);
	if (entry) {
		TAILQ_REMOVE(&table->order, entry, link);
		TAILQ_INSERT_TAIL(&table->order, entry, link);
	} else {
		if (table->count == table->max) {
			struct last_revision *oldest = TAILQ_FIRST(&table->order);
			if (oldest->mark >= what->mark) {
				note_forgotten(table, what->mark);
				return -ENOSPC;
			}
			forget(table, oldest);
		}
		entry = add(table, what);
	}
	entry->revision = what->revision;
	entry->at_ms = what->at_ms;
	entry->mark = what->mark;
	entry->deleted = what->deleted;
	return 0;
}

bool last_revisions_forgot(const struct last_revisions *table, uint64_t mark)
{
	return table->has_forgotten && table->forgotten_mark >= mark;
}

void last_revisions_drop(struct last_revisions *table, struct span service, struct span id)
{
	struct last_revision **place = place_of(table, hash_of(table, service, id), service, id);
	if (*place)
		remove_at(table, place);
}

void last_revisions_each(const struct last_revisions *table, uint64_t mark,
			 void (*fn)(const struct last_revision *, void *), void *arg)
{
	const struct last_revision *entry;
	TAILQ_FOREACH_REVERSE(entry, &table->order, revision_list, link)
	{
		if (entry->mark < mark)
			break;
		fn(entry, arg);
	}
}
