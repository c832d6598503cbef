/* expire.h — the write that time makes: expiresAt has passed, so the document becomes a tombstone
 * (DESIGN.md section 8). Pure. Supervisors make it when it is due, workers when a write finds that
 * it was due. */
#ifndef SYNCDOC_EXPIRE_H
#define SYNCDOC_EXPIRE_H

#include "document.h"

#define EXPIRE_OPERATION "expire" /* of the history entry */

/* The tombstone on top of `base`, a living document whose time is over (the caller has looked): data and expiresAt are kept; spans
 * stay those of `base`. */
struct document expire_document(const struct document *base, int64_t now_ms);
/* Appends the event's text for the channel. It is nobody's write: without `by` and `connectionId`.
 */
void expire_format_event(struct buffer *ret, const struct document *tombstone);

#endif
