/* mark_timer.c — see mark_timer.h. */
#include "mark_timer.h"

#include "clock.h"
#include "keys.h"
#include "log.h"
#include "script_call.h"

#include <hiredis/hiredis.h>

static void on_script(const redisReply *reply, int error, void *arg)
{
	struct mark_timer *timer = arg;
	static struct log_limit limit;
	timer->sending = false;
	if (error)
		return;
	if (reply->type != REDIS_REPLY_ERROR)
		marks_answered(timer->marks);
	/* A server that has begun to load anew is left, and waited for; see redis_commands.c. */
	else if (strncmp(reply->str, "LOADING", 7) != 0 && log_allow(&limit))
		log_error("marks: redis refuses the script: %s; trying on", reply->str);
}

static void send_mark(struct mark_timer *timer)
{
	const char *argv[] = {KEY_SEQUENCE, timer->channel};
	size_t len[] = {strlen(argv[0]), strlen(argv[1])};
	timer->sending =
		script_call(timer->redis, &script_mark, on_script, timer, 1, 2, argv, len) == 0;
}

static void on_info(const redisReply *reply, int error, void *arg)
{
	struct mark_timer *timer = arg;
	static struct log_limit limit;
	char run_id[9];
	timer->asking = false;
	if (error)
		return; /* asked again by the next tick, or the next connection */
	bool refused = reply->type == REDIS_REPLY_ERROR;
	struct span text = reply->str ? span_of(reply->str, (size_t)reply->len) : SPAN_NONE;
	if (refused || marks_parse_run_id(text, run_id)) {
		if (strncmp(text.len ? text.at : "", "LOADING", 7) != 0 && log_allow(&limit))
			log_error("marks: no run_id from INFO server: %s; trying on",
				  refused ? reply->str : "not in the answer");
		return;
	}
	marks_set_run_id(timer->marks, run_id);
	timer->known = true;
	timer->on_run_id(timer->arg);
	/* Not at the next tick: until the first mark nobody can subscribe. */
	if (!timer->sending)
		send_mark(timer);
}

static void ask_run_id(struct mark_timer *timer)
{
	const char *argv[] = {"INFO", "server"};
	timer->asking = redis_command(timer->redis, on_info, timer, 2, argv, NULL) == 0;
}

static void on_tick(struct ev_loop *loop, ev_timer *watcher, int events)
{
	(void)loop;
	(void)events;
	struct mark_timer *timer = watcher->data;
	if (marks_tick(timer->marks, clock_monotonic_ms()))
		timer->on_deaf(timer->arg);
	if (redis_state_of(timer->redis) != REDIS_READY)
		return;
	if (timer->known && !timer->sending)
		send_mark(timer);
	else if (!timer->known && !timer->asking)
		ask_run_id(timer);
}

void mark_timer_start(struct mark_timer *timer, struct ev_loop *loop, struct redis *redis,
		      struct marks *marks, const char *channel, void (*on_deaf)(void *arg),
		      void (*on_run_id)(void *arg), void *arg)
{
	*timer = (struct mark_timer){.loop = loop,
				     .redis = redis,
				     .marks = marks,
				     .channel = channel,
				     .on_deaf = on_deaf,
				     .on_run_id = on_run_id,
				     .arg = arg};
	ev_timer_init(&timer->timer, on_tick, MARKS_INTERVAL_MS / 1000., MARKS_INTERVAL_MS / 1000.);
	timer->timer.data = timer;
	ev_timer_start(loop, &timer->timer);
}

void mark_timer_stop(struct mark_timer *timer)
{
	ev_timer_stop(timer->loop, &timer->timer);
}

void mark_timer_ask(struct mark_timer *timer)
{
	timer->known = false;
	if (!timer->asking)
		ask_run_id(timer);
}

void mark_timer_connected(struct mark_timer *timer)
{
	mark_timer_ask(timer);
}

void mark_timer_lost(struct mark_timer *timer)
{
	timer->known = false;
}
