#include "ws_deflate.h"

#include "ws_client.h"
#include <zlib.h>

#define FIN_DEFLATED 0xc1
#define DEFLATED 0x41
#define MEGABYTE (1u << 20)

static struct ws_deflate *deflate_states;

static void init(void)
{
	deflate_states = ws_deflate_create();
}

static void fini(void)
{
	ws_deflate_destroy(deflate_states);
}

TestSuite(ws_deflate, .init = init, .fini = fini, .timeout = 100);

/* A text that compresses about as JSON does. */
static struct buffer text_of(size_t len)
{
	struct buffer text = {0};
	for (unsigned i = 0; text.len < len; i++)
		buffer_printf(&text, "{\"member%u\":%u,\"other\":\"value\"},", i % 40, i * 7919u);
	text.len = len;
	return text;
}

static struct buffer random_of(size_t len)
{
	uint64_t random = random_seed("ws_deflate");
	struct buffer bytes = {0};
	while (bytes.len < len)
		buffer_append_char(&bytes, (char)random_next(&random));
	return bytes;
}

/* What a client's zlib would make of it, with the tail off. */
static struct buffer compress_with(struct span text, int level, int window, int flush)
{
	z_stream out = {0};
	struct buffer ret = {0};
	cr_assert_eq(deflateInit2(&out, level, Z_DEFLATED, -window, 8, Z_DEFAULT_STRATEGY), Z_OK);
	size_t room = deflateBound(&out, text.len) + 64;
	out.next_in = (unsigned char *)text.at;
	out.avail_in = (unsigned)text.len;
	out.next_out = (unsigned char *)buffer_reserve(&ret, room);
	out.avail_out = (unsigned)room;
	int result = deflate(&out, flush);
	cr_assert(result == Z_OK || result == Z_STREAM_END);
	ret.len = room - out.avail_out;
	if (flush == Z_SYNC_FLUSH)
		ret.len -= 4;
	else
		buffer_append_char(&ret, '\0'); /* RFC 7692 section 7.2.3.4 */
	deflateEnd(&out);
	return ret;
}

static struct buffer compress_text(struct span text)
{
	return compress_with(text, 6, 15, Z_SYNC_FLUSH);
}

/* Inflates from memory of its own. */
static int inflate_copy(struct span payload, size_t max, struct span *ret)
{
	char *copy = malloc(payload.len ? payload.len : 1);
	if (payload.len)
		memcpy(copy, payload.at, payload.len);
	int error = ws_deflate_inflate(deflate_states, span_of(copy, payload.len), max, ret);
	free(copy);
	return error;
}

static void assert_inflates(struct span payload, struct span wanted, const char *what)
{
	struct span text;
	cr_assert_eq(inflate_copy(payload, wanted.len, &text), 0, "%s", what);
	cr_assert(span_equals(text, wanted), "%s", what);
	if (wanted.len == 0)
		return;
	cr_assert_eq(inflate_copy(payload, wanted.len - 1, &text), -EMSGSIZE, "%s", what);
	cr_assert(span_equals(text, span_of(wanted.at, wanted.len - 1)), "%s: beginning", what);
}

Test(ws_deflate, the_examples_of_the_rfc_are_understood)
{
	assert_inflates(SPAN("\xf2\x48\xcd\xc9\xc9\x07\x00"), SPAN("Hello"), "one block");
	assert_inflates(SPAN("\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00"), SPAN("Hello"),
			"no compression");
	assert_inflates(SPAN("\xf3\x48\xcd\xc9\xc9\x07\x00\x00"), SPAN("Hello"), "BFINAL");
	assert_inflates(SPAN("\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00"), SPAN("Hello"),
			"two blocks");
	assert_inflates(SPAN("\x00"), SPAN(""), "empty message");
}

Test(ws_deflate, whatever_a_peer_sets_in_its_zlib_is_inflated)
{
	static const size_t lengths[] = {0, 1, 255, 4095, 4096, 4097, 70000, MEGABYTE};
	for (size_t i = 0; i < ARRAY_LEN(lengths); i++)
		for (int level = 0; level <= 9; level += 3)
			for (int window = 9; window <= 15; window += 3) {
				CLEANUP(buffer_fini) struct buffer text = text_of(lengths[i]);
				CLEANUP(buffer_fini)
				struct buffer sync = compress_with(buffer_span(&text), level,
								   window, Z_SYNC_FLUSH);
				CLEANUP(buffer_fini)
				struct buffer final =
					compress_with(buffer_span(&text), level, window, Z_FINISH);
				assert_inflates(buffer_span(&sync), buffer_span(&text), "sync");
				assert_inflates(buffer_span(&final), buffer_span(&text), "final");
			}
}

Test(ws_deflate, a_bomb_stops_at_the_maximum)
{
	struct buffer zeroes = {0};
	memset(buffer_reserve(&zeroes, 64 * MEGABYTE), '0', 64 * MEGABYTE);
	zeroes.len = 64 * MEGABYTE;
	CLEANUP(buffer_fini) struct buffer bomb = compress_text(buffer_span(&zeroes));
	buffer_fini(&zeroes);
	cr_assert_lt(bomb.len, 80000);
	struct span text;
	cr_assert_eq(inflate_copy(buffer_span(&bomb), 10000, &text), -EMSGSIZE);
	cr_assert_eq(text.len, 10000);
	for (size_t i = 0; i < text.len; i++)
		cr_assert_eq(text.at[i], '0');
}

Test(ws_deflate, a_million_final_blocks_are_soon_read)
{
	struct buffer blocks = {0};
	for (unsigned i = 0; i < MEGABYTE / 2; i++)
		buffer_append_span(&blocks, SPAN("\x03\x00"));
	buffer_append_char(&blocks, '\0');
	struct span text;
	cr_assert_eq(inflate_copy(buffer_span(&blocks), 100, &text), 0);
	cr_assert_eq(text.len, 0);
	buffer_fini(&blocks);
}

Test(ws_deflate, what_no_compressor_makes_is_refused)
{
	static const struct span bad[] = {
		SPAN(""),                             /* not even an empty block */
		SPAN("\x06"),                         /* block type 3 */
		SPAN("\xff\xff\xff\xff"),             /* the same, final */
		SPAN("\x00\x05\x00\x00\x00Hello"),    /* length and its complement */
		SPAN("\x00\x05\x00\xfa\xffHel"),      /* a stored block cut off */
		SPAN("\xf2\x48\xcd\xc9"),             /* a compressed block cut off */
		SPAN("\xf3\x48\xcd\xc9\xc9\x07\x00"), /* final, without the empty block */
		SPAN("\x4b\x04\x41\x00"),             /* a distance before the beginning */
	};
	struct span text;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		cr_expect_eq(inflate_copy(bad[i], 100000, &text), -EBADMSG, "row %zu", i);
	/* and the state is none the worse for it */
	assert_inflates(SPAN("\xf2\x48\xcd\xc9\xc9\x07\x00"), SPAN("Hello"), "afterwards");
}

Test(ws_deflate, a_message_cut_off_anywhere_is_refused)
{
	CLEANUP(buffer_fini) struct buffer text = text_of(3000);
	CLEANUP(buffer_fini) struct buffer whole = compress_text(buffer_span(&text));
	struct span ret;
	for (size_t len = 0; len + 1 < whole.len; len++)
		cr_assert_neq(inflate_copy(span_of(whole.at, len), 100000, &ret), 0, "%zu of %zu",
			      len, whole.len);
}

/* --- frames out --- */

/* The payload of the frame, whose first byte and length must be right. */
static struct span payload_of(struct span frame)
{
	unsigned char header[WS_HEADER_MAX];
	size_t len = frame.at[1] < 126 ? 2 : frame.at[1] == 126 ? 4 : 10;
	cr_assert_eq((unsigned char)frame.at[0], FIN_DEFLATED);
	cr_assert_eq(ws_frame_header(header, WS_TEXT, frame.len - len), len);
	cr_assert_eq(memcmp(header + 1, frame.at + 1, len - 1), 0);
	return span_of(frame.at + len, frame.len - len);
}

Test(ws_deflate, frames_in_one_part_or_many_hold_what_was_put_in)
{
	static const size_t lengths[] = {300, 400, 4000, 65535, 65536, MEGABYTE};
	for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
		CLEANUP(buffer_fini) struct buffer text = text_of(lengths[i]);
		CLEANUP(buffer_fini) struct buffer frame = {0};
		ws_frame_append(&frame, WS_TEXT, buffer_span(&text));
		size_t header = frame.len - text.len;
		struct iovec whole = {frame.at, frame.len};
		struct iovec parts[] = {{frame.at, header},
					{frame.at + header, 100},
					{NULL, 0},
					{frame.at + header + 100, text.len - 100},
					{NULL, 0}};
		struct span compressed;
		for (unsigned count = 1; count <= 5; count += 4) {
			cr_assert(ws_deflate_frame(deflate_states, count == 1 ? &whole : parts,
						   count, &compressed));
			cr_assert_lt(compressed.len, frame.len);
			assert_inflates(payload_of(compressed), buffer_span(&text), "frame");
		}
	}
}

Test(ws_deflate, what_is_short_or_does_not_get_smaller_goes_plain)
{
	for (size_t len = 1; len < 70000; len = len * 2 + 1) {
		CLEANUP(buffer_fini) struct buffer bytes = random_of(len), frame = {0};
		ws_frame_append(&frame, WS_TEXT, buffer_span(&bytes));
		struct iovec part = {frame.at, frame.len};
		struct span ret;
		cr_assert_not(ws_deflate_frame(deflate_states, &part, 1, &ret), "%zu", len);
	}
	for (size_t len = 200; len < 300; len++) {
		CLEANUP(buffer_fini) struct buffer text = text_of(len), frame = {0};
		ws_frame_append(&frame, WS_TEXT, buffer_span(&text));
		struct iovec part = {frame.at, frame.len};
		struct span ret;
		cr_assert_eq(ws_deflate_frame(deflate_states, &part, 1, &ret),
			     frame.len >= WS_DEFLATE_MIN, "%zu", len);
	}
}

/* --- messages in --- */

static void assert_opened(struct span input, size_t message_max, const char *wanted)
{
	static uint64_t random = 4711;
	for (size_t round = 0; round < 12; round++) {
		CLEANUP(client_fini)
		struct client client = {
			.message_max = message_max, .deflate = true, .states = deflate_states};
		client_feed_cut(&client, input,
				round == 0   ? input.len
				: round == 1 ? 1
					     : 0,
				&random);
		cr_assert_eq(client.said.len, strlen(wanted), "%.*snot\n%s",
			     SPAN_ARGS(buffer_span(&client.said)), wanted);
		cr_assert(span_equals(buffer_span(&client.said), span_string(wanted)),
			  "%.*snot\n%s", SPAN_ARGS(buffer_span(&client.said)), wanted);
	}
}

Test(ws_deflate, fragments_with_control_frames_between_are_one_message)
{
	CLEANUP(buffer_fini) struct buffer input = {0};
	CLEANUP(buffer_fini) struct buffer payload = compress_text(SPAN("gr\xc3\xbc\xc3\x9f Gott"));
	client_frame(&input, DEFLATED, span_of(payload.at, 1), 1);
	client_frame(&input, 0x89, SPAN("ping"), 2);
	client_frame(&input, 0x00, span_of(payload.at + 1, 4), 3);
	client_frame(&input, 0x00, SPAN(""), 4);
	client_frame(&input, 0x8a, SPAN(""), 5);
	client_frame(&input, 0x80, span_of(payload.at + 5, payload.len - 5), 6);
	client_frame(&input, 0x81, SPAN("plain"), 7);
	client_frame(&input, FIN_DEFLATED, buffer_span(&payload), 8);
	client_frame(&input, FIN_DEFLATED, SPAN("\0"), 9);
	assert_opened(buffer_span(&input), 1000,
		      "PING ping\nPONG \nTEXT gr\xc3\xbc\xc3\x9f Gott\nTEXT plain\n"
		      "TEXT gr\xc3\xbc\xc3\x9f Gott\nTEXT \n");
}

Test(ws_deflate, utf8_is_judged_after_inflating)
{
	CLEANUP(buffer_fini) struct buffer input = {0};
	CLEANUP(buffer_fini) struct buffer payload = compress_text(SPAN("\xed\xa0\x80"));
	client_frame(&input, FIN_DEFLATED, buffer_span(&payload), 1);
	assert_opened(buffer_span(&input), 1000, "FAULT 1007 text is not UTF-8\n");
}

Test(ws_deflate, damaged_data_are_1007)
{
	CLEANUP(buffer_fini) struct buffer input = {0};
	client_frame(&input, FIN_DEFLATED, SPAN("\xff\xff\xff"), 1);
	assert_opened(buffer_span(&input), 1000, "FAULT 1007 compressed data are damaged\n");
}

Test(ws_deflate, too_big_as_it_comes_or_inflated_is_1009_with_its_beginning)
{
	CLEANUP(buffer_fini) struct buffer text = text_of(9000), inflated = {0}, coming = {0};
	CLEANUP(buffer_fini) struct buffer noise = random_of(3000);
	CLEANUP(buffer_fini) struct buffer payload = compress_text(buffer_span(&text));
	CLEANUP(buffer_fini) struct buffer long_payload = compress_text(buffer_span(&noise));
	client_frame(&inflated, FIN_DEFLATED, buffer_span(&payload), 1);
	client_frame(&coming, FIN_DEFLATED, buffer_span(&long_payload), 1);
	cr_assert_lt(payload.len, 3000);
	assert_opened(buffer_span(&inflated), 8999, "TOO_BIG 1009\n");
	assert_opened(buffer_span(&coming), 2000, "TOO_BIG 1009\n");

	for (int i = 0; i < 2; i++) {
		struct ws_message message = {.type = i ? WS_INPUT_TOO_BIG : WS_INPUT_TEXT,
					     .payload = buffer_span(&payload),
					     .compressed = true};
		ws_deflate_open(deflate_states, 8999, &message);
		cr_assert_eq(message.type, WS_INPUT_TOO_BIG);
		cr_assert(span_equals(message.payload, span_of(text.at, 4096)));
	}
}

Test(ws_deflate, rsv1_is_for_the_first_frame_of_a_message_only)
{
	static const struct {
		unsigned char first[2];
		const char *wanted;
	} rows[] = {
		{{DEFLATED, 0xc0}, "FAULT 1002 reserved bit set\n"},
		{{0x01, 0xc0}, "FAULT 1002 reserved bit set\n"},
		{{0xc9}, "FAULT 1002 reserved bit set\n"},
		{{0xca}, "FAULT 1002 reserved bit set\n"},
		{{0xc8}, "FAULT 1002 reserved bit set\n"},
		{{0xe1}, "FAULT 1002 reserved bit set\n"},
		{{0xd1}, "FAULT 1002 reserved bit set\n"},
		{{DEFLATED, FIN_DEFLATED}, "FAULT 1002 new message inside a fragmented one\n"},
		{{0xc2}, "FAULT 1003 binary message\n"},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(buffer_fini) struct buffer input = {0};
		for (size_t j = 0; j < 2 && rows[i].first[j]; j++)
			client_frame(&input, rows[i].first[j], SPAN("x"), 1);
		assert_opened(buffer_span(&input), 1000, rows[i].wanted);
	}
}

Test(ws_deflate, without_agreement_rsv1_is_a_fault)
{
	CLEANUP(buffer_fini) struct buffer input = {0};
	CLEANUP(client_fini) struct client client = {.message_max = 1000};
	client_frame(&input, FIN_DEFLATED, SPAN("\0"), 1);
	client_feed(&client, buffer_span(&input));
	cr_assert(span_equals(buffer_span(&client.said), SPAN("FAULT 1002 reserved bit set\n")));
}
