/* slow_reader.h — answers that are not read. Who takes an answer byte by byte keeps its memory and
 * a connection for as long as it likes; libmicrohttpd is content with a byte now and then. So
 * whoever has taken fewer than 10 KiB in 10 seconds, with an answer waiting, is cut off. Event
 * streams have a rule of their own (stream.c). */
#ifndef SYNCDOC_SLOW_READER_H
#define SYNCDOC_SLOW_READER_H

#include "deadline.h"

#define SLOW_READER_PERIOD_MS 10000
#define SLOW_READER_BYTES 10240 /* in each period */

struct request;

/* Bytes that the client's end of a TCP connection has taken since it began; what the kernel still
 * holds is not among them. False: it is no TCP socket, or its end. */
bool slow_reader_taken(int fd, uint64_t *ret);

/* It has its answer: from now on its client is looked at, until the request is complete. */
void slow_reader_watch(struct request *request);
/* A period is over; `deadline` is that of a request. */
void slow_reader_meet(struct deadline *deadline);

#endif
