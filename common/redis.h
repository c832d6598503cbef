/* redis.h — one asynchronous connection to Redis on libev: deadlines per command, reconnect with
 * back-off and jitter. hiredis 0.14 (Debian 12) and 1.x (13). Belongs to one process and one loop;
 * never carried over a fork. */
#ifndef SYNCDOC_REDIS_H
#define SYNCDOC_REDIS_H

#include "base.h"
#include <ev.h>

struct redisReply;
struct redis;

struct redis_options {
	/* redis://[user[:password]@]host[:port][/db], redis://:password@host, unix:///path[?db=N],
	 * sentinel://[user[:password]@]host[:port],…/name[/db] */
	const char *url;
	const char *password_file; /* "" or NULL: none; first line, read at every connect */
	const char *password_key;  /* what the configuration calls it, static; NULL:
				      redis.password_file */
	/* Who we are to Sentinels; "" or NULL: nobody. User without file: one without password. */
	const char *sentinel_user, *sentinel_password_file;
	int64_t timeout_ms;       /* per command, and for connecting */
	const char *name;         /* for CLIENT SETNAME and the log */
	const char *name_servers; /* as in name_lookup.h; NULL but for tests */
};

/* Those of the configuration, whose strings are borrowed. `url` is the effective one. */
struct config;
struct redis_options redis_options_of(const struct config *config, const char *url,
				      const char *name);
/* -EINVAL and a static reason in *ret_reason when the URL is not of that form. */
int redis_url_check(const char *url, const char **ret_reason);

enum redis_state { REDIS_CONNECTING, REDIS_READY, REDIS_LOST };
/* READY: authenticated, database selected; commands given from inside the callback go out first.
 * LOST: `reason` says why and `retry_ms` when the next attempt comes. May be called for every
 * failed attempt.
 * CONNECTING: it is there, but still loads its data: `reason` says so, and `retry_ms` for how
 * long it has been waited for. At first, and then every REDIS_LOADING_TELL_MS. */
#define REDIS_LOADING_TELL_MS 60000
typedef void (*redis_state_fn)(struct redis *redis, enum redis_state state, const char *reason,
			       int64_t retry_ms, void *arg);

/* Starts connecting at once. The URL has passed redis_url_check(). */
struct redis *redis_create(struct ev_loop *loop, const struct redis_options *options,
			   redis_state_fn on_state, void *arg);
/* Calls all pending callbacks with -ECANCELED. Not from inside a callback of the same connection.
 * NULL is fine. */
void redis_destroy(struct redis *redis);
enum redis_state redis_state_of(const struct redis *redis);
/* Drops the connection (heartbeat missed) and starts over; pending commands get -ECONNRESET. */
void redis_reconnect(struct redis *redis, const char *reason);
/* The last connection was given up because its server is no primary any more: others to the same
 * server should be, too. */
bool redis_was_demoted(const struct redis *redis);
/* sentinel://: the primary is there now. What is under way to another server is answered first, for
 * a moment at most; then the connection goes there without asking a Sentinel. Copied. */
void redis_move(struct redis *redis, const char *host, unsigned port);
/* sentinel://: where the primary of the last attempt is, "host:port"; else "". */
void redis_format_primary(const struct redis *redis, char *ret, size_t len);
/* For what is sent from here on. */
void redis_set_timeout(struct redis *redis, int64_t timeout_ms);
uint64_t redis_reconnects(const struct redis *redis);

/* The reply is hiredis's and dies with the call. error: 0 with a reply (which may be a Redis error
 * reply), else reply is NULL and
 *   -ENOTCONN   deadline met without a connection: surely never sent
 *   -ETIMEDOUT  sent, no reply in time: outcome unknown
 *   -ECONNRESET sent, connection lost: outcome unknown
 *   -ECANCELED  redis_destroy()
 * Called exactly once; a reply that comes after the deadline is dropped. */
typedef void (*redis_reply_fn)(const struct redisReply *reply, int error, void *arg);

/* Sends a command, or keeps it (bounded, 10,000) until connected or its deadline. Bytes are copied.
 * -ENOBUFS: too many wait; the callback is not called. `len` NULL: NUL-terminated arguments. */
int redis_command(struct redis *redis, redis_reply_fn fn, void *arg, int argc,
		  const char *const *argv, const size_t *len);
/* The same of one command that is already in the form of resp.h; of a large one a reference is kept
 * until all of it is sent. */
struct text;
int redis_command_text(struct redis *redis, redis_reply_fn fn, void *arg, struct text *text);

/* Turns this connection into a subscription: (P)SUBSCRIBE commands are sent now and after each
 * reconnect, redis_command() is not for it any more; `fn` gets every push (message, pmessage,
 * subscribe…) as it comes, without deadline, reply never NULL. Names are NUL-terminated and copied.
 */
typedef void (*redis_push_fn)(const struct redisReply *reply, void *arg);
void redis_subscribe(struct redis *redis, const char *const *channels, size_t channel_count,
		     const char *const *patterns, size_t pattern_count, redis_push_fn fn,
		     void *arg);

#endif
