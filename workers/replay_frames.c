/* replay_frames.c — missed revisions as frames, made from the history as the relay makes them from
 * the channel: the same text, the same cut. Backwards from the newest, for that is how they can be
 * rebuilt, and what is too much is known before it is done. */
#include "diff.h"
#include "replay_private.h"

/* Where it stands, and what is the same for all frames. */
struct walk {
	struct replay_set *set;
	const struct replay *replay;
	const struct store_history *history;
	struct buffer data;  /* of the revision it is at; owned */
	struct buffer diff;  /* scratch; owned */
	struct buffer text;  /* scratch; owned */
	struct buffer bytes; /* all frames, the newest first; owned */
};

static bool is_tombstone(struct span op)
{
	return span_equals(op, SPAN("delete")) || span_equals(op, SPAN("expire"));
}

/* A restore makes a tombstone live again, or is one change more: the entry before tells. */
static int event_of(const struct store_history *history, size_t at, enum topic_event *ret)
{
	struct span op = history->entries[at].op;

	*ret = TOPIC_UPDATED;
	if (span_equals(op, SPAN("create")))
		*ret = TOPIC_CREATED;
	else if (span_equals(op, SPAN("delete")))
		*ret = TOPIC_DELETED;
	else if (span_equals(op, SPAN("expire")))
		*ret = TOPIC_EXPIRED;
	else if (span_equals(op, SPAN("restore")) && at + 1 == history->count)
		return -ENODATA;
	else if (span_equals(op, SPAN("restore")) && is_tombstone(history->entries[at + 1].op))
		*ret = TOPIC_CREATED;
	return 0;
}

/* From the data of a revision to that of the one before. */
static int step_back(struct walk *walk, struct span reversible)
{
	struct replay_set *set = walk->set;
	struct json_fault fault;
	struct buffer before = {0};

	if (json_parse(&set->data, buffer_span(&walk->data), JSON_DEPTH_LIMIT, &fault) ||
	    json_parse(&set->diff, reversible, JSON_DEPTH_LIMIT, &fault) ||
	    diff_revert(&set->data, &set->diff, &before)) {
		buffer_fini(&before);
		return -ENODATA;
	}
	buffer_fini(&walk->data);
	walk->data = before;
	return 0;
}

static int client_form(struct walk *walk, struct span reversible)
{
	struct json_fault fault;

	walk->diff.len = 0;
	if (json_parse(&walk->set->diff, reversible, JSON_DEPTH_LIMIT, &fault) ||
	    diff_client_form(&walk->set->diff, &walk->diff))
		return -ENODATA;
	return 0;
}

static int append_frame(struct walk *walk, const struct event *event)
{
	CLEANUP(buffer_fini) struct buffer ring = {0};
	struct event_segments segments;
	struct event_record record;
	struct iovec parts[4];

	walk->text.len = 0;
	event_format(&walk->text, event);
	if (event_parse(buffer_span(&walk->text), &walk->set->scratch, &segments))
		return -ENODATA;
	event_record_format(&ring, &segments, buffer_span(&walk->replay->position), 0);
	MUST(!event_record_parse(buffer_span(&ring), &record));
	unsigned count = event_record_frame(&record, walk->replay->subscribe.spec.mode, parts);
	for (unsigned i = 0; i < count; i++)
		buffer_append(&walk->bytes, parts[i].iov_base, parts[i].iov_len);
	return 0;
}

/* The frame of the entry at which the walk is; *ret_len 0: the topic does not match. */
static int frame_of(struct walk *walk, size_t at, size_t *ret_len)
{
	const struct store_history_entry *entry = &walk->history->entries[at];
	const struct subscription_spec *spec = &walk->replay->subscribe.spec;
	const struct document *document = &walk->history->document;
	size_t before = walk->bytes.len;
	enum topic_event name;

	*ret_len = 0;
	if (event_of(walk->history, at, &name))
		return -ENODATA;
	if (!topic_matches(&spec->topic, document->service, name))
		return 0;
	if (client_form(walk, entry->reversible))
		return -ENODATA;
	struct event event = {
		.name = name,
		.service = document->service,
		.id = document->id,
		.revision = entry->revision,
		.timestamp_ms = entry->at_ms,
		.by = entry->by,
		.deleted = is_tombstone(entry->op),
		.data = spec->mode == EVENT_DIFF ? SPAN("{}") : buffer_span(&walk->data),
		.diff = buffer_span(&walk->diff),
	};
	if (append_frame(walk, &event))
		return -ENODATA;
	*ret_len = walk->bytes.len - before;
	return 0;
}

/* Entries follow each other without a hole, from that of the newest revision on. */
static bool is_next(const struct store_history *history, size_t at)
{
	const struct store_history_entry *entry = &history->entries[at];

	return entry->has_diff && entry->revision == history->document.revision - at &&
	       (at || entry->at_ms == history->document.updated_at_ms);
}

static int walk_back(struct walk *walk, size_t count, size_t budget, size_t *lens)
{
	bool needs_data = walk->replay->subscribe.spec.mode != EVENT_DIFF;

	for (size_t i = 0; i < count; i++) {
		if (!is_next(walk->history, i))
			return -ENODATA;
		if (i && needs_data && step_back(walk, walk->history->entries[i - 1].reversible))
			return -ENODATA;
		int error = frame_of(walk, i, &lens[i]);
		if (error)
			return error;
		if (walk->bytes.len > budget)
			return -E2BIG;
	}
	return 0;
}

/* One batch, the oldest first. */
static struct batch *batch_backwards(const struct walk *walk, size_t count, const size_t *lens)
{
	struct batch *batch = batch_create();
	struct text *arena = text_create(buffer_span(&walk->bytes));
	size_t at = walk->bytes.len;

	for (size_t i = count; i-- > 0;) {
		at -= lens[i];
		struct iovec part = {arena->at + at, lens[i]};

		if (lens[i])
			batch_append(batch, &part, 1, arena);
	}
	text_put(arena);
	return batch;
}

int replay_frames(struct replay_set *set, const struct replay *replay,
		  const struct store_history *history, size_t count, size_t budget,
		  struct batch **ret)
{
	struct walk walk = {.set = set, .replay = replay, .history = history};
	size_t lens[REPLAY_REVISIONS_MAX] = {0};

	if (count > REPLAY_REVISIONS_MAX)
		return -E2BIG;
	if (count > history->count)
		return -ENODATA;
	if (replay->subscribe.spec.mode != EVENT_DIFF)
		buffer_append_span(&walk.data, history->document.data);
	int error = walk_back(&walk, count, budget, lens);
	if (!error)
		*ret = batch_backwards(&walk, count, lens);
	buffer_fini(&walk.data);
	buffer_fini(&walk.diff);
	buffer_fini(&walk.text);
	buffer_fini(&walk.bytes);
	return error;
}
