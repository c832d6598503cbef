/* replay_events.c — live events of a client that stands apart: held, dropped or sent. */
#include "replay_private.h"

#include "fanout.h"

/* Not yet sent: who is unsubscribed now gets it by another subscription. */
static bool is_under_way(const struct replay *replay, const struct replay_document *document)
{
	return replay->frames.left && document == &replay->documents[replay->next - 1];
}

/* Presence has none, and a resync tells of no write. */
static bool has_revision(const struct event_record *record)
{
	return record->kind == EVENT_RECORD_EVENT && record->name < TOPIC_PRESENCE;
}

/* updatedAt too: a document that was purged and made anew begins at revision 1 again. */
static bool was_read(const struct replay_document *document, const struct event_record *record)
{
	return document && record->revision <= document->revision &&
	       record->timestamp_ms <= document->at_ms;
}

static bool has_read(const struct replay *replay, const struct event_record *record)
{
	return has_revision(record) && was_read(replay_find(replay, record->document_hash), record);
}

static bool is_replayed_by(const struct replay *replay, const struct event_record *record,
			   unsigned mode)
{
	const struct replay_document *document = replay_find(replay, record->document_hash);

	return was_read(document, record) && !(mode & replay_untold(document, record->name)) &&
	       !is_under_way(replay, document) &&
	       replay_matches(replay, record->service, record->name);
}

/* Only what the topic of a replay matches is in that replay, and only in the modes wanted at that
 * time; else it is still news, for another subscription of the connection. */
static bool is_replayed(const struct replays *replays, const struct event_record *record,
			unsigned mode)
{
	const struct replay *replay;

	if (!has_revision(record))
		return false;
	TAILQ_FOREACH(replay, &replays->list, link)
	if (replay->state != REPLAY_WAITING && is_replayed_by(replay, record, mode))
		return true;
	return false;
}

/* Its turn to be read comes later, and what is published already will be in that. */
static bool will_be_read(const struct replay *replay, const struct event_record *record)
{
	const struct replay_document *document = replay_find(replay, record->document_hash);
	size_t unread = replay->next + (replay->read ? 1 : 0);

	return replay->subscribe.resume.kind == RESUME_AFTER && record->name < TOPIC_PRESENCE &&
	       document && document >= replay->documents + unread &&
	       replay_matches(replay, record->service, record->name);
}

/* --- holding ----------------------------------------------------------------- */

static void held_destroy(struct replays *replays, struct held_event *event)
{
	replays->held_bytes -= event->frame_len;
	TAILQ_REMOVE(&replays->held, event, link);
	free(event);
}

void replay_drop_held(struct replays *replays)
{
	struct held_event *event;

	while ((event = TAILQ_FIRST(&replays->held)))
		held_destroy(replays, event);
}

static struct held_event *held_create(const struct event_record *record, enum event_mode mode,
				      const struct iovec *parts, unsigned count, size_t len)
{
	struct held_event *event =
		calloc(1, sizeof(*event) + len + record->service.len + record->id.len);
	char *at = event ? event->bytes : NULL;

	MUST(event && record->service.len <= UINT8_MAX && record->id.len <= UINT8_MAX);
	event->kind = record->kind;
	event->name = record->name;
	event->mode = (uint8_t)mode;
	event->document_hash = record->document_hash;
	event->revision = record->revision;
	event->timestamp_ms = record->timestamp_ms;
	event->frame_len = len;
	event->service_len = (uint8_t)record->service.len;
	event->id_len = (uint8_t)record->id.len;
	for (unsigned i = 0; i < count; i++, at += parts[i - 1].iov_len)
		memcpy(at, parts[i].iov_base, parts[i].iov_len);
	if (record->service.len)
		memcpy(at, record->service.at, record->service.len);
	if (record->id.len)
		memcpy(at + record->service.len, record->id.at, record->id.len);
	return event;
}

/* Without the frame. */
static struct event_record held_record(const struct held_event *event)
{
	const char *names = event->bytes + event->frame_len;

	return (struct event_record){.kind = event->kind,
				     .name = event->name,
				     .document_hash = event->document_hash,
				     .service = span_of(names, event->service_len),
				     .id = span_of(names + event->service_len, event->id_len),
				     .revision = event->revision,
				     .timestamp_ms = event->timestamp_ms};
}

/* What the running replay tells in its next round. That is not what it has told already, in less
 * than is wanted of it by now. */
static bool is_for_next_round(const struct replays *replays, const struct event_record *record,
			      unsigned mode)
{
	const struct replay *replay = replays->running;

	if (!replay || !replay->again || !has_revision(record) ||
	    !replay_matches(replay, record->service, record->name))
		return false;
	const struct replay_document *document = replay_find(replay, record->document_hash);
	return !was_read(document, record) || !(mode & replay_untold(document, record->name));
}

/* Too much for waiting: a replay by position goes another round, which reads it from Redis. */
static void leave_to_next_round(struct replays *replays)
{
	struct held_event *event, *next;

	replays->running->again = true;
	TAILQ_FOREACH_SAFE(event, &replays->held, link, next)
	{
		struct event_record record = held_record(event);

		if (is_for_next_round(replays, &record, event->mode))
			held_destroy(replays, event);
	}
}

static bool is_too_much(const struct replays *replays, size_t len)
{
	return replays->held_bytes &&
	       replays->held_bytes + len > replays->set->worker->config->ws_queue;
}

/* As with ws.queue: one may always wait, whatever its size. */
static void hold(struct replays *replays, const struct event_record *record, enum event_mode mode,
		 const struct iovec *parts, unsigned count, size_t len)
{
	if (replays->loss)
		return;
	if (is_too_much(replays, len)) {
		stat_add(replays->set->worker->slot, STAT_replay_overflows, 1);
		if (replays->running && replays->running->subscribe.resume.kind == RESUME_AFTER)
			leave_to_next_round(replays);
	}
	if (is_for_next_round(replays, record, mode))
		return;
	if (is_too_much(replays, len)) {
		replay_drop_held(replays);
		replays->loss = "slow";
		return;
	}
	struct held_event *event = held_create(record, mode, parts, count, len);
	TAILQ_INSERT_TAIL(&replays->held, event, link);
	replays->held_bytes += len;
}

/* A subscription may have gone since. */
static bool is_wanted(const struct replays *replays, const struct event_record *record)
{
	/* A notice to everybody names nothing. */
	if (!record->service.len)
		return replays->member.audience;
	return audience_mode(replays->member.audience, record);
}

bool replay_holds_nothing(const struct replays *replays)
{
	return TAILQ_EMPTY(&replays->held) && !replays->loss;
}

/* A batch of one event of these bytes more. */
static void batch_add(struct batch *batch, struct span bytes)
{
	struct iovec part = {(void *)bytes.at, bytes.len};
	struct text *arena = bytes.len > BATCH_COPY_MAX ? text_create(bytes) : NULL;

	if (arena)
		part.iov_base = arena->at;
	batch_append(batch, &part, 1, arena);
	text_put(arena);
}

static void batch_add_held(struct batch *batch, const struct replays *replays,
			   const struct held_event *event)
{
	CLEANUP(buffer_fini) struct buffer bytes = {0};
	struct iovec part = {(void *)event->bytes, event->frame_len};

	replays->client->append_event(replays, &bytes, SPAN_NONE, &part, 1);
	batch_add(batch, buffer_span(&bytes));
}

/* Sends what is still news of what was held, which is held no more; `reader` not NULL: only of what
 * that replay has read. An event is still held while it gets its id: append_event() looks. */
static void send_held(struct replays *replays, const struct replay *reader)
{
	struct batch *batch = batch_create();
	struct held_event *event, *next;

	TAILQ_FOREACH_SAFE(event, &replays->held, link, next)
	{
		struct event_record record = held_record(event);

		if (reader && !has_read(reader, &record))
			continue;
		if (!is_replayed(replays, &record, event->mode) && is_wanted(replays, &record))
			batch_add_held(batch, replays, event);
		held_destroy(replays, event);
	}
	if (batch_len(batch) && replays->client->send(replays, batch))
		stat_add(replays->set->worker->slot, STAT_deliveries_total, batch_events(batch));
	batch_put(batch);
}

/* Behind what it would not fit, it would be joined with what it cannot be joined with. */
static bool has_room_for_held(const struct replays *replays)
{
	return replays->client->has_room(replays, replays->held_bytes);
}

bool replay_flush_read(struct replay *replay)
{
	if (!has_room_for_held(replay->replays))
		return false;
	send_held(replay->replays, replay);
	return true;
}

bool replay_flush_held(struct replays *replays)
{
	const char *loss = replays->loss;

	if (!has_room_for_held(replays))
		return false;
	send_held(replays, NULL);
	replays->loss = NULL;
	if (loss)
		replays->client->send_loss(replays, loss);
	return true;
}

/* --- events ------------------------------------------------------------------ */

/* `kept`: what a slow client remembers instead of the bytes; NULL: no client is slow. */
static void send_now(struct replays *replays, const struct iovec *parts, unsigned count,
		     struct kept_record *kept, enum event_mode mode)
{
	CLEANUP(buffer_fini) struct buffer bytes = {0};
	struct batch *batch = batch_create();

	replays->client->append_event(replays, &bytes, SPAN_NONE, parts, count);
	batch_add(batch, buffer_span(&bytes));
	if (kept)
		batch_note(batch, kept, mode);
	if (replays->client->send(replays, batch))
		stat_add(replays->set->worker->slot, STAT_deliveries_total, 1);
	batch_forget_noted(batch);
	batch_put(batch);
}

/* What comes behind something held waits behind it. */
static bool must_wait(const struct replays *replays, const struct event_record *record)
{
	if (!replays->running)
		return !replay_holds_nothing(replays);
	if (record->kind == EVENT_RECORD_EVENT)
		return replay_covers(replays->running, record->service, record->id);
	return record->kind == EVENT_RECORD_RESYNC;
}

static void on_lapped(struct replays *replays)
{
	bool waits = replays->running || !replay_holds_nothing(replays);

	if (waits)
		replays->loss = "lapped";
	else
		replays->client->send_loss(replays, "lapped");
}

/* Called inside of a pass: changes no index. */
void replay_on_event(struct audience_member *member, const struct event_record *record,
		     enum event_mode mode, struct kept_record *kept, void *arg)
{
	struct replays *replays = CONTAINER_OF(member, struct replays, member);
	struct iovec parts[4];
	size_t len = 0;

	(void)arg;
	if (!replays->client->is_open(replays))
		return;
	if (!record) { /* the ring has overtaken us */
		on_lapped(replays);
		return;
	}
	bool is_event = record->kind == EVENT_RECORD_EVENT;
	if (is_replayed(replays, record, mode))
		return;
	if (is_event && replays->running && will_be_read(replays->running, record)) {
		replays->running->relies = true;
		return;
	}
	unsigned count = event_record_frame(record, mode, parts);
	for (unsigned i = 0; i < count; i++)
		len += parts[i].iov_len;
	if (must_wait(replays, record))
		hold(replays, record, mode, parts, count, len);
	else
		send_now(replays, parts, count, kept, mode);
}
