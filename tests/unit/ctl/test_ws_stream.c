/* The client's side of WebSocket frames, against the server's reader and writer. */
#include "ws_stream.h"

#include <criterion/criterion.h>

TestSuite(ws_stream, .timeout = 100);

Test(ws_stream, what_it_sends_the_server_reads)
{
	static const size_t lens[] = {0, 1, 125, 126, 65535, 65536, 100001};
	for (size_t i = 0; i < ARRAY_LEN(lens); i++) {
		struct buffer out = {0};
		struct ws_reader reader = {0};
		struct ws_message message;
		char *text = malloc(lens[i] + 1);
		memset(text, 'a' + (int)i, lens[i]);
		ws_stream_append(&out, WS_TEXT, span_of(text, lens[i]), 0x12345678u * (unsigned)i);
		size_t used = out.len;
		ws_reader_feed(&reader, out.at, &used, 200000, false, &message);
		cr_assert_eq(message.type, WS_INPUT_TEXT);
		cr_assert_eq(used, out.len);
		cr_assert(span_equals(message.payload, span_of(text, lens[i])));
		ws_reader_fini(&reader);
		buffer_fini(&out);
		free(text);
	}
}

/* Reads all of `bytes`, of which only the first `piece` are there at first, then as many more. */
static void read_pieces(struct span bytes, size_t piece, struct buffer *said)
{
	struct ws_stream stream = {0};
	size_t at = 0, there = 0;
	while (there < bytes.len) {
		there = there + piece < bytes.len ? there + piece : bytes.len;
		for (;;) {
			struct ws_message message;
			size_t used, len = there - at;
			char *copy = malloc(len ? len : 1);
			memcpy(copy, bytes.at + at, len);
			int answer = ws_stream_read(&stream, copy, len, &used, &message);
			if (answer > 0)
				buffer_printf(said, "%d %u %.*s\n", message.type,
					      message.close_code, SPAN_ARGS(message.payload));
			free(copy);
			at += used;
			cr_assert_geq(answer, 0);
			if (!answer)
				break;
		}
	}
	cr_assert_eq(at, bytes.len);
	ws_stream_fini(&stream);
}

Test(ws_stream, reads_whole_fragmented_and_control_frames_however_they_are_cut)
{
	struct buffer in = {0};
	ws_frame_append(&in, WS_TEXT, SPAN("{\"a\":1}"));
	buffer_append(&in, "\x01\x03one", 5); /* text, not final */
	ws_frame_append(&in, WS_PING, SPAN("p"));
	buffer_append(&in, "\x00\x03two", 5);
	buffer_append(&in, "\x80\x05three", 7);
	ws_frame_append(&in, WS_PONG, SPAN_NONE);
	ws_frame_append_close(&in, 1012, SPAN("bye"));
	char expected[128];
	snprintf(expected, sizeof(expected),
		 "%d 0 {\"a\":1}\n%d 0 p\n%d 0 onetwothree\n%d 0 \n%d 1012 bye\n", WS_INPUT_TEXT,
		 WS_INPUT_PING, WS_INPUT_TEXT, WS_INPUT_PONG, WS_INPUT_CLOSE);
	for (size_t piece = 1; piece <= in.len; piece++) {
		struct buffer said = {0};
		read_pieces(buffer_span(&in), piece, &said);
		cr_assert(span_equals(buffer_span(&said), span_string(expected)),
			  "pieces of %zu: %.*s", piece, SPAN_ARGS(buffer_span(&said)));
		buffer_fini(&said);
	}
	buffer_fini(&in);
}

Test(ws_stream, faults_of_a_server_are_seen)
{
	static const struct {
		const char *bytes;
		size_t len;
		int error;
	} wrong[] = {
		{"\x81\x81xxxxa", 7, -EBADMSG},      /* masked */
		{"\xc1\x01x", 3, -EBADMSG},          /* a reserved bit */
		{"\x82\x01x", 3, -EBADMSG},          /* binary */
		{"\x80\x01x", 3, -EBADMSG},          /* continues nothing */
		{"\x01\x01x\x81\x01y", 6, -EBADMSG}, /* new text inside another */
		{"\x09\x01x", 3, -EBADMSG},          /* fragmented ping */
		{"\x89\x7e\x00\x80", 4, -EBADMSG},   /* long ping */
		{"\x88\x01x", 3, -EBADMSG},          /* half a close code */
		{"\x8b\x00", 2, -EBADMSG},           /* unknown opcode */
		{"\x81\x7f\x7f\xff\xff\xff\xff\xff\xff\xff", 10, -EMSGSIZE},
	};
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		struct ws_stream stream = {0};
		struct ws_message message;
		size_t used;
		cr_assert_eq(ws_stream_read(&stream, wrong[i].bytes, wrong[i].len, &used, &message),
			     wrong[i].error, "%zu", i);
		ws_stream_fini(&stream);
	}
}

/* RFC 6455 section 1.3. */
Test(ws_stream, the_key_of_the_standard_is_accepted_as_there)
{
	unsigned char random[16] = "the sample nonce";
	char key[WS_KEY_LEN], accept[WS_ACCEPT_LEN];
	ws_stream_make_key(random, key);
	cr_assert_str_eq(key, "dGhlIHNhbXBsZSBub25jZQ==");
	ws_stream_make_accept(key, accept);
	cr_assert_str_eq(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}
