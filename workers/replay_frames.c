/* replay_frames.c — missed revisions as frames, made from the history as the relay makes them from
 * the channel: the same text, the same cut. Backwards from the newest, for that is how they can be
 * rebuilt, and what is too much is known before it is done. */
#include "diff.h"
#include "history_op.h"
#include "replay_private.h"

/* Where it stands, and what is the same for all frames. */
struct walk {
	struct replay_set *set;
	const struct replay *replay;
	const struct replay_document *document;
	const struct store_history *history;
	uint8_t modes[TOPIC_PRESENCE]; /* by event; 0: not replayed */
	bool needs_data;               /* one of them does */
	uint8_t untold;                /* as in struct replay_document */
	struct buffer data;            /* of the revision it is at; owned */
	struct buffer diff;            /* scratch; owned */
	struct buffer text;            /* scratch; owned */
	struct buffer bytes;           /* all frames, the newest first; owned */
};

static int event_of(const struct store_history *history, size_t at, enum topic_event *ret)
{
	enum history_before before = HISTORY_BEFORE_UNKNOWN;

	if (at + 1 < history->count)
		before = history_op_is_tombstone(history->entries[at + 1].op)
				 ? HISTORY_BEFORE_TOMBSTONE
				 : HISTORY_BEFORE_LIVING;
	return history_op_event(history->entries[at].op, before, ret);
}

/* A connection gets an event once, in the modes of all its subscriptions: what is replayed here is
 * not told again by another one. */
static void choose_modes(struct walk *walk)
{
	const struct replay *replay = walk->replay;
	struct event_record record = {.kind = EVENT_RECORD_EVENT,
				      .service = replay_service(replay, walk->document),
				      .id = replay_id(replay, walk->document)};

	for (record.name = 0; record.name < TOPIC_PRESENCE; record.name++) {
		if (!replay_matches(replay, record.service, record.name))
			continue;
		walk->modes[record.name] =
			(uint8_t)(replay->specs[0].mode |
				  audience_mode(replay->replays->member.audience, &record));
		walk->needs_data |= walk->modes[record.name] != EVENT_DIFF;
	}
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

/* Who has got the newest of a document, and that is what comes first here, has been told of it. */
static void append_id(const struct walk *walk, struct buffer *ret)
{
	struct progress progress = walk->replay->progress;

	if (!walk->bytes.len)
		progress.told = walk->document->sequence;
	progress_append(ret, &progress);
}

static int append_frame(struct walk *walk, const struct event *event)
{
	const struct replays *replays = walk->replay->replays;
	CLEANUP(buffer_fini) struct buffer id = {0};
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
	unsigned count = event_record_frame(&record, walk->modes[event->name], parts);
	walk->untold |= (uint8_t)((~walk->modes[event->name] & EVENT_BOTH) << (2 * event->name));
	append_id(walk, &id);
	replays->client->append_event(replays, &walk->bytes, buffer_span(&id), parts, count);
	return 0;
}

/* The frame of the entry at which the walk is; *ret_len 0: the topic does not match. */
static int frame_of(struct walk *walk, size_t at, uint32_t *ret_len)
{
	const struct store_history_entry *entry = &walk->history->entries[at];
	const struct document *document = &walk->history->document;
	size_t before = walk->bytes.len;
	enum topic_event name;

	*ret_len = 0;
	if (event_of(walk->history, at, &name))
		return -ENODATA;
	if (!walk->modes[name])
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
		.deleted = history_op_is_tombstone(entry->op),
		.data = walk->needs_data ? buffer_span(&walk->data) : SPAN("{}"),
		.diff = buffer_span(&walk->diff),
	};
	if (append_frame(walk, &event))
		return -ENODATA;
	*ret_len = (uint32_t)(walk->bytes.len - before);
	return 0;
}

/* Entries follow each other without a hole, from that of the newest revision on. */
static bool is_next(const struct store_history *history, size_t at)
{
	const struct store_history_entry *entry = &history->entries[at];

	return entry->has_diff && entry->revision == history->document.revision - at &&
	       (at || entry->at_ms == history->document.updated_at_ms);
}

static int walk_back(struct walk *walk, size_t count, size_t budget, uint32_t *lens)
{
	for (size_t i = 0; i < count; i++) {
		if (!is_next(walk->history, i))
			return -ENODATA;
		if (i && walk->needs_data &&
		    step_back(walk, walk->history->entries[i - 1].reversible))
			return -ENODATA;
		int error = frame_of(walk, i, &lens[i]);
		if (error)
			return error;
		if (walk->bytes.len > budget)
			return -E2BIG;
	}
	return 0;
}

int replay_frames_make(const struct replay *replay, struct replay_document *document,
		       const struct store_history *history, size_t count, size_t budget,
		       struct replay_frames *ret)
{
	struct walk walk = {.set = replay->replays->set,
			    .replay = replay,
			    .document = document,
			    .history = history};
	uint32_t lens[REPLAY_REVISIONS_MAX] = {0};

	if (count > REPLAY_REVISIONS_MAX)
		return -E2BIG;
	if (count > history->count)
		return -ENODATA;
	choose_modes(&walk);
	if (walk.needs_data)
		buffer_append_span(&walk.data, history->document.data);
	int error = walk_back(&walk, count, budget, lens);
	if (!error) {
		document->untold |= walk.untold;
		*ret = (struct replay_frames){.text = text_create(buffer_span(&walk.bytes)),
					      .lens = malloc(sizeof(lens)),
					      .left = count,
					      .end = walk.bytes.len};
		MUST(ret->lens);
		memcpy(ret->lens, lens, sizeof(lens));
	}
	buffer_fini(&walk.data);
	buffer_fini(&walk.diff);
	buffer_fini(&walk.text);
	buffer_fini(&walk.bytes);
	return error;
}

/* --- portions ---------------------------------------------------------------- */

size_t replay_frames_portion(const struct replay_frames *frames, size_t most)
{
	size_t len = 0;

	for (size_t i = frames->left; i-- > 0;) {
		if (len && len + frames->lens[i] > most)
			break;
		len += frames->lens[i];
	}
	return len;
}

struct batch *replay_frames_take(struct replay_frames *frames, size_t len)
{
	struct batch *batch = batch_create();

	while (len) {
		uint32_t frame_len = frames->lens[--frames->left];

		if (!frame_len) /* the topic does not match */
			continue;
		frames->end -= frame_len;
		len -= frame_len;
		struct iovec part = {frames->text->at + frames->end, frame_len};
		batch_append(batch, &part, 1, frames->text);
	}
	return batch;
}

void replay_frames_fini(struct replay_frames *frames)
{
	text_put(frames->text);
	free(frames->lens);
	*frames = (struct replay_frames){.text = NULL};
}
