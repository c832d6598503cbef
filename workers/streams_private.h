/* streams_private.h — the streams of one worker, for stream.c (one of them) and streams.c (the set,
 * its feed, its clock). */
#ifndef SYNCDOC_STREAMS_PRIVATE_H
#define SYNCDOC_STREAMS_PRIVATE_H

#include "fanout.h"
#include "connection.h"
#include "stream.h"

#include <bsd/sys/queue.h>

/* Text that waits for the socket of one stream, shared by all who wait for it. */
struct queued {
	STAILQ_ENTRY(queued) link;
	struct text *text; /* one reference */
};

struct stream {
	struct audience_member member; /* first: the index hands it back */
	struct streams *streams;
	struct replays *replays;           /* owned; NULL: it resumes nothing */
	struct MHD_Connection *connection; /* borrowed: lives longer than the response */
	int fd;                            /* borrowed: MHD's */
	struct access_line *access;        /* borrowed: the request's, which ends last; or NULL */
	ev_io gone;                        /* on fd: the client's end of the connection is closed */
	TAILQ_ENTRY(stream) list;
	STAILQ_HEAD(, queued) queue;
	size_t queue_bytes, taken; /* taken: bytes of the first one that MHD has */
	int64_t moved_at_ms;       /* when MHD last took something, or the queue began */
	int64_t ping_at_ms;
	struct principal *principal; /* one reference: whose it is, and until when */
	int64_t since_ms;            /* Unix */
	char id[CONNECTION_ID_LEN];  /* as those of WebSocket connections */
	struct in6_addr address;     /* of the client */
	bool suspended;
	bool ended;   /* the rest of the queue, then the end */
	bool cut;     /* not even that */
	bool unsure;  /* opened while the host had no subscription: has to be told to read again */
	bool placed;  /* has had a position to come back with */
	bool resumes; /* what its client came back with is more than it has got since: it keeps that
		       */
};

struct streams {
	struct worker *worker;
	struct subscription_index *index;
	struct fanout_tap tap;
	TAILQ_HEAD(, stream) all;
	size_t count;
	bool some_unsettled;       /* unsure, or not placed */
	struct audience **touched; /* owned; audiences with text in this pass */
	size_t touched_count, touched_cap;
	ev_timer second; /* pings, stalls */
	ev_timer drain_timer;
	int64_t drain_since_ms;
	uint64_t drain_ended;
};

/* stream.c. None of them frees a stream or changes the index. */
/* False: it takes no more. Cuts the stream when ws.queue is exceeded. */
bool stream_send(struct stream *stream, struct text *text);
bool stream_send_bytes(struct stream *stream, struct span bytes);
/* What its client comes back with, without an event. */
void stream_send_position(struct stream *stream);
/* One for each subscription: the client reads again what it shows of it. */
void stream_send_resync(struct stream *stream, const char *reason);
/* Says when to come back, and ends. */
void stream_end_for_drain(struct stream *stream);
/* Its token has expired. */
void stream_end_for_token(struct stream *stream);
/* An administrator ends it, or its token was revoked: what waits is dropped, and the client sees
 * that it was cut off. */
void stream_end_by_order(struct stream *stream);
/* Ends it in the middle: MHD closes the connection when it finds the socket shut. */
void stream_cut(struct stream *stream);
void stream_cut_slow(struct stream *stream, const char *why);

/* streams.c: whether the host gets events from Redis now; and its last mark, empty before the first
 * one. */
bool streams_are_fed(const struct streams *streams);
struct span streams_position(const struct streams *streams);
/* What its client may be given to come back with; empty: it keeps what it has. */
struct span stream_position(const struct stream *stream);

#endif
