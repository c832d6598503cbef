/* event.h — the RealtimeEvent: its text on the Redis channel, and its record in the ring (DESIGN.md
 * section 3). Pure.
 *
 * On the channel, exactly in this order:
 *   {"type":"event","topic":"sync.session.updated","source":"sync","timestamp":T,
 *    "payload":{"service":"session","documentId":"…","revision":7[,"by":"…"][,"connectionId":"…"][,"deleted":true],
 *    "data":{…},"diff":{…}}}
 * or, of presence, which has no revision and is the same in every mode:
 *   {"type":"event","topic":"sync.session.presence","source":"sync","timestamp":T,
 *    "payload":{"service":"session","documentId":"…","joined":[…],"updated":[…],"left":[…],"count":N}}
 * The relay adds `"position":"…"` behind the timestamp and cuts the text into segments:
 *   prefix  up to the last member before data
 *   data    `,"data":{…}`
 *   diff    `,"diff":{…}`
 *   suffix  `}}`
 * A record holds the frames of all three return modes, so that no worker parses or serialises
 * anything: [head][full header][prefix][data][suffix][diff][diff header][both header]
 *   full    full header, prefix, data, suffix: one contiguous run
 *   diff    diff header, prefix, diff, suffix
 *   both    both header, prefix and data, diff, suffix
 */
#ifndef SYNCDOC_EVENT_H
#define SYNCDOC_EVENT_H

#include "json.h"
#include "topic.h"
#include <sys/uio.h>

struct event {
	enum topic_event name;
	struct span service, id; /* borrowed */
	uint64_t revision;
	int64_t timestamp_ms;      /* the revision's updatedAt */
	struct span by;            /* user of the writer; len 0: unknown */
	struct span connection_id; /* connection of the writer; len 0: unknown */
	bool deleted;
	struct span data; /* JSON object */
	struct span diff; /* JSON object */
};

/* Appends the text for the Redis channel. */
void event_format(struct buffer *ret, const struct event *event);

/* What happened to those who are present at a document; all lists are JSON array texts. */
struct event_presence {
	struct span joined, updated, left;
	uint64_t count; /* users present afterwards */
};
void event_format_presence(struct buffer *ret, struct span service, struct span id,
			   int64_t timestamp_ms, const struct event_presence *presence);

/* Borders of a channel text; all spans point into it. */
struct event_segments {
	enum topic_event name;
	struct span service, id;
	uint64_t revision;
	int64_t timestamp_ms;
	struct span before_position; /* `{"type":…"timestamp":T` */
	struct span after_position;  /* `,"payload":{…` up to data; presence: up to the last two
					brackets */
	struct span data;            /* `,"data":{…}`; presence: empty */
	struct span diff;            /* `,"diff":{…}`; presence: empty */
	struct event_presence presence;
	uint64_t received_ns; /* CLOCK_MONOTONIC when it came to this host; 0: not known. The
				 relay's, not of the text */
};

/* One pass of the strict scanner into `scratch` (kept memory of the caller), member order checked.
 * 0, or -EBADMSG: not in that form. */
int event_parse(struct span text, struct json *scratch, struct event_segments *ret);

enum event_mode { /* bits: full + diff = both */
		  EVENT_FULL = 1,
		  EVENT_DIFF = 2,
		  EVENT_BOTH = 3,
};

/* Record kinds in the ring. */
enum event_record_kind {
	EVENT_RECORD_EVENT = 1,
	EVENT_RECORD_RESYNC =
		2, /* a notice that takes an event's place; the same frame for every mode */
	EVENT_RECORD_MARK = 3,    /* head only; `position` is the full run */
	EVENT_RECORD_CONTROL = 4, /* head only; a message to all workers is the full run */
};

#define EVENT_CONTROL_MAX 4096
/* What begins so is this host's supervisor's own word to its workers; the relay lets none through
 * from Redis. Behind PRIMARY: port and host of the Redis to go to. */
#define EVENT_CONTROL_LOCAL '!'
#define EVENT_CONTROL_PRIMARY "!primary "

/* A record as a worker sees it after ring_read(); spans point into the copied record. */
struct event_record {
	enum event_record_kind kind;
	enum topic_event name;
	uint64_t topic_hash;    /* hash_span(hash_span(epoch, service), event name) */
	uint64_t document_hash; /* hash_span(hash_span(epoch, service), id) */
	struct span service, id;
	uint64_t revision;
	int64_t timestamp_ms;
	uint64_t received_ns; /* as in struct event_segments */
	struct span full;     /* whole frame, one run */
	struct span diff_parts[4];
	struct span both_parts[4];
	unsigned part_count; /* 4, or 0 when every mode gets `full` (resync, presence) */
};

/* Appends a ring record. `position` is the host's mark as clients see it (no JSON escaping needed);
 * `epoch` seeds the hashes. */
void event_record_format(struct buffer *ret, const struct event_segments *segments,
			 struct span position, uint64_t epoch);
/* Appends a `resync` record that reaches whoever `segments` would have reached: of it only service,
 * id and name are used. With the name TOPIC_ANY: whoever gets any event of the document's data. */
void event_record_format_resync(struct buffer *ret, const struct event_segments *segments,
				const char *reason, uint64_t epoch);
/* Appends a `resync` record that reaches every connection: its service and id are empty. */
void event_record_format_resync_all(struct buffer *ret, const char *reason);
/* The same, only for who gets presence: its name is TOPIC_PRESENCE. */
void event_record_format_resync_presence(struct buffer *ret, const char *reason);
/* Appends a mark record. */
void event_record_format_mark(struct buffer *ret, struct span position);
/* Appends a record with a message of the control channel, of at most EVENT_CONTROL_MAX bytes;
 * workers do not trust it. */
void event_record_format_control(struct buffer *ret, struct span message);
/* Reads a record; every offset is checked before it is used. 0, or -EBADMSG. */
int event_record_parse(struct span record, struct event_record *ret);
/* Appends the full frame of an event that stands for all revisions above `from_revision`: its
 * payload has `,"fromRevision":N` directly behind `"revision":R`. -EBADMSG: the record has no such
 * place (its bytes are another process's), nothing appended. */
int event_record_append_conflated(struct buffer *ret, const struct event_record *record,
				  uint64_t from_revision);
/* Fills iov with the frame for `mode`; returns the number of entries (1 or 4). */
unsigned event_record_frame(const struct event_record *record, enum event_mode mode,
			    struct iovec ret[4]);

#endif
