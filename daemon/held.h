/* held.h — a bounded queue of what came through the subscription and has to wait. Pure. */
#ifndef SYNCDOC_HELD_H
#define SYNCDOC_HELD_H

#include "base.h"
#include <sys/queue.h>

enum held_kind { HELD_EVENT, HELD_MARK };

struct held_item {
	STAILQ_ENTRY(held_item) link;
	enum held_kind kind;
	size_t len;
	char text[];
};

/* Needs held_init(). */
struct held {
	STAILQ_HEAD(, held_item) items;
	size_t bytes; /* with what an item costs beside its text */
};

void held_init(struct held *held);
void held_clear(struct held *held);
/* Copies the text. -ENOBUFS: more than bytes_max would wait; nothing changed. */
int held_push(struct held *held, enum held_kind kind, struct span text, size_t bytes_max);
/* The oldest, now the caller's to free(); NULL: none. */
struct held_item *held_shift(struct held *held);

#endif
