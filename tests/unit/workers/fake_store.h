/* fake_store.h — common/store.h in memory, for tests of what stands on it: reads, writes and
 * lookups of one process, no Redis.
 *
 * A command is executed when it is called, by the rules of write.lua; its reply comes when the test
 * says so. What becomes of the next writes is scripted. Asserts that batches are well formed. */
#ifndef SYNCDOC_TESTS_FAKE_STORE_H
#define SYNCDOC_TESTS_FAKE_STORE_H

#include "event.h"
#include "store.h"
#include "store_history.h"

enum fake_delivery {
	FAKE_NEXT_TURN, /* at the earliest, as the real one's; the default */
	FAKE_SYNC,      /* inside the call that asked */
	FAKE_HELD,      /* by fake_store_release() */
};

enum fake_fate {
	FAKE_FINE,
	FAKE_RIVAL,  /* somebody else writes a revision just before: a mismatch */
	FAKE_UNSENT, /* not executed, and that is known: -EAGAIN */
	FAKE_LOST,   /* executed, the reply is lost: -ETIMEDOUT */
	FAKE_GONE,   /* not executed, but who knows: -ETIMEDOUT */
	FAKE_FAILED, /* another error reply: -EIO */
};

struct fake_entry {
	uint64_t revision;
	int64_t at_ms;
	char op[16], by[64], request[64], key[64];
	struct buffer reversible, event;
};

struct fake_document {
	struct fake_document *next;
	char service[DOCUMENT_SERVICE_MAX + 1], id[DOCUMENT_ID_MAX + 1];
	struct buffer envelope;     /* len 0: none */
	struct fake_entry *entries; /* oldest first */
	size_t entry_count;
};

struct fake_counts {
	size_t reads, writes, finds, histories; /* commands called */
	size_t batches;                         /* writes that were written */
	size_t largest;                         /* revisions in one of them */
};

/* Ends with store_destroy(): what is not yet delivered comes with -ECANCELED. */
struct store *fake_store_create(struct ev_loop *loop, size_t history_max);
void fake_store_deliver(struct store *store, enum fake_delivery delivery);
/* Delivers the oldest `most` replies that are held. Returns how many. */
size_t fake_store_release(struct store *store, size_t most);
size_t fake_store_held(const struct store *store);
/* The next `count` writes meet `fate`, after those already scripted. */
void fake_store_fate(struct store *store, enum fake_fate fate, unsigned count);
/* Of documents and of histories. */
void fake_store_fail_reads(struct store *store, int error, unsigned count);
/* The next `count` lookups of a request find nothing. */
void fake_store_hide(struct store *store, unsigned count);
/* The next write is told KEY_SEEN with this index, whatever it holds. */
void fake_store_lie_about_key(struct store *store, size_t index);
/* Somebody else's doing: the document as it is now (revision 0: it is purged). */
void fake_store_put(struct store *store, const struct document *document);
/* Somebody else writes the next revision with the same data. */
void fake_store_rival(struct store *store, struct span service, struct span id);
/* Never NULL: may be an empty one. */
const struct fake_document *fake_store_document(struct store *store, struct span service,
						struct span id);
struct fake_counts fake_store_counts(const struct store *store);

#endif
