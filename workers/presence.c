/* presence.c — requests, the end of sockets, and putting all again; see presence.h.
 *
 * An entry is one connection at one document; see presence_entry.c. */
#define _GNU_SOURCE
#include "presence_private.h"

#include "log.h"
#include "principal.h"
#include "websockets_private.h"
#include "store_presence.h"

#define LOOK_S 1. /* lost leases, new connections to Redis, repetitions */

/* ---- requests ---- */

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
	struct presence_state *goal = &entry->goal;

	goal->is_present = request->kind != PRESENCE_LEAVE;
	if (request->kind == PRESENCE_JOIN || request->mode.len)
		goal->is_editing = span_equals(request->mode, SPAN("editing"));
	if (request->kind == PRESENCE_JOIN || request->data.len)
		presence_entry_set_data(entry, request->data);
	entry->announce = true;
	entry->version++;
}

void presence_change(struct presence *presence, struct connection *connection,
		     const struct presence_request *request, presence_done_fn done, void *arg)
{
	struct presence_entry *entry = entry_find(connection, request->service, request->id);
	struct outcome refusal;

	if (check_limits(presence, connection, entry, request->kind, &refusal)) {
		done(&refusal, arg);
		return;
	}
	if (!entry)
		entry = presence_entry_create(presence, connection, request->service, request->id);
	set_goal(entry, request);
	struct presence_waiter *waiter = malloc(sizeof(*waiter));
	MUST(waiter);
	*waiter = (struct presence_waiter){.version = entry->version, .done = done, .arg = arg};
	STAILQ_INSERT_TAIL(&entry->waiters, waiter, link);
	entry->waiter_count++;
	presence_entry_make_dirty(entry);
	presence_pump(presence);
}

void presence_recheck(struct connection *connection)
{
	struct presence *presence = connection->websockets->worker->presence;
	struct presence_entry *entry;

	for (entry = connection->presence; entry; entry = entry->next) {
		if (!entry->goal.is_present ||
		    principal_allows(connection->principal, entry->service, entry->id,
				     RIGHT_PRESENCE))
			continue;
		entry->goal.is_present = false;
		entry->version++;
		presence_entry_make_dirty(entry);
	}
	if (presence)
		presence_pump(presence);
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
		presence_entry_unlink(entry);
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
		presence_entry_make_dirty(entry);
	}
	arm_grace(presence);
	presence_pump(presence);
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
		presence_entry_make_dirty(entry);
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
		presence_entry_make_dirty(entry);
	presence_pump(presence);
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
		presence_entry_answer(entry, &outcome, true);
}

void presence_destroy(struct presence *presence)
{
	struct presence_entry *entry;

	if (!presence)
		return;
	MUST(presence->is_stopped && !presence->in_flight);
	while ((entry = TAILQ_FIRST(&presence->all)))
		presence_entry_destroy(entry);
	buffer_fini(&presence->text);
	free(presence);
}
