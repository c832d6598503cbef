/* control_report.h — what the supervisor says of itself and its workers on the control socket: the
 * answers of status and top. Inner to control_verbs.c. */
#ifndef SYNCDOC_CONTROL_REPORT_H
#define SYNCDOC_CONTROL_REPORT_H

#include "control_verbs.h"

/* Both append a whole answer: `{"ok":true,"result":{…}}`. */
void control_report_status(const struct control_view *view, struct buffer *ret);
/* With all counters, of the supervisor and of each worker process. */
void control_report_top(const struct control_view *view, struct buffer *ret);
/* Appends `,"needsRestart":[…]`. */
void control_report_restart_keys(const struct control_view *view, struct buffer *ret);

#endif
