/* redis_link.h — the parts of redis.h: redis_dial.c finds the server, redis_sentinel.c asks who it
 * is, redis_setup.c logs in, redis_link.c makes and loses the connection, redis_commands.c keeps
 * the commands, redis_feed.c gives it the large ones. Nobody else includes this. */
#ifndef SYNCDOC_REDIS_LINK_H
#define SYNCDOC_REDIS_LINK_H

#include "buffer.h"
#include "redis.h"
#include "redis_dial.h"
#include "redis_url.h"

struct redisAsyncContext;

struct command {
	struct command *next;
	redis_reply_fn fn; /* NULL: answered at its deadline; its reply will be dropped */
	void *arg;
	int64_t issued_ms;
	int64_t sent_ms;
	struct text *rest; /* owned reference: redis_feed.c gives it to hiredis; NULL: it has all */
	size_t fed;        /* bytes of it */
	size_t text_len;
	char text[]; /* RESP and a NUL; only while it waits for a connection */
};

struct command_list {
	struct command *head;
	struct command *last;
	size_t count;
};

struct redis {
	struct ev_loop *loop; /* borrowed: from the creator */
	redis_state_fn on_state;
	void *state_arg;

	struct redis_url url;
	unsigned sentinel;         /* of url.hosts: the one that was asked last */
	struct redis_host primary; /* owned: what it said last; name NULL: none asked yet */
	char *password_file;       /* owned; NULL: none */
	const char *password_key;  /* static: what the configuration calls that */
	char *sentinel_user, *sentinel_password_file; /* owned; NULL: none */
	char *name;                                   /* owned; NULL: none */
	char *name_servers;                           /* owned; NULL: those of the system */
	int64_t timeout_ms;

	enum redis_state state;
	unsigned depth;         /* callbacks of ours on the stack */
	bool is_destroying;     /* takes no more commands */
	struct redis_dial dial; /* how it gets its context */
	struct redisAsyncContext
		*context;      /* hiredis frees it; its `data` is us, or NULL once we gave it up */
	int64_t connect_by_ms; /* 0: not connecting, or the address is still being looked up */
	unsigned setup_stage;
	char *password;    /* owned; only between connecting and AUTH, to whom is asked now */
	unsigned attempts; /* failed in a row */
	bool was_ready;
	int64_t ready_ms;    /* when it became so last */
	const char *leaving; /* static: why this server gets nothing more, and is left as soon as
				all that was sent is answered; NULL: it is not */
	int64_t leave_by_ms; /* at the latest, told by redis_move(); 0: told by its own answers */
	bool was_demoted;    /* the last loss was for its own answers */
	struct redis_host told; /* owned; sentinel://: where the next attempt goes without asking */
	uint64_t reconnects;
	char reason[320]; /* of the last loss */
	ev_timer retry;
	ev_timer reload; /* until the server is asked again whether it has loaded its data */
	int64_t loading_ms, loading_told_ms; /* since when, and when that was told last; 0: never */

	ev_timer deadline;           /* runs while anything waits or is unanswered */
	struct command_list sent;    /* in the order of their replies */
	struct command *due;         /* first in `sent` that is not answered yet */
	struct command *feeding;     /* first in `sent` that hiredis does not have as a whole */
	struct command_list waiting; /* for a connection */
	struct buffer scratch;       /* a command is put together here */
	ev_prepare flush;            /* writes what the turn of the loop has queued */
	bool is_flushing;

	struct buffer subscribe[2]; /* SUBSCRIBE and PSUBSCRIBE as RESP; empty: none */
	redis_push_fn on_push;      /* set: this connection is a subscription */
	void *push_arg;
};

/* redis_commands.c */
void commands_init(struct redis *redis);
void commands_close(struct redis *redis); /* all get -ECANCELED; after link_close() */
void commands_flush_waiting(struct redis *redis);
/* All that were sent get `error`; their contexts are gone. */
void commands_fail_sent(struct redis *redis, int error);
/* Replies come in order; NULL pointers never. */
void commands_answer_next(struct redis *redis, const struct redisReply *reply);
/* Sends now, past the waiting list: the context is there. */
void command_send(struct redis *redis, redis_reply_fn fn, void *arg, struct span text,
		  int64_t issued_ms);
/* Appends RESP, with a NUL behind it that does not count. */
void command_format(struct buffer *ret, int argc, const char *const *argv, const size_t *len);
/* Makes sure that the deadline timer runs. */
void deadline_arm(struct redis *redis);

/* Gives the connection up when what was sent is answered, or at once if there is none. */
void commands_leave(struct redis *redis, const char *reason);

/* redis_feed.c. Must a command of that length take this way? */
bool feed_is_due(const struct redis *redis, size_t len);
/* `command` is the last of `sent`; the reference to its text is taken over. */
void feed_begin(struct redis *redis, struct command *command, struct text *text);
/* hiredis has written all that it had. */
void feed_more(struct redis *redis);

/* redis_link.c */
void link_init(struct redis *redis);
void link_start(struct redis *redis); /* from the next turn of the loop */
/* redis_sentinel.c has found out where: goes on with this attempt. */
void link_connect_primary(struct redis *redis);
/* An attempt or a connection has failed whose context is given up already. */
void link_lost(struct redis *redis, const char *reason);
/* Gives the connection up and tries again after the back-off. */
void link_drop(struct redis *redis, const char *reason);
void link_close(struct redis *redis); /* for good */
/* False: hiredis takes nothing more; the loss will be told soon. */
bool link_write(struct redis *redis, struct span text);
/* The same with a part of a command; one reply answers them all. */
bool link_write_piece(struct redis *redis, struct span piece, bool is_first);
void link_subscribe(struct redis *redis);
void link_tell_state(struct redis *redis, const char *reason, int64_t retry_ms);
/* The connection may be used. */
void link_ready(struct redis *redis);

/* redis_setup.c */
void setup_init(struct redis *redis);
/* The context is connected: goes on to link_ready(), or link_drop(). */
void setup_begin(struct redis *redis);

#endif
