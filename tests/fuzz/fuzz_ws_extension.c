/* fuzz_ws_extension.c — any bytes as Sec-WebSocket-Extensions. What is agreed must be in the
 * header, must stay agreed with the bare offer behind it, and must not be agreed once the header is
 * malformed. */
#include "buffer.h"
#include "ws_extension.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static enum ws_deflate_answer choose_with(struct span offers, const char *more)
{
	CLEANUP(buffer_fini) struct buffer text = {0};
	buffer_append_span(&text, offers);
	buffer_append_string(&text, more);
	return ws_extension_choose(buffer_span(&text));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct span offers = span_of((const char *)bytes, len);
	enum ws_deflate_answer answer = ws_extension_choose(offers);
	if (answer == WS_DEFLATE_NONE)
		return 0;
	MUST(memmem(bytes, len, "permessage-deflate", 18));
	MUST((answer == WS_DEFLATE_PLAIN) || memmem(bytes, len, "server_max_window_bits", 22));
	MUST(ws_extension_answer(answer));
	MUST(choose_with(offers, ", permessage-deflate") == answer);
	MUST(choose_with(offers, ", =") == WS_DEFLATE_NONE);
	return 0;
}
