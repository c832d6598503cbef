/* presence_reaper.c — see presence_reaper.h. */
#define _GNU_SOURCE
#include "presence_reaper.h"

#include "log.h"
#include "script_call.h"

#include <bsd/stdlib.h>
#include <fcntl.h>
#include <hiredis/hiredis.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

#define REAP_HEAD 7 /* arguments before the living run ids: two keys and five */

static bool is_connected(const struct presence_reaper *reaper)
{
	return redis_state_of(reaper->options.redis) == REDIS_READY;
}

static bool is_refused(const redisReply *reply, const char *what)
{
	static struct log_limit limit;
	if (reply->type != REDIS_REPLY_ERROR)
		return false;
	if (log_allow(&limit))
		log_error("presence: redis refuses %s: %s; trying on", what, reply->str);
	return true;
}

/* ---- cleaning ---- */

static void finish_if_idle(struct presence_reaper *reaper);
static void clean_next(struct presence_reaper *reaper);
static void reap(struct presence_reaper *reaper);

static const char *cleaned_run(const struct presence_reaper *reaper)
{
	return reaper->ended_at < reaper->ended.len ? reaper->ended.at + reaper->ended_at : NULL;
}

/* What is not cleaned stays in runs-ended; a later round begins with it. */
static void give_up_round(struct presence_reaper *reaper)
{
	reaper->ended_at = reaper->ended.len;
	reaper->must_reap_again = false;
	finish_if_idle(reaper);
}

static void on_cleaned(const redisReply *reply, int error, void *arg)
{
	struct presence_reaper *reaper = arg;
	reaper->is_cleaning = false;
	if (error || is_refused(reply, "to clean presence") || reply->type != REDIS_REPLY_ARRAY ||
	    reply->elements != 3) {
		give_up_round(reaper);
		return;
	}
	const char *run = cleaned_run(reaper);
	long long removed = reply->element[0]->integer;
	reaper->removed += (uint64_t)removed;
	if (removed && run)
		log_info("presence: %lld members of the ended run %s taken away", removed, run);
	if (run && reply->element[1]->integer == 0)
		reaper->ended_at += strlen(run) + 1;
	clean_next(reaper);
}

static void clean_next(struct presence_reaper *reaper)
{
	const char *run = cleaned_run(reaper);
	char node[KEY_MAX], most[16];
	if (!run || reaper->is_cleaning || !is_connected(reaper)) {
		if (!run && reaper->must_reap_again)
			reap(reaper);
		finish_if_idle(reaper);
		return;
	}
	size_t run_len = strlen(run);
	key_node_presence(node, span_of(run, run_len));
	int digits = snprintf(most, sizeof(most), "%d", PRESENCE_CLEAN_BATCH);
	const char *argv[] = {node,
			      KEY_RUNS,
			      KEY_RUNS_ENDED,
			      "ended",
			      run,
			      KEY_PRESENCE_PREFIX,
			      KEY_CHANNEL_PREFIX,
			      most};
	size_t len[] = {strlen(node),
			strlen(KEY_RUNS),
			strlen(KEY_RUNS_ENDED),
			strlen("ended"),
			run_len,
			strlen(KEY_PRESENCE_PREFIX),
			strlen(KEY_CHANNEL_PREFIX),
			(size_t)digits};
	reaper->is_cleaning = script_call(reaper->options.redis, &script_presence_remove,
					  on_cleaned, reaper, 3, ARRAY_LEN(argv), argv, len) == 0;
	if (!reaper->is_cleaning)
		give_up_round(reaper);
}

/* ---- which runs have ended ---- */

static void take_ended(struct presence_reaper *reaper, const redisReply *reply)
{
	reaper->ended.len = reaper->ended_at = 0;
	for (size_t i = 0; i < reply->elements; i++) {
		const redisReply *run = reply->element[i];
		/* A name that is too long for a key is none of ours. */
		if (run->type != REDIS_REPLY_STRING || run->len == 0 || run->len > KEY_MAX / 2)
			continue;
		buffer_append(&reaper->ended, run->str, (size_t)run->len + 1);
	}
}

static void on_reaped(const redisReply *reply, int error, void *arg)
{
	struct presence_reaper *reaper = arg;
	reaper->is_reaping = false;
	if (error || is_refused(reply, "to look for ended runs") ||
	    reply->type != REDIS_REPLY_ARRAY) {
		give_up_round(reaper);
		return;
	}
	if (!cleaned_run(reaper))
		take_ended(reaper, reply);
	clean_next(reaper);
}

struct run_list {
	struct buffer names; /* NUL-terminated, one after the other */
	int count;
};

static void add_name(const char *run_id, void *arg)
{
	struct run_list *list = arg;
	buffer_append(&list->names, run_id, strlen(run_id) + 1);
	list->count++;
}

static void send_reap(struct presence_reaper *reaper, const struct run_list *living)
{
	char host[KEY_MAX], forks[24], most[16];
	const char **argv = calloc((size_t)living->count + REAP_HEAD, sizeof(*argv));
	size_t *len = calloc((size_t)living->count + REAP_HEAD, sizeof(*len));
	MUST(argv && len);
	snprintf(host, sizeof(host), "%s.%" PRIu64, reaper->node, reaper->incarnation);
	snprintf(forks, sizeof(forks), "%" PRIu64, reaper->options.forks(reaper->options.arg));
	snprintf(most, sizeof(most), "%d", PRESENCE_ENDED_MAX);
	const char *head[REAP_HEAD] = {KEY_RUNS, KEY_RUNS_ENDED,      KEY_NODE_LEASE_PREFIX,
				       host,     reaper->lease_value, forks,
				       most};
	memcpy(argv, head, sizeof(head));
	const char *at = living->names.at;
	for (int i = 0; i < living->count; i++, at += strlen(at) + 1)
		argv[REAP_HEAD + i] = at;
	for (int i = 0; i < REAP_HEAD + living->count; i++)
		len[i] = strlen(argv[i]);
	reaper->is_reaping = script_call(reaper->options.redis, &script_presence_reap, on_reaped,
					 reaper, 2, REAP_HEAD + living->count, argv, len) == 0;
	free(argv);
	free(len);
}

static void reap(struct presence_reaper *reaper)
{
	struct run_list living = {0};
	/* Without a lease of its own a supervisor judges nobody. */
	if (!is_connected(reaper) || !reaper->is_leased)
		return;
	if (reaper->is_reaping) {
		reaper->must_reap_again = true;
		return;
	}
	reaper->must_reap_again = false;
	reaper->options.for_each_run(add_name, &living, reaper->options.arg);
	send_reap(reaper, &living);
	buffer_fini(&living.names);
}

/* ---- the lease ---- */

static void on_added(const redisReply *reply, int error, void *arg)
{
	struct presence_reaper *reaper = arg;
	if (!error)
		is_refused(reply, "SADD " KEY_RUNS);
	if (--reaper->adding == 0 && reaper->must_publish && reaper->is_leased) {
		reaper->must_publish = false;
		/* Until then workers have put what is left of their presence under the new run ids,
		 * and nobody sees it go and come. */
		reaper->settle_ticks = PRESENCE_SETTLE_TICKS;
		reaper->options.publish_incarnation(reaper->incarnation, reaper->options.arg);
	}
}

static void send_run(const char *run_id, void *arg)
{
	struct presence_reaper *reaper = arg;
	const char *argv[] = {"SADD", KEY_RUNS, run_id};
	if (redis_command(reaper->options.redis, on_added, reaper, ARRAY_LEN(argv), argv, NULL) ==
	    0)
		reaper->adding++;
}

static void lease(struct presence_reaper *reaper);

/* Others may have reaped us: under the old name nothing of ours may come to life again. */
static void lose_lease(struct presence_reaper *reaper)
{
	reaper->leases_lost++;
	arc4random_buf(&reaper->incarnation, sizeof(reaper->incarnation));
	log_warning("presence: the lease of this node was lost, going on as %s.%" PRIu64
		    "; workers put their presence again",
		    reaper->node, reaper->incarnation);
	reaper->was_leased = reaper->is_leased = false;
	reaper->must_publish = true;
	reaper->options.renew_runs(reaper->incarnation, reaper->options.arg);
	lease(reaper);
}

static void on_leased(const redisReply *reply, int error, void *arg)
{
	struct presence_reaper *reaper = arg;
	reaper->is_leasing = false;
	if (error || is_refused(reply, "the lease"))
		return; /* the next tick or connection */
	if (reply->type == REDIS_REPLY_NIL) {
		lose_lease(reaper);
		return;
	}
	bool is_first = !reaper->is_leased;
	reaper->was_leased = reaper->is_leased = true;
	if (is_first)
		reaper->options.for_each_run(send_run, reaper, reaper->options.arg);
	if (is_first && !reaper->must_publish)
		reap(reaper);
}

static void lease(struct presence_reaper *reaper)
{
	char key[KEY_MAX], seconds[16];
	if (reaper->is_leasing || reaper->is_stopping || !is_connected(reaper))
		return;
	key_node_lease(key, reaper->node, reaper->incarnation);
	snprintf(seconds, sizeof(seconds), "%d", PRESENCE_LEASE_S);
	const char *argv[] = {"SET", key, reaper->lease_value, "EX", seconds, "XX"};
	int argc = reaper->was_leased ? 6 : 5;
	reaper->is_leasing =
		redis_command(reaper->options.redis, on_leased, reaper, argc, argv, NULL) == 0;
}

void presence_reaper_connected(struct presence_reaper *reaper)
{
	/* Whatever this server knows, it has to be told. */
	reaper->is_leased = false;
	lease(reaper);
}

void presence_reaper_add_run(struct presence_reaper *reaper, const char *run_id)
{
	if (reaper->is_leased && is_connected(reaper))
		send_run(run_id, reaper);
}

void presence_reaper_end_run(struct presence_reaper *reaper)
{
	reap(reaper);
}

/* ---- REST members ---- */

static void on_expired(const redisReply *reply, int error, void *arg)
{
	struct presence_reaper *reaper = arg;
	reaper->is_expiring = false;
	if (error || is_refused(reply, "to end presence by its time") ||
	    reply->type != REDIS_REPLY_ARRAY || reply->elements != 3)
		return;
	reaper->expired += (uint64_t)reply->element[0]->integer;
}

static void expire(struct presence_reaper *reaper)
{
	char most[16];
	int digits = snprintf(most, sizeof(most), "%d", PRESENCE_CLEAN_BATCH);
	const char *argv[] = {KEY_PRESENCE_EXPIRY, "expired",          "",
			      KEY_PRESENCE_PREFIX, KEY_CHANNEL_PREFIX, most};
	size_t len[] = {strlen(argv[0]), strlen(argv[1]), 0,
			strlen(argv[3]), strlen(argv[4]), (size_t)digits};
	reaper->is_expiring = script_call(reaper->options.redis, &script_presence_remove,
					  on_expired, reaper, 1, ARRAY_LEN(argv), argv, len) == 0;
}

static void on_tick(struct ev_loop *loop, ev_timer *timer, int events)
{
	(void)loop;
	(void)events;
	struct presence_reaper *reaper = timer->data;
	if (!is_connected(reaper))
		return;
	if (!reaper->is_expiring)
		expire(reaper);
	reaper->ticks++;
	if (reaper->ticks % PRESENCE_RENEW_TICKS == 0 || !reaper->is_leased)
		lease(reaper);
	if (reaper->settle_ticks)
		reaper->settle_ticks--;
	else if (reaper->ticks % PRESENCE_REAP_TICKS == 0 && !reaper->is_reaping &&
		 !reaper->must_publish)
		reap(reaper);
}

/* ---- start and end ---- */

/* The same for each supervisor that holds this lock, and different from any that can live at the
 * same time. */
static void name_place(int lock_fd, char *ret, size_t len)
{
	char boot[40] = "";
	struct stat status = {0};
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t got = fd >= 0 ? read(fd, boot, sizeof(boot) - 1) : -1;
	if (fd >= 0)
		close(fd);
	boot[got > 0 ? got : 0] = '\0';
	boot[strcspn(boot, "\n")] = '\0';
	/* Where it cannot be told, nobody is taken for our predecessor: its lease runs out. */
	if (!*boot || fstat(lock_fd, &status) < 0)
		snprintf(ret, len, "%08" PRIx32 "%08" PRIx32, arc4random(), arc4random());
	else
		snprintf(ret, len, "%s:%" PRIu64 ":%" PRIu64, boot, (uint64_t)status.st_dev,
			 (uint64_t)status.st_ino);
}

void presence_reaper_start(struct presence_reaper *reaper,
			   const struct presence_reaper_options *options, uint64_t incarnation)
{
	*reaper = (struct presence_reaper){.options = *options, .incarnation = incarnation};
	MUST((size_t)snprintf(reaper->node, sizeof(reaper->node), "%s", options->node) <
	     sizeof(reaper->node));
	name_place(options->lock_fd, reaper->lease_value, sizeof(reaper->lease_value));
	ev_timer_init(&reaper->timer, on_tick, PRESENCE_TICK_MS / 1000., PRESENCE_TICK_MS / 1000.);
	reaper->timer.data = reaper;
	ev_timer_start(options->loop, &reaper->timer);
}

static void on_given_back(const redisReply *reply, int error, void *arg)
{
	struct presence_reaper *reaper = arg;
	(void)reply;
	(void)error;
	void (*fn)(void *arg) = reaper->on_finish;
	reaper->on_finish = NULL;
	if (fn)
		fn(reaper->finish_arg);
}

static void finish_if_idle(struct presence_reaper *reaper)
{
	char key[KEY_MAX];
	if (!reaper->is_stopping || !reaper->on_finish || reaper->is_reaping || reaper->is_cleaning)
		return;
	if (is_connected(reaper) && (cleaned_run(reaper) || reaper->must_reap_again))
		return;
	key_node_lease(key, reaper->node, reaper->incarnation);
	const char *argv[] = {"DEL", key};
	if (!is_connected(reaper) ||
	    redis_command(reaper->options.redis, on_given_back, reaper, 2, argv, NULL))
		on_given_back(NULL, 0, reaper);
}

void presence_reaper_finish(struct presence_reaper *reaper, void (*fn)(void *arg), void *arg)
{
	reaper->is_stopping = true;
	reaper->on_finish = fn;
	reaper->finish_arg = arg;
	ev_timer_stop(reaper->options.loop, &reaper->timer);
	reap(reaper);
	finish_if_idle(reaper);
}

void presence_reaper_stop(struct presence_reaper *reaper)
{
	ev_timer_stop(reaper->options.loop, &reaper->timer);
	buffer_fini(&reaper->ended);
}
