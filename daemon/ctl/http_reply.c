/* http_reply.c — see http_reply.h. */
#include "http_reply.h"

#include <strings.h>

#define CHUNK_LINE_MAX 4096

/* ---- lines ---- */

/* The next whole line, without its end, in reply->line or in the bytes. 1: there; 0: not yet. */
static int take_line(struct http_reply *reply, const char *bytes, size_t len, size_t *used,
		     size_t max, struct span *ret)
{
	const char *end = len ? memchr(bytes, '\n', len) : NULL;
	size_t more = end ? (size_t)(end - bytes) + 1 : len;
	if (reply->line.len + more > max)
		return -EMSGSIZE;
	buffer_append(&reply->line, bytes, more);
	*used = more;
	if (!end)
		return 0;
	*ret = span_of(reply->line.at, reply->line.len - 1);
	if (ret->len && ret->at[ret->len - 1] == '\r')
		ret->len--;
	return 1;
}

/* ---- the head ---- */

static bool names_equal(struct span a, const char *b)
{
	return a.len == strlen(b) && strncasecmp(a.at, b, a.len) == 0;
}

static struct span trim(struct span text)
{
	while (text.len && (text.at[0] == ' ' || text.at[0] == '\t'))
		text = span_of(text.at + 1, text.len - 1);
	while (text.len && (text.at[text.len - 1] == ' ' || text.at[text.len - 1] == '\t'))
		text.len--;
	return text;
}

struct span http_reply_header(const struct http_reply *reply, const char *name)
{
	struct span rest = buffer_span(&reply->head);
	while (rest.len) {
		const char *end = memchr(rest.at, '\n', rest.len);
		size_t line_len = end ? (size_t)(end - rest.at) : rest.len;
		const char *colon = memchr(rest.at, ':', line_len);
		if (colon && names_equal(span_of(rest.at, (size_t)(colon - rest.at)), name))
			return trim(span_of(colon + 1, line_len - (size_t)(colon + 1 - rest.at)));
		size_t step = line_len + (end != NULL);
		rest = span_of(rest.at + step, rest.len - step);
	}
	return SPAN_NONE;
}

static int read_status(struct span line, int *ret)
{
	if (line.len < 12 || !span_starts_with(line, SPAN("HTTP/1.")) || line.at[8] != ' ')
		return -EBADMSG;
	int status = 0;
	for (unsigned i = 9; i < 12; i++) {
		if (line.at[i] < '0' || line.at[i] > '9')
			return -EBADMSG;
		status = status * 10 + (line.at[i] - '0');
	}
	if (status < 100 || (line.len > 12 && line.at[12] != ' '))
		return -EBADMSG;
	*ret = status;
	return 0;
}

static int read_length(struct span text, size_t *ret)
{
	size_t length = 0;
	if (!text.len)
		return -EBADMSG;
	for (size_t i = 0; i < text.len; i++) {
		if (text.at[i] < '0' || text.at[i] > '9')
			return -EBADMSG;
		length = length * 10 + (size_t)(text.at[i] - '0');
		if (length > HTTP_BODY_MAX)
			return -EMSGSIZE;
	}
	*ret = length;
	return 0;
}

/* What stands behind the empty line. */
static int begin_body(struct http_reply *reply)
{
	struct span length = http_reply_header(reply, "Content-Length");
	struct span encoding = http_reply_header(reply, "Transfer-Encoding");
	if (reply->status == 100 || reply->status == 103) {
		reply->head.len = 0;
		reply->status = 0;
		return 0;
	}
	reply->state = HTTP_REPLY_DONE;
	if (reply->status < 200 || reply->status == 204 || reply->status == 304)
		return 0;
	if (encoding.at) {
		reply->state = HTTP_REPLY_CHUNK;
		return names_equal(encoding, "chunked") ? 0 : -EBADMSG;
	}
	if (!length.at) {
		reply->state = HTTP_REPLY_TO_END;
		return 0;
	}
	int error = read_length(length, &reply->body_left);
	if (!error && reply->body_left)
		reply->state = HTTP_REPLY_BODY;
	return error;
}

static int take_head_line(struct http_reply *reply, struct span line)
{
	int error = reply->status ? 0 : read_status(line, &reply->status);
	if (error)
		return error;
	if (reply->head.len + line.len + 1 > HTTP_HEAD_MAX)
		return -EMSGSIZE;
	if (!line.len)
		return begin_body(reply);
	buffer_append_span(&reply->head, line);
	buffer_append_char(&reply->head, '\n');
	return 0;
}

/* ---- the body ---- */

static int take_chunk_line(struct http_reply *reply, struct span line)
{
	size_t size = 0, digits = 0;
	for (; digits < line.len; digits++) {
		char c = line.at[digits];
		int value = c >= '0' && c <= '9'   ? c - '0'
			    : c >= 'a' && c <= 'f' ? c - 'a' + 10
			    : c >= 'A' && c <= 'F' ? c - 'A' + 10
						   : -1;
		if (value < 0)
			break;
		size = size * 16 + (size_t)value;
		if (size > HTTP_BODY_MAX)
			return -EMSGSIZE;
	}
	if (!digits || (digits < line.len && !strchr("; \t", line.at[digits])))
		return -EBADMSG;
	reply->body_left = size;
	reply->state = size ? HTTP_REPLY_CHUNKED : HTTP_REPLY_TRAILER;
	return 0;
}

static int take_line_of(struct http_reply *reply, struct span line)
{
	switch (reply->state) {
	case HTTP_REPLY_HEAD:
		return take_head_line(reply, line);
	case HTTP_REPLY_CHUNK:
		return take_chunk_line(reply, line);
	case HTTP_REPLY_CHUNKED: /* behind a chunk */
		reply->state = HTTP_REPLY_CHUNK;
		return line.len ? -EBADMSG : 0;
	default:
		if (!line.len)
			reply->state = HTTP_REPLY_DONE;
		return 0;
	}
}

static int take_body(struct http_reply *reply, const char *bytes, size_t len, size_t *used)
{
	size_t more = len;
	if (reply->state != HTTP_REPLY_TO_END && more > reply->body_left)
		more = reply->body_left;
	if (reply->body.len + more > HTTP_BODY_MAX)
		return -EMSGSIZE;
	buffer_append(&reply->body, bytes, more);
	*used = more;
	if (reply->state == HTTP_REPLY_TO_END)
		return 0;
	reply->body_left -= more;
	if (reply->state == HTTP_REPLY_BODY && reply->body_left == 0)
		reply->state = HTTP_REPLY_DONE;
	return 0;
}

static bool wants_line(const struct http_reply *reply)
{
	return reply->state == HTTP_REPLY_HEAD || reply->state == HTTP_REPLY_CHUNK ||
	       reply->state == HTTP_REPLY_TRAILER ||
	       (reply->state == HTTP_REPLY_CHUNKED && reply->body_left == 0);
}

int http_reply_feed(struct http_reply *reply, const char *bytes, size_t *len)
{
	size_t at = 0;
	int error = 0;
	while (!error && at < *len && reply->state != HTTP_REPLY_DONE) {
		size_t used = 0;
		if (!wants_line(reply)) {
			error = take_body(reply, bytes + at, *len - at, &used);
		} else {
			struct span line;
			size_t max =
				reply->state == HTTP_REPLY_HEAD ? HTTP_HEAD_MAX : CHUNK_LINE_MAX;
			int there = take_line(reply, bytes + at, *len - at, &used, max, &line);
			error = there < 0 ? there : there ? take_line_of(reply, line) : 0;
			if (there > 0)
				reply->line.len = 0;
		}
		at += used;
	}
	*len = at;
	return error;
}

int http_reply_end(struct http_reply *reply)
{
	if (reply->state == HTTP_REPLY_TO_END)
		reply->state = HTTP_REPLY_DONE;
	return reply->state == HTTP_REPLY_DONE ? 0 : -EPIPE;
}

void http_reply_reset(struct http_reply *reply)
{
	reply->state = HTTP_REPLY_HEAD;
	reply->status = 0;
	reply->body_left = reply->head.len = reply->line.len = reply->body.len = 0;
}

void http_reply_fini(struct http_reply *reply)
{
	buffer_fini(&reply->head);
	buffer_fini(&reply->line);
	buffer_fini(&reply->body);
	*reply = (struct http_reply){0};
}
