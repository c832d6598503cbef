/* replay_events.c — live events of a connection that stands apart: held, dropped or sent. */
#include "replay_private.h"

#include "fanout.h"

bool replay_covers(const struct subscription_spec *spec, struct span service, struct span id)
{
	return (!spec->topic.service.len || span_equals(spec->topic.service, service)) &&
	       (!spec->id.len || span_equals(spec->id, id)) && span_starts_with(id, spec->prefix);
}

/* updatedAt too: a document that was purged and made anew begins at revision 1 again. */
static bool is_replayed_by(const struct replay *replay, struct span service, enum topic_event name,
			   uint64_t hash, uint64_t revision, int64_t timestamp_ms)
{
	const struct replay_document *document = replay_find(replay, hash);

	return name < TOPIC_PRESENCE && document && revision <= document->revision &&
	       timestamp_ms <= document->at_ms &&
	       topic_matches(&replay->subscribe.spec.topic, service, name);
}

/* Only what the topic of a replay matches is in that replay; other events of the document are
 * still news, for another subscription of the connection. */
static bool is_replayed(const struct replays *replays, struct span service, enum topic_event name,
			uint64_t hash, uint64_t revision, int64_t timestamp_ms)
{
	const struct replay *replay;

	TAILQ_FOREACH(replay, &replays->list, link)
	if (replay->state != REPLAY_WAITING &&
	    is_replayed_by(replay, service, name, hash, revision, timestamp_ms))
		return true;
	return false;
}

/* --- resync of all ----------------------------------------------------------- */

struct each_resync {
	struct connection *connection;
	const char *reason;
};

static void send_resync(const struct subscription_spec *spec, void *arg)
{
	const struct each_resync *each = arg;
	struct buffer *text = session_answer_begin(each->connection, "resync", SPAN_NONE);
	struct subscription_spec named = *spec;

	named.mode = 0; /* none is shown */
	subscribe_append(text, &named);
	buffer_printf(text, ",\"reason\":\"%s\"", each->reason);
	session_answer_end(each->connection);
	stat_add(each->connection->websockets->worker->slot, STAT_resyncs_sent, 1);
}

static void send_loss(struct replays *replays)
{
	struct each_resync each = {replays->connection, replays->loss};

	replays->loss = NULL;
	if (replays->member.audience)
		audience_each_subscription(replays->member.audience, send_resync, &each);
}

/* --- holding ----------------------------------------------------------------- */

void replay_drop_held(struct replays *replays)
{
	struct held_event *event;

	while ((event = TAILQ_FIRST(&replays->held))) {
		TAILQ_REMOVE(&replays->held, event, link);
		free(event);
	}
	replays->held_bytes = 0;
}

static struct held_event *held_create(const struct event_record *record, const struct iovec *parts,
				      unsigned count, size_t len)
{
	struct held_event *event =
		calloc(1, sizeof(*event) + len + record->service.len + record->id.len);
	char *at = event ? event->bytes : NULL;

	MUST(event && record->service.len <= UINT8_MAX && record->id.len <= UINT8_MAX);
	event->kind = record->kind;
	event->name = record->name;
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

/* As with ws.queue: one may always wait, whatever its size. */
static void hold(struct replays *replays, const struct event_record *record,
		 const struct iovec *parts, unsigned count, size_t len)
{
	struct worker *worker = replays->connection->websockets->worker;

	if (replays->loss)
		return;
	if (replays->held_bytes && replays->held_bytes + len > worker->config->ws_queue) {
		stat_add(worker->slot, STAT_replay_overflows, 1);
		replay_drop_held(replays);
		replays->loss = "slow";
		return;
	}
	struct held_event *event = held_create(record, parts, count, len);
	TAILQ_INSERT_TAIL(&replays->held, event, link);
	replays->held_bytes += len;
}

static struct span held_service(const struct held_event *event)
{
	return span_of(event->bytes + event->frame_len, event->service_len);
}

struct wanted {
	const struct held_event *event;
	bool found;
};

static void on_subscription(const struct subscription_spec *spec, void *arg)
{
	struct wanted *wanted = arg;
	const struct held_event *event = wanted->event;
	struct span service = held_service(event);
	struct span id = span_of(service.at + service.len, event->id_len);

	bool may_read = !spec->filter || rights_allow(spec->filter, service, id, RIGHT_READ);

	wanted->found |= may_read && replay_covers(spec, service, id) &&
			 topic_matches(&spec->topic, service, event->name);
}

/* A subscription may have gone since. */
static bool is_wanted(const struct replays *replays, const struct held_event *event)
{
	struct wanted wanted = {event,
				event->kind != EVENT_RECORD_EVENT || event->name == TOPIC_PRESENCE};

	if (!wanted.found && replays->member.audience)
		audience_each_subscription(replays->member.audience, on_subscription, &wanted);
	return wanted.found;
}

void replay_flush_held(struct replays *replays)
{
	struct worker *worker = replays->connection->websockets->worker;
	struct batch *batch = batch_create();
	struct held_event *event;

	TAILQ_FOREACH(event, &replays->held, link)
	{
		struct iovec part = {event->bytes, event->frame_len};

		if ((event->kind == EVENT_RECORD_EVENT &&
		     is_replayed(replays, held_service(event), event->name, event->document_hash,
				 event->revision, event->timestamp_ms)) ||
		    !is_wanted(replays, event))
			continue;
		struct text *arena = part.iov_len > BATCH_COPY_MAX
					     ? text_create(span_of(part.iov_base, part.iov_len))
					     : NULL;
		if (arena)
			part.iov_base = arena->at;
		batch_append(batch, &part, 1, arena);
		text_put(arena);
	}
	if (batch_len(batch) && connection_send(replays->connection, batch))
		stat_add(worker->slot, STAT_deliveries_total, batch_events(batch));
	batch_put(batch);
	replay_drop_held(replays);
	if (replays->loss)
		send_loss(replays);
}

/* --- events ------------------------------------------------------------------ */

static void send_now(struct replays *replays, const struct iovec *parts, unsigned count)
{
	struct buffer bytes = {0};

	for (unsigned i = 0; i < count; i++)
		buffer_append(&bytes, parts[i].iov_base, parts[i].iov_len);
	struct batch *batch = batch_of_bytes(buffer_span(&bytes));
	if (connection_send(replays->connection, batch))
		stat_add(replays->connection->websockets->worker->slot, STAT_deliveries_total, 1);
	batch_put(batch);
	buffer_fini(&bytes);
}

/* Called inside of a pass: changes no index. */
void replay_on_event(struct audience_member *member, const struct event_record *record,
		     enum event_mode mode, void *arg)
{
	struct replays *replays = CONTAINER_OF(member, struct replays, member);
	struct iovec parts[4];
	size_t len = 0;

	(void)arg;
	if (replays->connection->state != CONNECTION_OPEN)
		return;
	if (!record) { /* the ring has overtaken us */
		replays->loss = "lapped";
		if (!replays->running)
			send_loss(replays);
		return;
	}
	bool is_event = record->kind == EVENT_RECORD_EVENT;
	if (is_event && is_replayed(replays, record->service, record->name, record->document_hash,
				    record->revision, record->timestamp_ms))
		return;
	unsigned count = event_record_frame(record, mode, parts);
	for (unsigned i = 0; i < count; i++)
		len += parts[i].iov_len;
	bool waits =
		replays->running && (is_event ? replay_covers(&replays->running->subscribe.spec,
							      record->service, record->id)
					      : record->kind == EVENT_RECORD_RESYNC);
	if (waits)
		hold(replays, record, parts, count, len);
	else
		send_now(replays, parts, count);
}
