/* ws_deflate.c — zlib behind ws_deflate.h. */
#include "ws_deflate.h"

#include "utf8.h"
#include <zlib.h>

#define WINDOW (-15) /* negative: raw deflate, no zlib header */
#define MEMORY_LEVEL 8
/* The cheapest: the same event goes to many, but each event is compressed while they wait. */
#define LEVEL 1
/* Of a sync flush: taken off by the sender (RFC 7692 section 7.2.1). */
#define TAIL "\x00\x00\xff\xff"
#define TAIL_LEN 4
#define FIRST_BYTE_DEFLATED 0xc1 /* FIN, RSV1, text */
#define OUTPUT_KEPT (256 << 10)  /* memory kept from one message to the next */
#define OUTPUT_FIRST 4096
#define TOO_BIG_SHOWN 4096 /* as in ws_reader.c */

struct ws_deflate {
	z_stream out, in;
	bool out_ready, in_ready;
	/* Two, because a message is answered while it is being read. */
	struct buffer frame;   /* the last one compressed */
	struct buffer message; /* the last one inflated */
};

struct ws_deflate *ws_deflate_create(void)
{
	struct ws_deflate *deflate = calloc(1, sizeof(*deflate));
	MUST(deflate);
	return deflate;
}

void ws_deflate_destroy(struct ws_deflate *deflate)
{
	if (!deflate)
		return;
	if (deflate->out_ready)
		deflateEnd(&deflate->out);
	if (deflate->in_ready)
		inflateEnd(&deflate->in);
	buffer_fini(&deflate->frame);
	buffer_fini(&deflate->message);
	free(deflate);
}

static void output_clear(struct buffer *output)
{
	if (output->cap > OUTPUT_KEPT)
		buffer_fini(output);
	output->len = 0;
}

/* --- out --- */

static z_stream *out_begin(struct ws_deflate *deflate)
{
	if (deflate->out_ready)
		MUST(deflateReset(&deflate->out) == Z_OK);
	else
		MUST(deflateInit2(&deflate->out, LEVEL, Z_DEFLATED, WINDOW, MEMORY_LEVEL,
				  Z_DEFAULT_STRATEGY) == Z_OK);
	deflate->out_ready = true;
	return &deflate->out;
}

static size_t parts_len(const struct iovec *parts, unsigned part_count)
{
	size_t len = 0;
	for (unsigned i = 0; i < part_count; i++)
		len += parts[i].iov_len;
	return len;
}

/* Length of the unmasked header that a frame begins with. */
static size_t header_len(const unsigned char *frame)
{
	return frame[1] < 126 ? 2 : frame[1] == 126 ? 4 : 10;
}

/* False: all of `room` is full. */
static bool out_parts(z_stream *out, const struct iovec *parts, unsigned part_count, size_t skip)
{
	for (unsigned i = 0; i < part_count; i++) {
		out->next_in = parts[i].iov_base;
		if (skip) /* an empty part may have no place at all */
			out->next_in += skip;
		out->avail_in = (unsigned)(parts[i].iov_len - skip);
		skip = 0;
		deflate(out, i + 1 == part_count ? Z_SYNC_FLUSH : Z_NO_FLUSH);
		/* A flush that just fits cannot be told from one that does not. */
		if (out->avail_in || out->avail_out == 0)
			return false;
	}
	return true;
}

bool ws_deflate_frame(struct ws_deflate *deflate, const struct iovec *parts, unsigned part_count,
		      struct span *ret)
{
	size_t len = parts_len(parts, part_count);
	if (len < WS_DEFLATE_MIN || len > UINT32_MAX)
		return false;
	MUST(parts[0].iov_len >= WS_HEADER_MAX ||
	     parts[0].iov_len == header_len(parts[0].iov_base));
	size_t skip = header_len(parts[0].iov_base);

	/* The new header's length is known only afterwards: the payload stands behind the longest.
	 */
	size_t room = len - skip;
	output_clear(&deflate->frame);
	unsigned char *at = (unsigned char *)buffer_reserve(&deflate->frame, WS_HEADER_MAX + room);
	z_stream *out = out_begin(deflate);
	out->next_out = at + WS_HEADER_MAX;
	out->avail_out = (unsigned)room;
	if (!out_parts(out, parts, part_count, skip))
		return false;
	size_t made = room - out->avail_out - TAIL_LEN;
	unsigned char header[WS_HEADER_MAX];
	size_t new_header = ws_frame_header(header, WS_TEXT, made);
	header[0] = FIRST_BYTE_DEFLATED;
	at += WS_HEADER_MAX - new_header;
	memcpy(at, header, new_header);
	*ret = span_of((char *)at, new_header + made);
	return true;
}

/* --- in --- */

static z_stream *in_begin(struct ws_deflate *deflate)
{
	if (deflate->in_ready)
		MUST(inflateReset(&deflate->in) == Z_OK);
	else
		MUST(inflateInit2(&deflate->in, WINDOW) == Z_OK);
	deflate->in_ready = true;
	return &deflate->in;
}

/* Room for what comes next: twice what has come, but never more than one byte above max, which
 * tells that there is more. */
static void output_grow(struct buffer *output, size_t max)
{
	size_t want = output->len < OUTPUT_FIRST ? OUTPUT_FIRST : output->len;
	size_t most = max + 1 - output->len;
	buffer_reserve(output, want < most ? want : most);
}

/* Inflates `piece` behind what there is. */
static int in_piece(struct ws_deflate *deflate, struct span piece, size_t max)
{
	z_stream *in = &deflate->in;
	struct buffer *output = &deflate->message;
	in->next_in = (unsigned char *)piece.at;
	in->avail_in = (unsigned)piece.len;
	for (;;) {
		output_grow(output, max);
		size_t most = max + 1 - output->len;
		size_t room = output->cap - output->len < most ? output->cap - output->len : most;
		in->next_out = (unsigned char *)output->at + output->len;
		in->avail_out = (unsigned)room;
		int result = inflate(in, Z_NO_FLUSH);
		output->len += room - in->avail_out;
		if (output->len > max)
			return -EMSGSIZE;
		if (result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR)
			return -EBADMSG;
		/* A block may say that it is the last one (RFC 7692 section 7.2.3.4): what follows
		 * is a stream of its own. Without the window of the first: taking that over would
		 * cost 32 KiB for every 2 bytes of a hostile message. */
		if (result == Z_STREAM_END)
			MUST(inflateReset(in) == Z_OK);
		if (in->avail_out && in->avail_in == 0)
			return 0;
	}
}

int ws_deflate_inflate(struct ws_deflate *deflate, struct span payload, size_t max,
		       struct span *ret)
{
	z_stream *in = in_begin(deflate);
	int error = payload.len > UINT32_MAX ? -EMSGSIZE : 0;

	MUST(max < UINT32_MAX);
	output_clear(&deflate->message);
	if (!error && payload.len)
		error = in_piece(deflate, payload, max);
	if (!error)
		error = in_piece(deflate, SPAN(TAIL), max);
	/* 128: between two blocks, which is where a sync flush leaves it; anything else is a block
	 * that was cut off. Bits of a byte would be left in the lowest six. */
	if (!error && in->data_type != 128)
		error = -EBADMSG;
	*ret = buffer_span(&deflate->message);
	if (ret->len > max)
		ret->len = max;
	return error;
}

void ws_deflate_open(struct ws_deflate *deflate, size_t message_max, struct ws_message *message)
{
	static const char no_utf8[] = "text is not UTF-8",
			  no_deflate[] = "compressed data are damaged";
	struct span text;
	int error;

	if (!message->compressed)
		return;
	if (message->type == WS_INPUT_TOO_BIG) {
		ws_deflate_inflate(deflate, message->payload, TOO_BIG_SHOWN, &text);
		*message = (struct ws_message){WS_INPUT_TOO_BIG, text, WS_CLOSE_TOO_BIG, false};
		return;
	}
	error = ws_deflate_inflate(deflate, message->payload, message_max, &text);
	if (error == -EMSGSIZE) {
		if (text.len > TOO_BIG_SHOWN)
			text.len = TOO_BIG_SHOWN;
		*message = (struct ws_message){WS_INPUT_TOO_BIG, text, WS_CLOSE_TOO_BIG, false};
	} else if (error || !utf8_is_valid(text)) {
		*message = (struct ws_message){WS_INPUT_FAULT,
					       span_string(error ? no_deflate : no_utf8),
					       WS_CLOSE_INVALID_DATA, false};
	} else {
		*message = (struct ws_message){.type = WS_INPUT_TEXT, .payload = text};
	}
}
