/* fuzz_ws_inflate.c — any bytes as a compressed message, and as a text to be compressed. The first
 * two bytes choose the maximum. Whatever is inflated must compress and come back the same, and a
 * smaller maximum must show the same beginning. */
#include "ws_deflate.h"
#include "utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static void assert_returns(struct ws_deflate *deflate, struct span text)
{
	CLEANUP(buffer_fini) struct buffer frame = {0};
	CLEANUP(buffer_fini) struct buffer copy = {0}; /* inflating writes over what was inflated */
	struct span compressed, back;
	buffer_append_span(&copy, text);
	ws_frame_append(&frame, WS_TEXT, text);
	struct iovec part = {frame.at, frame.len};
	if (!ws_deflate_frame(deflate, &part, 1, &compressed))
		return;
	MUST(compressed.len < frame.len && compressed.at[0] == '\xc1');
	size_t header = compressed.at[1] < 126 ? 2 : compressed.at[1] == 126 ? 4 : 10;
	struct span payload = span_of(compressed.at + header, compressed.len - header);
	MUST(!ws_deflate_inflate(deflate, payload, copy.len, &back));
	MUST(span_equals(back, buffer_span(&copy)));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	static struct ws_deflate *deflate;
	if (!deflate)
		deflate = ws_deflate_create();
	if (len < 2)
		return 0;
	size_t max = (size_t)bytes[0] << 8 | bytes[1];
	struct span payload = span_of((const char *)bytes + 2, len - 2), text;
	CLEANUP(buffer_fini) struct buffer whole = {0};

	int error = ws_deflate_inflate(deflate, payload, max, &text);
	MUST(text.len <= max && (error != -EMSGSIZE || text.len == max));
	buffer_append_span(&whole, text);
	struct ws_message message = {.type = WS_INPUT_TEXT, .payload = payload, .compressed = true};
	ws_deflate_open(deflate, max, &message);
	MUST(!message.compressed);
	MUST(error == -EMSGSIZE                             ? message.type == WS_INPUT_TOO_BIG
	     : error || !utf8_is_valid(buffer_span(&whole)) ? message.type == WS_INPUT_FAULT
							    : message.type == WS_INPUT_TEXT);
	if (whole.len && !error) {
		MUST(ws_deflate_inflate(deflate, payload, whole.len - 1, &text) == -EMSGSIZE);
		MUST(span_equals(text, span_of(whole.at, whole.len - 1)));
	}
	if (!error)
		assert_returns(deflate, buffer_span(&whole));
	assert_returns(deflate, payload);
	return 0;
}
