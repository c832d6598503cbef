/* resync.h — notices that tell a client to read again what a subscription brings. */
#ifndef SYNCDOC_RESYNC_H
#define SYNCDOC_RESYNC_H

#include "subscriptions.h"

/* Appends the text of a `resync` for one whole subscription. */
void resync_format_subscription(struct buffer *ret, const struct subscription_spec *spec,
				const char *reason);
/* Appends the frame of a `resync` for one whole subscription. */
void resync_append_subscription(struct buffer *ret, const struct subscription_spec *spec,
				const char *reason);
/* Appends the text of a `resync` for the document of this event. */
void resync_format_document(struct buffer *ret, const struct event_record *event,
			    const char *reason);
/* Appends the frame of a `resync` for the document of this event. */
void resync_append_document(struct buffer *ret, const struct event_record *event,
			    const char *reason);

#endif
