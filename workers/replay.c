/* replay.c — the order of a client's replays, and when it stands apart. */
#include "replay_private.h"

#include "fanout.h"
#include <limits.h>

/* --- life -------------------------------------------------------------------- */

void replay_set_start(struct websockets *websockets)
{
	struct replay_set *set = calloc(1, sizeof(*set));

	MUST(set);
	set->worker = websockets->worker;
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

	MUST(TAILQ_EMPTY(&set->all));
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

void replay_move_subscriptions(struct subscription_index *from, struct audience_member *old,
			       struct subscription_index *to, struct audience_member *new)
{
	struct move move = {to, new};

	if (old->audience)
		audience_each_subscription(old->audience, add_subscription, &move);
	subscription_leave(from, old);
}

static void count_apart(struct replay_set *set, int64_t change)
{
	struct slot *slot = set->worker->slot;

	stat_set(slot, STAT_replays, stat_read(slot, STAT_replays) + (uint64_t)change);
}

struct replays *replays_create(struct replay_set *set, const struct replay_client *client,
			       void *owner)
{
	struct replays *replays = calloc(1, sizeof(*replays));

	MUST(replays);
	replays->set = set;
	replays->client = client;
	replays->owner = owner;
	TAILQ_INIT(&replays->list);
	TAILQ_INIT(&replays->held);
	TAILQ_INSERT_TAIL(&set->all, replays, all);
	count_apart(set, 1);
	return replays;
}

void replay_destroy(struct replay *replay)
{
	struct replays *replays = replay->replays;

	TAILQ_REMOVE(&replays->list, replay, link);
	if (replays->running == replay)
		replays->running = NULL;
	if (replay->state == REPLAY_WAITING)
		replays->waiting--;
	if (replay->read)
		replay->read->replay = NULL;
	replay_documents_fini(replay);
	replay_frames_fini(&replay->frames);
	if (replay->specs != &replay->subscribe.spec)
		free((void *)replay->specs);
	subscribe_fini(&replay->subscribe);
	buffer_fini(&replay->message_id);
	buffer_fini(&replay->position);
	free(replay);
}

void replays_destroy(struct replays *replays)
{
	struct replay_set *set = replays->set;
	struct replay *replay;

	while ((replay = TAILQ_FIRST(&replays->list)))
		replay_destroy(replay);
	subscription_leave(set->apart, &replays->member);
	if (replays->wants)
		TAILQ_REMOVE(&set->wanting, replays, wanting);
	TAILQ_REMOVE(&set->all, replays, all);
	replay_drop_held(replays);
	free(replays);
	count_apart(set, -1);
}

/* --- settled ----------------------------------------------------------------- */

static bool is_of_its_run(const struct replay *replay, const struct position *mark)
{
	return strcmp(mark->run, replay->mark.run) == 0;
}

/* All that the reads contained has come: nothing they cover comes any more. */
static bool is_drained(const struct replay *replay, const struct position *mark)
{
	return mark->sequence >= replay->sequence || replay->foreign_marks >= REPLAY_FOREIGN_MARKS;
}

/* What another primary has lost need not come ever. */
static void count_foreign_mark(struct replays *replays, const struct position *mark)
{
	struct replay *replay;

	TAILQ_FOREACH(replay, &replays->list, link)
	if (replay->state == REPLAY_SETTLING && !is_of_its_run(replay, mark))
		replay->foreign_marks++;
}

/* What is held is still to be compared with what was replayed. */
static void free_settled(struct replays *replays)
{
	struct replay *replay, *next;
	struct position mark;

	if (!replay_holds_nothing(replays) ||
	    position_parse(fanout_position(replays->set->worker->fanout), &mark))
		return;
	TAILQ_FOREACH_SAFE(replay, &replays->list, link, next)
	if (replay->state == REPLAY_SETTLING && is_drained(replay, &mark))
		replay_destroy(replay);
}

static void join_if_idle(struct replays *replays)
{
	free_settled(replays);
	if (!TAILQ_EMPTY(&replays->list) || !replay_holds_nothing(replays))
		return;
	replays->client->end(replays);
	replays_destroy(replays);
}

/* --- single replays ---------------------------------------------------------- */

struct replay *replay_create(struct replays *replays)
{
	struct replay *replay = calloc(1, sizeof(*replay));

	MUST(replay);
	replay->replays = replays;
	replay->specs = &replay->subscribe.spec;
	replay->spec_count = 1;
	TAILQ_INSERT_TAIL(&replays->list, replay, link);
	replays->waiting++;
	return replay;
}

/* A position of another primary says nothing about this one's writes. */
static bool is_of_another_run(const struct replay *replay)
{
	return replay->subscribe.resume.kind == RESUME_AFTER &&
	       strcmp(replay->progress.position.run, replay->mark.run) != 0;
}

static void begin_run(struct replay *replay)
{
	const struct subscribe *subscribe = &replay->subscribe;
	struct store_since_document one = {subscribe->spec.topic.service, subscribe->spec.id, 0};

	replay->state = REPLAY_RUNNING;
	replay->replays->running = replay;
	if (subscribe->resume.kind != RESUME_AFTER)
		replay_set_documents(replay, &one, 1);
}

/* Existing subscriptions of the same names are replaced. */
static int add_subscriptions(struct replay *replay)
{
	struct replays *replays = replay->replays;
	unsigned most = replay_worker(replay)->config->ws_max_subscriptions;
	int error = 0;

	if (most < replay->spec_count) /* of a stream, which is limited by itself */
		most = replay->spec_count;
	for (unsigned i = 0; i < replay->spec_count && !error; i++) {
		struct subscription_spec spec = replay->specs[i];

		error = replays->client->narrow(replay, &spec);
		if (!error)
			error = subscription_add(replays->set->apart, &replays->member, &spec,
						 most);
	}
	return error;
}

/* From here on its events come. */
static void replay_begin(struct replay *replay)
{
	const struct replay_client *client = replay->replays->client;
	struct worker *worker = replay_worker(replay);
	struct span now = fanout_position(worker->fanout);

	replay->replays->waiting--;
	replay->state = REPLAY_SETTLING;
	int error = add_subscriptions(replay);
	if (error) {
		if (error == -ENOSPC)
			client->refuse(replay);
		replay_destroy(replay);
		return;
	}
	if (position_parse(now, &replay->mark))
		replay->mark = (struct position){.run = ""};
	if (!replay->subscribe.resume.kind) {
		client->answer(replay, "live", now, NULL);
		replay_destroy(replay);
	} else if (is_of_another_run(replay)) {
		stat_add(worker->slot, STAT_replay_refusals, 1);
		client->answer(replay, "live", now, NULL);
		client->send_resync(replay, NULL, "failover");
		replay_destroy(replay);
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

/* --- steps ------------------------------------------------------------------- */

/* The document that the frames are of. */
static bool may_be_sent(const struct replay *replay)
{
	const struct replay_document *document = &replay->documents[replay->next - 1];

	return replay->replays->client->may_read(replay->replays, replay_service(replay, document),
						 replay_id(replay, document));
}

/* What was rebuilt, as far as there is room. False: some is left. */
static bool send_frames(struct replay *replay)
{
	struct replays *replays = replay->replays;
	struct slot *slot = replays->set->worker->slot;
	size_t most = replays->set->worker->config->ws_queue / REPLAY_PORTION_SHARE, len;

	/* They may have waited for longer than the right lasts. */
	if (replay->frames.left && !may_be_sent(replay))
		replay_frames_fini(&replay->frames);
	while ((len = replay_frames_portion(&replay->frames, most))) {
		if (!replays->client->has_room(replays, len))
			return false;
		struct batch *batch = replay_frames_take(&replay->frames, len);
		size_t events = batch_events(batch);

		if (replays->client->send(replays, batch)) {
			stat_add(slot, STAT_replay_events, events);
			stat_add(slot, STAT_deliveries_total, events);
		}
		batch_put(batch);
	}
	replay_frames_fini(&replay->frames);
	return true;
}

/* All up to the read that listed the documents has been told; what was not held since is listed
 * anew. The documents are kept until then, for the reads of this round had newer revisions, too;
 * those that are not listed again are forgotten, so nothing of them may be in the pipe any more. */
static void begin_next_round(struct replay *replay, const struct position *mark)
{
	if (!is_of_its_run(replay, mark)) {
		replay->replays->loss = "failover";
		replay->again = false;
		return;
	}
	replay->progress.position.sequence = replay->listed_at;
	replay->progress.told = 0;
	replay->listed = replay->again = false;
	replay->relies = true;
}

/* False: it waits for something. */
static bool step_running(struct replay *replay)
{
	struct replays *replays = replay->replays;
	struct position mark;

	if (replay->read || replay->retries || !send_frames(replay) ||
	    !replays->client->has_room(replays, 0))
		return false;
	if (!replay->listed || replay->next < replay->count) {
		replay_read_next(replay);
		return false;
	}
	if (replay->again) {
		if (position_parse(fanout_position(replays->set->worker->fanout), &mark) ||
		    (is_of_its_run(replay, &mark) && !is_drained(replay, &mark)) ||
		    !replay_flush_read(replay))
			return false;
		begin_next_round(replay, &mark);
		return true;
	}
	if (!replays->client->has_room(replays, replays->held_bytes))
		return false;
	replays->running = NULL;
	replay->state = REPLAY_SETTLING;
	return true;
}

/* One at a time, and each step only when the socket has taken what was before it, or nearly: so
 * what waits for it stays below ws.queue whatever is replayed. False: it waits for something. */
static bool step(struct replays *replays)
{
	if (replays->running)
		return step_running(replays->running);
	if (!replay_holds_nothing(replays))
		return replay_flush_held(replays);
	struct replay *replay = first_waiting(replays);
	if (!replay || !replays->client->may_begin(replays) ||
	    !replays->client->has_room(replays, 0))
		return false;
	replay_begin(replay);
	return true;
}

void replays_step(struct replays *replays)
{
	while (replays->client->is_open(replays) && step(replays))
		;
	if (replays->client->is_open(replays))
		join_if_idle(replays);
}

void replay_on_mark(struct websockets *websockets)
{
	struct replays *replays, *next;
	struct position mark;
	bool is_mark = !position_parse(fanout_position(websockets->worker->fanout), &mark);

	TAILQ_FOREACH_SAFE(replays, &websockets->replays->all, all, next)
	{
		if (replays->running)
			replays->running->retries = false;
		if (is_mark)
			count_foreign_mark(replays, &mark);
		replays_step(replays);
	}
}
