/* ws_frame.c — frames going out. */
#include "ws_frame.h"

#define FINAL 0x80
#define CLOSE_CODE_LEN 2

size_t ws_frame_header(unsigned char ret[WS_HEADER_MAX], enum ws_opcode opcode,
		       uint64_t payload_len)
{
	unsigned len_bytes = payload_len <= 125 ? 0 : payload_len <= UINT16_MAX ? 2 : 8;
	ret[0] = FINAL | opcode;
	ret[1] = len_bytes == 0 ? payload_len : len_bytes == 2 ? 126 : 127;
	for (unsigned i = 0; i < len_bytes; i++)
		ret[2 + i] = (unsigned char)(payload_len >> 8 * (len_bytes - 1 - i));
	return 2 + len_bytes;
}

uint64_t ws_frame_len(const unsigned char header[WS_HEADER_MAX])
{
	unsigned len_bytes = header[1] <= 125 ? 0 : header[1] == 126 ? 2 : 8;
	uint64_t payload_len = len_bytes ? 0 : header[1];
	for (unsigned i = 0; i < len_bytes; i++)
		payload_len = payload_len << 8 | header[2 + i];
	return 2 + len_bytes + payload_len;
}

void ws_frame_append(struct buffer *ret, enum ws_opcode opcode, struct span payload)
{
	unsigned char header[WS_HEADER_MAX];
	buffer_append(ret, header, ws_frame_header(header, opcode, payload.len));
	buffer_append_span(ret, payload);
}

void ws_frame_append_close(struct buffer *ret, uint16_t code, struct span reason)
{
	if (code == WS_CLOSE_NO_STATUS) {
		ws_frame_append(ret, WS_CLOSE, SPAN_NONE);
		return;
	}
	char payload[WS_CONTROL_MAX] = {(char)(code >> 8), (char)code};
	size_t len = reason.len;
	if (len > sizeof(payload) - CLOSE_CODE_LEN) {
		len = sizeof(payload) - CLOSE_CODE_LEN;
		/* The first byte cut off must begin a character. */
		while (len > 0 && ((unsigned char)reason.at[len] & 0xc0) == 0x80)
			len--;
	}
	if (len)
		memcpy(payload + CLOSE_CODE_LEN, reason.at, len);
	ws_frame_append(ret, WS_CLOSE, span_of(payload, CLOSE_CODE_LEN + len));
}
