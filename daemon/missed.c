/* missed.c — see missed.h. The newest data stands in the envelope; each entry's diff, put on
 * backwards, gives the data before it. */
#include "missed.h"

#include "diff.h"
#include "event.h"
#include "history_op.h"

/* Entries of revisions that went by, from the newest on; *ret_first is the lowest of those. False:
 * cannot be told. */
static bool find_first(const struct store_missed *stored, const struct last_revision *known,
		       uint64_t from, uint64_t *ret_first)
{
	if (known) {
		*ret_first = known->revision + 1;
		return true;
	}
	for (size_t i = 0; i < stored->count; i++) {
		if (stored->entries[i].sequence > from)
			continue;
		*ret_first = stored->entries[i].revision + 1;
		return true;
	}
	*ret_first = 1;
	return stored->count && stored->entries[stored->count - 1].revision == 1;
}

/* Revision and updatedAt agree with what the history says about it, as far as it goes back. */
static bool is_same_lineage(const struct store_missed *stored, const struct document *newest,
			    const struct last_revision *known)
{
	if (newest->revision < known->revision)
		return false;
	if (newest->revision == known->revision)
		return newest->updated_at_ms == known->at_ms;
	for (size_t i = 0; i < stored->count; i++) {
		const struct store_missed_entry *entry = &stored->entries[i];
		if (entry->revision == known->revision)
			return entry->at_ms == known->at_ms;
		if (entry->revision > known->revision && entry->at_ms <= known->at_ms)
			return false;
	}
	return newest->updated_at_ms > known->at_ms;
}

static bool is_complete(const struct store_missed *stored, const struct document *newest,
			uint64_t first)
{
	uint64_t count = newest->revision - first + 1;
	if (count > stored->count || stored->entries[0].at_ms != newest->updated_at_ms)
		return false;
	for (size_t i = 0; i < count; i++)
		if (stored->entries[i].revision != newest->revision - i ||
		    !stored->entries[i].diff.len)
			return false;
	return true;
}

/* What goes from one revision to the one before it. */
struct rebuild {
	const struct store_missed *stored;
	const struct last_revision *known;
	struct document newest;
	struct buffer data;   /* of the revision at hand */
	struct buffer before; /* of the one before it */
	struct json data_json, diff_json;
	struct buffer client;
	size_t bytes;
};

static enum history_before before_entry(const struct rebuild *rebuild, size_t i)
{
	bool tombstone;

	if (i + 1 < rebuild->stored->count)
		tombstone = history_op_is_tombstone(rebuild->stored->entries[i + 1].op);
	else if (rebuild->known)
		tombstone = rebuild->known->deleted;
	else
		return HISTORY_BEFORE_UNKNOWN;
	return tombstone ? HISTORY_BEFORE_TOMBSTONE : HISTORY_BEFORE_LIVING;
}

/* The text of the revision of entry `i`. -EINVAL: the diff is none, or the event cannot be told. */
static int format_event(struct rebuild *rebuild, size_t i, struct buffer *ret)
{
	const struct store_missed_entry *entry = &rebuild->stored->entries[i];
	struct json_fault fault;
	enum topic_event name;
	rebuild->client.len = 0;
	if (history_op_event(entry->op, before_entry(rebuild, i), &name) ||
	    json_parse(&rebuild->diff_json, entry->diff, JSON_DEPTH_LIMIT, &fault) ||
	    diff_client_form(&rebuild->diff_json, &rebuild->client))
		return -EINVAL;
	const struct event event = {
		.name = name,
		.service = rebuild->newest.service,
		.id = rebuild->newest.id,
		.revision = entry->revision,
		.timestamp_ms = entry->at_ms,
		.by = entry->by,
		.deleted = history_op_is_tombstone(entry->op),
		.data = buffer_span(&rebuild->data),
		.diff = buffer_span(&rebuild->client),
	};
	event_format(ret, &event);
	rebuild->bytes += ret->len;
	return 0;
}

/* One revision back, by the diff that format_event() has parsed. */
static int step_back(struct rebuild *rebuild)
{
	struct json_fault fault;
	rebuild->before.len = 0;
	if (json_parse(&rebuild->data_json, buffer_span(&rebuild->data), JSON_DEPTH_LIMIT,
		       &fault) ||
	    diff_revert(&rebuild->data_json, &rebuild->diff_json, &rebuild->before))
		return -EINVAL;
	struct buffer data = rebuild->data;
	rebuild->data = rebuild->before;
	rebuild->before = data;
	return 0;
}

static int rebuild_events(struct rebuild *rebuild, size_t bytes_max, struct missed *ret)
{
	buffer_append_span(&rebuild->data, rebuild->newest.data);
	for (size_t i = 0; i < ret->count; i++) {
		if (format_event(rebuild, i, &ret->events[ret->count - 1 - i]) ||
		    rebuild->bytes > bytes_max)
			return -EINVAL;
		if (i + 1 < ret->count && step_back(rebuild))
			return -EINVAL;
	}
	return 0;
}

static int build(const struct store_missed *stored, const struct last_revision *known,
		 uint64_t first, size_t bytes_max, struct missed *ret)
{
	struct rebuild rebuild = {.stored = stored, .known = known, .newest = ret->newest};
	ret->count = ret->newest.revision - first + 1;
	ret->events = calloc(ret->count, sizeof(*ret->events));
	MUST(ret->events);
	int error = rebuild_events(&rebuild, bytes_max, ret);
	buffer_fini(&rebuild.data);
	buffer_fini(&rebuild.before);
	buffer_fini(&rebuild.client);
	json_fini(&rebuild.data_json);
	json_fini(&rebuild.diff_json);
	return error;
}

void missed_judge(const struct store_missed *stored, const struct last_revision *known,
		  uint64_t from, size_t bytes_max, struct missed *ret)
{
	uint64_t first;
	*ret = (struct missed){.verdict = MISSED_NOTHING};
	if (!stored->envelope.len) {
		/* A tombstone may have been purged; nothing else goes without a trace. */
		if (known && !known->deleted)
			ret->verdict = MISSED_ROLLBACK;
		return;
	}
	ret->verdict = MISSED_LOST;
	if (document_parse(stored->envelope, &ret->newest))
		return;
	if (known && !is_same_lineage(stored, &ret->newest, known)) {
		ret->verdict = MISSED_ROLLBACK;
		return;
	}
	if (!find_first(stored, known, from, &first))
		return;
	if (first > ret->newest.revision) {
		ret->verdict = MISSED_NOTHING;
		return;
	}
	if (!is_complete(stored, &ret->newest, first))
		return;
	if (build(stored, known, first, bytes_max, ret)) {
		struct document newest = ret->newest;
		missed_fini(ret);
		*ret = (struct missed){.verdict = MISSED_LOST, .newest = newest};
		return;
	}
	ret->verdict = MISSED_EVENTS;
}

void missed_fini(struct missed *missed)
{
	for (size_t i = 0; i < missed->count; i++)
		buffer_fini(&missed->events[i]);
	free(missed->events);
	missed->events = NULL;
	missed->count = 0;
}
