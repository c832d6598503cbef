#include "ws_client.h"

TestSuite(ws_reader, .timeout = 100);

#define MESSAGE_MAX 100000

/* The same bytes whole, byte by byte, at each single cut and at random cuts must have the same
 * answers. */
static void assert_said(struct span input, size_t message_max, struct span wanted, const char *what)
{
	static uint64_t random;
	if (!random)
		random = random_seed("ws_reader");
	size_t cuts = input.len < 400 ? input.len : 0;
	for (size_t round = 0; round < 12 + cuts; round++) {
		CLEANUP(client_fini) struct client client = {.message_max = message_max};
		if (round >= 12) {
			client_feed(&client, span_of(input.at, round - 12));
			client_feed(&client,
				    span_of(input.at + round - 12, input.len - (round - 12)));
		} else {
			client_feed_cut(&client, input,
					round == 0   ? input.len
					: round == 1 ? 1
						     : 0,
					&random);
		}
		cr_assert(span_equals(buffer_span(&client.said), wanted),
			  "%s, round %zu: said\n%.*snot\n%.*s", what, round,
			  SPAN_ARGS(buffer_span(&client.said)), SPAN_ARGS(wanted));
		if (!client.over)
			client_feed(&client, SPAN_NONE);
		cr_assert(client.over || ws_reader_held(&client.reader) == 0, "%s: held", what);
	}
}

struct sent {
	unsigned char first;
	struct span payload; /* at NULL: no more frames */
};

static void assert_frames(const struct sent *frames, size_t count, const char *wanted)
{
	CLEANUP(buffer_fini) struct buffer input = {0};
	for (size_t i = 0; i < count && frames[i].payload.at; i++)
		client_frame(&input, frames[i].first, frames[i].payload, 0x1badcafe + 77 * i);
	assert_said(buffer_span(&input), MESSAGE_MAX, span_string(wanted), wanted);
}

Test(ws_reader, answers_do_not_depend_on_how_the_bytes_were_cut)
{
	static const struct {
		struct sent frames[10];
		const char *wanted;
	} rows[] = {
		{{{0x81, SPAN("hello")}}, "TEXT hello\n"},
		{{{0x81, SPAN("")}}, "TEXT \n"},
		{{{0x81, SPAN("a")}, {0x81, SPAN("b")}, {0x81, SPAN("")}},
		 "TEXT a\nTEXT b\nTEXT \n"},
		{{{0x01, SPAN("hel")}, {0x80, SPAN("lo")}}, "TEXT hello\n"},
		{{{0x01, SPAN("a")}, {0x00, SPAN("b")}, {0x00, SPAN("c")}, {0x80, SPAN("d")}},
		 "TEXT abcd\n"},
		{{{0x01, SPAN("")}, {0x80, SPAN("")}}, "TEXT \n"},
		{{{0x01, SPAN("")}, {0x00, SPAN("")}, {0x80, SPAN("x")}}, "TEXT x\n"},
		{{{0x01, SPAN("x")}, {0x00, SPAN("")}, {0x80, SPAN("")}}, "TEXT x\n"},
		{{{0x01, SPAN("one")}, {0x80, SPAN("two")}, {0x81, SPAN("three")}},
		 "TEXT onetwo\nTEXT three\n"},
		{{{0x89, SPAN("")}, {0x89, SPAN("ping")}, {0x8a, SPAN("")}, {0x8a, SPAN("pong")}},
		 "PING \nPING ping\nPONG \nPONG pong\n"},
		{{{0x01, SPAN("a")},
		  {0x89, SPAN("between")},
		  {0x00, SPAN("b")},
		  {0x8a, SPAN("")},
		  {0x89, SPAN("\xff\x00")},
		  {0x80, SPAN("c")},
		  {0x81, SPAN("d")}},
		 "PING between\nPONG \nPING \xff"},
		{{{0x01, SPAN("\xf0\x9f")},
		  {0x89, SPAN("p")},
		  {0x00, SPAN("\x98")},
		  {0x80, SPAN("\x80")}},
		 "PING p\nTEXT \xf0\x9f\x98\x80\n"},
		{{{0x81, SPAN("x")}, {0x88, SPAN("")}}, "TEXT x\nCLOSE 1005 \n"},
		{{{0x88, SPAN("\x03\xe8")}}, "CLOSE 1000 \n"},
		{{{0x88, SPAN("\x03\xe9gone \xe2\x82\xac")}}, "CLOSE 1001 gone \xe2\x82\xac\n"},
		{{{0x01, SPAN("never")}, {0x88, SPAN("\x03\xe8")}}, "CLOSE 1000 \n"},
		/* What comes behind a Close is not looked at. */
		{{{0x88, SPAN("\x03\xe8")}, {0xff, SPAN("x")}}, "CLOSE 1000 \n"},
		{{{0x81, SPAN("in order")}, {0x80, SPAN("then not")}},
		 "TEXT in order\nFAULT 1002 continuation of nothing\n"},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		/* The one row with a NUL in it is written by its length. */
		if (strchr(rows[i].wanted, '\xff') == NULL) {
			assert_frames(rows[i].frames, ARRAY_LEN(rows[i].frames), rows[i].wanted);
			continue;
		}
		CLEANUP(buffer_fini) struct buffer input = {0};
		for (const struct sent *sent = rows[i].frames; sent->payload.at; sent++)
			client_frame(&input, sent->first, sent->payload, 0);
		assert_said(buffer_span(&input), MESSAGE_MAX,
			    SPAN("PING between\nPONG \nPING \xff\0\nTEXT abc\nTEXT d\n"), "NUL");
	}
}

Test(ws_reader, every_length_and_every_turn_of_the_mask_is_read)
{
	static const size_t lengths[] = {0,  1,   2,   3,   4,   5,   7,    8,     9,     15,   16,
					 17, 124, 125, 126, 127, 128, 1000, 65535, 65536, 65537};
	for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
		CLEANUP(buffer_fini) struct buffer text = {0}, input = {0}, wanted = {0};
		for (size_t n = 0; n < lengths[i]; n++)
			buffer_append_char(&text, (char)('!' + n * 7 % 90));
		client_frame(&input, 0x81, buffer_span(&text), 0xa1b2c3d4);
		buffer_append_string(&wanted, "TEXT ");
		buffer_append_span(&wanted, buffer_span(&text));
		buffer_append_char(&wanted, '\n');
		assert_said(buffer_span(&input), MESSAGE_MAX, buffer_span(&wanted), "length");
	}
}

Test(ws_reader, random_messages_in_random_fragments_come_out_whole)
{
	uint64_t random = random_seed("ws_reader fragments");
	for (unsigned round = 0; round < 60; round++) {
		CLEANUP(buffer_fini) struct buffer input = {0}, wanted = {0};
		for (unsigned messages = 1 + random_next(&random) % 4; messages; messages--) {
			unsigned fragments = 1 + random_next(&random) % 5;
			CLEANUP(buffer_fini) struct buffer message = {0};
			for (unsigned n = 0; n < fragments; n++) {
				char piece[300];
				size_t len = random_next(&random) % (n % 2 ? 300 : 20);
				for (size_t c = 0; c < len; c++)
					piece[c] = (char)(' ' + random_next(&random) % 95);
				buffer_append(&message, piece, len);
				client_frame(&input, (n == 0) | (n + 1 == fragments ? FINAL : 0),
					     span_of(piece, len), (uint32_t)random_next(&random));
				if (random_next(&random) % 3 || n + 1 == fragments)
					continue;
				client_frame(&input, 0x89, span_of(piece, len % 126),
					     (uint32_t)random_next(&random));
				buffer_append_string(&wanted, "PING ");
				buffer_append(&wanted, piece, len % 126);
				buffer_append_char(&wanted, '\n');
			}
			buffer_append_string(&wanted, "TEXT ");
			buffer_append_span(&wanted, buffer_span(&message));
			buffer_append_char(&wanted, '\n');
		}
		assert_said(buffer_span(&input), MESSAGE_MAX, buffer_span(&wanted), "random");
	}
}

Test(ws_reader, faults_in_headers)
{
#define MASK "\1\2\3\4"
	static const struct {
		struct span bytes;
		const char *wanted;
	} rows[] = {
		{SPAN("\x81\x00"), "FAULT 1002 frame not masked\n"},
		{SPAN("\x89\x00"), "FAULT 1002 frame not masked\n"},
		{SPAN("\x81\x7e"), "FAULT 1002 frame not masked\n"},
		{SPAN("\xc1\x80" MASK), "FAULT 1002 reserved bit set\n"},
		{SPAN("\xa1\x80" MASK), "FAULT 1002 reserved bit set\n"},
		{SPAN("\x91\x80" MASK), "FAULT 1002 reserved bit set\n"},
		{SPAN("\xc9\x80" MASK), "FAULT 1002 reserved bit set\n"},
		{SPAN("\x83\x80" MASK), "FAULT 1002 unknown opcode\n"},
		{SPAN("\x84\x80" MASK), "FAULT 1002 unknown opcode\n"},
		{SPAN("\x85\x80" MASK), "FAULT 1002 unknown opcode\n"},
		{SPAN("\x86\x80" MASK), "FAULT 1002 unknown opcode\n"},
		{SPAN("\x87\x80" MASK), "FAULT 1002 unknown opcode\n"},
		{SPAN("\x8b\x80" MASK), "FAULT 1002 unknown opcode\n"},
		{SPAN("\x8c\x80" MASK), "FAULT 1002 unknown opcode\n"},
		{SPAN("\x8d\x80" MASK), "FAULT 1002 unknown opcode\n"},
		{SPAN("\x8e\x80" MASK), "FAULT 1002 unknown opcode\n"},
		{SPAN("\x8f\x80" MASK), "FAULT 1002 unknown opcode\n"},
		{SPAN("\x08\x80" MASK), "FAULT 1002 fragmented control frame\n"},
		{SPAN("\x09\x80" MASK), "FAULT 1002 fragmented control frame\n"},
		{SPAN("\x0a\x80" MASK), "FAULT 1002 fragmented control frame\n"},
		{SPAN("\x88\xfe\x00\x7e" MASK), "FAULT 1002 control frame above 125 bytes\n"},
		{SPAN("\x89\xfe\x00\x7e" MASK), "FAULT 1002 control frame above 125 bytes\n"},
		{SPAN("\x8a\xff\0\0\0\0\0\1\0\0" MASK),
		 "FAULT 1002 control frame above 125 bytes\n"},
		{SPAN("\x80\x80" MASK), "FAULT 1002 continuation of nothing\n"},
		{SPAN("\x00\x80" MASK), "FAULT 1002 continuation of nothing\n"},
		{SPAN("\x01\x80" MASK "\x81\x80" MASK),
		 "FAULT 1002 new message inside a fragmented one\n"},
		{SPAN("\x01\x80" MASK "\x01\x80" MASK),
		 "FAULT 1002 new message inside a fragmented one\n"},
		{SPAN("\x01\x80" MASK "\x82\x80" MASK),
		 "FAULT 1002 new message inside a fragmented one\n"},
		{SPAN("\x01\x80" MASK "\x80\x80" MASK "\x80\x80" MASK),
		 "TEXT \nFAULT 1002 continuation of nothing\n"},
		{SPAN("\x81\xfe\x00\x7d" MASK), "FAULT 1002 length not in its shortest form\n"},
		{SPAN("\x81\xfe\x00\x00" MASK), "FAULT 1002 length not in its shortest form\n"},
		{SPAN("\x81\xff\0\0\0\0\0\0\xff\xff" MASK),
		 "FAULT 1002 length not in its shortest form\n"},
		{SPAN("\x81\xff\0\0\0\0\0\0\0\5" MASK),
		 "FAULT 1002 length not in its shortest form\n"},
		{SPAN("\x81\xff\x80\0\0\0\0\0\0\0" MASK), "FAULT 1002 top bit of the length set\n"},
		{SPAN("\x81\xff\xff\xff\xff\xff\xff\xff\xff\xff" MASK),
		 "FAULT 1002 top bit of the length set\n"},
		{SPAN("\x82\x80" MASK), "FAULT 1003 binary message\n"},
		{SPAN("\x02\x80" MASK), "FAULT 1003 binary message\n"},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_said(rows[i].bytes, MESSAGE_MAX, span_string(rows[i].wanted),
			    rows[i].wanted);
}

Test(ws_reader, a_fault_shows_at_the_first_byte_that_makes_it_certain)
{
	static const struct {
		struct span bytes;
	} rows[] = {
		{SPAN("\xc1")},         {SPAN("\x83")},           {SPAN("\x82")},
		{SPAN("\x80")},         {SPAN("\x81\x05")},       {SPAN("\x89\xfe")},
		{SPAN("\x81\xff\x80")}, {SPAN("\x81\xfe\0\x7d")},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(client_fini) struct client client = {.message_max = MESSAGE_MAX};
		size_t last = rows[i].bytes.len - 1;
		client_feed(&client, span_of(rows[i].bytes.at, last));
		cr_assert_not(client.over, "row %zu", i);
		client_feed(&client, span_of(rows[i].bytes.at + last, 1));
		cr_assert(client.over, "row %zu", i);
	}
}

Test(ws_reader, close_codes_that_may_be_sent_and_those_that_must_not)
{
	static const struct {
		unsigned first, last;
		bool valid;
	} rows[] = {
		{0, 0, false},       {1, 1, false},       {999, 999, false},
		{1000, 1003, true},  {1004, 1006, false}, {1007, 1014, true},
		{1015, 1016, false}, {1100, 1100, false}, {2000, 2000, false},
		{2999, 2999, false}, {3000, 3000, true},  {3999, 4001, true},
		{4999, 4999, true},  {5000, 5000, false}, {65535, 65535, false},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		for (unsigned code = rows[i].first; code <= rows[i].last; code++) {
			CLEANUP(buffer_fini) struct buffer input = {0};
			char payload[3] = {(char)(code >> 8), (char)code, 'r'}, wanted[64];
			snprintf(wanted, sizeof(wanted), "CLOSE %u r\n", code);
			client_frame(&input, 0x88, span_of(payload, 3), 0xffffffff);
			assert_said(buffer_span(&input), MESSAGE_MAX,
				    rows[i].valid ? span_string(wanted)
						  : SPAN("FAULT 1002 Close with a code that must "
							 "not be sent\n"),
				    wanted);
		}
	}
}

Test(ws_reader, a_close_of_one_byte_or_with_a_bad_reason_is_a_fault)
{
	static const struct sent half[] = {{0x88, SPAN("\x03")}};
	static const struct sent bad[] = {{0x88, SPAN("\x03\xe8\xff")}};
	static const struct sent cut[] = {{0x88, SPAN("\x03\xe8x\xe2\x82")}};
	assert_frames(half, 1, "FAULT 1002 Close with half a code\n");
	assert_frames(bad, 1, "FAULT 1007 Close reason is not UTF-8\n");
	assert_frames(cut, 1, "FAULT 1007 Close reason is not UTF-8\n");
}

Test(ws_reader, a_whole_frame_is_handed_out_where_it_lies)
{
	CLEANUP(buffer_fini) struct buffer input = {0};
	struct ws_reader reader = {0};
	struct ws_message message;
	client_frame(&input, 0x81, SPAN("hello"), 0x12345678);
	client_frame(&input, 0x89, SPAN("ping"), 0x12345678);
	size_t len = input.len;
	ws_reader_feed(&reader, input.at, &len, MESSAGE_MAX, false, &message);
	cr_assert_eq(len, 2 + 4 + 5);
	cr_assert_eq(message.payload.at, input.at + 6);
	cr_assert_eq(ws_reader_held(&reader), 0);
	size_t rest = input.len - len;
	ws_reader_feed(&reader, input.at + len, &rest, MESSAGE_MAX, false, &message);
	cr_assert_eq(message.payload.at, input.at + len + 6);
	cr_assert_eq(ws_reader_held(&reader), 0);
	ws_reader_fini(&reader);
}

Test(ws_reader, an_idle_reader_is_small_and_holds_nothing)
{
	CLEANUP(buffer_fini) struct buffer input = {0};
	CLEANUP(client_fini) struct client client = {.message_max = MESSAGE_MAX};
	cr_assert_leq(sizeof(struct ws_reader), 48);
	client_frame(&input, 0x01, SPAN("a"), 7);
	client_frame(&input, 0x89, SPAN("ping"), 7);
	client_frame(&input, 0x80, SPAN("b"), 7);
	for (size_t i = 0; i < input.len; i++) {
		client_feed(&client, span_of(input.at + i, 1));
		cr_assert_eq(ws_reader_held(&client.reader) == 0, i + 1 == input.len, "byte %zu",
			     i);
	}
}

Test(ws_reader, memory_follows_what_has_come_and_not_what_was_announced)
{
	CLEANUP(client_fini) struct client client = {.message_max = (size_t)1 << 40};
	static char zeros[200000];
	/* A frame of 2^39 bytes, masked with 0, whose payload does not come. */
	client_feed(&client, SPAN("\x81\xff\0\0\0\x80\0\0\0\0\0\0\0\0"));
	cr_assert_leq(ws_reader_held(&client.reader), 512);
	for (unsigned i = 1; i <= 20; i++) {
		client_feed(&client, span_of(zeros, sizeof(zeros)));
		cr_assert_leq(ws_reader_held(&client.reader), i * sizeof(zeros) * 3 / 2 + 70000);
	}
}

Test(ws_reader, no_memory_is_had_for_a_frame_that_is_too_big)
{
	CLEANUP(client_fini) struct client client = {.message_max = MESSAGE_MAX};
	client_feed(&client, SPAN("\x01\x81\0\0\0\0x\x00\xff\0\0\0\x80\0\0\0\0\0\0\0\0yz"));
	cr_assert(client.over);
	cr_assert_leq(ws_reader_held(&client.reader), 512);
}

Test(ws_reader, memory_of_a_message_ends_at_its_announced_length)
{
	CLEANUP(client_fini) struct client client = {.message_max = MESSAGE_MAX};
	client_feed(&client, SPAN("\x81\xfe\x03\xe8\0\0\0\0x"));
	cr_assert_leq(ws_reader_held(&client.reader), 1000 + 512);
}

Test(ws_reader, a_message_of_single_bytes_costs_work_in_proportion)
{
	/* 300,000 fragments of one byte: were memory to grow by a byte each time, the time limit
	 * would end this. */
	CLEANUP(client_fini) struct client client = {.message_max = 1000000};
	char fragment[] = "\x01\x81\0\0\0\0x";
	for (unsigned i = 0; i < 300000; i++) {
		size_t len = 7;
		struct ws_message message;
		ws_reader_feed(&client.reader, fragment, &len, client.message_max, false, &message);
		cr_assert(message.type == WS_INPUT_NONE && len == 7);
		fragment[0] = 0;
	}
	cr_assert_leq(ws_reader_held(&client.reader), 300000 * 3 / 2 + 1024);
	client_feed(&client, SPAN("\x80\x80\0\0\0\0"));
	cr_assert_eq(client.said.len, 5 + 300000 + 1);
}

Test(ws_reader, a_message_of_exactly_the_maximum_passes_and_one_byte_more_does_not)
{
	static const struct sent one[] = {{0x81, SPAN("12345")}};
	static const struct sent two[] = {
		{0x01, SPAN("1234")}, {0x89, SPAN("pings do not count")}, {0x80, SPAN("5")}};
	CLEANUP(buffer_fini) struct buffer whole = {0}, fragments = {0};
	client_frame(&whole, one[0].first, one[0].payload, 1);
	for (size_t i = 0; i < ARRAY_LEN(two); i++)
		client_frame(&fragments, two[i].first, two[i].payload, 1);
	assert_said(buffer_span(&whole), 5, SPAN("TEXT 12345\n"), "one frame");
	assert_said(buffer_span(&whole), 4, SPAN("TOO_BIG 1009\n"), "one frame");
	assert_said(buffer_span(&fragments), 5, SPAN("PING pings do not count\nTEXT 12345\n"),
		    "fragments");
	assert_said(buffer_span(&fragments), 4, SPAN("PING pings do not count\nTOO_BIG 1009\n"),
		    "fragments");
	assert_said(buffer_span(&fragments), 3, SPAN("TOO_BIG 1009\n"), "first fragment");
}

Test(ws_reader, too_big_is_known_from_the_header_whatever_it_announces)
{
	static const struct {
		struct span bytes;
		size_t message_max;
	} rows[] = {
		{SPAN("\x81\x81\0\0\0\0"), 0},
		{SPAN("\x81\xfe\x10\0\0\0\0\0"), 4095},
		{SPAN("\x81\xff\0\0\0\0\0\1\0\0\0\0\0\0"), 65535},
		{SPAN("\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0"), 1 << 20},
		{SPAN("\x01\x81\0\0\0\0x\x80\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0"),
		 1 << 20},
		{SPAN("\x01\x81\0\0\0\0x\x00\x81\0\0\0\0"), 1},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_said(rows[i].bytes, rows[i].message_max, SPAN("TOO_BIG 1009\n"), "header");
}

Test(ws_reader, a_maximum_that_sinks_below_what_has_come_is_too_big)
{
	CLEANUP(client_fini) struct client client = {.message_max = 5};
	client_feed(&client, SPAN("\x01\x85\0\0\0\0hello"));
	client.message_max = 4;
	client_feed(&client, SPAN("\x80\x80\0\0\0\0"));
	cr_assert(span_equals(buffer_span(&client.said), SPAN("TOO_BIG 1009\n")));
	cr_assert_eq(client.too_big_len, 5);
}

Test(ws_reader, a_message_that_is_too_big_shows_its_start)
{
	CLEANUP(buffer_fini) struct buffer input = {0}, fragments = {0};
	struct ws_reader reader = {0};
	struct ws_message message;
	char text[6000];
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (char)('a' + i % 26);

	client_frame(&input, 0x81, span_of(text, sizeof(text)), 0xdeadbeef);
	size_t len = input.len;
	ws_reader_feed(&reader, input.at, &len, 5999, false, &message);
	cr_assert_eq(message.type, WS_INPUT_TOO_BIG);
	cr_assert_eq(message.close_code, WS_CLOSE_TOO_BIG);
	cr_assert(span_equals(message.payload, span_of(text, 4096)));
	ws_reader_fini(&reader);

	/* What came in former fragments stands in front; a header at the end of the input shows no
	 * more. */
	client_frame(&fragments, 0x01, span_of(text, 3000), 0xdeadbeef);
	size_t first_len = fragments.len;
	client_frame(&fragments, 0x80, span_of(text + 3000, 3000), 0xcafe);
	for (size_t there = 0; there <= 3000; there += 500) {
		CLEANUP(buffer_fini) struct buffer copy = {0};
		buffer_append(&copy, fragments.at, first_len + 8 + there);
		len = copy.len;
		ws_reader_feed(&reader, copy.at, &len, 5999, false, &message);
		cr_assert_eq(message.type, WS_INPUT_TOO_BIG);
		size_t shown = 3000 + there < 4096 ? 3000 + there : 4096;
		cr_assert(span_equals(message.payload, span_of(text, shown)), "%zu", there);
		ws_reader_fini(&reader);
	}
}

Test(ws_reader, fini_frees_whatever_was_incomplete)
{
	static const struct span rows[] = {
		SPAN("\x81"),
		SPAN("\x81\xfe\0\x7e\0"),
		SPAN("\x81\x85\0\0\0\0hel"),
		SPAN("\x01\x81\0\0\0\0h"),
		SPAN("\x01\x81\0\0\0\0h\x89\x84\0\0\0\0p"),
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct client client = {.message_max = MESSAGE_MAX};
		client_feed(&client, rows[i]);
		cr_assert_neq(ws_reader_held(&client.reader), 0);
		client_fini(&client);
		cr_assert_eq(ws_reader_held(&client.reader), 0);
		/* And it can be used from the start again. */
		client_feed(&client, SPAN("\x81\x81\0\0\0\0x"));
		cr_assert_eq(client.said.len, sizeof("TEXT x\n") - 1);
		client_fini(&client);
	}
}
