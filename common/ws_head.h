/* ws_head.h — header of a frame from a client, and its mask. Private to the reader. Pure. */
#ifndef SYNCDOC_WS_HEAD_H
#define SYNCDOC_WS_HEAD_H

#include "ws_frame.h"

#define WS_HEAD_MAX 14 /* 2 + 8 of length + 4 of mask */
#define WS_MASK_LEN 4

/* A frame whose header has been read. */
struct ws_head {
	uint64_t left;                   /* payload bytes still to come; below 2^63 */
	unsigned char mask[WS_MASK_LEN]; /* [0] is for the next of them */
	uint8_t opcode;
	bool final;
	bool compressed; /* RSV1 */
};

struct ws_fault {
	uint16_t close_code;
	const char *reason; /* static */
};

/* Judges the bytes of a header in their order, however many have come. Returns how many it has in
 * all, or at least has (2 while the second is missing); 0: *ret_fault says what is wrong. *ret is
 * set once `have` reaches that number. `message_open`: a fragmented message is under way;
 * `deflate`: RSV1 may say that a message is compressed. */
size_t ws_head_read(const unsigned char *at, size_t have, bool message_open, bool deflate,
		    struct ws_head *ret, struct ws_fault *ret_fault);

/* Unmasks the next `len` bytes of the payload into `to`, which may be `from`, and takes them off
 * `left`. */
void ws_head_unmask(struct ws_head *head, char *to, const char *from, size_t len);

#endif
