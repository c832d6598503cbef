/* http_reply.h — answers of an HTTP/1.1 server, read as they come. Pure. */
#ifndef SYNCDOC_CTL_HTTP_REPLY_H
#define SYNCDOC_CTL_HTTP_REPLY_H

#include "buffer.h"

#define HTTP_HEAD_MAX 65536
#define HTTP_BODY_MAX (256 << 20)

enum http_reply_state {
	HTTP_REPLY_HEAD,
	HTTP_REPLY_BODY,    /* body_left bytes of it */
	HTTP_REPLY_TO_END,  /* all until the connection ends */
	HTTP_REPLY_CHUNK,   /* the line with a chunk's size */
	HTTP_REPLY_CHUNKED, /* body_left bytes of a chunk and the line end behind it */
	HTTP_REPLY_TRAILER,
	HTTP_REPLY_DONE,
};

/* All zero is the start. */
struct http_reply {
	enum http_reply_state state;
	int status;         /* once the head is there */
	struct buffer head; /* owned: status line and headers, as they came */
	struct buffer line; /* owned: a line that is not all there */
	struct buffer body; /* owned */
	size_t body_left;
};

/* Uses up to *len bytes, sets it to how many; DONE uses none behind the answer. 0, or -EBADMSG: no
 * HTTP; -EMSGSIZE: above a maximum. Answers 100 and 103 are passed over. After 101 the answer is
 * done. */
int http_reply_feed(struct http_reply *reply, const char *bytes, size_t *len);
/* The connection has ended. 0: the answer is whole by that; -EPIPE: it is cut off. */
int http_reply_end(struct http_reply *reply);
/* Ready for the next answer of the connection; memory is kept. */
void http_reply_reset(struct http_reply *reply);
void http_reply_fini(struct http_reply *reply);

/* Value of a header, blanks around it taken off; `.at` NULL: not there. Names in any case. */
struct span http_reply_header(const struct http_reply *reply, const char *name);

#endif
