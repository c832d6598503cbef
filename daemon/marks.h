/* marks.h — how far writes have got, on this host (DESIGN.md section 8). Four times a second a
 * script publishes the current sequence on a channel of our own; when it comes back through the
 * subscription, everything up to it has come through as well. That is the host's position, and the
 * proof that the subscription lives.
 *
 * Knows no connection: the owner says when it may send, gives it what arrives, and acts when it
 * says that the subscription is deaf. */
#ifndef SYNCDOC_MARKS_H
#define SYNCDOC_MARKS_H

#include "publisher.h"
#include <ev.h>

#define MARKS_INTERVAL_MS 250
#define MARKS_REPEAT_MS 1000  /* an unchanged position is published again */
#define MARKS_SILENCE_MS 2000 /* without a mark the host is not active */
#define MARKS_DEAF_ANSWERS                                                                         \
	4 /* script answers since the last mark: the subscription, not Redis, is the fault */
#define MARKS_POSITION_MAX 32
/* More than Redis executes between two marks: the sequence was raised. Should a host have been
 * stopped for so long, it looks for what it missed once in vain. */
#define MARKS_LEAP 100000
#define MARKS_PAST 240 /* a minute: how far back a gap looks when another primary answers */

struct marks {
	struct publisher *publisher; /* borrowed */
	char run_id[9];              /* first 8 hex digits of the primary's; empty: not known yet */
	char position[MARKS_POSITION_MAX]; /* <run_id>-<sequence>; empty: no mark has come yet */
	bool expects_leap;                 /* what it may tell of has been looked at */
	bool confirmed;                    /* the subscription is there */
	int64_t confirmed_ms;
	int64_t mark_ms;           /* when the last mark came */
	int64_t published_ms;      /* when the last mark record went into the ring */
	unsigned answers;          /* of the script since the last mark */
	uint64_t malformed;        /* messages on the mark channel that were no number */
	uint64_t sequence;         /* of `position` */
	uint64_t past[MARKS_PAST]; /* sequences of the last marks, the oldest to be overwritten next
				    */
	size_t past_count;         /* ever kept */
};

void marks_init(struct marks *marks, struct publisher *publisher);

/* `run_id:` of INFO server, its first 8 hex digits. -EBADMSG: there is none. Pure. */
int marks_parse_run_id(struct span info, char ret[9]);
void marks_set_run_id(struct marks *marks, const char run_id[9]);

/* The subscription is there, or gone: not active before the next mark. */
void marks_confirm(struct marks *marks, int64_t now_ms);
void marks_lose(struct marks *marks);
/* A mark has come, whatever becomes of it: the subscription lives. */
void marks_hear(struct marks *marks, int64_t now_ms);
/* It is lower than the last one: the primary has lost writes. False if it is no number. */
bool marks_is_behind(const struct marks *marks, struct span text);
/* It is so far above the last one that another host has raised the sequence, having found it
 * behind: the primary may have lost writes. Not seen by a host whose own mark was 900,000 writes
 * or more (STORE_GAP_RAISE less MARKS_LEAP) above that one's. */
bool marks_is_leap(const struct marks *marks, struct span text);
/* It was looked at: the next mark may be as high as it will. */
void marks_expect_leap(struct marks *marks);
/* No mark has come since. */
bool marks_expects_leap(const struct marks *marks);
/* A message on the mark channel: its text is the sequence. Publishes a mark record when the
 * position changed or the last one is old. */
void marks_receive(struct marks *marks, struct span text, int64_t now_ms);
/* The script was answered. */
void marks_answered(struct marks *marks);
/* Every MARKS_INTERVAL_MS. true: no mark for so long although the script is answered: the
 * subscription must be made anew. */
bool marks_tick(struct marks *marks, int64_t now_ms);

/* Some worker may have told a client a position: what comes after it must not be missed. */
bool marks_was_told(const struct marks *marks);
/* The position is another primary's than the one that answers now. */
bool marks_primary_changed(const struct marks *marks);
/* Sequence of the oldest mark that is remembered. */
uint64_t marks_oldest(const struct marks *marks);
/* For events that arrive now: the position of the last mark. */
struct span marks_position(const struct marks *marks);

#endif
