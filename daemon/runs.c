/* runs.c — see runs.h. */
#include "runs.h"

#include "keys.h"
#include "log.h"

#include <hiredis/hiredis.h>

void runs_init(struct runs *runs, struct redis *redis)
{
	*runs = (struct runs){.redis = redis};
}

static void on_reply(const redisReply *reply, int error, void *arg)
{
	struct runs *runs = arg;
	static struct log_limit limit;
	if (error)
		log_debug("runs: %s", strerror(-error));
	else if (reply->type == REDIS_REPLY_ERROR && log_allow(&limit))
		log_error("runs: redis refuses " KEY_RUNS ": %s", reply->str);
	runs->pending--;
	void (*on_idle)(void *arg) = runs->on_idle;
	if (runs->pending == 0 && on_idle) {
		runs->on_idle = NULL;
		on_idle(runs->arg);
	}
}

static void send_command(struct runs *runs, const char *command, const char *run_id)
{
	/* Not connected: everything living is added at the connect, and a removal cannot be made.
	 */
	if (redis_state_of(runs->redis) != REDIS_READY)
		return;
	const char *argv[] = {command, KEY_RUNS, run_id};
	if (redis_command(runs->redis, on_reply, runs, 3, argv, NULL) == 0)
		runs->pending++;
}

void runs_add(struct runs *runs, const char *run_id)
{
	send_command(runs, "SADD", run_id);
}

void runs_remove(struct runs *runs, const char *run_id)
{
	send_command(runs, "SREM", run_id);
}

void runs_finish(struct runs *runs, void (*fn)(void *arg), void *arg)
{
	if (runs->pending == 0 || redis_state_of(runs->redis) != REDIS_READY) {
		fn(arg);
		return;
	}
	runs->on_idle = fn;
	runs->arg = arg;
}
