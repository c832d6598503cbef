#include "ws_frame.h"

#include <criterion/criterion.h>

TestSuite(ws_frame, .timeout = 100);

Test(ws_frame, a_header_uses_the_shortest_length_there_is)
{
	static const struct {
		uint64_t len;
		size_t header_len;
		unsigned char header[WS_HEADER_MAX];
	} rows[] = {
		{0, 2, {0x81, 0}},
		{1, 2, {0x81, 1}},
		{125, 2, {0x81, 125}},
		{126, 4, {0x81, 126, 0, 126}},
		{256, 4, {0x81, 126, 1, 0}},
		{65535, 4, {0x81, 126, 0xff, 0xff}},
		{65536, 10, {0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0}},
		{UINT64_C(0x0102030405060708), 10, {0x81, 127, 1, 2, 3, 4, 5, 6, 7, 8}},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		unsigned char header[WS_HEADER_MAX];
		cr_assert_eq(ws_frame_header(header, WS_TEXT, rows[i].len), rows[i].header_len);
		cr_assert_arr_eq(header, rows[i].header, rows[i].header_len);
	}
}

Test(ws_frame, every_opcode_is_final)
{
	static const enum ws_opcode opcodes[] = {WS_TEXT, WS_BINARY, WS_CLOSE, WS_PING, WS_PONG};
	for (size_t i = 0; i < ARRAY_LEN(opcodes); i++) {
		unsigned char header[WS_HEADER_MAX];
		ws_frame_header(header, opcodes[i], 0);
		cr_assert_eq(header[0], 0x80 | opcodes[i]);
	}
}

static void assert_bytes(const struct buffer *buffer, struct span wanted)
{
	cr_assert_eq(buffer->len, wanted.len);
	cr_assert_arr_eq(buffer->at, wanted.at, wanted.len);
}

Test(ws_frame, frames_are_appended_whole)
{
	CLEANUP(buffer_fini) struct buffer buffer = {0};
	ws_frame_append(&buffer, WS_TEXT, SPAN("{}"));
	ws_frame_append(&buffer, WS_PONG, SPAN_NONE);
	assert_bytes(&buffer, SPAN("\x81\x02{}\x8a\x00"));
}

Test(ws_frame, a_close_carries_code_and_reason)
{
	CLEANUP(buffer_fini) struct buffer buffer = {0};
	ws_frame_append_close(&buffer, WS_CLOSE_TOO_BIG, SPAN("too big"));
	assert_bytes(&buffer, SPAN("\x88\x09\x03\xf1too big"));
	buffer.len = 0;
	ws_frame_append_close(&buffer, WS_CLOSE_TOKEN_EXPIRED, SPAN_NONE);
	assert_bytes(&buffer, SPAN("\x88\x02\x0f\xa1"));
}

Test(ws_frame, a_close_without_status_has_no_payload)
{
	CLEANUP(buffer_fini) struct buffer buffer = {0};
	ws_frame_append_close(&buffer, WS_CLOSE_NO_STATUS, SPAN("is never sent"));
	assert_bytes(&buffer, SPAN("\x88\x00"));
}

Test(ws_frame, a_long_reason_is_cut_at_a_character_border)
{
	static const struct {
		const char *character;
		size_t ascii, wanted; /* bytes in front of the characters; reason bytes kept */
	} rows[] = {
		{"x", 0, 123},
		{"\xc3\xa9", 0, 122},
		{"\xc3\xa9", 1, 123},
		{"\xe2\x82\xac", 0, 123},
		{"\xe2\x82\xac", 1, 121},
		{"\xe2\x82\xac", 2, 122},
		{"\xf0\x9f\x98\x80", 0, 120},
		{"\xf0\x9f\x98\x80", 2, 122},
		{"\xf0\x9f\x98\x80", 3, 123},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(buffer_fini) struct buffer reason = {0}, frame = {0};
		for (size_t n = 0; n < rows[i].ascii; n++)
			buffer_append_char(&reason, 'a');
		while (reason.len <= 130)
			buffer_append_string(&reason, rows[i].character);
		ws_frame_append_close(&frame, WS_CLOSE_POLICY, buffer_span(&reason));
		cr_assert_eq(frame.len, 4 + rows[i].wanted, "row %zu: %zu", i, frame.len);
		cr_assert_eq((size_t)(unsigned char)frame.at[1], 2 + rows[i].wanted);
		cr_assert_arr_eq(frame.at + 4, reason.at, rows[i].wanted);
	}
}

Test(ws_frame, a_reason_of_123_bytes_is_kept_whole)
{
	CLEANUP(buffer_fini) struct buffer frame = {0};
	char reason[123];
	memset(reason, 'r', sizeof(reason));
	memcpy(reason + 121, "\xc3\xa9", 2);
	ws_frame_append_close(&frame, WS_CLOSE_NORMAL, span_of(reason, sizeof(reason)));
	cr_assert_eq(frame.len, 2 + WS_CONTROL_MAX);
	cr_assert_arr_eq(frame.at + 4, reason, sizeof(reason));
}
