/* ws_stream.c — see ws_stream.h. */
#include "ws_stream.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>

#define FINAL 0x80
#define RESERVED 0x70
#define OPCODE 0x0f
#define MASKED 0x80
#define LENGTH 0x7f
#define MASK_LEN 4

void ws_stream_append(struct buffer *ret, enum ws_opcode opcode, struct span payload, uint32_t mask)
{
	unsigned char header[WS_HEADER_MAX], key[MASK_LEN];
	size_t header_len = ws_frame_header(header, opcode, payload.len);
	header[1] |= MASKED;
	memcpy(key, &mask, sizeof(key));
	buffer_append(ret, header, header_len);
	buffer_append(ret, key, sizeof(key));
	char *to = buffer_reserve(ret, payload.len);
	for (size_t i = 0; i < payload.len; i++)
		to[i] = (char)((unsigned char)payload.at[i] ^ key[i % MASK_LEN]);
	ret->len += payload.len;
}

struct frame {
	unsigned char opcode;
	bool final;
	size_t header_len;
	uint64_t payload_len;
};

/* 1: read; 0: not all there; -EBADMSG. */
static int read_head(const unsigned char *at, size_t len, struct frame *ret)
{
	if (len < 2)
		return 0;
	unsigned short_len = at[1] & LENGTH;
	unsigned more = short_len == 127 ? 8 : short_len == 126 ? 2 : 0;
	*ret = (struct frame){at[0] & OPCODE, at[0] & FINAL, 2 + more, more ? 0 : short_len};
	if ((at[0] & RESERVED) || (at[1] & MASKED))
		return -EBADMSG;
	if (ret->opcode >= WS_CLOSE && (more || !ret->final))
		return -EBADMSG;
	if (len < ret->header_len)
		return 0;
	for (unsigned i = 0; i < more; i++)
		ret->payload_len = ret->payload_len << 8 | at[2 + i];
	return 1;
}

static int take_control(const struct frame *frame, struct span payload, struct ws_message *ret)
{
	ret->payload = payload;
	switch (frame->opcode) {
	case WS_PING:
		ret->type = WS_INPUT_PING;
		return 1;
	case WS_PONG:
		ret->type = WS_INPUT_PONG;
		return 1;
	case WS_CLOSE:
		ret->type = WS_INPUT_CLOSE;
		ret->close_code = WS_CLOSE_NO_STATUS;
		if (payload.len == 1)
			return -EBADMSG;
		if (payload.len >= 2) {
			ret->close_code = (uint16_t)((unsigned char)payload.at[0] << 8 |
						     (unsigned char)payload.at[1]);
			ret->payload = span_of(payload.at + 2, payload.len - 2);
		}
		return 1;
	default:
		return -EBADMSG;
	}
}

static int take_data(struct ws_stream *stream, const struct frame *frame, struct span payload,
		     struct ws_message *ret)
{
	if (frame->opcode == WS_CONTINUATION ? !stream->open
					     : frame->opcode != WS_TEXT || stream->open)
		return -EBADMSG;
	*ret = (struct ws_message){.type = WS_INPUT_TEXT, .payload = payload};
	if (frame->final && !stream->open)
		return 1;
	if (stream->message.len + payload.len > WS_STREAM_MESSAGE_MAX)
		return -EMSGSIZE;
	buffer_append_span(&stream->message, payload);
	stream->open = !frame->final;
	if (stream->open)
		return 0;
	stream->handed_out = true;
	ret->payload = buffer_span(&stream->message);
	return 1;
}

int ws_stream_read(struct ws_stream *stream, const char *bytes, size_t len, size_t *used,
		   struct ws_message *ret)
{
	*used = 0;
	if (stream->handed_out) {
		stream->handed_out = false;
		stream->message.len = 0;
	}
	for (;;) {
		struct frame frame;
		int there = read_head((const unsigned char *)bytes + *used, len - *used, &frame);
		if (there <= 0)
			return there;
		if (frame.payload_len > WS_STREAM_MESSAGE_MAX)
			return -EMSGSIZE;
		if (len - *used - frame.header_len < frame.payload_len)
			return 0;
		struct span payload =
			span_of(bytes + *used + frame.header_len, (size_t)frame.payload_len);
		*used += frame.header_len + payload.len;
		*ret = (struct ws_message){0};
		int answer = frame.opcode >= WS_CLOSE ? take_control(&frame, payload, ret)
						      : take_data(stream, &frame, payload, ret);
		if (answer)
			return answer;
	}
}

void ws_stream_fini(struct ws_stream *stream)
{
	buffer_fini(&stream->message);
	*stream = (struct ws_stream){0};
}

/* ---- the handshake ---- */

static void encode_base64(unsigned char *bytes, unsigned len, char *ret, size_t ret_len)
{
	gnutls_datum_t from = {bytes, len}, encoded;
	MUST(gnutls_base64_encode2(&from, &encoded) == 0 && encoded.size < ret_len);
	memcpy(ret, encoded.data, encoded.size);
	ret[encoded.size] = '\0';
	gnutls_free(encoded.data);
}

void ws_stream_make_key(unsigned char random[16], char ret[WS_KEY_LEN])
{
	encode_base64(random, 16, ret, WS_KEY_LEN);
}

void ws_stream_make_accept(const char *key, char ret[WS_ACCEPT_LEN])
{
	static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
	char text[WS_KEY_LEN + sizeof(guid)];
	unsigned char digest[20];
	int len = snprintf(text, sizeof(text), "%s%s", key, guid);
	MUST(gnutls_hash_fast(GNUTLS_DIG_SHA1, text, (size_t)len, digest) == 0);
	encode_base64(digest, sizeof(digest), ret, WS_ACCEPT_LEN);
}
