/* replay_private.h — shared by replay.c (order, states), replay_read.c (reading, judging),
 * replay_frames.c (history to frames) and replay_events.c (live events meanwhile). */
#ifndef SYNCDOC_REPLAY_PRIVATE_H
#define SYNCDOC_REPLAY_PRIVATE_H

#include "replay.h"
#include "store_since.h"
#include "store_history.h"

struct replay_set {
	struct websockets *websockets;
	struct subscription_index *apart; /* owned */
	TAILQ_HEAD(replays_list, replays) all;
	TAILQ_HEAD(, replays) wanting; /* to read; their turn comes when a read has ended */
	TAILQ_HEAD(, replay_read) reads;
	unsigned read_count;
	size_t document_count;
	struct json data, diff, scratch; /* of replay_frames.c */
};

/* A document of a replay: what of it has been replayed. */
struct replay_document {
	uint64_t hash;     /* of service and id, as in the ring's records */
	uint64_t revision; /* the newest at the time of the read; 0: not read, or there was none */
	int64_t at_ms;     /* its updatedAt */
	uint32_t name;     /* service, then id: offset in `names` */
	uint8_t service_len, id_len;
};

enum replay_state {
	REPLAY_WAITING,
	REPLAY_RUNNING,  /* the connection's only one; its documents' events are held */
	REPLAY_SETTLING, /* done; what it covers is dropped until the mark comes */
};

struct replay {
	TAILQ_ENTRY(replay) link;
	struct replays *replays;
	struct subscribe subscribe; /* owned */
	struct buffer message_id;   /* owned */
	enum replay_state state;
	bool answered;
	bool listed;                       /* its documents are known */
	struct buffer position;            /* owned; what the client is given */
	struct position mark;              /* when it began */
	uint64_t sequence;                 /* of the latest read */
	struct replay_document *documents; /* owned */
	uint32_t count, next;
	uint32_t *table;          /* owned; by hash: number of the document + 1; 0: free */
	uint32_t table_size;      /* a power of two */
	struct buffer names;      /* owned */
	struct replay_read *read; /* under way, or NULL */
};

/* An event that waits; its frame, service and id stand behind each other in `bytes`. */
struct held_event {
	TAILQ_ENTRY(held_event) link;
	enum event_record_kind kind;
	enum topic_event name;
	uint64_t document_hash, revision;
	int64_t timestamp_ms;
	size_t frame_len;
	uint8_t service_len, id_len;
	char bytes[];
};

/* A connection that stands apart. */
struct replays {
	struct audience_member member; /* first: in the set's index */
	TAILQ_ENTRY(replays) all;
	TAILQ_ENTRY(replays) wanting;
	struct connection *connection;
	TAILQ_HEAD(, replay) list; /* in the order they came */
	struct replay *running;    /* or NULL */
	unsigned waiting;          /* replays not begun */
	bool wants;                /* is in `wanting` */
	TAILQ_HEAD(, held_event) held;
	size_t held_bytes;
	const char *loss; /* reason why held events are gone; NULL: they are not */
};

/* Outlives its replay when the connection goes first. */
struct replay_read {
	TAILQ_ENTRY(replay_read) link;
	struct replay_set *set; /* NULL: gone */
	struct replay *replay;  /* NULL: gone */
};

/* replay.c */
/* Goes on as far as it can; may free `replays`. Never inside of a pass. */
void replays_step(struct replays *replays);
/* The running one ends without a replay; it is freed. */
void replay_abandon(struct replay *replay);

/* replay_read.c */
/* Makes the next read. False: others come first, it is tried again. */
bool replay_read_next(struct replay *replay);
void replay_set_documents(struct replay *replay, const struct store_since_document *documents,
			  size_t count);
const struct replay_document *replay_find(const struct replay *replay, uint64_t hash);
void replay_answer(struct replay *replay, const char *outcome, struct span position,
		   const struct span *document);
/* `documentId` of the frame: that of the subscription where `document` is NULL. */
void replay_send_resync(struct replay *replay, const struct replay_document *document,
			const char *reason);

/* replay_events.c */
void replay_on_event(struct audience_member *member, const struct event_record *record,
		     enum event_mode mode, void *arg);
bool replay_covers(const struct subscription_spec *spec, struct span service, struct span id);
/* Sends what was held and is newer. */
void replay_flush_held(struct replays *replays);
void replay_drop_held(struct replays *replays);

/* replay_frames.c */
/* The newest `count` entries are missed; entries[count], where there is one, is that before them.
 * 0; -ENODATA: they cannot be rebuilt; -E2BIG: their frames are more than `budget` bytes. */
int replay_frames(struct replay_set *set, const struct replay *replay,
		  const struct store_history *history, size_t count, size_t budget,
		  struct batch **ret);

#endif
