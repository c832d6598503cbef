/* presence.c — see presence.h.
 *
 * An entry is one connection at one document. `goal` is what shall be in Redis, `known` what Redis
 * has confirmed. At most one command of an entry is under way, so that they cannot overtake each
 * other. After a lost reply (`doubt`) late bytes may still be executed behind our back: once a
 * command has succeeded again, it is repeated a moment later. */
#define _GNU_SOURCE
#include "presence.h"

#include "log.h"
#include "websockets_private.h"
#include "store_presence.h"

#define LOOK_S 1. /* lost leases, new connections to Redis, repetitions */

struct state {
	bool is_present;
	bool is_editing;
	struct text *data; /* owned reference; NULL: {} */
};

/* A request that waits for its command. */
struct waiter {
	STAILQ_ENTRY(waiter) link;
	uint32_t version; /* of the goal it made */
	presence_done_fn done;
	void *arg;
};

enum place { PLACE_NONE, PLACE_DIRTY, PLACE_LATER, PLACE_SENT };

struct presence_entry {
	struct presence *presence;
	struct presence_entry *next;   /* of the same connection */
	struct connection *connection; /* NULL: its socket has ended */
	TAILQ_ENTRY(presence_entry) all;
	TAILQ_ENTRY(presence_entry) queue;   /* dirty or later, as `place` says */
	TAILQ_ENTRY(presence_entry) leaving; /* while is_leaving */
	STAILQ_HEAD(, waiter) waiters;
	unsigned waiter_count;
	enum place place;
	bool is_leaving;
	bool may_exist; /* in Redis, under our name */
	bool doubt;
	bool announce; /* the next put says so to others even if nothing is new */
	struct state goal, sent, known;
	uint32_t version, sent_version;
	int64_t leave_at_ms;
	char member[CONNECTION_ID_LEN];
	struct span service, id; /* in names */
	char names[];
};

TAILQ_HEAD(entry_list, presence_entry);

struct presence {
	struct worker *worker;
	bool is_stopped;
	struct entry_list all, dirty, later, leaving;
	size_t count;
	unsigned in_flight;
	uint64_t reconnects;  /* of the store, when last looked */
	uint64_t incarnation; /* under which the entries are put */
	char run_id[INHERIT_RUN_ID_MAX + 24];
	ev_timer look;
	ev_timer grace;
	struct buffer text; /* of answers */
};

static void pump(struct presence *presence);

/* ---- states ---- */

static void state_set(struct state *to, const struct state *from)
{
	struct text *data = text_get(from->data);

	text_put(to->data);
	*to = *from;
	to->data = data;
}

static void state_set_data(struct state *state, struct span data)
{
	text_put(state->data);
	state->data = data.len ? text_create(data) : NULL;
}

/* ---- queues ---- */

static void unqueue(struct presence_entry *entry)
{
	struct presence *presence = entry->presence;

	if (entry->place == PLACE_DIRTY)
		TAILQ_REMOVE(&presence->dirty, entry, queue);
	else if (entry->place == PLACE_LATER)
		TAILQ_REMOVE(&presence->later, entry, queue);
	entry->place = PLACE_NONE;
}

/* What is under way is looked at again when its reply comes. */
static void make_dirty(struct presence_entry *entry)
{
	if (entry->place == PLACE_SENT || entry->place == PLACE_DIRTY)
		return;
	unqueue(entry);
	entry->place = PLACE_DIRTY;
	TAILQ_INSERT_TAIL(&entry->presence->dirty, entry, queue);
}

static void make_later(struct presence_entry *entry)
{
	unqueue(entry);
	entry->place = PLACE_LATER;
	TAILQ_INSERT_TAIL(&entry->presence->later, entry, queue);
	stat_add(entry->presence->worker->slot, STAT_presence_retries, 1);
}

/* ---- entries ---- */

static struct presence_entry *entry_find(const struct connection *connection, struct span service,
					 struct span id)
{
	struct presence_entry *entry = connection->presence;

	while (entry && !(span_equals(entry->service, service) && span_equals(entry->id, id)))
		entry = entry->next;
	return entry;
}

static unsigned entry_count(const struct connection *connection)
{
	unsigned count = 0;

	for (const struct presence_entry *entry = connection->presence; entry; entry = entry->next)
		count += entry->goal.is_present;
	return count;
}

static struct presence_entry *entry_create(struct presence *presence, struct connection *connection,
					   struct span service, struct span id)
{
	struct presence_entry *entry = calloc(1, sizeof(*entry) + service.len + id.len);

	MUST(entry);
	entry->presence = presence;
	STAILQ_INIT(&entry->waiters);
	memcpy(entry->names, service.at, service.len);
	memcpy(entry->names + service.len, id.at, id.len);
	entry->service = span_of(entry->names, service.len);
	entry->id = span_of(entry->names + service.len, id.len);
	memcpy(entry->member, connection->id, CONNECTION_ID_LEN);
	entry->connection = connection;
	entry->next = connection->presence;
	connection->presence = entry;
	TAILQ_INSERT_TAIL(&presence->all, entry, all);
	presence->count++;
	stat_set(presence->worker->slot, STAT_presence_entries, presence->count);
	return entry;
}

static void unlink_from_connection(struct presence_entry *entry)
{
	struct presence_entry **place;

	if (!entry->connection)
		return;
	for (place = &entry->connection->presence; *place != entry;)
		place = &(*place)->next;
	*place = entry->next;
	entry->connection = NULL;
}

static void entry_destroy(struct presence_entry *entry)
{
	struct presence *presence = entry->presence;

	MUST(STAILQ_EMPTY(&entry->waiters));
	unqueue(entry);
	unlink_from_connection(entry);
	if (entry->is_leaving)
		TAILQ_REMOVE(&presence->leaving, entry, leaving);
	TAILQ_REMOVE(&presence->all, entry, all);
	text_put(entry->goal.data);
	text_put(entry->sent.data);
	text_put(entry->known.data);
	free(entry);
	presence->count--;
	stat_set(presence->worker->slot, STAT_presence_entries, presence->count);
}

/* ---- answers ---- */

/* Those whose goal is reached, or, `all`, everybody. A caller may do anything but destroy entries.
 */
static void answer_waiters(struct presence_entry *entry, const struct outcome *outcome, bool all)
{
	struct waiter *waiter;

	while ((waiter = STAILQ_FIRST(&entry->waiters)) &&
	       (all || (int32_t)(waiter->version - entry->sent_version) <= 0)) {
		STAILQ_REMOVE_HEAD(&entry->waiters, link);
		entry->waiter_count--;
		waiter->done(outcome, waiter->arg);
		free(waiter);
	}
}

static void answer_success(struct presence_entry *entry, const struct store_presence_result *result)
{
	struct buffer *text = &entry->presence->text;

	text->len = 0;
	presence_format_head(text, entry->service, entry->id, result->users);
	if (result->member.len) {
		buffer_append_string(text, ",\"member\":");
		buffer_append_span(text, result->member);
	}
	buffer_append_char(text, '}');
	struct outcome outcome = {.status = 200, .envelope = buffer_span(text)};
	answer_waiters(entry, &outcome, false);
}

/* ---- replies ---- */

/* What next, after a command that Redis has executed. */
static void settle(struct presence_entry *entry)
{
	if (entry->version != entry->sent_version) {
		make_dirty(entry);
	} else if (entry->doubt) {
		entry->doubt = false;
		entry->may_exist = true;
		make_later(entry);
	} else if (!entry->goal.is_present) {
		entry_destroy(entry);
	}
}

/* The client was told that it did not happen, so it shall not. A leave stands, whatever the client
 * was told. */
static void give_up(struct presence_entry *entry, int error)
{
	bool had_waiters = !STAILQ_EMPTY(&entry->waiters);
	struct outcome outcome = presence_outcome_of_error(error);

	answer_waiters(entry, &outcome, true);
	if (had_waiters && entry->goal.is_present && !entry->is_leaving)
		state_set(&entry->goal, &entry->known);
	entry->version++; /* whatever was sent, it is not the goal any more */
	if (error == -ETIMEDOUT)
		entry->doubt = entry->may_exist = true;
	if (!entry->goal.is_present && !entry->may_exist)
		entry_destroy(entry);
	else
		make_later(entry);
}

static void on_reply(struct presence_entry *entry, int error,
		     const struct store_presence_result *result)
{
	struct presence *presence = entry->presence;

	presence->in_flight--;
	entry->place = PLACE_NONE;
	if (error) {
		stat_add(presence->worker->slot, STAT_redis_errors, 1);
		give_up(entry, error);
	} else {
		state_set(&entry->known, &entry->sent);
		entry->may_exist = entry->known.is_present;
		answer_success(entry, result);
		settle(entry);
	}
	pump(presence);
}

static void on_store_reply(int error, const struct store_presence_result *result, void *arg)
{
	on_reply(arg, error, result);
}

/* ---- commands ---- */

static void send_entry(struct presence_entry *entry)
{
	struct presence *presence = entry->presence;
	struct span member = span_of(entry->member, CONNECTION_ID_LEN);
	struct store_presence command = {
		.service = entry->service,
		.id = entry->id,
		.run_id = presence_run_id(presence),
		.member = member,
		.user = member, /* without auth each connection is a user of its own */
		.mode = entry->goal.is_editing ? SPAN("editing") : SPAN("viewing"),
		.data = entry->goal.data ? text_span(entry->goal.data) : SPAN("{}"),
		.quiet = !entry->announce,
	};

	unqueue(entry);
	entry->place = PLACE_SENT;
	entry->announce = false;
	entry->sent_version = entry->version;
	state_set(&entry->sent, &entry->goal);
	presence->in_flight++;
	if (entry->goal.is_present)
		store_presence_put(presence->worker->store, &command, on_store_reply, entry);
	else
		store_presence_leave(presence->worker->store, &command, false, on_store_reply,
				     entry);
}

static void pump(struct presence *presence)
{
	struct presence_entry *entry;

	while (!presence->is_stopped && presence->in_flight < PRESENCE_IN_FLIGHT_MAX &&
	       (entry = TAILQ_FIRST(&presence->dirty)))
		send_entry(entry);
}

/* ---- requests ---- */

static int refuse(struct presence *presence, struct outcome *ret, struct outcome refusal)
{
	stat_add(presence->worker->slot, STAT_presence_refused, 1);
	*ret = refusal;
	return -ENOSPC;
}

static int check_limits(struct presence *presence, const struct connection *connection,
			const struct presence_entry *entry, enum presence_kind kind,
			struct outcome *ret)
{
	if (presence->is_stopped) {
		*ret = outcome_of_store_error(-ECANCELED);
		return -ECANCELED;
	}
	if (kind != PRESENCE_JOIN && (!entry || !entry->goal.is_present)) {
		*ret = outcome_refusal(404, "not_present",
				       "this connection is not present at that document");
		return -ENOENT;
	}
	if (entry && entry->waiter_count >= PRESENCE_WAITING_MAX)
		return refuse(presence, ret,
			      outcome_refusal(429, "rate_limited",
					      "%d changes of this presence are under way",
					      PRESENCE_WAITING_MAX));
	if (kind != PRESENCE_JOIN || (entry && entry->goal.is_present))
		return 0;
	if (entry_count(connection) >= PRESENCE_CONNECTION_MAX)
		return refuse(presence, ret,
			      outcome_refusal(403, "too_many_presences",
					      "a connection may be present at %d documents",
					      PRESENCE_CONNECTION_MAX));
	if (presence->count >= PRESENCE_WORKER_MAX)
		return refuse(
			presence, ret,
			outcome_refusal(503, "overloaded", "too much presence on this server"));
	return 0;
}

static void set_goal(struct presence_entry *entry, const struct presence_request *request)
{
	struct state *goal = &entry->goal;

	goal->is_present = request->kind != PRESENCE_LEAVE;
	if (request->kind == PRESENCE_JOIN || request->mode.len)
		goal->is_editing = span_equals(request->mode, SPAN("editing"));
	if (request->kind == PRESENCE_JOIN || request->data.len)
		state_set_data(goal, request->data);
	entry->announce = true;
	entry->version++;
}

void presence_change(struct presence *presence, struct connection *connection,
		     const struct presence_request *request, presence_done_fn done, void *arg)
{
	struct presence_entry *entry = entry_find(connection, request->service, request->id);
	struct outcome refusal;

	if (presence_check_names(request->service, request->id, &refusal) ||
	    check_limits(presence, connection, entry, request->kind, &refusal)) {
		done(&refusal, arg);
		return;
	}
	if (!entry)
		entry = entry_create(presence, connection, request->service, request->id);
	set_goal(entry, request);
	struct waiter *waiter = malloc(sizeof(*waiter));
	MUST(waiter);
	*waiter = (struct waiter){.version = entry->version, .done = done, .arg = arg};
	STAILQ_INSERT_TAIL(&entry->waiters, waiter, link);
	entry->waiter_count++;
	make_dirty(entry);
	pump(presence);
}

/* ---- the end of sockets ---- */

static void arm_grace(struct presence *presence)
{
	const struct presence_entry *first = TAILQ_FIRST(&presence->leaving);

	if (!first || ev_is_active(&presence->grace))
		return;
	int64_t wait_ms = first->leave_at_ms - worker_monotonic_ms();
	ev_timer_set(&presence->grace, wait_ms > 0 ? (double)wait_ms / 1000. : 0., 0.);
	ev_timer_start(presence->worker->loop, &presence->grace);
}

void presence_leave_all(struct connection *connection)
{
	struct presence_entry *entry;
	struct presence *presence = connection->websockets->worker->presence;

	while ((entry = connection->presence)) {
		unlink_from_connection(entry);
		if (!entry->goal.is_present)
			continue;
		entry->is_leaving = true;
		entry->leave_at_ms = worker_monotonic_ms() + PRESENCE_GRACE_MS;
		TAILQ_INSERT_TAIL(&presence->leaving, entry, leaving);
	}
	if (presence && !presence->is_stopped)
		arm_grace(presence);
}

static void on_grace(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct presence *presence = CONTAINER_OF(timer, struct presence, grace);
	struct presence_entry *entry;
	int64_t now_ms = worker_monotonic_ms();

	(void)loop;
	(void)events;
	while ((entry = TAILQ_FIRST(&presence->leaving)) && entry->leave_at_ms <= now_ms) {
		TAILQ_REMOVE(&presence->leaving, entry, leaving);
		entry->is_leaving = false;
		entry->goal.is_present = false;
		entry->version++;
		make_dirty(entry);
	}
	arm_grace(presence);
	pump(presence);
}

/* ---- once more ---- */

static void put_all_again(struct presence *presence, const char *why)
{
	struct presence_entry *entry;

	if (presence->count)
		log_info("presence: %s, putting %zu entries again", why, presence->count);
	TAILQ_FOREACH(entry, &presence->all, all)
	{
		entry->version++; /* what is under way may have been meant for the former one */
		make_dirty(entry);
	}
}

/* {node}.{incarnation}.{n}: the incarnation is the supervisor's present one, which changes with a
 * lost lease. */
static void name_run(struct presence *presence)
{
	const char *inherited = presence->worker->inherit->run_id;
	const char *n = strrchr(inherited, '.');
	const char *incarnation = n ? memrchr(inherited, '.', (size_t)(n - inherited)) : NULL;

	MUST(incarnation);
	snprintf(presence->run_id, sizeof(presence->run_id), "%.*s.%llu%s",
		 (int)(incarnation - inherited), inherited,
		 (unsigned long long)presence->incarnation, n);
}

struct span presence_run_id(struct presence *presence)
{
	/* acquire: pairs with the supervisor's release store; by then Redis knows the run id. */
	uint64_t incarnation =
		atomic_load_explicit(&presence->worker->shared->incarnation, memory_order_acquire);

	if (incarnation != presence->incarnation) {
		presence->incarnation = incarnation;
		name_run(presence);
		put_all_again(presence, "the node's lease was lost");
	}
	return span_string(presence->run_id);
}

static void on_look(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct presence *presence = CONTAINER_OF(timer, struct presence, look);
	struct presence_entry *entry;

	(void)loop;
	(void)events;
	if (presence->is_stopped)
		return;
	presence_run_id(presence);
	uint64_t reconnects = store_reconnects(presence->worker->store);
	if (reconnects != presence->reconnects) {
		/* It may be another server, or have forgotten. */
		presence->reconnects = reconnects;
		put_all_again(presence, "Redis was away");
	}
	while ((entry = TAILQ_FIRST(&presence->later)))
		make_dirty(entry);
	pump(presence);
}

/* ---- life ---- */

struct presence *presence_create(struct worker *worker)
{
	struct presence *presence = calloc(1, sizeof(*presence));

	MUST(presence);
	presence->worker = worker;
	TAILQ_INIT(&presence->all);
	TAILQ_INIT(&presence->dirty);
	TAILQ_INIT(&presence->later);
	TAILQ_INIT(&presence->leaving);
	presence->incarnation =
		atomic_load_explicit(&worker->shared->incarnation, memory_order_acquire);
	name_run(presence);
	ev_timer_init(&presence->look, on_look, LOOK_S, LOOK_S);
	ev_timer_start(worker->loop, &presence->look);
	ev_timer_init(&presence->grace, on_grace, 0., 0.);
	return presence;
}

void presence_stop(struct presence *presence)
{
	struct outcome outcome = outcome_of_store_error(-ECANCELED);
	struct presence_entry *entry, *next;

	if (!presence || presence->is_stopped)
		return;
	presence->is_stopped = true;
	ev_timer_stop(presence->worker->loop, &presence->look);
	ev_timer_stop(presence->worker->loop, &presence->grace);
	/* What is under way is answered by the store when it goes. */
	TAILQ_FOREACH_SAFE(entry, &presence->all, all, next)
	if (entry->place != PLACE_SENT)
		answer_waiters(entry, &outcome, true);
}

void presence_destroy(struct presence *presence)
{
	struct presence_entry *entry;

	if (!presence)
		return;
	MUST(presence->is_stopped && !presence->in_flight);
	while ((entry = TAILQ_FIRST(&presence->all)))
		entry_destroy(entry);
	buffer_fini(&presence->text);
	free(presence);
}
