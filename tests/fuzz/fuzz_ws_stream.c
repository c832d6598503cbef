/* fuzz_ws_stream.c — any bytes from a server, after the handshake: however they come, the same
 * messages are read. */
#include "ws_stream.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

/* Notes each message with its type and what it holds. Returns 0, or the error that ended it. */
static int read_all(struct span bytes, size_t piece, struct buffer *said)
{
	struct ws_stream stream = {0};
	size_t at = 0, there = 0;
	int answer = 0;
	while (answer >= 0 && there < bytes.len) {
		there = bytes.len - there < piece ? bytes.len : there + piece;
		do {
			struct ws_message message;
			size_t used, len = there - at;
			char *copy = malloc(len ? len : 1);
			memcpy(copy, bytes.at + at, len);
			answer = ws_stream_read(&stream, copy, len, &used, &message);
			MUST(used <= len);
			at += used;
			if (answer > 0) {
				MUST(message.type == WS_INPUT_TEXT ||
				     message.type == WS_INPUT_PING ||
				     message.type == WS_INPUT_PONG ||
				     message.type == WS_INPUT_CLOSE);
				buffer_printf(said, "%d %u %zu:", message.type, message.close_code,
					      message.payload.len);
				buffer_append_span(said, message.payload);
			}
			free(copy);
		} while (answer > 0);
	}
	ws_stream_fini(&stream);
	return answer < 0 ? answer : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	if (len < 1)
		return 0;
	struct span text = span_of((const char *)bytes + 1, len - 1);
	struct buffer whole = {0}, cut = {0};
	int whole_error = read_all(text, text.len ? text.len : 1, &whole);
	int cut_error = read_all(text, 1 + bytes[0] % 16, &cut);
	MUST(whole_error == cut_error);
	MUST(span_equals(buffer_span(&whole), buffer_span(&cut)));
	buffer_fini(&whole);
	buffer_fini(&cut);
	return 0;
}
