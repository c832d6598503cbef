/* store_presence.h — who is present at a document: commands of a worker. Errors as in store.h; a
 * put that was sent and not answered is -ETIMEDOUT: it may or may not be done. */
#ifndef SYNCDOC_STORE_PRESENCE_H
#define SYNCDOC_STORE_PRESENCE_H

#include "store.h"

#define STORE_PRESENCE_MEMBERS_MAX 10000 /* of one document */

struct store_presence {
	struct span service, id;
	struct span run_id; /* of the asking worker; refused when it is not in syncdoc:runs */
	struct span member; /* its connectionId; [A-Za-z0-9_.:@-]{1,128} */
	struct span user;   /* UTF-8, not empty */
	struct span mode;   /* len 0: as before, or viewing */
	struct span data;   /* JSON object; len 0: as before, or {} */
	int64_t ttl_ms;     /* REST: lives that long; 0: a socket's, lives as long as the run */
	bool quiet;         /* no event when all is there already */
};

struct store_presence_result {
	bool is_new; /* put: was not there before; leave: it was there and is gone */
	uint64_t users;
	struct span member; /* put, read: as clients see it; len 0: none */
};

/* -ESTALE: the run id is not alive, -EEXIST: REST, and the member is a socket's or another user's,
 * -ENOSPC: the document has too many members; nothing was done. On error result is NULL. */
typedef void (*store_presence_fn)(int error, const struct store_presence_result *result, void *arg);
void store_presence_put(struct store *store, const struct store_presence *presence,
			store_presence_fn fn, void *arg);

/* Takes away what run_id (`rest`: a REST client of that user) put down under that name, and nothing
 * else: is_new is false when there was no such. A REST client is told of what is not its own. */
void store_presence_leave(struct store *store, const struct store_presence *presence, bool rest,
			  store_presence_fn fn, void *arg);

/* One member. */
void store_presence_read(struct store *store, struct span service, struct span id,
			 struct span member, store_presence_fn fn, void *arg);

/* `members`: JSON array, in no order. */
typedef void (*store_presence_list_fn)(int error, struct span members, uint64_t users, void *arg);
void store_presence_list(struct store *store, struct span service, struct span id,
			 store_presence_list_fn fn, void *arg);

#endif
