/* mutation.h — one write on one base, in memory: judge, apply, diff. No I/O; the write queue calls
 * it for each write of a batch. */
#ifndef SYNCDOC_MUTATION_H
#define SYNCDOC_MUTATION_H

#include "operations.h"
#include "revision.h"
#include "topic.h"

/* Kept between writes so that their memory, and the tokens of a base that was just made, are used
 * again. All zero to start. */
struct mutation_scratch {
	struct json base;
	struct text *base_text; /* owned reference: what `base` was parsed from; NULL: nothing */
	struct json argument;   /* merge patch, operations */
	struct json next;
	struct buffer result;
};

struct mutation_limits {
	size_t size_max; /* bytes of data */
	unsigned depth_max;
};

/* What a write makes of its base. */
struct mutation {
	struct revision next;  /* owned */
	const char *operation; /* of the history: "create"… */
	enum topic_event event;
	bool created;             /* answers 201 */
	struct buffer diff;       /* client form */
	struct buffer reversible; /* history form */
};

void mutation_scratch_fini(struct mutation_scratch *scratch);
void mutation_fini(struct mutation *mutation);

/* Unknown 404, tombstone 410, preconditions 412 and 409, in that order. `base` is past its expiry
 * write already. 0, or -EPERM with the refusal (without envelope: the caller adds the base's where
 * has_current_revision is set). */
int mutation_judge(const struct revision *base, const struct write_request *request,
		   struct outcome *ret_refusal);

/* A write under way. The first five are the caller's, who keeps what they point to until the end.
 */
struct mutation_work {
	const struct revision *base;
	const struct write_request *request;
	struct text *data; /* the request's, as a text that may be kept as the new revision's */
	int64_t now_ms;
	struct mutation_scratch *scratch; /* nobody else's meanwhile */
	unsigned steps;                   /* done; 0 to start */
	struct mutation mutation;         /* owned: the result so far; all zero to start */
};

/* The next step of a write, each of which takes about as long as reading or writing down the whole
 * document once: apply, then diff. -EAGAIN: there is another one. 0: work->mutation is done and the
 * caller's. -EPERM with the refusal, as mutation_apply(). After anything but -EAGAIN `work` holds
 * nothing; before, mutation_fini() ends it. */
int mutation_step(struct mutation_work *work, const struct mutation_limits *limits,
		  struct outcome *ret_refusal);

/* All steps at once. `data` is the request's data as a text that may be kept as the new revision's.
 * 0, or -EPERM with the refusal: failed patch, result too large or too deep. */
int mutation_apply(struct mutation_scratch *scratch, const struct mutation_limits *limits,
		   const struct revision *base, const struct write_request *request,
		   struct text *data, int64_t now_ms, struct mutation *ret,
		   struct outcome *ret_refusal);

/* The tombstone that comes before a write which finds its document past its time. */
void mutation_expire(const struct revision *base, int64_t now_ms, struct mutation *ret);

#endif
