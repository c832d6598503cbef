/* position.h — where in the order of all writes a client stands: opaque text for clients. Pure. */
#ifndef SYNCDOC_POSITION_H
#define SYNCDOC_POSITION_H

#include "buffer.h"

/* `<first 8 hex digits of the primary's run_id>-<sequence>`: all up to that write has been seen. */
struct position {
	char run[9];
	uint64_t sequence;
};

/* 0, or -EINVAL. */
int position_parse(struct span text, struct position *ret);

/* What an event stream's `id:` carries: a position, and while missed documents are being replayed
 * `<position>.<sequence>`: of those written after the position, the ones whose last write is up to
 * that sequence have been told, too. */
struct progress {
	struct position position;
	uint64_t told; /* 0: none */
};

int progress_parse(struct span text, struct progress *ret);
void progress_append(struct buffer *ret, const struct progress *progress);

#endif
