/* sse.h — the text of Server-Sent Events (WHATWG HTML, section 9.2). Pure. */
#ifndef SYNCDOC_SSE_H
#define SYNCDOC_SSE_H

#include "buffer.h"
#include <sys/uio.h>

/* Appends one event: `id: …`, unless `id` is empty, and the JSON in `parts` as `data: …`, one line
 * for each of its lines: documents are kept as their writers sent them, line breaks included. */
void sse_append_event(struct buffer *ret, struct span id, const struct iovec *parts,
		      unsigned part_count);
/* The same for JSON in one piece. */
void sse_append_text(struct buffer *ret, struct span id, struct span json);
/* How long the client waits before it connects again. As in a comment, `id` is taken note of by the
 * client without any event: it is what it comes back with. */
void sse_append_retry(struct buffer *ret, struct span id, unsigned ms);
/* A line that clients pass over. */
void sse_append_comment(struct buffer *ret, struct span id, const char *comment);

/* Takes the header off the first part of an unmasked WebSocket frame: what is left is its text. */
void sse_strip_frame_header(struct iovec *parts);

#endif
