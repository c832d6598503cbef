/* write_queue_private.h — the inside of a document's queue, for the files that make it up, in the
 * order of a write: write_queue.c (queues, fetch), write_batch.c (clone, apply, diff),
 * write_persist.c (the script and what it answers), write_key.c (a write that was done before),
 * write_outcome.c (a reply that was lost). Nobody else includes this. */
#ifndef SYNCDOC_WRITE_QUEUE_PRIVATE_H
#define SYNCDOC_WRITE_QUEUE_PRIVATE_H

#include "mutation.h"
#include "write_queue.h"
#include <bsd/sys/queue.h>

#define BATCH_WRITES_MAX 64
/* Documents and requests that are looked at, or answered with, in one turn of the loop, by one step
 * of a large write or by some small ones: some 3 ms. */
#define TURN_BYTES ((size_t)256 << 10)
#define QUEUE_BUCKETS 4096 /* of documents being written at this moment */
#define REQUEST_NAME_LEN 20

struct write {
	STAILQ_ENTRY(write) link;
	struct write_request request; /* spans point into storage and data */
	struct text *data;            /* owned; becomes the revision's data in a replace */
	operation_done_fn done;
	void *arg;
	int64_t deadline_ms;             /* monotonic */
	int64_t give_up_ms;              /* up to which the line of large writes may move it */
	uint64_t taken_ns;               /* stat_clock_ns() */
	char name[REQUEST_NAME_LEN + 1]; /* `req` of the history entry; ours, never the client's */
	uint64_t arrival;                /* counts the writes of its queue */
	/* The base was asked for by a script that did not see this write's Idempotency-Key. */
	bool key_looked_up;
	/* In a batch: an earlier write of it with the same Idempotency-Key, whose answer this one
	 * gets, and which may be gone by then; of its own mutation there is only `next`, once the
	 * batch is written. */
	const struct write *twin;
	bool expires_first; /* `expiry` comes before `mutation` in the batch */
	struct mutation expiry;
	struct mutation mutation;
	struct buffer expiry_event, event; /* texts for the channel */
	char storage[];
};

STAILQ_HEAD(write_list, write);

/* A batch that is being put together. Large documents take several turns of the loop, so that
 * nobody else waits for all of their steps. */
struct batch_build {
	bool begun;
	bool complete;         /* only to be sent */
	bool asks_again;       /* its first write was refused, on a base that may be old */
	struct revision state; /* owned: what the batch has made so far */
	size_t count, bytes;   /* of the batch */
	size_t turn_bytes;     /* looked at in this turn of the loop */
	struct write *write;   /* owned: being applied, in neither list; NULL: none */
	bool is_applied;       /* but for its event */
	struct mutation_work work;
};

struct document_queue {
	struct document_queue *next; /* in its bucket */
	LIST_ENTRY(document_queue) all;
	struct write_queues *queues;
	uint64_t hash;
	struct write_list waiting;
	struct write_list batch; /* in the script under way, or written and not all answered */
	size_t waiting_count;
	bool busy;       /* a read, a script or a pause is under way, or answers are being given */
	bool is_written; /* the batch is, and answers to it are being given */
	struct revision base;  /* what the next batch stands on */
	struct text *envelope; /* owned reference: as the script of the batch stores it; or NULL */
	struct batch_build build;
	STAILQ_ENTRY(document_queue) large; /* in queues->large */
	bool waits_for_large;
	int64_t waits_since_ms; /* monotonic */
	/* What Redis says may answer a refusal only of writes that were there when it was asked:
	 * one that came later may know of a newer revision than the answer that was already on its
	 * way. */
	uint64_t arrivals;   /* writes so far */
	uint64_t asked;      /* `arrivals` when the newest read or script was sent */
	uint64_t fresh_for;  /* `asked` of the answer that `base` came with; 0: from the cache */
	unsigned mismatches; /* in a row */
	int64_t find_until_ms;
	ev_timer pause;
	void (*after_pause)(struct document_queue *queue);
	struct span service, id; /* point into names */
	char names[];
};

struct write_queues {
	struct worker *worker;
	struct document_cache *cache;
	struct document_queue *buckets[QUEUE_BUCKETS];
	LIST_HEAD(, document_queue) all;
	size_t pending, pending_bytes; /* writes that are not answered, and their data */
	bool closing;
	ev_timer tick;
	struct mutation_scratch scratch;
	/* Large writes go one after the other, a step a turn. */
	struct mutation_scratch large_scratch;
	struct document_queue *large_owner;  /* whose batch has one; NULL: nobody's */
	STAILQ_HEAD(, document_queue) large; /* those that wait to be it */
	struct mutation_limits limits;
	struct buffer envelope; /* scratch for answers */
};

/* write_queue.c. Whoever calls queue_pump(), or anything below that leads to it, does not touch
 * the queue after: with nothing left to write it is freed. */
/* What write_batch.c made for a batch that is not sent, or is done. */
void write_forget_batch(struct write *write);
/* Answers and frees; unlinked by the caller. The callback may start new writes of the same
 * document. */
void write_finish(struct document_queue *queue, struct write *write, const struct outcome *outcome);
/* Adds the base's envelope where the refusal tells the current revision. */
void write_refuse(struct document_queue *queue, struct write *write, struct outcome *refusal);
void write_list_refuse(struct document_queue *queue, struct write_list *list,
		       const struct outcome *refusal);
/* Nothing else of the queue is under way meanwhile. */
void queue_pause(struct document_queue *queue, double seconds,
		 void (*after)(struct document_queue *queue));
/* The next batch, or the end of the queue. */
void queue_pump(struct document_queue *queue);
/* Reads the base from Redis, then builds on it. */
void queue_fetch_fresh(struct document_queue *queue);

/* write_batch.c */
bool write_is_late(const struct document_queue *queue, const struct write *write);
/* True: its deadline has passed, it is answered 503 and gone. */
bool write_refuse_if_late(struct document_queue *queue, struct write *write);
/* Takes writes into a batch that stands on a clone of the base, and sends it, perhaps some turns of
 * the loop later. */
void queue_build(struct document_queue *queue);
/* Nothing of the batch that is being put together was sent: all of it waits again. */
void batch_abandon(struct document_queue *queue);

/* write_persist.c */
/* Nothing of the batch was written: back to the head of the queue, in order. */
void batch_requeue(struct document_queue *queue);
const struct write *batch_last(const struct document_queue *queue);
void write_answer_replay(struct document_queue *queue, struct write *write,
			 const struct revision *revision);
void batch_answer_written(struct document_queue *queue);
/* Those that have not been given yet: some a turn where they are large, all when closing. */
void batch_give_answers(struct document_queue *queue);
/* What a script returned becomes the base, fresh for the writes that were there when it was sent.
 * -EBADMSG. */
int queue_adopt_envelope(struct document_queue *queue, struct span envelope);
void queue_rebase(struct document_queue *queue, struct span envelope);
void batch_refuse(struct document_queue *queue, int error);
void queue_persist(struct document_queue *queue);

/* write_key.c: a write whose Idempotency-Key was seen before */
void queue_on_key_seen(struct document_queue *queue, const struct store_write_result *result);
void queue_look_for_key(struct document_queue *queue);

/* write_outcome.c: a reply that was lost */
void batch_answer_unknown(struct document_queue *queue);
void queue_find_outcome(struct document_queue *queue);

#endif
