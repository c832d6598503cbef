/* history.h — an old revision of a document, rebuilt backwards from the newest.
 *
 * The data of a revision never changes, so what was rebuilt stays true whatever is written
 * meanwhile. The expiresAt an old revision had is not kept. */
#ifndef SYNCDOC_HISTORY_H
#define SYNCDOC_HISTORY_H

#include "outcome.h"
#include "revision.h"

struct worker;

enum history_state {
	HISTORY_REBUILT,
	HISTORY_NO_DOCUMENT,
	HISTORY_NOT_FOUND, /* above the newest */
	HISTORY_NOT_KEPT,
};

/* What has become of the revision that was asked for. */
struct history_finding {
	enum history_state state;
	uint64_t wanted;
	uint64_t newest;
	uint64_t oldest; /* NOT_KEPT: the oldest that can be rebuilt */
};

struct history_answer {
	struct history_finding finding;
	struct span service, id;
	struct revision revision; /* REBUILT; borrowed */
};

/* `answer` is valid inside the callback, NULL on error (of store.h). Called once, never from inside
 * history_rebuild(). */
typedef void (*history_fn)(int error, const struct history_answer *answer, void *arg);
/* Names have been checked and are copied; `wanted` is at least 1. */
void history_rebuild(struct worker *worker, struct span service, struct span id, uint64_t wanted,
		     history_fn fn, void *arg);

/* 404 of a finding that is not REBUILT. */
struct outcome history_refusal(const struct history_finding *finding);

#endif
