/* store.h — document commands on Redis: read, write, list. Knows keys, scripts and both encodings;
 * knows no HTTP and no cache. One per worker. Envelopes given out are in the stored form of
 * document.h and valid only inside the callback.
 *
 * Errors of all callbacks: 0, or
 *   -EAGAIN     Redis away, loading, read-only or out of memory: surely nothing was done
 *   -ETIMEDOUT  sent and no reply came: for a write the outcome is unknown
 *   -EBADMSG    what is stored under that key is no envelope
 *   -ECANCELED  the store is being destroyed
 *   -EIO        any other error reply; logged */
#ifndef SYNCDOC_STORE_H
#define SYNCDOC_STORE_H

#include "config.h"
#include "document.h"
#include "rights.h"
#include <ev.h>

struct store;

/* Makes its own connections (a few, by document hash, so that commands of one document keep their
 * order). `url` is the effective one. */
struct store *store_create(struct ev_loop *loop, const struct config *config, const char *url,
			   uint64_t hash_seed);
void store_destroy(
	struct store *store); /* all callbacks are called with -ECANCELED; NULL is fine */
/* As redis_move(), all its connections. */
void store_move(struct store *store, const char *host, unsigned port);
bool store_is_ready(const struct store *store); /* connected and the encoding is known */
/* Why it is not ready, for people; "" while nothing was ever lost. Lives until the loop turns. */
const char *store_lost_reason(const struct store *store);
uint64_t store_reconnects(const struct store *store);
/* Commands that Redis refused, failed, or did not answer in time. */
uint64_t store_failures(const struct store *store);
/* Lists that had to wait for others to be read, and those that could not wait any longer. */
uint64_t store_list_waits(const struct store *store);
uint64_t store_list_refusals(const struct store *store);

/* Read one document. envelope.len 0: there is none. */
typedef void (*store_read_fn)(int error, struct span envelope, void *arg);
void store_read(struct store *store, struct span service, struct span id, store_read_fn fn,
		void *arg);

/* The same, but of a document that has one of these entity tags or, with `any`, of whatever there
 * is, only the head leaves Redis: for answers without a body. whole_len 0: `envelope` is all of it
 * (len 0: there is none), else what it begins with, at least its head. One round trip, or two for a
 * document that has none of the tags; one that was seen to be small is read as a whole. */
#define STORE_TAGS_MAX 16
typedef void (*store_read_unless_fn)(int error, struct span envelope, size_t whole_len, void *arg);
void store_read_unless(struct store *store, struct span service, struct span id, bool any,
		       const struct entity_tag *tags, size_t count, store_read_unless_fn fn,
		       void *arg);

/* Read up to 100; envelopes[i].len 0: none. `count` may be less than was asked for, but for one at
 * least: behind some 2 MiB the rest is to be asked for again. Takes turns with lists, by the
 * bytes that the last answers had, so that many large ones at once starve nobody: -EAGAIN also when
 * too many wait. */
typedef void (*store_read_many_fn)(int error, const struct span *envelopes, size_t count,
				   void *arg);
void store_read_many(struct store *store, struct span service, const struct span *ids, size_t count,
		     store_read_many_fn fn, void *arg);

/* One revision of a write. All spans are borrowed until store_write() returns. */
struct store_revision {
	struct span op;         /* create replace merge patch delete restore expire */
	int64_t at_ms;          /* updatedAt */
	struct span by;         /* may be empty */
	struct span request;    /* random id of this write */
	struct span key;        /* Idempotency-Key, may be empty */
	struct span reversible; /* diff for the history */
	struct span event;      /* text for the channel */
};

/* One script call: n revisions on top of a base, all or none (DESIGN.md section 4). */
struct store_batch {
	struct span service, id;
	uint64_t base_revision; /* 0: there is none */
	int64_t base_updated_at_ms;
	int64_t base_expires_at_ms;
	bool base_deleted;
	struct document final; /* the last revision, with data */
	struct span envelope;  /* its stored form; len 0: store_write() makes it */
	const struct store_revision *revisions;
	size_t count;
};

enum store_write_answer {
	STORE_WRITTEN,
	STORE_MISMATCH, /* base is not the newest: `envelope` is (len 0: there is none) */
	STORE_KEY_SEEN, /* an Idempotency-Key of the batch is among the last 20 entries, whatever
			   the base: key_index which, key_revision what it made; `envelope` is the
			   newest. Nothing was written. */
};

struct store_write_result {
	enum store_write_answer answer;
	uint64_t first_sequence; /* WRITTEN: sequence of the first revision; the others follow */
	struct span envelope;
	size_t key_index;
	uint64_t key_revision;
};

/* On error result is NULL. With redis.wait_replicas, WRITTEN comes after WAIT; too few replicas:
 * -ETIMEDOUT. */
typedef void (*store_write_fn)(int error, const struct store_write_result *result, void *arg);
void store_write(struct store *store, const struct store_batch *batch, store_write_fn fn,
		 void *arg);

/* Lost reply: looks for `request` among the newest history entries. found false: it is not there
 * (yet). When found: its revision, updatedAt and sequence, and the newest envelope. */
struct store_found {
	bool found;
	uint64_t revision;
	int64_t at_ms;
	uint64_t sequence;
	struct span envelope;
};
typedef void (*store_find_fn)(int error, const struct store_found *found, void *arg);
void store_find_request(struct store *store, struct span service, struct span id,
			struct span request, store_find_fn fn, void *arg);

/* Documents whose expiresAt has come (for supervisors: the tombstone is a store_write() on what is
 * given here). `skip`: due entries to pass over, because they failed. What in the schedule is no
 * longer true is put right on the way. */
#define STORE_DUE_MAX 100
struct store_due {
	struct document documents[STORE_DUE_MAX];
	size_t count;
	size_t bad; /* entries whose document cannot be read; counted in `skip` they are passed over
		     */
	bool is_end;     /* nothing else is due */
	int64_t next_ms; /* when the first is due that is not yet; 0: none */
};
typedef void (*store_due_fn)(int error, const struct store_due *due, void *arg);
void store_due(struct store *store, int64_t now_ms, size_t skip, store_due_fn fn, void *arg);

/* Removes tombstones whose documents.tombstone_ttl is over, a bounded number of them, and services
 * without documents. `passed`: 0, or where the call before has stopped. */
struct store_purge {
	uint64_t purged;
	uint64_t passed;
	bool is_end; /* all services were looked at */
};
typedef void (*store_purge_fn)(int error, const struct store_purge *purge, void *arg);
void store_purge(struct store *store, int64_t now_ms, uint64_t passed, store_purge_fn fn,
		 void *arg);

/* After a gap: the documents written after mark `from`. `mark`: the last one; a sequence below it
 * is raised above it by STORE_GAP_RAISE. */
#define STORE_GAP_MAX 20000
#define STORE_GAP_RAISE 1000000
struct store_changed {
	struct span service, id;
};
struct store_gap {
	uint64_t sequence; /* as found, by whoever was first: below `mark` where the primary has
			      lost writes */
	bool is_too_many;  /* more than STORE_GAP_MAX: none given */
	struct store_changed *documents;
	size_t count;
};
typedef void (*store_gap_fn)(int error, const struct store_gap *gap, void *arg);
void store_gap(struct store *store, uint64_t from, uint64_t mark, store_gap_fn fn, void *arg);

/* The envelope (len 0: none) and the history entries behind revision `known`, or, `known` being 0,
 * behind sequence `from`; newest first, and at the end the first entry that is not behind it, if it
 * is still kept. */
struct store_missed_entry {
	uint64_t revision;
	int64_t at_ms;
	uint64_t sequence;
	struct span op, by;
	struct span diff; /* reversible; len 0: not kept */
};
struct store_missed {
	struct span envelope;
	struct store_missed_entry *entries;
	size_t count;
	bool is_cut; /* there are more */
};
typedef void (*store_missed_fn)(int error, const struct store_missed *missed, void *arg);
void store_missed(struct store *store, struct span service, struct span id, uint64_t known,
		  uint64_t from, store_missed_fn fn, void *arg);

#define STORE_PAGE_SIZE_DEFAULT 100
#define STORE_PAGE_SIZE_MAX 1000

enum store_order { STORE_ORDER_UPDATED, STORE_ORDER_ID };

struct store_list_query {
	struct span service;
	struct span prefix;     /* of the id; may be empty */
	struct span page_token; /* opaque, from a former page; may be empty */
	unsigned page_size;     /* 1…1000 */
	enum store_order order; /* UPDATED: newest first */
	bool deleted;           /* tombstones too */
	bool data;              /* items with data */
	int64_t now_ms;         /* what is expired by then is treated as a tombstone */
	struct rights *filter;  /* only what it allows to read; NULL: all. One more reference is
				   taken */
};

/* `items`: JSON array text of envelopes (heads only unless data). next_page_token: len 0 on the
 * last page; it is JSON-safe. -EINVAL: the page token is not one of ours (or belongs to another
 * order). A page ends early at 4 MiB, and after 10,000 ids looked at. */
typedef void (*store_list_fn)(int error, struct span items, struct span next_page_token, void *arg);
void store_list(struct store *store, const struct store_list_query *query, store_list_fn fn,
		void *arg);

/* `items`: JSON array `[{"service":"session","documents":12},…]`, most recently written first;
 * counts are living documents. `filter` (or NULL): only what it allows to read; then ids may have
 * to be looked at one by one, at most 10,000: where that is not enough, `"atLeast":true`. */
typedef void (*store_services_fn)(int error, struct span items, void *arg);
void store_services(struct store *store, const struct rights *filter, store_services_fn fn,
		    void *arg);

#endif
