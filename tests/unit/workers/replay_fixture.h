/* replay_fixture.h — a store for replays that answers when a test says so. One per process, as the
 * WebSocket fixture it comes with. */
#ifndef SYNCDOC_TEST_REPLAY_FIXTURE_H
#define SYNCDOC_TEST_REPLAY_FIXTURE_H

#include "replay.h"
#include "store_history.h"
#include "store_since.h"
#include "websocket_fixture.h"

#define RUN "0123abcd"
#define SUBSCRIBE(more) "{\"type\":\"subscribe\",\"topic\":\"sync.s.*\"" more "}"
#define SNAPSHOT SUBSCRIBE(",\"documentId\":\"d\",\"snapshot\":true,\"id\":1")
#define SINCE(revision, more)                                                                      \
	SUBSCRIBE(",\"documentId\":\"d\",\"since\":{\"createdAt\":101,\"revision\":" revision more \
		  "},\"returnMode\":\"both\"")
#define AFTER(position) SUBSCRIBE(",\"after\":\"" position "\"")
#define UNSUBSCRIBE(more) "{\"type\":\"unsubscribe\",\"topic\":\"sync.s.*\"" more "}"
#define UPDATED(more) "{\"type\":\"subscribe\",\"topic\":\"sync.s.updated\"" more "}"

/* What was asked for, in that order. */
struct replay_store {
	size_t asked, answered;
	size_t pad; /* bytes that all revisions of the document have more */
	struct {
		store_history_fn history;
		store_since_fn changed;
		void *arg;
		uint64_t above, after;
	} reads[64];
};

extern struct replay_store store;

/* The oldest read not answered gets document s:d with `revision` revisions, n being the revision,
 * and the newest four entries of its history. */
void answer_revision(uint64_t revision, uint64_t sequence);
void answer_error(int error);
void answer_changed(uint64_t sequence, const struct store_since_document *documents, size_t count);

/* Starts all with its first mark, 10 of RUN, and connects. */
struct peer replay_start(int sndbuf);
void subscribe(struct peer *peer, const char *text);
/* An event with `pad` bytes more in its data, and a turn of the loop. */
void publish_padded(const char *id, uint64_t revision, int pad);
/* The next frame is an event of this document; returns its revision. */
uint64_t next_revision(struct peer *peer, const char *id);

#endif
