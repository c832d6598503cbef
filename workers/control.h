/* control.h — messages to all workers of all hosts (DESIGN.md section 4, syncdoc:control), as one
 * worker gets them from the ring. They come through Redis, where others may write, too: nothing in
 * them is believed. */
#ifndef SYNCDOC_WORKER_CONTROL_H
#define SYNCDOC_WORKER_CONTROL_H

#include "context.h"

/* Begins to listen; needs the fan-out. */
void control_listen(struct worker *worker);

/* The messages: */
void control_format_revoked(struct buffer *ret, struct span name, int64_t issued_before_ms);
/* Connections with ids behind `after`, of `user` only unless that is empty. */
void control_format_list(struct buffer *ret, struct span question, struct span after,
			 unsigned limit, struct span user);
void control_format_close(struct buffer *ret, struct span question, struct span connection_id);

#endif
