/* slow_sender.h — requests that never end. Where limits.request_timeout is 0 a request has no
 * deadline, so that a large body over a thin line may take its time; but whoever has its head not
 * complete after 30 seconds, or sends fewer than 10 KiB of its body in 30 seconds, is answered 408.
 */
#ifndef SYNCDOC_SLOW_SENDER_H
#define SYNCDOC_SLOW_SENDER_H

#include "deadline.h"

#define SLOW_SENDER_PERIOD_MS 30000
#define SLOW_SENDER_BYTES 10240 /* in each period */

struct request;

/* It has begun, and without limits.request_timeout: from now on its client is looked at, until the
 * request has arrived. */
void slow_sender_watch(struct request *request);
/* A period is over; `deadline` is that of a request. */
void slow_sender_meet(struct deadline *deadline);

#endif
