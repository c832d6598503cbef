/* ws_head.c — what RFC 6455 section 5.2 allows in the header of a client's frame. */
#include "ws_head.h"

#define FINAL 0x80
#define RESERVED 0x70
#define RESERVED_1 0x40 /* with permessage-deflate: the message is compressed (RFC 7692) */
#define OPCODE 0x0f
#define MASKED 0x80
#define LENGTH 0x7f

/* What is wrong with the first byte; close_code 0: nothing. */
static struct ws_fault opcode_judge(unsigned char byte, bool message_open, bool deflate)
{
	unsigned opcode = byte & OPCODE;
	bool begins = opcode == WS_TEXT || opcode == WS_BINARY;
	if (byte & (deflate && begins ? RESERVED & ~RESERVED_1 : RESERVED))
		return (struct ws_fault){WS_CLOSE_PROTOCOL, "reserved bit set"};
	if ((opcode > WS_BINARY && opcode < WS_CLOSE) || opcode > WS_PONG)
		return (struct ws_fault){WS_CLOSE_PROTOCOL, "unknown opcode"};
	if (opcode >= WS_CLOSE && !(byte & FINAL))
		return (struct ws_fault){WS_CLOSE_PROTOCOL, "fragmented control frame"};
	if (opcode == WS_CONTINUATION && !message_open)
		return (struct ws_fault){WS_CLOSE_PROTOCOL, "continuation of nothing"};
	if (begins && message_open)
		return (struct ws_fault){WS_CLOSE_PROTOCOL, "new message inside a fragmented one"};
	if (opcode == WS_BINARY)
		return (struct ws_fault){WS_CLOSE_UNSUPPORTED, "binary message"};
	return (struct ws_fault){0};
}

/* Bytes of length field behind the second byte. */
static size_t length_bytes(unsigned char second)
{
	unsigned length = second & LENGTH;
	return length == 127 ? 8 : length == 126 ? 2 : 0;
}

static uint64_t length_read(const unsigned char *at)
{
	size_t count = length_bytes(at[1]);
	uint64_t length = count ? 0 : at[1] & LENGTH;
	for (size_t i = 0; i < count; i++)
		length = length << 8 | at[2 + i];
	return length;
}

/* What is wrong with the second byte and the length field, as far as they have come. */
static struct ws_fault length_judge(const unsigned char *at, size_t have)
{
	size_t count = length_bytes(at[1]);
	if (!(at[1] & MASKED))
		return (struct ws_fault){WS_CLOSE_PROTOCOL, "frame not masked"};
	if ((at[0] & OPCODE) >= WS_CLOSE && count)
		return (struct ws_fault){WS_CLOSE_PROTOCOL, "control frame above 125 bytes"};
	if (count == 8 && have > 2 && at[2] & 0x80)
		return (struct ws_fault){WS_CLOSE_PROTOCOL, "top bit of the length set"};
	if (count && have >= 2 + count && length_read(at) <= (count == 2 ? 125 : UINT16_MAX))
		return (struct ws_fault){WS_CLOSE_PROTOCOL, "length not in its shortest form"};
	return (struct ws_fault){0};
}

size_t ws_head_read(const unsigned char *at, size_t have, bool message_open, bool deflate,
		    struct ws_head *ret, struct ws_fault *ret_fault)
{
	struct ws_fault fault = {0};
	if (have >= 1)
		fault = opcode_judge(at[0], message_open, deflate);
	if (have >= 2 && !fault.close_code)
		fault = length_judge(at, have);
	if (fault.close_code) {
		*ret_fault = fault;
		return 0;
	}
	if (have < 2)
		return 2;
	size_t need = 2 + length_bytes(at[1]) + WS_MASK_LEN;
	if (have < need)
		return need;
	*ret = (struct ws_head){
		.left = length_read(at),
		.opcode = at[0] & OPCODE,
		.final = at[0] & FINAL,
		.compressed = at[0] & RESERVED_1,
	};
	memcpy(ret->mask, at + need - WS_MASK_LEN, WS_MASK_LEN);
	return need;
}

void ws_head_unmask(struct ws_head *head, char *to, const char *from, size_t len)
{
	uint64_t word, mask_word;
	memcpy(&mask_word, head->mask, WS_MASK_LEN);
	memcpy((char *)&mask_word + WS_MASK_LEN, head->mask, WS_MASK_LEN);
	size_t i = 0;
	for (; i + sizeof(word) <= len; i += sizeof(word)) {
		memcpy(&word, from + i, sizeof(word));
		word ^= mask_word;
		memcpy(to + i, &word, sizeof(word));
	}
	for (; i < len; i++)
		to[i] = (char)((unsigned char)from[i] ^ head->mask[i % WS_MASK_LEN]);

	/* Turn the mask, so that the next call goes on behind these bytes. */
	unsigned char turned[WS_MASK_LEN];
	for (i = 0; i < WS_MASK_LEN; i++)
		turned[i] = head->mask[(len + i) % WS_MASK_LEN];
	memcpy(head->mask, turned, WS_MASK_LEN);
	head->left -= len;
}
