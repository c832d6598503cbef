/* replay.c — the order of a connection's replays, and where its subscriptions are meanwhile. */
#include "replay_private.h"

#include "fanout.h"
#include <limits.h>

/* --- life -------------------------------------------------------------------- */

void replay_set_start(struct websockets *websockets)
{
	struct replay_set *set = calloc(1, sizeof(*set));

	MUST(set);
	set->websockets = websockets;
	set->apart = subscription_index_create(websockets->worker->hash_seed);
	TAILQ_INIT(&set->all);
	TAILQ_INIT(&set->wanting);
	TAILQ_INIT(&set->reads);
	websockets->replays = set;
}

void replay_set_watch(struct websockets *websockets)
{
	fanout_set_apart(websockets->worker->fanout, websockets->replays->apart, replay_on_event,
			 NULL);
}

void replay_set_stop(struct websockets *websockets)
{
	struct replay_set *set = websockets->replays;
	struct replay_read *read;

	MUST(TAILQ_EMPTY(&set->all)); /* all connections are gone */
	TAILQ_FOREACH(read, &set->reads, link)
	read->set = NULL;
	subscription_index_destroy(set->apart);
	json_fini(&set->data);
	json_fini(&set->diff);
	json_fini(&set->scratch);
	free(set);
	websockets->replays = NULL;
}

const struct subscription_index *replay_set_index(const struct websockets *websockets)
{
	return websockets->replays->apart;
}

struct subscription_index *replay_index(const struct connection *connection)
{
	return connection->replays ? connection->websockets->replays->apart
				   : connection->websockets->index;
}

struct audience_member *replay_member(struct connection *connection)
{
	return connection->replays ? &connection->replays->member : &connection->member;
}

/* --- apart, and back --------------------------------------------------------- */

struct move {
	struct subscription_index *to;
	struct audience_member *member;
};

static void add_subscription(const struct subscription_spec *spec, void *arg)
{
	const struct move *move = arg;

	MUST(!subscription_add(move->to, move->member, spec, UINT_MAX));
}

static void move_subscriptions(struct subscription_index *from, struct audience_member *old,
			       struct subscription_index *to, struct audience_member *new)
{
	struct move move = {to, new};

	if (old->audience)
		audience_each_subscription(old->audience, add_subscription, &move);
	subscription_leave(from, old);
}

static void count_apart(struct replay_set *set, int64_t change)
{
	struct slot *slot = set->websockets->worker->slot;

	stat_set(slot, STAT_replays, stat_read(slot, STAT_replays) + (uint64_t)change);
}

static struct replays *stand_apart(struct connection *connection)
{
	struct replay_set *set = connection->websockets->replays;
	struct replays *replays = calloc(1, sizeof(*replays));

	MUST(replays);
	replays->connection = connection;
	TAILQ_INIT(&replays->list);
	TAILQ_INIT(&replays->held);
	TAILQ_INSERT_TAIL(&set->all, replays, all);
	move_subscriptions(connection->websockets->index, &connection->member, set->apart,
			   &replays->member);
	connection->replays = replays;
	count_apart(set, 1);
	return replays;
}

static void replays_free(struct replays *replays)
{
	struct connection *connection = replays->connection;
	struct replay_set *set = connection->websockets->replays;

	if (replays->wants)
		TAILQ_REMOVE(&set->wanting, replays, wanting);
	TAILQ_REMOVE(&set->all, replays, all);
	replay_drop_held(replays);
	connection->replays = NULL;
	free(replays);
	count_apart(set, -1);
}

static void join_if_idle(struct replays *replays)
{
	struct connection *connection = replays->connection;

	if (!TAILQ_EMPTY(&replays->list))
		return;
	move_subscriptions(connection->websockets->replays->apart, &replays->member,
			   connection->websockets->index, &connection->member);
	replays_free(replays);
}

/* --- single replays ---------------------------------------------------------- */

static void replay_free(struct replay *replay)
{
	struct replays *replays = replay->replays;

	TAILQ_REMOVE(&replays->list, replay, link);
	if (replays->running == replay)
		replays->running = NULL;
	if (replay->state == REPLAY_WAITING)
		replays->waiting--;
	if (replay->read)
		replay->read->replay = NULL;
	replays->connection->websockets->replays->document_count -= replay->count;
	subscribe_fini(&replay->subscribe);
	buffer_fini(&replay->message_id);
	buffer_fini(&replay->position);
	buffer_fini(&replay->names);
	free(replay->documents);
	free(replay->table);
	free(replay);
}

void replay_abandon(struct replay *replay)
{
	struct replays *replays = replay->replays;
	bool was_running = replays->running == replay;

	replay_free(replay);
	if (was_running)
		replay_flush_held(replays);
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
	struct replay *replay = calloc(1, sizeof(*replay));
	MUST(replay);
	replay->replays = replays;
	replay->subscribe = *subscribe;
	*subscribe = (struct subscribe){0};
	buffer_append_span(&replay->message_id, message_id);
	TAILQ_INSERT_TAIL(&replays->list, replay, link);
	replays->waiting++;
	if (replay->subscribe.resume.kind)
		stat_add(worker->slot, STAT_replays_total, 1);
	replays_step(replays);
	return 0;
}

bool replay_is_waiting(const struct connection *connection)
{
	return connection->replays && connection->replays->waiting;
}

/* --- steps ------------------------------------------------------------------- */

/* A position of another primary says nothing about this one's writes. */
static bool is_of_another_run(const struct replay *replay)
{
	struct position after;

	return replay->subscribe.resume.kind == RESUME_AFTER &&
	       !position_parse(buffer_span(&replay->subscribe.after), &after) &&
	       strcmp(after.run, replay->mark.run) != 0;
}

static void begin_run(struct replay *replay)
{
	const struct subscribe *subscribe = &replay->subscribe;
	struct store_since_document one = {subscribe->spec.topic.service, subscribe->spec.id};

	replay->state = REPLAY_RUNNING;
	replay->replays->running = replay;
	if (subscribe->resume.kind == RESUME_AFTER)
		buffer_append_span(&replay->position, buffer_span(&subscribe->after));
	else
		replay_set_documents(replay, &one, 1);
}

/* From here on its events come. */
static void replay_begin(struct replay *replay)
{
	struct connection *connection = replay->replays->connection;
	struct worker *worker = connection->websockets->worker;
	struct span now = fanout_position(worker->fanout);
	struct subscription_spec narrowed;
	struct outcome refusal;

	replay->replays->waiting--;
	replay->state = REPLAY_SETTLING;
	if (subscribe_narrow(connection, &replay->subscribe, &narrowed, &refusal)) {
		session_send_error(connection, buffer_span(&replay->message_id), &refusal);
		replay_free(replay);
		return;
	}
	if (subscription_add(replay_index(connection), replay_member(connection), &narrowed,
			     worker->config->ws_max_subscriptions)) {
		subscribe_refuse_too_many(connection, buffer_span(&replay->message_id));
		replay_free(replay);
		return;
	}
	if (position_parse(now, &replay->mark))
		replay->mark = (struct position){.run = ""};
	if (!replay->subscribe.resume.kind) {
		replay_answer(replay, "live", now, NULL);
		replay_free(replay);
	} else if (is_of_another_run(replay)) {
		stat_add(worker->slot, STAT_replay_refusals, 1);
		replay_answer(replay, "live", now, NULL);
		replay_send_resync(replay, NULL, "failover");
		replay_free(replay);
	} else {
		if (replay->subscribe.resume.kind != RESUME_AFTER)
			buffer_append_span(&replay->position, now);
		begin_run(replay);
	}
}

static struct replay *first_waiting(struct replays *replays)
{
	struct replay *replay;

	TAILQ_FOREACH(replay, &replays->list, link)
	if (replay->state == REPLAY_WAITING)
		return replay;
	return NULL;
}

/* One at a time, and each step only when the socket has taken the one before: so what waits for it
 * stays below ws.queue whatever is replayed. False: it waits for something. */
static bool step(struct replays *replays)
{
	struct replay *replay = replays->running;

	if (!replay) {
		replay = first_waiting(replays);
		if (replay)
			replay_begin(replay);
		return replay;
	}
	if (replay->read)
		return false;
	if (!replay->listed || replay->next < replay->count) {
		replay_read_next(replay);
		return false;
	}
	replays->running = NULL;
	replay->state = REPLAY_SETTLING;
	replay_flush_held(replays);
	return true;
}

void replays_step(struct replays *replays)
{
	struct connection *connection = replays->connection;

	while (connection->state == CONNECTION_OPEN && !connection->queue && step(replays))
		;
	if (connection->state == CONNECTION_OPEN)
		join_if_idle(replays);
}

void replay_go_on(struct connection *connection)
{
	if (connection->replays)
		replays_step(connection->replays);
}

/* --- ends -------------------------------------------------------------------- */

static bool same_subscription(const struct subscription_spec *a, const struct subscription_spec *b)
{
	return a->topic.event == b->topic.event &&
	       span_equals(a->topic.service, b->topic.service) && span_equals(a->id, b->id) &&
	       span_equals(a->prefix, b->prefix);
}

bool replay_forget(struct connection *connection, const struct subscription_spec *spec)
{
	struct replays *replays = connection->replays;
	struct replay *replay, *next;
	bool found = false;

	if (!replays)
		return false;
	TAILQ_FOREACH_SAFE(replay, &replays->list, link, next)
	{
		if (!same_subscription(&replay->subscribe.spec, spec))
			continue;
		if (!replay->answered) {
			struct outcome refusal = outcome_refusal(
				409, "unsubscribed", "unsubscribed before it was active");
			session_send_error(connection, buffer_span(&replay->message_id), &refusal);
			found = true;
		}
		replay_abandon(replay);
	}
	replays_step(replays);
	return found;
}

void replay_forget_all(struct connection *connection)
{
	struct replays *replays = connection->replays;
	struct replay *replay;

	if (!replays)
		return;
	while ((replay = TAILQ_FIRST(&replays->list)))
		replay_free(replay);
	subscription_leave(connection->websockets->replays->apart, &replays->member);
	replays_free(replays);
}

/* All that the read contained has come: nothing it covers comes any more. */
static bool is_settled(const struct replay *replay, const struct position *mark)
{
	return replay->state == REPLAY_SETTLING &&
	       (mark->sequence >= replay->sequence || mark->sequence < replay->mark.sequence ||
		strcmp(mark->run, replay->mark.run) != 0);
}

void replay_on_mark(struct websockets *websockets)
{
	struct position mark;
	struct replays *replays, *next;

	if (position_parse(fanout_position(websockets->worker->fanout), &mark))
		return;
	TAILQ_FOREACH_SAFE(replays, &websockets->replays->all, all, next)
	{
		struct replay *replay, *after;

		TAILQ_FOREACH_SAFE(replay, &replays->list, link, after)
		if (is_settled(replay, &mark))
			replay_free(replay);
		if (replays->connection->state == CONNECTION_OPEN)
			join_if_idle(replays);
	}
}
