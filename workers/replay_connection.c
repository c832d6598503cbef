/* replay_connection.c — replays of WebSocket connections: subscribes that resume, each answered. */
#include "principal.h"
#include "replay_private.h"

/* --- what the client is told ------------------------------------------------- */

static int narrow(struct replay *replay, struct subscription_spec *spec)
{
	struct connection *connection = replay->replays->owner;
	struct outcome refusal;

	if (!subscribe_narrow(connection, &replay->subscribe, spec, &refusal))
		return 0;
	session_send_error(connection, buffer_span(&replay->message_id), &refusal);
	return -EACCES;
}

static bool may_read(const struct replays *replays, struct span service, struct span id)
{
	const struct connection *connection = replays->owner;

	return principal_allows(connection->principal, service, id, RIGHT_READ);
}

static bool is_open(const struct replays *replays)
{
	const struct connection *connection = replays->owner;

	return connection->state == CONNECTION_OPEN;
}

/* subscribe_now() has looked. */
static bool may_begin(const struct replays *replays)
{
	(void)replays;
	return true;
}

static bool has_room(const struct replays *replays, size_t len)
{
	const struct connection *connection = replays->owner;
	const struct send_queue *queue = connection->queue;
	size_t most = replays->set->worker->config->ws_queue / REPLAY_QUEUE_SHARE;

	return !queue || (!queue->conflation && queue->bytes + len <= most);
}

static void append_event(const struct replays *replays, struct buffer *ret, struct span id,
			 const struct iovec *parts, unsigned count)
{
	(void)replays;
	(void)id;
	for (unsigned i = 0; i < count; i++)
		buffer_append(ret, parts[i].iov_base, parts[i].iov_len);
}

static bool send_batch(struct replays *replays, struct batch *batch)
{
	return connection_send(replays->owner, batch);
}

static void answer(struct replay *replay, const char *outcome, struct span position,
		   const struct span *document)
{
	struct connection *connection = replay->replays->owner;
	struct buffer *text =
		session_answer_begin(connection, "subscribed", buffer_span(&replay->message_id));

	replay->answered = true;
	subscribe_append(text, &replay->subscribe.spec);
	buffer_printf(text, ",\"outcome\":\"%s\",\"position\":", outcome);
	buffer_append_json(text, position);
	if (document) {
		buffer_append_string(text, ",\"document\":");
		buffer_append_span(text, document->len ? *document : SPAN("null"));
		stat_add(replay_worker(replay)->slot, STAT_replay_snapshots, 1);
	}
	session_answer_end(connection);
}

/* `document` NULL: of the whole subscription. */
static void resync(struct connection *connection, struct subscription_spec spec,
		   const struct replay *replay, const struct replay_document *document,
		   const char *reason)
{
	struct buffer *text = session_answer_begin(connection, "resync", SPAN_NONE);

	spec.mode = 0; /* none is shown */
	if (document)
		spec.prefix = SPAN_NONE;
	subscribe_append(text, &spec);
	if (document) {
		buffer_append_string(text, ",\"service\":");
		buffer_append_json(text, replay_service(replay, document));
		buffer_append_string(text, ",\"documentId\":");
		buffer_append_json(text, replay_id(replay, document));
	}
	buffer_printf(text, ",\"reason\":\"%s\"", reason);
	session_answer_end(connection);
	stat_add(connection->websockets->worker->slot, STAT_resyncs_sent, 1);
}

struct loss {
	struct connection *connection;
	const char *reason;
};

static void send_one_loss(const struct subscription_spec *spec, void *arg)
{
	const struct loss *loss = arg;

	resync(loss->connection, *spec, NULL, NULL, loss->reason);
}

static void send_loss(struct replays *replays, const char *reason)
{
	struct loss loss = {replays->owner, reason};

	if (replays->member.audience)
		audience_each_subscription(replays->member.audience, send_one_loss, &loss);
}

/* Live events were left to a replay that ends before it has come to them: another subscription may
 * have lost them. */
static void lose_left_events(struct replay *replay)
{
	bool is_told = replay->listed && replay->next == replay->count && !replay->frames.left;

	if (replay->again || (replay->relies && !is_told))
		replay->replays->loss = "gap";
}

/* That of the whole subscription ends its replay, and with it the rounds that were to tell what
 * other subscriptions get, too. */
static void send_resync(struct replay *replay, const struct replay_document *document,
			const char *reason)
{
	struct replays *replays = replay->replays;

	resync(replays->owner, replay->subscribe.spec, replay, document, reason);
	if (document || audience_subscription_count(replays->member.audience) < 2)
		return;
	lose_left_events(replay);
	replay->again = false;
}

static void fail(struct replay *replay, int error)
{
	struct replays *replays = replay->replays;
	struct connection *connection = replays->owner;

	if (replay->answered) {
		/* The rest of what was missed cannot be told. */
		send_resync(replay, NULL, "gap");
		replay->next = replay->count;
		replay->listed = true; /* in a later round it may be that which failed */
		replay->again = false;
		return;
	}
	const struct subscription_spec *spec = &replay->subscribe.spec;
	struct outcome refusal =
		error == -EACCES ? principal_refusal(spec->topic.service, spec->id, RIGHT_READ)
				 : outcome_of_store_error(error);
	session_send_error(connection, buffer_span(&replay->message_id), &refusal);
	subscription_remove(replays->set->apart, &replays->member, spec);
	lose_left_events(replay);
	replay_destroy(replay);
}

static void refuse(struct replay *replay)
{
	subscribe_refuse_too_many(replay->replays->owner, buffer_span(&replay->message_id));
}

static void end(struct replays *replays)
{
	struct connection *connection = replays->owner;

	replay_move_subscriptions(replays->set->apart, &replays->member,
				  connection->websockets->index, &connection->member);
	connection->replays = NULL;
}

static const struct replay_client websocket_client = {
	.narrow = narrow,
	.may_read = may_read,
	.is_open = is_open,
	.may_begin = may_begin,
	.has_room = has_room,
	.append_event = append_event,
	.send = send_batch,
	.answer = answer,
	.send_resync = send_resync,
	.send_loss = send_loss,
	.fail = fail,
	.refuse = refuse,
	.end = end,
};

/* --- subscribes -------------------------------------------------------------- */

struct subscription_index *replay_index(const struct connection *connection)
{
	return connection->replays ? connection->websockets->replays->apart
				   : connection->websockets->index;
}

struct audience_member *replay_member(struct connection *connection)
{
	return connection->replays ? &connection->replays->member : &connection->member;
}

static struct replays *stand_apart(struct connection *connection)
{
	struct replay_set *set = connection->websockets->replays;
	struct replays *replays = replays_create(set, &websocket_client, connection);

	replay_move_subscriptions(connection->websockets->index, &connection->member, set->apart,
				  &replays->member);
	connection->replays = replays;
	return replays;
}

int replay_subscribe(struct connection *connection, struct subscribe *subscribe,
		     struct span message_id)
{
	const struct worker *worker = connection->websockets->worker;
	struct replays *replays = connection->replays;

	if (replays && replays->waiting >= worker->config->ws_max_subscriptions)
		return -ENOSPC;
	if (!replays)
		replays = stand_apart(connection);
	struct replay *replay = replay_create(replays);
	replay->subscribe = *subscribe;
	*subscribe = (struct subscribe){0};
	buffer_append_span(&replay->message_id, message_id);
	if (replay->subscribe.resume.kind == RESUME_AFTER) {
		buffer_append_span(&replay->position, buffer_span(&replay->subscribe.after));
		MUST(!position_parse(buffer_span(&replay->position), &replay->progress.position));
	}
	if (replay->subscribe.resume.kind)
		stat_add(worker->slot, STAT_replays_total, 1);
	replays_step(replays);
	return 0;
}

bool replay_is_before(const struct connection *connection, const struct subscription_spec *spec)
{
	const struct replays *replays = connection->replays;

	return replays && (replays->waiting ||
			   (replays->running &&
			    subscription_is_same(&replays->running->subscribe.spec, spec)));
}

/* An answered one tells nothing more, now or in another round. What it has told stays told: it does
 * not come again by another subscription. */
static void cut_short(struct replay *replay)
{
	if (replay->state != REPLAY_RUNNING)
		return;
	replay->state = REPLAY_SETTLING;
	replay->replays->running = NULL;
	if (replay->read)
		replay->read->replay = NULL;
	replay->read = NULL;
	if (replay->frames.left) /* the newest, without a hole: not sent */
		replay->documents[replay->next - 1].revision -= replay->frames.left;
	replay_frames_fini(&replay->frames);
	replay->again = replay->relies = false;
}

bool replay_drop(struct connection *connection, const struct subscription_spec *spec)
{
	struct replays *replays = connection->replays;
	struct replay *replay, *next;
	bool found = false;

	if (!replays)
		return false;
	TAILQ_FOREACH_SAFE(replay, &replays->list, link, next)
	{
		if (!subscription_is_same(&replay->subscribe.spec, spec))
			continue;
		lose_left_events(replay);
		if (replay->answered) {
			cut_short(replay);
			continue;
		}
		struct outcome refusal =
			outcome_refusal(409, "unsubscribed", "unsubscribed before it was active");
		session_send_error(connection, buffer_span(&replay->message_id), &refusal);
		found = true;
		replay_destroy(replay);
	}
	return found;
}

bool replay_forget(struct connection *connection, const struct subscription_spec *spec)
{
	bool found = replay_drop(connection, spec);

	replay_go_on(connection);
	return found;
}

void replay_forget_all(struct connection *connection)
{
	if (!connection->replays)
		return;
	replays_destroy(connection->replays);
	connection->replays = NULL;
}

void replay_go_on(struct connection *connection)
{
	if (connection->replays)
		replays_step(connection->replays);
}
