/* waiting_subscribes.c — subscribes that came before the host's subscription was active: answered
 * in their order when it is, or refused after redis.timeout. */
#include "replay.h"

/* A subscribe that waits. Its connection outlives it: see session_forget_waiting(). */
struct waiting_subscribe {
	TAILQ_ENTRY(waiting_subscribe) link;
	struct connection *connection; /* borrowed */
	struct subscribe subscribe;
	struct buffer message_id;
	int64_t deadline_ms; /* monotonic */
};

struct waiting_subscribes {
	TAILQ_HEAD(, waiting_subscribe) list; /* by deadline: all wait equally long */
	ev_timer timer;                       /* active while the list is not empty */
	struct websockets *websockets;
};

static void waiting_remove(struct waiting_subscribes *waiting, struct waiting_subscribe *one)
{
	TAILQ_REMOVE(&waiting->list, one, link);
	one->connection->waiting--;
	subscribe_fini(&one->subscribe);
	buffer_fini(&one->message_id);
	free(one);
}

static void set_timer(struct waiting_subscribes *waiting)
{
	struct ev_loop *loop = waiting->websockets->worker->loop;
	struct waiting_subscribe *first = TAILQ_FIRST(&waiting->list);

	ev_timer_stop(loop, &waiting->timer);
	if (!first)
		return;
	int64_t left_ms = first->deadline_ms - worker_monotonic_ms();
	ev_timer_set(&waiting->timer, (double)(left_ms > 1 ? left_ms : 1) / 1000., 0.);
	ev_timer_start(loop, &waiting->timer);
}

int subscribe_wait(struct connection *connection, struct subscribe *subscribe,
		   struct span message_id)
{
	const struct config *config = connection->websockets->worker->config;
	struct waiting_subscribes *waiting = connection->websockets->waiting;

	if (connection->waiting >= config->ws_max_subscriptions)
		return -ENOSPC;
	struct waiting_subscribe *one = calloc(1, sizeof(*one));
	MUST(one);
	one->connection = connection;
	one->subscribe = *subscribe;
	*subscribe = (struct subscribe){0};
	buffer_append_span(&one->message_id, message_id);
	one->deadline_ms = worker_monotonic_ms() + config->redis_timeout_ms;
	TAILQ_INSERT_TAIL(&waiting->list, one, link);
	connection->waiting++;
	if (!ev_is_active(&waiting->timer))
		set_timer(waiting);
	return 0;
}

bool subscribe_forget(struct connection *connection, const struct subscription_spec *spec)
{
	struct waiting_subscribes *waiting = connection->websockets->waiting;
	struct waiting_subscribe *one, *next;
	bool found = false;

	if (!connection->waiting)
		return false;
	TAILQ_FOREACH_SAFE(one, &waiting->list, link, next)
	{
		if (one->connection != connection ||
		    !subscription_is_same(&one->subscribe.spec, spec))
			continue;
		struct outcome refusal =
			outcome_refusal(409, "unsubscribed", "unsubscribed before it was active");
		session_send_error(connection, buffer_span(&one->message_id), &refusal);
		waiting_remove(waiting, one);
		found = true;
	}
	return found;
}

void subscribe_waiting_now(struct websockets *websockets)
{
	struct waiting_subscribe *one;

	while ((one = TAILQ_FIRST(&websockets->waiting->list)) && subscribe_is_active(websockets)) {
		if (one->connection->state == CONNECTION_OPEN)
			subscribe_now(one->connection, &one->subscribe,
				      buffer_span(&one->message_id));
		waiting_remove(websockets->waiting, one);
	}
}

static void on_mark(void *arg)
{
	replay_on_mark(arg);
	subscribe_waiting_now(arg);
}

void session_expire_waiting(struct websockets *websockets)
{
	struct waiting_subscribe *one;
	int64_t now_ms = worker_monotonic_ms();

	while ((one = TAILQ_FIRST(&websockets->waiting->list)) && one->deadline_ms <= now_ms) {
		struct outcome refusal = outcome_refusal(
			503, "redis_unavailable",
			"events do not come from Redis at the moment; subscribe again");

		session_send_error(one->connection, buffer_span(&one->message_id), &refusal);
		waiting_remove(websockets->waiting, one);
	}
	set_timer(websockets->waiting);
}

static void on_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
	(void)loop;
	(void)events;
	session_expire_waiting(CONTAINER_OF(timer, struct waiting_subscribes, timer)->websockets);
}

void session_forget_waiting(struct connection *connection)
{
	struct waiting_subscribes *waiting = connection->websockets->waiting;
	struct waiting_subscribe *one, *next;

	if (!connection->waiting)
		return;
	TAILQ_FOREACH_SAFE(one, &waiting->list, link, next)
	if (one->connection == connection)
		waiting_remove(waiting, one);
}

void session_waiting_start(struct websockets *websockets)
{
	struct waiting_subscribes *waiting = calloc(1, sizeof(*waiting));

	MUST(waiting);
	waiting->websockets = websockets;
	TAILQ_INIT(&waiting->list);
	ev_init(&waiting->timer, on_timer);
	websockets->waiting = waiting;
	fanout_set_mark_listener(websockets->worker->fanout, on_mark, websockets);
}

void session_waiting_stop(struct websockets *websockets)
{
	struct waiting_subscribes *waiting = websockets->waiting;

	if (!waiting)
		return;
	MUST(TAILQ_EMPTY(&waiting->list)); /* all connections are gone */
	ev_timer_stop(websockets->worker->loop, &waiting->timer);
	free(waiting);
	websockets->waiting = NULL;
}
