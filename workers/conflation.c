#include "conflation.h"

#include <bsd/sys/queue.h>

#define FIRST_BUCKETS 16

/* A document. The presence of a document is an entry of its own: it has no revisions. */
struct entry {
	TAILQ_ENTRY(entry) link; /* in the order in which they began to wait */
	struct entry *next;      /* in its bucket */
	struct kept_record *record;
	uint64_t hash;
	uint64_t first_revision, newest_revision;
	enum topic_event name;
	uint8_t service_len, id_len;
	bool several;
	bool final; /* nothing that comes later can take the place of telling it to read again */
	char names[];
};

TAILQ_HEAD(entry_list, entry);

struct conflation {
	struct entry_list entries;
	struct entry **buckets; /* owned; bucket_count is a power of two */
	size_t bucket_count, count;
	size_t bytes, list_max;
	size_t body_bytes, bodies_max;
	size_t *held_bytes; /* borrowed: the worker's */
	bool collapsed;
	struct entry *taken; /* owned: the one conflation_take() gave out */
};

struct conflation *conflation_create(size_t list_max, size_t bodies_max, size_t *held_bytes)
{
	struct conflation *conflation = calloc(1, sizeof(*conflation));

	MUST(conflation);
	TAILQ_INIT(&conflation->entries);
	conflation->bucket_count = FIRST_BUCKETS;
	conflation->buckets = calloc(FIRST_BUCKETS, sizeof(*conflation->buckets));
	MUST(conflation->buckets);
	conflation->list_max = list_max;
	conflation->bodies_max = bodies_max;
	conflation->held_bytes = held_bytes;
	return conflation;
}

/* --- events held -------------------------------------------------------------- */

static void release_record(struct conflation *conflation, struct kept_record *record)
{
	if (!record)
		return;
	conflation->body_bytes -= record->text->len;
	if (!--record->holders)
		*conflation->held_bytes -= record->text->len;
	kept_record_put(record);
}

/* Holds the record in place of what the entry held; if it does not fit, the entry holds none. */
static void hold_record(struct conflation *conflation, struct entry *entry,
			struct kept_record *record)
{
	release_record(conflation, entry->record);
	entry->record = NULL;
	if (!record || (conflation->body_bytes &&
			conflation->body_bytes + record->text->len > conflation->bodies_max))
		return;
	entry->record = kept_record_get(record);
	conflation->body_bytes += record->text->len;
	if (!record->holders++)
		*conflation->held_bytes += record->text->len;
}

/* --- the list ------------------------------------------------------------------ */

static bool is_presence(enum topic_event name)
{
	return name == TOPIC_PRESENCE;
}

static struct span entry_service(const struct entry *entry)
{
	return span_of(entry->names, entry->service_len);
}

static struct span entry_id(const struct entry *entry)
{
	return span_of(entry->names + entry->service_len, entry->id_len);
}

/* Its place in the buckets counts too. */
static size_t entry_size(size_t names_len)
{
	return sizeof(struct entry) + sizeof(struct entry *) + names_len;
}

static size_t entry_bytes(const struct entry *entry)
{
	return entry_size((size_t)entry->service_len + entry->id_len);
}

static struct entry **bucket_of(const struct conflation *conflation, uint64_t hash)
{
	return &conflation->buckets[hash & (conflation->bucket_count - 1)];
}

static struct entry *find(const struct conflation *conflation, const struct event_record *event)
{
	struct entry *entry = *bucket_of(conflation, event->document_hash);

	while (entry && !(entry->hash == event->document_hash &&
			  is_presence(entry->name) == is_presence(event->name) &&
			  span_equals(entry_service(entry), event->service) &&
			  span_equals(entry_id(entry), event->id)))
		entry = entry->next;
	return entry;
}

static void grow(struct conflation *conflation)
{
	struct entry *entry;

	conflation->bucket_count *= 2;
	free(conflation->buckets);
	conflation->buckets = calloc(conflation->bucket_count, sizeof(*conflation->buckets));
	MUST(conflation->buckets);
	TAILQ_FOREACH(entry, &conflation->entries, link)
	{
		struct entry **bucket = bucket_of(conflation, entry->hash);

		entry->next = *bucket;
		*bucket = entry;
	}
}

static struct entry *add(struct conflation *conflation, const struct event_record *event)
{
	struct entry *entry = calloc(1, sizeof(*entry) + event->service.len + event->id.len);

	MUST(entry);
	entry->hash = event->document_hash;
	entry->first_revision = event->revision;
	entry->service_len = (uint8_t)event->service.len;
	entry->id_len = (uint8_t)event->id.len;
	memcpy(entry->names, event->service.at, event->service.len);
	memcpy(entry->names + event->service.len, event->id.at, event->id.len);
	if (conflation->count == conflation->bucket_count)
		grow(conflation);
	struct entry **bucket = bucket_of(conflation, entry->hash);
	entry->next = *bucket;
	*bucket = entry;
	TAILQ_INSERT_TAIL(&conflation->entries, entry, link);
	conflation->count++;
	conflation->bytes += entry_bytes(entry);
	return entry;
}

static void unlink_entry(struct conflation *conflation, struct entry *entry)
{
	struct entry **place = bucket_of(conflation, entry->hash);

	while (*place != entry)
		place = &(*place)->next;
	*place = entry->next;
	TAILQ_REMOVE(&conflation->entries, entry, link);
	conflation->count--;
	conflation->bytes -= entry_bytes(entry);
}

static void free_entry(struct conflation *conflation, struct entry *entry)
{
	release_record(conflation, entry->record);
	free(entry);
}

size_t conflation_collapse(struct conflation *conflation)
{
	size_t count = conflation->count;
	struct entry *entry;

	while ((entry = TAILQ_FIRST(&conflation->entries))) {
		unlink_entry(conflation, entry);
		free_entry(conflation, entry);
	}
	conflation->collapsed = true;
	return count;
}

void conflation_destroy(struct conflation *conflation)
{
	if (!conflation)
		return;
	MUST(!conflation->taken);
	conflation_collapse(conflation);
	free(conflation->buckets);
	free(conflation);
}

/* --- remembering ---------------------------------------------------------------- */

/* A second event of the entry's document. A notice stays what it is, for it says more than we know
 * here; a revision that does not rise is another lineage. */
static void replace(struct conflation *conflation, struct entry *entry, struct kept_record *record,
		    enum event_mode mode)
{
	const struct event_record *event = &record->event;
	bool notice = event->kind == EVENT_RECORD_RESYNC;

	entry->several = true;
	if (entry->final)
		return;
	entry->final =
		notice || is_presence(event->name) || event->revision <= entry->newest_revision;
	if (notice || (!entry->final && mode == EVENT_FULL))
		hold_record(conflation, entry, record);
	else
		hold_record(conflation, entry, NULL);
}

static bool list_has_room(const struct conflation *conflation, const struct event_record *event)
{
	return conflation->bytes + entry_size(event->service.len + event->id.len) <=
	       conflation->list_max;
}

size_t conflation_remember(struct conflation *conflation, struct kept_record *record,
			   enum event_mode mode)
{
	const struct event_record *event = &record->event;

	if (conflation->collapsed)
		return 1;
	struct entry *entry = event->service.len ? find(conflation, event) : NULL;
	bool known = entry;

	/* A notice to everybody is about all documents, those in the list too. */
	if (!event->service.len || (!known && !list_has_room(conflation, event)))
		return conflation_collapse(conflation) + 1;
	if (known) {
		replace(conflation, entry, record, mode);
	} else {
		entry = add(conflation, event);
		entry->final = event->kind == EVENT_RECORD_RESYNC;
		hold_record(conflation, entry, record);
	}
	entry->name = event->name;
	entry->newest_revision = event->revision;
	return known;
}

/* --- reading --------------------------------------------------------------------- */

bool conflation_is_collapsed(const struct conflation *conflation)
{
	return conflation->collapsed;
}

bool conflation_is_empty(const struct conflation *conflation)
{
	return !conflation->count && !conflation->collapsed;
}

size_t conflation_bytes(const struct conflation *conflation)
{
	return conflation->bytes;
}

bool conflation_take(struct conflation *conflation, struct conflated *ret)
{
	struct entry *entry = TAILQ_FIRST(&conflation->entries);

	MUST(!conflation->taken);
	if (!entry)
		return false;
	unlink_entry(conflation, entry);
	conflation->taken = entry;
	*ret = (struct conflated){
		.names = {.kind = EVENT_RECORD_EVENT,
			  .name = entry->name,
			  .service = entry_service(entry),
			  .id = entry_id(entry),
			  .document_hash = entry->hash},
		.record = entry->record,
		.several = entry->several,
		.from_revision = entry->first_revision ? entry->first_revision - 1 : 0,
	};
	return true;
}

void conflated_fini(struct conflation *conflation, struct conflated *conflated)
{
	MUST(conflation->taken);
	free_entry(conflation, conflation->taken);
	conflation->taken = NULL;
	*conflated = (struct conflated){0};
}
