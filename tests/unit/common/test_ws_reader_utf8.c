/* UTF-8 in text messages: which sequences pass, and at which byte the others are refused. */
#include "ws_client.h"

#include "utf8.h"

TestSuite(ws_reader_utf8, .timeout = 100);

#define MESSAGE_MAX 100000

static const struct span valid[] = {
	SPAN("plain ASCII, longer than eight bytes"),
	SPAN("\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5"),
	/* First and last of each length. */
	SPAN("\x01"),
	SPAN("\x7f"),
	SPAN("\xc2\x80"),
	SPAN("\xdf\xbf"),
	SPAN("\xe0\xa0\x80"),
	SPAN("\xef\xbf\xbf"),
	SPAN("\xf0\x90\x80\x80"),
	SPAN("\xf4\x8f\xbf\xbf"),
	/* Around the surrogates; noncharacters are characters to RFC 3629. */
	SPAN("\xed\x9f\xbf"),
	SPAN("\xee\x80\x80"),
	SPAN("\xef\xbf\xbd"),
	SPAN("\xef\xbf\xbe"),
	SPAN("\xef\xb7\x90"),
	SPAN("\xf0\x9f\xbf\xbe"),
	SPAN("\xf1\x80\x80\x80"),
	SPAN("\xf3\xbf\xbf\xbf"),
	/* The fast way over ASCII must stop in time. */
	SPAN("1234567\xc3\xa9"),
	SPAN("12345678\xc3\xa9"
	     "1234567\xf0\x9f\x98\x80"
	     "12345678"),
};

/* `bad_at`: index of the byte that makes it certain; the length when only the end does. */
static const struct {
	struct span bytes;
	size_t bad_at;
} invalid[] = {
	/* Continuation bytes without a beginning. */
	{SPAN("\x80"), 0},
	{SPAN("\xbf"), 0},
	{SPAN("ab\x80"), 2},
	{SPAN("\xc3\xa9\xa9"), 2},
	{SPAN("12345678\x80"), 8},
	{SPAN("1234567\x80"), 7},
	/* Bytes that never occur. */
	{SPAN("\xc0\x80"), 0},
	{SPAN("\xc0\xaf"), 0},
	{SPAN("\xc1\xbf"), 0},
	{SPAN("\xf5\x80\x80\x80"), 0},
	{SPAN("\xf8\x88\x80\x80\x80"), 0},
	{SPAN("\xfc\x84\x80\x80\x80\x80"), 0},
	{SPAN("\xfe"), 0},
	{SPAN("\xff"), 0},
	/* Overlong. */
	{SPAN("\xe0\x80\x80"), 1},
	{SPAN("\xe0\x80\xaf"), 1},
	{SPAN("\xe0\x9f\xbf"), 1},
	{SPAN("\xf0\x80\x80\x80"), 1},
	{SPAN("\xf0\x80\x80\xaf"), 1},
	{SPAN("\xf0\x8f\xbf\xbf"), 1},
	/* Surrogates, also in pairs. */
	{SPAN("\xed\xa0\x80"), 1},
	{SPAN("\xed\xaf\xbf"), 1},
	{SPAN("\xed\xb0\x80"), 1},
	{SPAN("\xed\xbf\xbf"), 1},
	{SPAN("\xed\xa0\x80\xed\xb0\x80"), 1},
	/* Above U+10FFFF. */
	{SPAN("\xf4\x90\x80\x80"), 1},
	{SPAN("\xf4\xbf\xbf\xbf"), 1},
	/* A sequence broken off by another character. */
	{SPAN("\xc3"
	      "a"),
	 1},
	{SPAN("\xe2\x82"
	      "a"),
	 2},
	{SPAN("\xe2"
	      "a"),
	 1},
	{SPAN("\xf0\x9f\x98"
	      "a"),
	 3},
	{SPAN("\xf0\x9f\x98\xc3\xa9"), 3},
	{SPAN("\xe2\x82\xe2\x82\xac"), 2},
	{SPAN("\xc3\xc3\xa9"), 1},
	{SPAN("\xce\xba\xe1\xbd\xb9\xcf\x83\xed\xa0\x80"
	      "edited"),
	 8},
	{SPAN("\xc3"
	      "12345678"),
	 1},
	{SPAN("\xf0\x9f"
	      "12345678\x98\x80"),
	 2},
	/* Broken off by the end. */
	{SPAN("\xc3"), 1},
	{SPAN("\xe2\x82"), 2},
	{SPAN("\xe2"), 1},
	{SPAN("\xf0\x9f\x98"), 3},
	{SPAN("12345678\xf4\x8f"), 10},
};

#define FAULT SPAN("FAULT 1007 text is not UTF-8\n")

static void assert_said(const struct client *client, struct span wanted)
{
	cr_assert(span_equals(buffer_span(&client->said), wanted), "said %.*s not %.*s",
		  SPAN_ARGS(buffer_span(&client->said)), SPAN_ARGS(wanted));
}

/* In one frame, byte by byte, and in two fragments with a ping between at each border. */
static void assert_every_way(struct span bytes, struct span wanted)
{
	for (size_t cut = 0; cut <= bytes.len + 1; cut++) {
		CLEANUP(buffer_fini) struct buffer input = {0};
		if (cut <= bytes.len) {
			client_frame(&input, 0x01, span_of(bytes.at, cut), 0x55aa1234);
			client_frame(&input, 0x80, span_of(bytes.at + cut, bytes.len - cut), 0x99);
		} else {
			client_frame(&input, 0x81, bytes, 0x55aa1234);
		}
		for (size_t piece = 1; piece <= input.len; piece += input.len - 1) {
			CLEANUP(client_fini) struct client client = {.message_max = MESSAGE_MAX};
			client_feed_cut(&client, buffer_span(&input), piece, NULL);
			assert_said(&client, wanted);
		}
	}
}

Test(ws_reader_utf8, valid_text_passes_however_it_is_fragmented)
{
	for (size_t i = 0; i < ARRAY_LEN(valid); i++) {
		CLEANUP(buffer_fini) struct buffer wanted = {0};
		buffer_append_string(&wanted, "TEXT ");
		buffer_append_span(&wanted, valid[i]);
		buffer_append_char(&wanted, '\n');
		assert_every_way(valid[i], buffer_span(&wanted));
	}
}

Test(ws_reader_utf8, invalid_text_is_refused_however_it_is_fragmented)
{
	for (size_t i = 0; i < ARRAY_LEN(invalid); i++)
		assert_every_way(invalid[i].bytes, FAULT);
}

Test(ws_reader_utf8, it_is_refused_at_the_first_byte_that_is_certain)
{
	for (size_t i = 0; i < ARRAY_LEN(invalid); i++) {
		CLEANUP(client_fini) struct client client = {.message_max = MESSAGE_MAX};
		/* A frame of 200 bytes, masked with 0, most of which never come. */
		client_feed(&client, SPAN("\x81\xfe\x00\xc8\0\0\0\0"));
		for (size_t at = 0; at < invalid[i].bytes.len && !client.over; at++) {
			client_feed(&client, span_of(invalid[i].bytes.at + at, 1));
			cr_assert_eq(client.over, at == invalid[i].bad_at, "row %zu byte %zu", i,
				     at);
		}
		if (invalid[i].bad_at < invalid[i].bytes.len)
			assert_said(&client, FAULT);
		else
			cr_assert_eq(client.said.len, 0);
	}
}

/* All sequences of two bytes, and of three and four with edges, against the ranges of RFC 3629's
 * grammar. */
static size_t grammar_len(const unsigned char *at, size_t len)
{
	static const struct {
		unsigned char low[4], high[4];
		size_t len;
	} rows[] = {
		{{0x00}, {0x7f}, 1},
		{{0xc2, 0x80}, {0xdf, 0xbf}, 2},
		{{0xe0, 0xa0, 0x80}, {0xe0, 0xbf, 0xbf}, 3},
		{{0xe1, 0x80, 0x80}, {0xec, 0xbf, 0xbf}, 3},
		{{0xed, 0x80, 0x80}, {0xed, 0x9f, 0xbf}, 3},
		{{0xee, 0x80, 0x80}, {0xef, 0xbf, 0xbf}, 3},
		{{0xf0, 0x90, 0x80, 0x80}, {0xf0, 0xbf, 0xbf, 0xbf}, 4},
		{{0xf1, 0x80, 0x80, 0x80}, {0xf3, 0xbf, 0xbf, 0xbf}, 4},
		{{0xf4, 0x80, 0x80, 0x80}, {0xf4, 0x8f, 0xbf, 0xbf}, 4},
	};
	for (size_t row = 0; row < ARRAY_LEN(rows); row++) {
		size_t i = 0;
		while (i < rows[row].len && i < len && at[i] >= rows[row].low[i] &&
		       at[i] <= rows[row].high[i])
			i++;
		if (i == rows[row].len)
			return i;
	}
	return 0;
}

static bool grammar_is_valid(const unsigned char *at, size_t len)
{
	while (len) {
		size_t n = grammar_len(at, len);
		if (n == 0)
			return false;
		at += n;
		len -= n;
	}
	return true;
}

Test(ws_reader_utf8, the_checker_agrees_with_the_grammar)
{
	static const unsigned char edges[] = {0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f,
					      0xa0, 0xbf, 0xc0, 0xc2, 0xe0, 0xff};
	unsigned char bytes[4];
	for (unsigned first = 0; first < 256; first++) {
		for (unsigned n = 0; n < 256 * ARRAY_LEN(edges) * ARRAY_LEN(edges); n++) {
			bytes[0] = first;
			bytes[1] = n % 256;
			bytes[2] = edges[n / 256 % ARRAY_LEN(edges)];
			bytes[3] = edges[n / 256 / ARRAY_LEN(edges)];
			for (size_t len = n < 256 ? 1 : 4; len <= 4; len++)
				if (utf8_is_valid(span_of((char *)bytes, len)) !=
				    grammar_is_valid(bytes, len))
					cr_assert_fail("%02x %02x %02x %02x, %zu bytes", bytes[0],
						       bytes[1], bytes[2], bytes[3], len);
		}
	}
}

Test(ws_reader_utf8, pieces_give_the_same_answer_as_the_whole)
{
	uint64_t seed = random_seed("ws_reader_utf8"), random = seed;
	unsigned good = 0;
	for (unsigned round = 0; round < 20000; round++) {
		CLEANUP(buffer_fini) struct buffer text = {0};
		for (unsigned n = random_next(&random) % 8; n; n--)
			buffer_append_span(
				&text,
				random_next(&random) % 16
					? valid[random_next(&random) % ARRAY_LEN(valid)]
					: invalid[random_next(&random) % ARRAY_LEN(invalid)].bytes);
		struct span rest = buffer_span(&text);
		bool whole = utf8_is_valid(rest), still = true;
		struct utf8 utf8 = {0};
		while (rest.len && still) {
			size_t len = 1 + random_next(&random) % 12;
			len = len < rest.len ? len : rest.len;
			still = utf8_feed(&utf8, span_of(rest.at, len));
			rest = span_of(rest.at + len, rest.len - len);
		}
		cr_assert_eq(still && utf8.left == 0, whole, "seed %llu", (unsigned long long)seed);
		good += whole;
	}
	cr_assert(good > 1000 && good < 19000, "seed %llu", (unsigned long long)seed);
}
