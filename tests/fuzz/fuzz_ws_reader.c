/* fuzz_ws_reader.c — any bytes as a client's frames. The first byte chooses how they are cut:
 * pieces of so many bytes. All cuts must have the answers that the same bytes have in one piece,
 * except for how much of a message that is too big had come. */
#include "ws_frame.h"
#include "utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

#define MESSAGE_MAX 4096

/* False: nothing more may be fed. */
static bool note(struct buffer *said, const struct ws_message *message)
{
	buffer_printf(said, "%d %u ", message->type, message->close_code);
	buffer_printf(said, "%d ", message->compressed);
	if (!message->compressed &&
	    (message->type == WS_INPUT_TEXT || message->type == WS_INPUT_CLOSE))
		MUST(utf8_is_valid(message->payload));
	if (message->type == WS_INPUT_TEXT)
		MUST(message->payload.len <= MESSAGE_MAX);
	size_t before = said->len;
	buffer_append_span(said, message->payload);
	if (message->type == WS_INPUT_TOO_BIG) {
		MUST(message->payload.len <= 4096);
		said->len = before;
	}
	return message->type < WS_INPUT_CLOSE;
}

static bool feed(struct ws_reader *reader, struct span bytes, struct buffer *said)
{
	char *copy = malloc(bytes.len);
	size_t used = 0;
	bool more = true;
	memcpy(copy, bytes.at, bytes.len);
	while (more) {
		struct ws_message message;
		size_t len = bytes.len - used;
		ws_reader_feed(reader, copy + used, &len, MESSAGE_MAX, true, &message);
		used += len;
		MUST(used <= bytes.len);
		if (message.type == WS_INPUT_NONE)
			break;
		more = note(said, &message);
	}
	MUST(!more || used == bytes.len);
	MUST(ws_reader_held(reader) <= MESSAGE_MAX * 2 + 512);
	free(copy);
	return more;
}

static void feed_cut(struct span bytes, size_t piece, struct buffer *said)
{
	struct ws_reader reader = {0};
	bool more = true;
	while (bytes.len && more) {
		size_t len = piece < bytes.len ? piece : bytes.len;
		more = feed(&reader, span_of(bytes.at, len), said);
		bytes = span_of(bytes.at + len, bytes.len - len);
	}
	ws_reader_fini(&reader);
	MUST(ws_reader_held(&reader) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	if (len == 0)
		return 0;
	CLEANUP(buffer_fini) struct buffer whole = {0};
	CLEANUP(buffer_fini) struct buffer cut = {0};
	struct span input = span_of((const char *)bytes + 1, len - 1);
	feed_cut(input, SIZE_MAX, &whole);
	feed_cut(input, bytes[0] ? bytes[0] : 1, &cut);
	MUST(span_equals(buffer_span(&whole), buffer_span(&cut)));
	return 0;
}
