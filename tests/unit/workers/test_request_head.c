/* test_request_head.c — a head as libmicrohttpd leaves it in memory: read_old() cuts it as 0.9.75
 * does, read_new() as 1.0, without what they check themselves. */
#include <criterion/criterion.h>
#include <time.h>

#include "request_head.h"

TestSuite(request_head, .timeout = 100);

static char memory[4096];
static size_t memory_len;
static char *next; /* line to read */

static char *read_line(void)
{
	char *line = next, *end = memchr(next, '\n', (size_t)(memory + memory_len - next));

	cr_assert(end);
	next = end + 1;
	*end = '\0';
	if (end > line && end[-1] == '\r')
		end[-1] = '\0';
	return line;
}

static char *start(struct request_head *head, const char *bytes, size_t len)
{
	cr_assert_lt(len, sizeof(memory));
	memcpy(memory, bytes, len);
	memory_len = len;
	next = memory;

	char *method = read_line();
	char *target = strchr(method, ' ');
	/* Behind a NUL there may be another one; MHD looks by length. */
	if (!target)
		target = memchr(method, ' ', (size_t)(next - method));
	cr_assert(target);
	*target++ = '\0';
	while (*target == ' ')
		target++;
	char *version = next - 2;
	while (version > target && *version != ' ')
		version--;
	*version++ = '\0';
	request_head_start(head, method, target, target + strlen(target), version, len);
	return method;
}

/* 0.9.75: both characters of a line's end become NUL, a value keeps blanks at its end, and of a
 * folded one the further lines are lost. */
static const char *read_old(const char *bytes, size_t len)
{
	struct request_head head;

	start(&head, bytes, len);
	for (char *line; line = read_line(), *line;) {
		char *colon = strchr(line, ':');
		if (*line == ' ' || *line == '\t')
			continue;
		cr_assert(colon);
		*colon++ = '\0';
		colon += strspn(colon, " \t");
		request_head_take(&head, span_string(line), span_string(colon));
	}
	return request_head_finish(&head);
}

/* 1.0: one NUL behind the value, the rest of the line stays. */
static const char *read_new(const char *bytes, size_t len)
{
	struct request_head head;

	start(&head, bytes, len);
	while (*next != '\r' && *next != '\n') {
		char *name = next, *end = strpbrk(name, "\r\n"), *colon = strchr(name, ':');
		char *value = colon + 1 + strspn(colon + 1, " \t");

		next = strchr(name, '\n') + 1;
		while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
			end--;
		*colon = *end = '\0';
		request_head_take(&head, span_string(name), span_string(value));
	}
	return request_head_finish(&head);
}

#define EXPECT_GOOD(bytes)                                                                         \
	do {                                                                                       \
		cr_expect_null(read_old(bytes, sizeof(bytes) - 1), "%s",                           \
			       read_old(bytes, sizeof(bytes) - 1));                                \
		cr_expect_null(read_new(bytes, sizeof(bytes) - 1), "%s",                           \
			       read_new(bytes, sizeof(bytes) - 1));                                \
	} while (0)
#define EXPECT_FAULT(bytes) cr_expect(read_old(bytes, sizeof(bytes) - 1))

Test(request_head, usual_requests_are_fine)
{
	EXPECT_GOOD("GET / HTTP/1.1\r\nHost: a\r\nAccept: */*\r\nX-Empty:\r\nX:y\r\n\r\n");
	EXPECT_GOOD("GET /?a=b HTTP/1.1\nHost: a\nX: y\n\n");
	EXPECT_GOOD("GET / HTTP/1.0\r\n\r\n");
	EXPECT_GOOD("GET / HTTP/1.1\r\nHost:   a   \r\nX: y \t\r\n\r\n");
	EXPECT_GOOD("M-SEARCH * HTTP/1.1\r\n!#$%&'*+-.^_`|~09azAZ: \xc3\xa4: b, c\r\n\r\n");
}

Test(request_head, names_are_tokens)
{
	EXPECT_FAULT("PUT / HTTP/1.1\r\nContent-Length : 74\r\n\r\n");
	EXPECT_FAULT("PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding\t: chunked\r\n\r\n");
	EXPECT_FAULT("PUT / HTTP/1.1\r\n: x\r\n\r\n");
	EXPECT_FAULT("PUT / HTTP/1.1\r\na\vb: x\r\n\r\n");
	EXPECT_FAULT("PUT / HTTP/1.1\r\na(b: x\r\n\r\n");
	EXPECT_FAULT("PUT / HTTP/1.1\r\n\xc3\xa4: x\r\n\r\n");
	EXPECT_FAULT("PUT / HTTP/1.1\r\na\rb: x\r\n\r\n");
}

Test(request_head, nuls_are_seen_wherever_they_stand)
{
	EXPECT_FAULT("GET /x\0y HTTP/1.1\r\nHost: a\r\n\r\n");
	EXPECT_FAULT("GET /x\0 HTTP/1.1\r\nHost: a\r\n\r\n");
	EXPECT_FAULT("GET /x\0HTTP/1.1 HTTP/1.1\r\nHost: a\r\n\r\n");
	EXPECT_FAULT("GET\0 /x HTTP/1.1\r\nHost: a\r\n\r\n");
	EXPECT_FAULT("GET\0PUT /x HTTP/1.1\r\nHost: a\r\n\r\n");
	EXPECT_FAULT("GET / HTTP/1.1\r\nHost: a\0b\r\n\r\n");
	EXPECT_FAULT("GET / HTTP/1.1\r\nHost: a\0\r\n\r\n");
	EXPECT_FAULT("GET / HTTP/1.1\r\nHost: a\0b\r\nX: y\r\n\r\n");
	EXPECT_FAULT("GET / HTTP/1.1\r\nHost: a\0\0\r\nX: y\r\n\r\n");
	EXPECT_FAULT("GET / HTTP/1.1\r\nHost:\0a\r\nX: y\r\n\r\n");
	EXPECT_FAULT("GET / HTTP/1.1\r\nHost: \0a\r\nX: y\r\n\r\n");
}

Test(request_head, two_spaces_are_no_request_line)
{
	EXPECT_FAULT("GET  / HTTP/1.1\r\nHost: a\r\n\r\n");
}

Test(request_head, folded_values_are_not_lost_silently)
{
	EXPECT_FAULT("GET / HTTP/1.1\r\nHost: a\r\n b\r\nX: y\r\n\r\n");
	EXPECT_FAULT("GET / HTTP/1.1\r\nHost: a\r\n\tb\r\n\r\n");
	EXPECT_FAULT("GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n chunked\r\n\r\n");
}

Test(request_head, carriage_return_inside_a_value_is_a_fault)
{
	EXPECT_FAULT("GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n");
}

/* As when MHD has moved a string: not in order, or outside. */
Test(request_head, strings_out_of_place_are_a_fault)
{
	static char text[] = "GET\0/\0HTTP/1.1\0\0a\0b\0\0c\0d\0\0\0\0";
	struct span a = span_string(text + 16), b = span_string(text + 18);
	struct span c = span_string(text + 21), d = span_string(text + 23);
	struct request_head head;

	request_head_start(&head, text, text + 4, text + 5, text + 6, sizeof(text) - 1);
	request_head_take(&head, a, b);
	request_head_take(&head, c, d);
	cr_expect_null(request_head_finish(&head));

	request_head_start(&head, text, text + 4, text + 5, text + 6, sizeof(text) - 1);
	request_head_take(&head, c, d);
	request_head_take(&head, a, b);
	cr_expect(request_head_finish(&head));

	request_head_start(&head, text, text + 4, text + 5, text + 6, 20);
	request_head_take(&head, a, b);
	request_head_take(&head, c, d);
	cr_expect(request_head_finish(&head));
}

/* One byte of a good head made a NUL is seen wherever it is read over, unless it stood where MHD
 * itself writes one. */
Test(request_head, any_letter_made_a_nul_is_a_fault)
{
	static const char good[] =
		"GET /abc?d=e HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n\r\n";
	char bytes[sizeof(good)];

	for (size_t i = 0; i < sizeof(good) - 1; i++) {
		bool in_name = (i > 22 && i < 28) || (i > 38 && i < 46);
		bool in_version = i > 12 && i < 21; /* MHD compares it with its length */
		if (in_name || in_version || strchr(": \r\n", good[i]))
			continue; /* MHD refuses a line without a colon */
		memcpy(bytes, good, sizeof(good));
		bytes[i] = '\0';
		cr_expect(read_old(bytes, sizeof(good) - 1), "byte %zu", i);
	}
}
