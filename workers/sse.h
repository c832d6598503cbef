/* sse.h — the text of Server-Sent Events (WHATWG HTML, section 9.2). Pure.
 *
 * `id:` is what a client comes back with (Last-Event-ID), opaque for it: a `progress` of
 * position.h. Live events carry the host's mark, for streams of one document too: in the index and
 * the history a position leads to exactly the revisions that were missed, at most the 250 ms since
 * the mark once more, whereas revision and updatedAt would say nothing of a stream that has had no
 * event yet. Replayed events carry the position the client came with and how far the replay has
 * told, so that who loses a long replay goes on with the document at which it broke off. */
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
