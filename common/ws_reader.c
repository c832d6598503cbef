/* ws_reader.c — messages coming in (RFC 6455 section 5), their bytes cut anywhere.
 *
 * A frame that is all there and needs nothing from before is unmasked where it lies. Everything
 * else goes through struct ws_partial. Both ways judge the bytes in the same order, so how the
 * input was cut never changes the answer. */
#include "ws_frame.h"

#include "utf8.h"
#include "ws_head.h"

#define AHEAD_MAX 65536    /* memory in front of what has come, because a header announced it */
#define TOO_BIG_SHOWN 4096 /* of a message that is too big */

struct ws_partial {
	char *message; /* owned: its payload so far, unmasked; the call after the last frees it */
	size_t message_len;
	size_t message_cap;
	bool message_open;   /* its first frame has begun, its last has not ended */
	bool compressed;     /* the message, as its first frame said */
	bool frame_open;     /* `frame` has a header and not yet all of its payload */
	uint8_t head_len;    /* bytes in head; 0: none, or the header is complete */
	uint8_t control_len; /* bytes in control */
	struct utf8 utf8;    /* at the end of message */
	struct ws_head frame;
	unsigned char head[WS_HEAD_MAX];
	char control[WS_CONTROL_MAX]; /* payload of a control frame so far, unmasked */
};

/* One call of ws_reader_feed(). */
struct feed {
	struct ws_reader *reader;
	char *at;
	char *end;
	size_t message_max;
	bool deflate;
	struct ws_message *ret;
};

/* A frame may announce more than size_t holds; the smaller one always fits. */
static size_t size_min(uint64_t a, size_t b)
{
	return a < b ? (size_t)a : b;
}

static void feed_fault(struct feed *feed, uint16_t close_code, const char *reason)
{
	*feed->ret = (struct ws_message){
		.type = WS_INPUT_FAULT, .payload = span_string(reason), .close_code = close_code};
}

static struct ws_partial *partial_need(struct ws_reader *reader)
{
	if (!reader->partial) {
		reader->partial = calloc(1, sizeof(*reader->partial));
		MUST(reader->partial);
	}
	return reader->partial;
}

static bool message_is_open(const struct ws_reader *reader)
{
	return reader->partial && reader->partial->message_open;
}

/* Lets go of what the last call handed out, and of the block if nothing is under way. */
static void reader_release(struct ws_reader *reader)
{
	struct ws_partial *partial = reader->partial;
	if (!partial || partial->message_open)
		return;
	free(partial->message);
	partial->message = NULL;
	partial->message_len = partial->message_cap = 0;
	if (partial->frame_open || partial->head_len)
		return;
	free(partial);
	reader->partial = NULL;
}

/* Reads a header from what was kept and what is there. False: incomplete (kept) or a fault. */
static bool feed_head(struct feed *feed, struct ws_head *ret)
{
	unsigned char head[WS_HEAD_MAX];
	struct ws_partial *partial = feed->reader->partial;
	size_t kept = partial ? partial->head_len : 0;
	size_t there = size_min(sizeof(head) - kept, feed->end - feed->at);
	if (there == 0)
		return false;
	if (kept)
		memcpy(head, partial->head, kept);
	memcpy(head + kept, feed->at, there);

	struct ws_fault fault;
	size_t need = ws_head_read(head, kept + there, message_is_open(feed->reader), feed->deflate,
				   ret, &fault);
	if (need == 0) {
		feed_fault(feed, fault.close_code, fault.reason);
		return false;
	}
	if (kept + there < need) {
		partial = partial_need(feed->reader);
		memcpy(partial->head, head, kept + there);
		partial->head_len = kept + there;
		feed->at += there;
		return false;
	}
	if (partial)
		partial->head_len = 0;
	feed->at += need - kept;
	return true;
}

/* The frame goes on in the next call. */
static void frame_keep(struct feed *feed, const struct ws_head *frame)
{
	struct ws_partial *partial = partial_need(feed->reader);
	partial->frame = *frame;
	partial->frame_open = true;
}

static size_t frame_there(const struct feed *feed, const struct ws_head *frame)
{
	return size_min(frame->left, feed->end - feed->at);
}

/* Unmasks `len` bytes of the frame where they lie. */
static struct span frame_take(struct feed *feed, struct ws_head *frame, size_t len)
{
	struct span taken = span_of(feed->at, len);
	ws_head_unmask(frame, feed->at, feed->at, len);
	feed->at += len;
	return taken;
}

/* Makes room for `more` bytes of the frame. Memory grows by half of what has really come, or as far
 * as the frame announces up to AHEAD_MAX: linear work for any number of fragments, and little held
 * for who only promises. */
static void message_reserve(struct ws_partial *partial, const struct ws_head *frame, size_t more)
{
	size_t need = partial->message_len + more;
	if (need <= partial->message_cap)
		return;
	uint64_t announced = frame->left - more;
	size_t ahead = size_min(announced, AHEAD_MAX);
	if (ahead < need / 2)
		ahead = frame->final ? size_min(announced, need / 2) : need / 2;
	partial->message_cap = need + ahead;
	partial->message = realloc(partial->message, partial->message_cap);
	MUST(partial->message);
}

/* Moves `len` bytes of the frame to the message; returns them. */
static struct span message_append(struct feed *feed, struct ws_head *frame, size_t len)
{
	struct ws_partial *partial = feed->reader->partial;
	if (len == 0)
		return SPAN_NONE;
	message_reserve(partial, frame, len);
	struct span added = span_of(partial->message + partial->message_len, len);
	ws_head_unmask(frame, partial->message + partial->message_len, feed->at, len);
	partial->message_len += len;
	feed->at += len;
	return added;
}

/* Whether the header announces more than the message may have. */
static bool frame_is_too_big(const struct feed *feed, const struct ws_head *frame)
{
	size_t so_far = message_is_open(feed->reader) ? feed->reader->partial->message_len : 0;
	return frame->opcode < WS_CLOSE &&
	       (so_far > feed->message_max || frame->left > feed->message_max - so_far);
}

/* Hands out the start of the message, as much of it as has come. */
static void feed_too_big(struct feed *feed, struct ws_head *frame)
{
	struct ws_partial *partial = feed->reader->partial;
	bool open = message_is_open(feed->reader);
	size_t shown = open ? size_min(partial->message_len, TOO_BIG_SHOWN) : 0;
	/* The rest of the frame is of no interest, and no memory is to be had for it. */
	frame->left = size_min(frame_there(feed, frame), TOO_BIG_SHOWN - shown);
	struct span payload;
	bool compressed = open ? partial->compressed : frame->compressed;
	if (open) {
		message_append(feed, frame, frame->left);
		payload = span_of(partial->message, size_min(partial->message_len, TOO_BIG_SHOWN));
	} else {
		payload = frame_take(feed, frame, frame->left);
	}
	*feed->ret = (struct ws_message){WS_INPUT_TOO_BIG, payload, WS_CLOSE_TOO_BIG, compressed};
}

static void message_done(struct feed *feed, struct span text, bool compressed, bool valid)
{
	if (valid)
		*feed->ret = (struct ws_message){
			.type = WS_INPUT_TEXT, .payload = text, .compressed = compressed};
	else
		feed_fault(feed, WS_CLOSE_INVALID_DATA, "text is not UTF-8");
}

/* A frame of a message that is not all there, or not all of its message. False: the call has its
 * answer, or the input is used up. */
static bool feed_partial(struct feed *feed, struct ws_head *frame)
{
	struct ws_partial *partial = partial_need(feed->reader);
	if (!partial->message_open)
		partial->compressed = frame->compressed;
	partial->message_open = true;
	struct span added = message_append(feed, frame, frame_there(feed, frame));
	if (!partial->compressed && !utf8_feed(&partial->utf8, added)) {
		message_done(feed, SPAN_NONE, false, false);
		return false;
	}
	if (frame->left) {
		frame_keep(feed, frame);
		return false;
	}
	if (!frame->final)
		return true;
	partial->message_open = false;
	message_done(feed, span_of(partial->message, partial->message_len), partial->compressed,
		     partial->utf8.left == 0);
	return false;
}

static bool feed_data(struct feed *feed, struct ws_head *frame)
{
	size_t there = frame_there(feed, frame);
	if (!frame->final || frame->left != there || message_is_open(feed->reader))
		return feed_partial(feed, frame);
	struct span text = frame_take(feed, frame, there);
	message_done(feed, text, frame->compressed, frame->compressed || utf8_is_valid(text));
	return false;
}

/* What an endpoint may send: RFC 6455 section 7.4, the codes registered with IANA since, and the
 * free ranges. */
static bool close_code_is_valid(unsigned code)
{
	return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
	       (code >= 3000 && code <= 4999);
}

static void close_done(struct feed *feed, struct span payload)
{
	if (payload.len == 0) {
		*feed->ret = (struct ws_message){.type = WS_INPUT_CLOSE,
						 .close_code = WS_CLOSE_NO_STATUS};
		return;
	}
	if (payload.len == 1) {
		feed_fault(feed, WS_CLOSE_PROTOCOL, "Close with half a code");
		return;
	}
	uint16_t code = (unsigned char)payload.at[0] << 8 | (unsigned char)payload.at[1];
	struct span reason = span_of(payload.at + 2, payload.len - 2);
	if (!close_code_is_valid(code))
		feed_fault(feed, WS_CLOSE_PROTOCOL, "Close with a code that must not be sent");
	else if (!utf8_is_valid(reason))
		feed_fault(feed, WS_CLOSE_INVALID_DATA, "Close reason is not UTF-8");
	else
		*feed->ret = (struct ws_message){
			.type = WS_INPUT_CLOSE, .payload = reason, .close_code = code};
}

static void control_done(struct feed *feed, uint8_t opcode, struct span payload)
{
	if (opcode == WS_CLOSE) {
		close_done(feed, payload);
		return;
	}
	feed->ret->type = opcode == WS_PING ? WS_INPUT_PING : WS_INPUT_PONG;
	feed->ret->payload = payload;
}

static void feed_control(struct feed *feed, struct ws_head *frame)
{
	struct ws_partial *partial = feed->reader->partial;
	size_t kept = partial ? partial->control_len : 0;
	struct span taken = frame_take(feed, frame, frame_there(feed, frame));
	if (kept == 0 && frame->left == 0) {
		control_done(feed, frame->opcode, taken);
		return;
	}
	partial = partial_need(feed->reader);
	if (taken.len)
		memcpy(partial->control + kept, taken.at, taken.len);
	partial->control_len = kept + taken.len;
	if (frame->left) {
		frame_keep(feed, frame);
		return;
	}
	struct span payload = span_of(partial->control, partial->control_len);
	partial->control_len = 0; /* the bytes stay until the next call */
	control_done(feed, frame->opcode, payload);
}

/* The frame under way, or a new one. */
static bool feed_frame(struct feed *feed, struct ws_head *ret)
{
	struct ws_partial *partial = feed->reader->partial;
	if (partial && partial->frame_open) {
		*ret = partial->frame;
		partial->frame_open = false;
		return true;
	}
	if (!feed_head(feed, ret))
		return false;
	if (!frame_is_too_big(feed, ret))
		return true;
	feed_too_big(feed, ret);
	return false;
}

void ws_reader_feed(struct ws_reader *reader, char *bytes, size_t *len, size_t message_max,
		    bool deflate, struct ws_message *ret)
{
	struct feed feed = {reader, bytes, bytes + *len, message_max, deflate, ret};
	struct ws_head frame;
	bool more = true;
	*ret = (struct ws_message){.type = WS_INPUT_NONE};
	reader_release(reader);
	while (more && feed_frame(&feed, &frame)) {
		more = frame.opcode < WS_CLOSE && feed_data(&feed, &frame);
		if (frame.opcode >= WS_CLOSE)
			feed_control(&feed, &frame);
	}
	*len = feed.at - bytes;
}

void ws_reader_fini(struct ws_reader *reader)
{
	if (reader->partial)
		free(reader->partial->message);
	free(reader->partial);
	reader->partial = NULL;
}

size_t ws_reader_held(const struct ws_reader *reader)
{
	return reader->partial ? sizeof(*reader->partial) + reader->partial->message_cap : 0;
}
