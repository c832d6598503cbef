/* replay_private.h — shared by replay.c (order, states), replay_read.c (reading, judging),
 * replay_documents.c (what is replayed), replay_frames.c (history to frames), replay_events.c (live
 * events meanwhile), and what is different for its two kinds of clients: replay_connection.c,
 * replay_stream.c. */
#ifndef SYNCDOC_REPLAY_PRIVATE_H
#define SYNCDOC_REPLAY_PRIVATE_H

#include "replay.h"
#include "store_since.h"
#include "store_history.h"

/* A replay goes on while no more than this share of ws.queue waits for its client's socket: the
 * rest is left to live events. */
#define REPLAY_QUEUE_SHARE 2
/* And sends so much of ws.queue at a time, or one event. */
#define REPLAY_PORTION_SHARE 8

/* As many passes with marks of another primary as make sure that one was published after the first
 * of them had come: then all that this one had before has come, too. */
#define REPLAY_FOREIGN_MARKS 4

struct replays;
struct replay;
struct replay_document;

/* What WebSocket connections and event streams do differently. Of these only end() and fail() may
 * change an index. */
struct replay_client {
	/* Sets the filter of one of its specs by what the client may have now. Not 0: it may have
	 * nothing of it, and was told so; the replay is destroyed then. */
	int (*narrow)(struct replay *replay, struct subscription_spec *spec);
	/* Whether the client may read the document now. */
	bool (*may_read)(const struct replays *replays, struct span service, struct span id);
	/* False: it takes nothing any more. */
	bool (*is_open)(const struct replays *replays);
	/* False: the host has no events from Redis now, so nothing can begin. */
	bool (*may_begin)(const struct replays *replays);
	/* Whether `len` bytes more may wait for its socket (REPLAY_QUEUE_SHARE); nothing waits yet:
	 * any number. */
	bool (*has_room)(const struct replays *replays, size_t len);
	/* Appends an event as the client gets it. `id` empty: of a live one. */
	void (*append_event)(const struct replays *replays, struct buffer *ret, struct span id,
			     const struct iovec *parts, unsigned count);
	/* False: it takes no more. */
	bool (*send)(struct replays *replays, struct batch *batch);
	/* `subscribed`. `document` NULL: none is sent. */
	void (*answer)(struct replay *replay, const char *outcome, struct span position,
		       const struct span *document);
	/* A resync of one document; NULL: of the replay's subscriptions. */
	void (*send_resync)(struct replay *replay, const struct replay_document *document,
			    const char *reason);
	/* A resync of all the client's subscriptions: live events are lost. */
	void (*send_loss)(struct replays *replays, const char *reason);
	/* A read has failed, or (-EACCES) the document may not be read any more; may free the
	 * replay. */
	void (*fail)(struct replay *replay, int error);
	/* Its subscriptions could not be added (there are too many); it is freed then. */
	void (*refuse)(struct replay *replay);
	/* No replay is left: the subscriptions are where they were before; frees `replays`'s place
	 * in its owner. */
	void (*end)(struct replays *replays);
};

struct replay_set {
	struct worker *worker;
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
	uint64_t revision; /* the newest at the time of the read, or of the read of the round
			      before; 0: not read, or there was none */
	int64_t at_ms;     /* its updatedAt */
	uint64_t sequence; /* of its last write when the replay began; 0: not known */
	uint32_t name;     /* service, then id: offset in `names` */
	uint8_t service_len, id_len;
	uint8_t untold; /* of the newest that was replayed of it; replay_untold() */
};

enum replay_state {
	REPLAY_WAITING,
	REPLAY_RUNNING,  /* the client's only one; its documents' events are held */
	REPLAY_SETTLING, /* done; what it covers is dropped until the mark comes */
};

/* Missed events of one document, sent in portions. */
struct replay_frames {
	struct text *text; /* owned; the newest first. NULL: there are none */
	uint32_t *lens;    /* owned; the newest first */
	size_t left;       /* frames not sent */
	size_t end;        /* of those in `text` */
};

struct replay {
	TAILQ_ENTRY(replay) link;
	struct replays *replays;
	struct subscribe subscribe;            /* owned */
	const struct subscription_spec *specs; /* id, prefix and mode are the same in all */
	unsigned spec_count;
	struct buffer message_id; /* owned */
	enum replay_state state;
	bool answered;
	bool listed;  /* its documents are known */
	bool retries; /* a read has failed: it is made again at the next mark */
	bool relies;  /* live events have been left to the reads to come */
	bool again; /* more live events came than may be held: they are replayed in another round */
	struct progress progress;          /* what the client has, by its `after` */
	struct buffer position;            /* owned; what the client is given */
	struct position mark;              /* when it began */
	unsigned foreign_marks;            /* since it settles: of another run */
	uint64_t sequence;                 /* of the latest read */
	uint64_t listed_at;                /* sequence of the read that listed the documents */
	struct replay_document *documents; /* owned */
	uint32_t count, next;
	uint32_t *table;             /* owned; by hash: number of the document + 1; 0: free */
	uint32_t table_size;         /* a power of two */
	struct buffer names;         /* owned */
	struct replay_frames frames; /* of the document before `next`: they wait for room */
	struct replay_read *read;    /* under way, or NULL */
};

/* An event that waits; its frame, service and id stand behind each other in `bytes`. */
struct held_event {
	TAILQ_ENTRY(held_event) link;
	enum event_record_kind kind;
	enum topic_event name;
	uint64_t document_hash, revision;
	int64_t timestamp_ms;
	size_t frame_len;
	uint8_t mode; /* the frame's */
	uint8_t service_len, id_len;
	char bytes[];
};

/* A client that stands apart. */
struct replays {
	struct audience_member member; /* first: in the set's index */
	const struct replay_client *client;
	void *owner; /* borrowed: the connection or stream */
	struct replay_set *set;
	TAILQ_ENTRY(replays) all;
	TAILQ_ENTRY(replays) wanting;
	TAILQ_HEAD(, replay) list; /* in the order they came */
	struct replay *running;    /* or NULL */
	unsigned waiting;          /* replays not begun */
	bool wants;                /* is in `wanting` */
	/* Live events, in their order: of what the running replay covers; when none is running, all
	 * that come until these have been sent. */
	TAILQ_HEAD(, held_event) held;
	size_t held_bytes;
	const char *loss; /* reason why held events are gone; NULL: they are not */
};

/* Outlives its replay when the client goes first. */
struct replay_read {
	TAILQ_ENTRY(replay_read) link;
	struct replay_set *set; /* NULL: gone */
	struct replay *replay;  /* NULL: gone */
};

/* replay.c */
/* A client stands apart from now on; it has no subscriptions there yet. */
struct replays *replays_create(struct replay_set *set, const struct replay_client *client,
			       void *owner);
/* Its subscriptions there are gone, or go. */
void replays_destroy(struct replays *replays);
/* A replay that waits for its turn. */
struct replay *replay_create(struct replays *replays);
/* Goes on as far as it can; may free `replays`. Never inside of a pass. */
void replays_step(struct replays *replays);
/* It ends, whatever it is at; what was held for it goes with the next step. */
void replay_destroy(struct replay *replay);
/* Moves all subscriptions of a member. */
void replay_move_subscriptions(struct subscription_index *from, struct audience_member *old,
			       struct subscription_index *to, struct audience_member *new);

/* replay_read.c */
/* Makes the next read. False: others come first, it is tried again. */
bool replay_read_next(struct replay *replay);

/* replay_documents.c */
/* Takes the place of those of the round before, of which it is known on how far they were told. */
void replay_set_documents(struct replay *replay, const struct store_since_document *documents,
			  size_t count);
void replay_documents_fini(struct replay *replay);
const struct replay_document *replay_find(const struct replay *replay, uint64_t hash);
struct span replay_service(const struct replay *replay, const struct replay_document *document);
struct span replay_id(const struct replay *replay, const struct replay_document *document);
/* Whether a replay is about this document, and about such an event. */
bool replay_covers(const struct replay *replay, struct span service, struct span id);
bool replay_matches(const struct replay *replay, struct span service, enum topic_event name);

/* replay_events.c */
/* For fanout_set_apart(). */
void replay_on_event(struct audience_member *member, const struct event_record *record,
		     enum event_mode mode, struct kept_record *kept, void *arg);
/* Nothing is held, and no loss is to be told. */
bool replay_holds_nothing(const struct replays *replays);
/* Sends what was held and is newer, or tells that it is lost. False: there is no room for it yet.
 */
bool replay_flush_held(struct replays *replays);
/* Sends what was held and is still news of the revisions that a replay has read, for its next round
 * tells newer ones. False: there is no room for it yet. */
bool replay_flush_read(struct replay *replay);
void replay_drop_held(struct replays *replays);

/* replay_frames.c */
/* The newest `count` entries are missed; entries[count], where there is one, is that before them.
 * Each in the mode in which the client would get it live now, by whichever subscription; what that
 * leaves out goes to document->untold. 0; -ENODATA: they cannot be rebuilt; -E2BIG: they are more
 * than `budget` bytes. */
int replay_frames_make(const struct replay *replay, struct replay_document *document,
		       const struct store_history *history, size_t count, size_t budget,
		       struct replay_frames *ret);
/* Bytes of the next portion of at most `most` bytes, or of one event; 0: nothing is left. */
size_t replay_frames_portion(const struct replay_frames *frames, size_t most);
/* Takes a portion of so many bytes, the oldest events first; the caller puts it. */
struct batch *replay_frames_take(struct replay_frames *frames, size_t len);
void replay_frames_fini(struct replay_frames *frames);

/* What events of this name lacked when the document was replayed (enum event_mode): who subscribed
 * in such a mode since has not been told of them. */
static inline unsigned replay_untold(const struct replay_document *document, enum topic_event name)
{
	return document->untold >> (2 * name) & EVENT_BOTH;
}

static inline struct worker *replay_worker(const struct replay *replay)
{
	return replay->replays->set->worker;
}

#endif
