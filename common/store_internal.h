/* store_internal.h — what the store_*.c share. Nobody else includes this. */
#ifndef SYNCDOC_STORE_INTERNAL_H
#define SYNCDOC_STORE_INTERNAL_H

#include "keys.h"
#include "list_gate.h"
#include "redis.h"
#include "script_call.h"
#include "store.h"
#include <hiredis/hiredis.h>

#define STORE_LANES_MAX 9
#define STORE_SCRATCH_MAX (1024 * 1024)  /* kept between commands */
#define STORE_READ_MANY_MEAN (20 * 1024) /* bytes of an envelope, before any has been seen */

/* One connection. Documents go by hash over all but the last, which is for lists: a page of 4 MiB
 * delays no write. */
struct store_lane {
	struct store *store;
	struct redis *redis;    /* owned */
	bool is_encoding_known; /* asked since the last (re)connect */
	bool is_asking;         /* the question is on its way */
};

/* Every command of ours begins with this. */
struct store_request {
	struct store *store;
	struct store_request *next; /* among the deferred */
	/* Calls the caller's function and frees the request. error 0: with an empty result. */
	void (*finish)(struct store_request *request, int error);
	int error;
};

/* Running sum of a document's history at one of its revisions, remembered from our own writes:
 * spares the script to read the newest entry. Only differences of sums matter, so an old one does
 * no harm. */
struct store_sum {
	uint64_t document; /* hash */
	uint64_t revision; /* 0: empty */
	int64_t updated_at_ms;
	uint64_t sum;
};
#define STORE_SUMS 4096

/* How long a document was when store_read_unless() met it last: a hint only. */
struct store_length {
	uint64_t document; /* hash */
	size_t len;        /* 0: empty */
};
#define STORE_LENGTHS 4096

struct store {
	struct ev_loop *loop; /* borrowed */
	uint64_t hash_seed;
	enum config_encoding encoding_wanted;
	enum config_encoding encoding; /* JSON or STRING where a lane's is_encoding_known */
	int64_t timeout_ms;
	unsigned wait_replicas;
	unsigned history_max;
	size_t history_max_bytes;
	int64_t tombstone_ttl_ms;

	char lost_reason[320]; /* of the last connection that was lost */
	bool is_closing; /* connections are going: whatever a callback still asks for is cancelled
			  */
	struct store_lane lanes[STORE_LANES_MAX];
	size_t lane_count;

	uint64_t failures; /* commands that Redis refused, failed or did not answer */

	struct store_request *deferred; /* finished in the next turn of the loop */
	struct store_request **deferred_last;
	ev_timer defer_timer;

	struct list_gate lists;
	size_t read_many_mean; /* bytes of an envelope, as answers to store_read_many() had it */

	struct store_sum *sums;       /* owned; STORE_SUMS, by hash */
	struct store_length *lengths; /* owned; STORE_LENGTHS, by hash */

	struct buffer scratch;   /* texts made from replies; lives until the callback returns */
	struct buffer envelope;  /* of the write being sent */
	struct buffer arguments; /* table of the script call being sent */
};

/* "json", "string", or "auto" where the server has not been asked since it was connected. */
const char *store_encoding(const struct store_lane *lane);
uint64_t store_hash(const struct store *store, struct span service, struct span id);
struct store_lane *store_lane_of(struct store *store, struct span service, struct span id);
struct store_lane *store_lane_of_lists(struct store *store);

#define STORE_ARGUMENTS_MAX 128 /* of store_script() */

/* As redis_command() and script_call(); -ECANCELED while the store is being destroyed. */
int store_command(struct store_lane *lane, redis_reply_fn fn, void *arg, int argc,
		  const char *const *argv);
int store_script(struct store_lane *lane, struct script *script, redis_reply_fn fn, void *arg,
		 unsigned key_count, const struct span *arguments, size_t count);
int store_script_argv(struct store_lane *lane, struct script *script, redis_reply_fn fn, void *arg,
		      unsigned key_count, int argc, const char *const *argv, const size_t *len);

/* Finishes the request in the next turn of the loop: a callback is never called from inside the
 * call that asked for it. */
void store_defer(struct store_request *request, int error);

/* What the caller is told: 0 when the reply is no error. Counts failures, and logs errors of Redis.
 */
int store_error(const struct store_request *request, const struct redisReply *reply, int error,
		bool is_write, const char *what);

/* An envelope as the scripts return it (see write.lua). `*ret` lies in the reply, or in `scratch`
 * (appended to). 0, or -EBADMSG. */
int store_envelope(const struct redisReply *reply, struct buffer *scratch, struct span *ret);

/* After a callback: drops what one large document made of the scratch. */
void store_scratch_trim(struct store *store);

/* A decimal number from a reply's string; 0 if it is none. */
uint64_t store_number(const struct redisReply *reply);
/* A score of a sorted set, as a time: such a string may say 1.7e+12, inf, or what no integer holds.
 * From 0 to 2^53, up to where scores count by ones; 0 if it is none. */
int64_t store_score(const struct redisReply *reply);

#endif
