/* request_head.h — was the head of a request read as it was sent? libmicrohttpd hands it out as C
 * strings, cut at the first NUL, and 0.9.75 loses the further lines of a folded value, too: the
 * proxy before us would see another request than we do. But the strings lie where they arrived, and
 * so what was lost lies between them. Pure. */
#ifndef SYNCDOC_REQUEST_HEAD_H
#define SYNCDOC_REQUEST_HEAD_H

#include "base.h"

struct request_head {
	const char *at;    /* all before it has been looked at */
	const char *end;   /* of the empty line behind the headers */
	const char *fault; /* NULL, or for humans what is wrong */
};

/* All strings are inside the `len` bytes from `method` on. `target_end`: the first NUL behind the
 * start of the target. */
void request_head_start(struct request_head *head, const char *method, const char *target,
			const char *target_end, const char *version, size_t len);
/* The next header, in the order of arrival. */
void request_head_take(struct request_head *head, struct span name, struct span value);
/* After the last one. Returns the first fault, or NULL. */
const char *request_head_finish(struct request_head *head);

#endif
