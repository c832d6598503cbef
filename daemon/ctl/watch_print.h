/* watch_print.h — events as lines for people. Pure. */
#ifndef SYNCDOC_CTL_WATCH_PRINT_H
#define SYNCDOC_CTL_WATCH_PRINT_H

#include "output.h"

/* Appends an event: a line, and what changed (diff), or the data where it brings no diff. */
void watch_print_event(const struct output *output, const struct json *event, struct buffer *ret);
/* Appends `resync`: what was missed, and why. */
void watch_print_resync(const struct output *output, const struct json *message,
			struct buffer *ret);

#endif
