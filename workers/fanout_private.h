/* fanout_private.h — the fan-out from inside: fanout.c (the ring, passes), fanout_record.c (what
 * becomes of one record: batches, compressed frames, and their way to the connections). */
#ifndef SYNCDOC_FANOUT_PRIVATE_H
#define SYNCDOC_FANOUT_PRIVATE_H

#include "fanout.h"

/* A frame of the record being looked at, compressed for all audiences that take that. */
struct compressed {
	bool tried;
	struct text *frame; /* owned; NULL: goes plain */
};

struct fanout {
	struct worker *worker;
	struct subscription_index *index; /* borrowed */
	fanout_send_fn send;
	void (*send_end)(void *arg); /* or NULL; has send_arg too */
	void *send_arg;
	void (*on_mark)(void *arg);
	void *on_mark_arg;
	fanout_control_fn on_control;
	void *on_control_arg;
	struct buffer control; /* messages of this pass: uint32_t length and bytes, each */
	SLIST_HEAD(, fanout_tap) taps;
	struct subscription_index *apart; /* borrowed; or NULL */
	fanout_apart_fn apart_fn;
	void *apart_arg;

	void *memory; /* the mapped ring */
	size_t memory_len;
	struct ring_reader reader;
	bool is_behind;           /* more than half a ring at the start of the last pass */
	struct buffer record;     /* the record being looked at */
	struct kept_record *kept; /* a copy of it that may stay: made for the first large frame,
				     or when records are kept for slow connections */
	bool keep_records;
	struct buffer position;
	bool mark_came;
	struct compressed compressed[EVENT_BOTH + 1]; /* the record's frames, by mode */

	/* When the pass's events came to this host: one figure per event, however many get it. */
	uint64_t received_ns[FANOUT_PASS_RECORDS];
	size_t received_count;

	struct audience **touched; /* owned; audiences with a batch in this pass */
	size_t touched_count, touched_cap;

	ev_prepare prepare;
	ev_check check;
	ev_idle idle; /* active: the ring is not empty, the loop must not block */
	ev_io wake;
};

/* Hands the record that was read to all whom it matches. False: it is no record of ours. */
bool fanout_take_record(struct fanout *fanout);
/* For the listener, when the pass is over. */
void fanout_note_control(struct fanout *fanout, struct span message);
/* Sends the batches of this pass. */
void fanout_send_batches(struct fanout *fanout);
/* Records were lost: all are told to resync. */
void fanout_tell_loss(struct fanout *fanout);

#endif
