/* connection_conflate.c — a connection that is too slow for its events: from when they are
 * remembered instead of queued, and what is sent in their place once its socket takes bytes again.
 */
#include "connection_private.h"

#include "log.h"
#include "replay.h"
#include "resync.h"

/* Of ws.queue, so that the list of documents has room beside the batches that wait. */
#define LIST_SHARE 4
/* What is remembered goes out when no more than this share of ws.queue waits. */
#define DRAIN_SHARE 2

static size_t queue_max(const struct connection *connection)
{
	return connection->websockets->worker->config->ws_queue;
}

bool connection_must_conflate(const struct connection *connection, const struct batch *batch)
{
	const struct send_queue *queue = connection->queue;
	size_t live_max = queue_max(connection) - queue_max(connection) / LIST_SHARE;

	return queue->conflation || queue->bytes + batch_len(batch) > live_max;
}

static struct conflation *conflation_need(struct connection *connection)
{
	struct websockets *websockets = connection->websockets;
	struct send_queue *queue = connection->queue;

	if (!queue->conflation) {
		queue->conflation =
			conflation_create(queue_max(connection) / LIST_SHARE, queue_max(connection),
					  &websockets->conflated_bytes);
		websockets->conflating++;
		log_debug("connection %.*s: slow, %zu bytes wait: its events are joined now",
			  CONNECTION_ID_LEN, connection->id, queue->bytes);
	}
	return queue->conflation;
}

void connection_conflation_free(struct connection *connection)
{
	if (!connection->queue || !connection->queue->conflation)
		return;
	conflation_destroy(connection->queue->conflation);
	connection->queue->conflation = NULL;
	connection->websockets->conflating--;
}

/* --- remembering -------------------------------------------------------------- */

/* Frames that no record stands for are notices about whole subscriptions. */
static size_t remember_all(struct conflation *conflation, const struct batch *batch)
{
	size_t count, lost = 0;
	const struct batch_event *events = batch_noted(batch, &count);

	if (count != batch_events(batch))
		return conflation_collapse(conflation);
	for (size_t i = 0; i < count; i++)
		lost += conflation_remember(conflation, events[i].record, events[i].mode);
	return lost;
}

void connection_conflate(struct connection *connection, const struct batch *batch)
{
	struct slot *slot = connection_slot(connection);
	struct conflation *conflation = conflation_need(connection);
	bool collapsed = conflation_is_collapsed(conflation);

	stat_add(slot, STAT_events_conflated, remember_all(conflation, batch));
	if (!collapsed && conflation_is_collapsed(conflation))
		stat_add(slot, STAT_conflation_overflows, 1);
}

/* --- sending -------------------------------------------------------------------- */

static void queue_frame(struct connection *connection, struct buffer *frame)
{
	struct iovec part = {frame->at, frame->len};

	if (frame->len)
		send_queue_add_bytes(connection->queue, &part, 1, false);
	buffer_fini(frame);
}

static void append_record(struct buffer *ret, const struct event_record *event,
			  enum event_mode mode)
{
	struct iovec parts[4];
	unsigned count = event_record_frame(event, mode, parts);

	for (unsigned i = 0; i < count; i++)
		buffer_append(ret, parts[i].iov_base, parts[i].iov_len);
}

/* False: only reading the document again helps. */
static bool append_event(struct buffer *ret, const struct conflated *conflated,
			 enum event_mode mode)
{
	const struct event_record *event = conflated->record ? &conflated->record->event : NULL;

	if (!event)
		return false;
	if (!conflated->several || event->kind == EVENT_RECORD_RESYNC) {
		append_record(ret, event, mode);
		return true;
	}
	return mode == EVENT_FULL &&
	       !event_record_append_conflated(ret, event, conflated->from_revision);
}

static void send_resync(struct connection *connection, const struct event_record *names)
{
	struct slot *slot = connection_slot(connection);
	struct buffer frame = {0};

	resync_append_document(&frame, names, "slow");
	stat_add(slot, STAT_events_conflated, 1);
	stat_add(slot, STAT_resyncs_slow, 1);
	stat_add(slot, STAT_resyncs_sent, 1);
	queue_frame(connection, &frame);
}

/* The newest event is wanted no more. Others that it stands for may be. */
static void send_former(struct connection *connection, const struct conflated *conflated)
{
	struct event_record any = conflated->names;

	any.name = TOPIC_ANY;
	if (conflated->several && conflated->names.name != TOPIC_PRESENCE &&
	    audience_mode(replay_member(connection)->audience, &any))
		send_resync(connection, &any);
	else
		stat_add(connection_slot(connection), STAT_events_conflated, 1);
}

/* Its subscriptions may have changed since: what it wants now counts. */
static void send_one(struct connection *connection, const struct conflated *conflated)
{
	unsigned mode = audience_mode(replay_member(connection)->audience, &conflated->names);
	struct buffer frame = {0};

	if (!mode) {
		send_former(connection, conflated);
	} else if (append_event(&frame, conflated, (enum event_mode)mode)) {
		stat_add(connection_slot(connection), STAT_deliveries_total, 1);
		queue_frame(connection, &frame);
	} else {
		send_resync(connection, &conflated->names);
	}
}

static void append_resync(const struct subscription_spec *spec, void *arg)
{
	resync_append_subscription(arg, spec, "slow");
}

static void send_collapsed(struct connection *connection)
{
	const struct audience *audience = replay_member(connection)->audience;
	struct slot *slot = connection_slot(connection);
	struct buffer frames = {0};

	if (audience)
		audience_each_subscription(audience, append_resync, &frames);
	stat_add(slot, STAT_resyncs_slow, audience_subscription_count(audience));
	stat_add(slot, STAT_resyncs_sent, audience_subscription_count(audience));
	queue_frame(connection, &frames);
}

static bool is_low(const struct connection *connection)
{
	return connection->queue->bytes <= queue_max(connection) / DRAIN_SHARE;
}

void connection_drain_conflated(struct connection *connection)
{
	struct conflation *conflation = connection->queue ? connection->queue->conflation : NULL;
	struct conflated conflated;

	if (!conflation || connection->state != CONNECTION_OPEN || !is_low(connection))
		return;
	if (conflation_is_collapsed(conflation))
		send_collapsed(connection);
	while (is_low(connection) && conflation_take(conflation, &conflated)) {
		send_one(connection, &conflated);
		conflated_fini(conflation, &conflated);
	}
	/* What comes from now on is behind all that it was still to be told. */
	if (conflation_is_collapsed(conflation) || conflation_is_empty(conflation))
		connection_conflation_free(connection);
}
