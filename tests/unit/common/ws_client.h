/* ws_client.h — what a client would send, and what a reader made of it, as one line of text an
 * answer. */
#ifndef WS_CLIENT_H
#define WS_CLIENT_H

#include "random.h"
#include "ws_deflate.h"
#include "ws_frame.h"

#include <criterion/criterion.h>

#define FINAL 0x80

/* Appends a masked frame; `first` is its first byte. */
static inline void client_frame(struct buffer *ret, unsigned char first, struct span payload,
				uint32_t mask)
{
	unsigned char header[WS_HEADER_MAX], key[4];
	size_t len = ws_frame_header(header, WS_TEXT, payload.len);
	header[0] = first;
	header[1] |= 0x80;
	memcpy(key, &mask, sizeof(key));
	buffer_append(ret, header, len);
	buffer_append(ret, key, sizeof(key));
	for (size_t i = 0; i < payload.len; i++)
		buffer_append_char(ret, (char)((unsigned char)payload.at[i] ^ key[i % 4]));
}

/* One reader and what it has said. */
struct client {
	struct ws_reader reader;
	struct buffer said; /* owned */
	size_t message_max;
	bool deflate;              /* agreed; then: */
	struct ws_deflate *states; /* borrowed */
	bool over;                 /* a fault, a Close or TOO_BIG: nothing more may be fed */
	size_t too_big_len; /* bytes of the message shown with TOO_BIG: depends on the cuts, so not
			       in `said` */
};

static inline void client_fini(struct client *client)
{
	ws_reader_fini(&client->reader);
	buffer_fini(&client->said);
}

static inline void client_note(struct client *client, const struct ws_message *message)
{
	static const char *const names[] = {"NONE",  "TEXT",    "PING", "PONG",
					    "CLOSE", "TOO_BIG", "FAULT"};
	buffer_append_string(&client->said, names[message->type]);
	if (message->close_code)
		buffer_printf(&client->said, " %u", message->close_code);
	client->over = message->type >= WS_INPUT_CLOSE;
	if (message->type == WS_INPUT_TOO_BIG) {
		client->too_big_len = message->payload.len;
		cr_assert_leq(message->payload.len, 4096);
	} else {
		buffer_append_char(&client->said, ' ');
		buffer_append_span(&client->said, message->payload);
	}
	buffer_append_char(&client->said, '\n');
}

/* Feeds bytes as one read() would give them, from memory of their own: a sanitizer sees what is
 * touched outside. */
static inline void client_feed(struct client *client, struct span bytes)
{
	char *copy = malloc(bytes.len ? bytes.len : 1);
	size_t used = 0;
	if (bytes.len)
		memcpy(copy, bytes.at, bytes.len);
	while (!client->over) {
		struct ws_message message;
		size_t len = bytes.len - used;
		ws_reader_feed(&client->reader, copy + used, &len, client->message_max,
			       client->deflate, &message);
		cr_assert_leq(len, bytes.len - used);
		used += len;
		if (message.type == WS_INPUT_NONE)
			break;
		if (message.compressed)
			ws_deflate_open(client->states, client->message_max, &message);
		client_note(client, &message);
	}
	cr_assert(client->over || used == bytes.len, "bytes were left over");
	free(copy);
}

/* Pieces of `piece` bytes, or of 1 to 40 at random when piece is 0. */
static inline void client_feed_cut(struct client *client, struct span bytes, size_t piece,
				   uint64_t *random)
{
	while (bytes.len && !client->over) {
		size_t len = piece ? piece : 1 + random_next(random) % 40;
		if (len > bytes.len)
			len = bytes.len;
		client_feed(client, span_of(bytes.at, len));
		bytes = span_of(bytes.at + len, bytes.len - len);
	}
}

#endif
