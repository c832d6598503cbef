/* redis_commands.c — the commands of one connection: those that wait, those that are sent, and
 * their deadlines. */
#include "redis_link.h"

#include "clock.h"
#include "resp.h"

#include <hiredis/hiredis.h>

#define WAITING_MAX 10000
#define STALL_TIMEOUTS 2 /* a reply later than this many timeouts: the connection is given up */
/* A server that refuses writes is left at most this often: it may be the only one there is. */
#define REPLICA_PATIENCE_MS 1000
/* For what is under way to a server that is to be left: it may hang. */
#define LEAVE_PATIENCE_MS 250

static void list_append(struct command_list *list, struct command *command)
{
	command->next = NULL;
	if (list->last)
		list->last->next = command;
	else
		list->head = command;
	list->last = command;
	list->count++;
}

static struct command *list_shift(struct command_list *list)
{
	struct command *command = list->head;
	list->head = command->next;
	if (!list->head)
		list->last = NULL;
	list->count--;
	return command;
}

static struct command *command_create(redis_reply_fn fn, void *arg, struct span text)
{
	struct command *command = malloc(sizeof(*command) + text.len + 1);
	MUST(command);
	command->fn = fn;
	command->arg = arg;
	command->rest = NULL;
	command->text_len = text.len;
	if (text.len)
		memcpy(command->text, text.at, text.len);
	command->text[text.len] = '\0'; /* see command_format() */
	return command;
}

/* The command is in no list any more: whatever the callback does to the lists is fine. */
static void command_answer(struct redis *redis, redis_reply_fn fn, void *arg,
			   const struct redisReply *reply, int error)
{
	redis->depth++;
	fn(reply, error, arg);
	redis->depth--;
}

/* hiredis looks for the next word behind each, also behind the last one: a NUL stands there. */
void command_format(struct buffer *ret, int argc, const char *const *argv, const size_t *len)
{
	size_t room = RESP_AROUND_MAX + 1;
	for (int i = 0; i < argc; i++)
		room += (len ? len[i] : strlen(argv[i])) + RESP_AROUND_MAX;
	char *at = resp_put_count(buffer_reserve(ret, room), (size_t)argc);
	for (int i = 0; i < argc; i++)
		at = resp_put_item(at, argv[i], len ? len[i] : strlen(argv[i]));
	*at = '\0';
	ret->len = (size_t)(at - ret->at);
}

static struct command *sent_append(struct redis *redis, redis_reply_fn fn, void *arg,
				   int64_t issued_ms)
{
	struct command *command = command_create(fn, arg, SPAN_NONE);
	command->issued_ms = issued_ms;
	command->sent_ms = clock_monotonic_ms();
	list_append(&redis->sent, command);
	if (!redis->due)
		redis->due = command;
	return command;
}

/* `shared`: has the text already; NULL: it is copied where it must be kept. */
static void send_text(struct redis *redis, redis_reply_fn fn, void *arg, struct span text,
		      struct text *shared, int64_t issued_ms)
{
	if (feed_is_due(redis, text.len)) {
		feed_begin(redis, sent_append(redis, fn, arg, issued_ms),
			   shared ? text_get(shared) : text_create(text));
	} else if (link_write(redis, text)) {
		sent_append(redis, fn, arg, issued_ms);
	} else {
		struct command *kept = command_create(fn, arg, text);
		kept->issued_ms = issued_ms;
		list_append(&redis->waiting, kept);
		return;
	}
	deadline_arm(redis);
}

void command_send(struct redis *redis, redis_reply_fn fn, void *arg, struct span text,
		  int64_t issued_ms)
{
	send_text(redis, fn, arg, text, NULL, issued_ms);
}

static bool can_send(const struct redis *redis)
{
	return redis->state == REDIS_READY && !redis->leaving;
}

static int send_or_keep(struct redis *redis, redis_reply_fn fn, void *arg, struct span text,
			struct text *shared)
{
	MUST(!redis->on_push);
	if (redis->is_destroying || (!can_send(redis) && redis->waiting.count >= WAITING_MAX))
		return -ENOBUFS;
	int64_t now = clock_monotonic_ms();
	if (can_send(redis)) {
		send_text(redis, fn, arg, text, shared, now);
		return 0;
	}
	struct command *command = command_create(fn, arg, text);
	command->issued_ms = now;
	list_append(&redis->waiting, command);
	deadline_arm(redis);
	return 0;
}

int redis_command(struct redis *redis, redis_reply_fn fn, void *arg, int argc,
		  const char *const *argv, const size_t *len)
{
	MUST(argc > 0);
	redis->scratch.len = 0;
	command_format(&redis->scratch, argc, argv, len);
	return send_or_keep(redis, fn, arg, buffer_span(&redis->scratch), NULL);
}

int redis_command_text(struct redis *redis, redis_reply_fn fn, void *arg, struct text *text)
{
	return send_or_keep(redis, fn, arg, text_span(text), text);
}

void commands_flush_waiting(struct redis *redis)
{
	size_t count = redis->waiting.count; /* what cannot be sent comes back to the end */
	while (count-- && redis->waiting.head && can_send(redis)) {
		struct command *command = list_shift(&redis->waiting);
		command_send(redis, command->fn, command->arg,
			     span_of(command->text, command->text_len), command->issued_ms);
		free(command);
	}
}

/* Why a server that answers so is no primary any more, or not now; NULL: it is fine. Redis 6.2
 * wraps what a command inside a script answers: `ERR Error running script …: -READONLY …`. */
static const char *reason_to_leave(const struct redisReply *reply)
{
	if (reply->type != REDIS_REPLY_ERROR)
		return NULL;
	if (strncmp(reply->str, "READONLY", 8) == 0 || strstr(reply->str, ": -READONLY"))
		return "it has become a replica (READONLY)";
	if (strncmp(reply->str, "MASTERDOWN", 10) == 0)
		return "it has become a replica (MASTERDOWN)";
	if (strncmp(reply->str, "LOADING", 7) == 0)
		return "it has begun to load its data anew (LOADING)";
	return NULL;
}

/* The primary was demoted, but the connection to it stands: the name we connected to (a proxy, a
 * moving address) may lead to the new one. What is under way gets its answers first: cut off, each
 * write would have an unknown outcome. */
static void leave_if_answered(struct redis *redis)
{
	if (redis->leaving && !redis->sent.head)
		link_drop(redis, redis->leaving);
}

void commands_leave(struct redis *redis, const char *reason)
{
	redis->leaving = reason;
	redis->leave_by_ms = clock_monotonic_ms() + LEAVE_PATIENCE_MS;
	ev_timer_stop(redis->loop, &redis->deadline);
	deadline_arm(redis);
	leave_if_answered(redis);
}

void commands_answer_next(struct redis *redis, const struct redisReply *reply)
{
	MUST(redis->sent.head);
	if (redis->sent.head == redis->feeding) {
		link_drop(redis, "a reply to a command that was not sent yet");
		return;
	}
	if (redis->state == REDIS_READY && !redis->leaving &&
	    clock_monotonic_ms() - redis->ready_ms >= REPLICA_PATIENCE_MS)
		redis->leaving = reason_to_leave(reply);
	struct command *command = list_shift(&redis->sent);
	redis_reply_fn fn = command->fn;
	void *arg = command->arg;
	if (redis->due == command)
		redis->due = command->next;
	free(command);
	if (fn)
		command_answer(redis, fn, arg, reply, 0);
	leave_if_answered(redis);
}

static void list_fail(struct redis *redis, struct command_list *list, int error)
{
	struct command_list failed = *list;
	*list = (struct command_list){0};
	while (failed.head) {
		struct command *command = list_shift(&failed);
		if (command->fn)
			command_answer(redis, command->fn, command->arg, NULL, error);
		text_put(command->rest);
		free(command);
	}
}

void commands_fail_sent(struct redis *redis, int error)
{
	redis->due = NULL;
	redis->feeding = NULL;
	list_fail(redis, &redis->sent, error);
}

/* Each round looks at the heads anew: a callback may reconnect, or send. */
static void deadline_answer_late(struct redis *redis, int64_t now)
{
	while (redis->due && redis->due->issued_ms + redis->timeout_ms <= now) {
		struct command *command = redis->due;
		redis_reply_fn fn = command->fn;
		command->fn = NULL;
		redis->due = command->next;
		command_answer(redis, fn, command->arg, NULL, -ETIMEDOUT);
	}
	while (redis->waiting.head && redis->waiting.head->issued_ms + redis->timeout_ms <= now) {
		struct command *command = list_shift(&redis->waiting);
		command_answer(redis, command->fn, command->arg, NULL, -ENOTCONN);
		free(command);
	}
}

static bool deadline_is_stalled(const struct redis *redis, int64_t now)
{
	const struct command *oldest = redis->sent.head;
	return oldest && oldest->sent_ms + STALL_TIMEOUTS * redis->timeout_ms <= now;
}

static int64_t sooner(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* Never further away than one timeout: so a command given later needs no look at the timer. */
static int64_t deadline_next(const struct redis *redis, int64_t now)
{
	int64_t next = now + redis->timeout_ms;
	if (redis->connect_by_ms)
		next = sooner(next, redis->connect_by_ms);
	if (redis->leave_by_ms)
		next = sooner(next, redis->leave_by_ms);
	if (redis->due)
		next = sooner(next, redis->due->issued_ms + redis->timeout_ms);
	if (redis->waiting.head)
		next = sooner(next, redis->waiting.head->issued_ms + redis->timeout_ms);
	if (redis->sent.head)
		next = sooner(next, redis->sent.head->sent_ms + STALL_TIMEOUTS * redis->timeout_ms);
	return next;
}

void deadline_arm(struct redis *redis)
{
	if (ev_is_active(&redis->deadline))
		return;
	if (!redis->connect_by_ms && !redis->leave_by_ms && !redis->sent.head &&
	    !redis->waiting.head)
		return;
	int64_t now = clock_monotonic_ms(), next = deadline_next(redis, now);
	/* One millisecond more: not to wake just before it and turn idle. */
	ev_timer_set(&redis->deadline, next > now ? (double)(next - now + 1) / 1000 : 0.001, 0.);
	ev_timer_start(redis->loop, &redis->deadline);
}

static void on_deadline(struct ev_loop *loop, ev_timer *timer, int revents)
{
	(void)loop, (void)revents;
	struct redis *redis = timer->data;
	int64_t now = clock_monotonic_ms();
	if (redis->connect_by_ms && redis->connect_by_ms <= now)
		link_drop(redis, "connecting timed out");
	if (redis->leave_by_ms && redis->leave_by_ms <= now)
		link_drop(redis, redis->leaving);
	deadline_answer_late(redis, now);
	if (deadline_is_stalled(redis, now))
		link_drop(redis, "no reply for two timeouts");
	deadline_arm(redis);
}

void commands_init(struct redis *redis)
{
	ev_timer_init(&redis->deadline, on_deadline, 0., 0.);
	redis->deadline.data = redis;
}

void commands_close(struct redis *redis)
{
	ev_timer_stop(redis->loop, &redis->deadline);
	commands_fail_sent(redis, -ECANCELED);
	list_fail(redis, &redis->waiting, -ECANCELED);
	buffer_fini(&redis->scratch);
}
