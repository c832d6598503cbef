/* presence.h — who is present through this worker's sockets. For each connection and document it
 * keeps what the client wants to be there and what Redis is known to have, and works until both
 * agree: a lost reply, a Redis that comes back empty or a lost lease of the node only mean that it
 * is put once more. One per worker. REST members are not kept here: they live by their time. */
#ifndef SYNCDOC_PRESENCE_H
#define SYNCDOC_PRESENCE_H

#include "connection.h"
#include "outcome.h"

#define PRESENCE_DATA_MAX 1024      /* bytes of the JSON text */
#define PRESENCE_CONNECTION_MAX 100 /* documents a connection may be present at */
#define PRESENCE_WORKER_MAX 100000  /* the same of all connections of a worker */
#define PRESENCE_WAITING_MAX 16     /* requests of one connection and document under way */
#define PRESENCE_IN_FLIGHT_MAX 256  /* commands at Redis at a time */
#define PRESENCE_GRACE_MS 500 /* between the end of a socket and `left`: reloads do not flicker */

struct presence;

struct presence *presence_create(struct worker *worker);
/* Sends nothing more; before the store goes. */
void presence_stop(struct presence *presence);
void presence_destroy(
	struct presence *presence); /* NULL is fine; what is left is the supervisor's to clean */

/* The run id that entries of this worker name now; valid until the loop turns. */
struct span presence_run_id(struct presence *presence);

enum presence_kind { PRESENCE_JOIN, PRESENCE_UPDATE, PRESENCE_LEAVE };

struct presence_request {
	enum presence_kind kind;
	struct span service, id;
	struct span mode; /* viewing, editing; len 0: not said */
	struct span data; /* JSON object; len 0: not said */
};

/* Called exactly once, possibly before the starting call returns. Success: `envelope` is
 * `{"service":…,"documentId":…,"count":N[,"member":{…}]}`. */
typedef void (*presence_done_fn)(const struct outcome *outcome, void *arg);
void presence_change(struct presence *presence, struct connection *connection,
		     const struct presence_request *request, presence_done_fn done, void *arg);
/* The connection's rights have changed: it leaves where it may not be any more. */
void presence_recheck(struct connection *connection);
/* The socket has ended: all its entries go when the grace is over. May be called twice. */
void presence_leave_all(struct connection *connection);

/* 400 invalid_service, invalid_id. */
int presence_check_names(struct span service, struct span id, struct outcome *ret_refusal);
/* Reads mode and data from an object (a message, a body), whose members are all in `known`
 * (NULL-terminated). 422 for what they may not be and for unknown members, 413 for data that is too
 * large. */
struct json;
int presence_parse_members(const struct json *json, uint32_t object, const char *const *known,
			   struct span *ret_mode, struct span *ret_data,
			   struct outcome *ret_refusal);
/* What an error of store_presence.h means for the client. */
struct outcome presence_outcome_of_error(int error);
/* Appends `{"service":…,"documentId":…,"count":N`. */
void presence_format_head(struct buffer *ret, struct span service, struct span id, uint64_t count);

#endif
