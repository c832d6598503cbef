/* fanout.h — drains the ring, builds one batch per audience, sends it to each of its connections
 * with one sendmsg. While a pass is being sent new events pile up, so load turns into batches: that
 * is where the throughput comes from. */
#ifndef SYNCDOC_FANOUT_H
#define SYNCDOC_FANOUT_H

#include "batch.h"
#include "context.h"
#include "ring.h"
#include "subscriptions.h"

#include <bsd/sys/queue.h>

#define FANOUT_PASS_BYTES (1u << 20)
#define FANOUT_PASS_RECORDS 4096

struct fanout;

/* Sends to one connection; must not change the subscription index (closing is deferred to the next
 * loop turn). False: it takes no more, which is no delivery. */
typedef bool (*fanout_send_fn)(struct audience_member *member, struct batch *batch, void *arg);

/* Maps the ring (read-only) and starts at its tail. `send` gets each batch. NULL: the ring does not
 * map; logged. */
struct fanout *fanout_create(struct worker *worker, struct subscription_index *index,
			     fanout_send_fn send, void *arg);
void fanout_destroy(struct fanout *fanout); /* NULL is fine */
/* `fn` is called when all batches of a pass have been given to `send`, before the pass is counted
 * as delivered: for who only gathers them there. */
void fanout_set_send_end(struct fanout *fanout, void (*fn)(void *arg));
/* How far the supervisor has written: what ring cursors in slots are behind. */
uint64_t fanout_ring_tail(const struct fanout *fanout);
/* Whether any connection may have to remember events instead of queueing them; only then their
 * records are kept through a pass. */
void fanout_keep_records(struct fanout *fanout, bool keep);
/* The last mark drained: `position` for `subscribed`; empty before the first one. Valid until the
 * loop turns. */
struct span fanout_position(const struct fanout *fanout);
/* Clients that stand apart (replay.h): each event their index matches is handed over one by one,
 * inside the pass. `record` NULL: the ring has overtaken this worker. `kept`: see
 * fanout_keep_records(), or NULL; borrowed. fn changes no index. */
typedef void (*fanout_apart_fn)(struct audience_member *member, const struct event_record *record,
				enum event_mode mode, struct kept_record *kept, void *arg);
void fanout_set_apart(struct fanout *fanout, struct subscription_index *index, fanout_apart_fn fn,
		      void *arg);
/* Called by fanout after each pass in which a mark came, so that waiting subscribes go on. */
void fanout_set_mark_listener(struct fanout *fanout, void (*fn)(void *arg), void *arg);

/* Called after each pass for every message to all workers that it had, and with len 0 where
 * messages may have been lost; may close connections. */
typedef void (*fanout_control_fn)(struct span message, void *arg);
void fanout_set_control_listener(struct fanout *fanout, fanout_control_fn fn, void *arg);

/* Somebody beside the WebSocket connections who looks at all records but marks, with an index of
 * its own: streams, long polls. Embedded by its owner. */
struct fanout_tap {
	SLIST_ENTRY(fanout_tap) link; /* private */
	void (*on_record)(struct fanout_tap *tap, const struct event_record *record);
	void (*on_lost)(struct fanout_tap *tap); /* records were lost, which ones is not known */
	void (*on_pass)(struct fanout_tap *tap); /* all of this pass have been seen */
};
/* The tap lives as long as the loop turns. */
void fanout_add_tap(struct fanout *fanout, struct fanout_tap *tap);

#endif
