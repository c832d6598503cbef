/* ws_deflate.h — permessage-deflate (RFC 7692) for messages that know nothing of each other: one
 * zlib state to compress and one to inflate for all connections of a process, reset at each
 * message. Pure. */
#ifndef SYNCDOC_WS_DEFLATE_H
#define SYNCDOC_WS_DEFLATE_H

#include "ws_frame.h"
#include <sys/uio.h>

#define WS_DEFLATE_MIN 256 /* shorter frames go plain: they would hardly get smaller */

struct ws_deflate;

/* The zlib states (256 KiB and 40 KiB) are made when first needed. */
struct ws_deflate *ws_deflate_create(void);
void ws_deflate_destroy(struct ws_deflate *deflate); /* NULL is fine */

/* Compresses a text frame; parts[0] begins with its header. True: *ret is the compressed frame,
 * valid until the next ws_deflate_frame(). False: it is short, or would not get smaller; send it as
 * it is. */
bool ws_deflate_frame(struct ws_deflate *deflate, const struct iovec *parts, unsigned part_count,
		      struct span *ret);

/* Inflates the payload of a message. 0: *ret is the message. -EMSGSIZE: it has more than max bytes,
 * of which no more are made; -EBADMSG: not what a compressor makes, or not its end. Then *ret is
 * its beginning, as far as that could be told. Valid until the next message is inflated. */
int ws_deflate_inflate(struct ws_deflate *deflate, struct span payload, size_t max,
		       struct span *ret);

/* Makes of a message with `compressed` set what it would have been if it had come plain: TEXT, or
 * TOO_BIG with the first 4 KiB, or a FAULT 1007 for bad UTF-8. RFC 7692 names no code for
 * compressed data that are none; they are 1007 too, as most do it. Other messages stay as they are.
 * The payload is valid until the next message is inflated. */
void ws_deflate_open(struct ws_deflate *deflate, size_t message_max, struct ws_message *message);

#endif
