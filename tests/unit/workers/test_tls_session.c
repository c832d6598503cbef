/* test_tls_session.c — what goes both ways over TLS, also when the socket takes less. How
 * connections end, and begin again: test_tls_session_ends.c. */
#include "tls_session_fixture.h"

#include <criterion/criterion.h>
#include <sys/socket.h>

TestSuite(tls_session, .init = tls_fixture_init, .fini = tls_fixture_fini, .timeout = 60);

#define STREAM_LEN (300u << 10)

/* --- both ways --------------------------------------------------------------- */

static void expect_talk(const char *priorities)
{
	struct ends ends = ends_meet(priorities);
	char text[100];

	cr_assert_eq(ends_receive(&ends), -EAGAIN);
	cr_assert_eq(gnutls_record_send(ends.client, "question", 8), 8);
	cr_assert_eq(ends_receive(&ends), 8);
	cr_assert_eq(memcmp(ends_input, "question", 8), 0);
	cr_assert_eq(ends_send(&ends, "answer"), 6);
	cr_assert_eq(ends_client_read(&ends, text, sizeof(text)), 6);
	cr_assert_eq(memcmp(text, "answer", 6), 0);
	ends_fini(&ends);
}

Test(tls_session, talks_both_versions)
{
	expect_talk(TLS_1_2);
	expect_talk(TLS_1_3);
	cr_assert_eq(tls_fixture_stat(STAT_tls_handshakes), 2);
	cr_assert_eq(tls_fixture_stat(STAT_tls_handshakes_failed), 0);
}

Test(tls_session, small_parts_are_joined_to_one_record)
{
	struct ends ends = ends_meet(TLS_1_3);
	struct iovec parts[64];
	char text[TLS_RECORD_MAX], part[100];

	memset(part, 'p', sizeof(part));
	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		parts[i] = (struct iovec){part, i == 5 ? 0 : sizeof(part)};
	cr_assert_eq(tls_session_send(ends.session, parts, ARRAY_LEN(parts)), 6300);
	cr_assert_eq(ends_client_read(&ends, text, sizeof(text)), 6300);
	cr_assert_eq(ends_client_read(&ends, text, sizeof(text)), 0);
	ends_fini(&ends);
}

Test(tls_session, one_read_brings_all_records_there_are)
{
	struct ends ends = ends_meet(TLS_1_3);

	for (int i = 0; i < 5; i++)
		cr_assert_eq(gnutls_record_send(ends.client, "0123456789", 10), 10);
	cr_assert_eq(ends_receive(&ends), 50);
	cr_assert_eq(ends_receive(&ends), -EAGAIN);
	cr_assert_not(tls_session_has_pending_input(ends.session));
	ends_fini(&ends);
}

/* --- more than the socket takes ---------------------------------------------- */

static void shrink(const struct ends *ends)
{
	const int least = 1;

	cr_assert_eq(setsockopt(ends->fds[0], SOL_SOCKET, SO_SNDBUF, &least, sizeof(least)), 0);
}

static char stream_byte(size_t at)
{
	return (char)(at * 7 + (at >> 8) * 13);
}

struct stream {
	size_t sent, received;
	unsigned refused; /* sends of which nothing was taken */
	unsigned partly;
	uint32_t dice;
};

static size_t roll(struct stream *stream, size_t most)
{
	stream->dice = stream->dice * 1664525 + 1013904223;
	return (stream->dice >> 8) % most + 1;
}

static void send_some(struct ends *ends, struct stream *stream)
{
	static char bytes[3][40000];
	struct iovec parts[3];
	size_t at = stream->sent, len = 0;

	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		size_t part = roll(stream, i == 1 ? sizeof(bytes[i]) : 300);

		for (size_t b = 0; b < part; b++)
			bytes[i][b] = stream_byte(at++);
		parts[i] = (struct iovec){bytes[i], part};
		len += part;
	}
	ssize_t sent = tls_session_send(ends->session, parts, ARRAY_LEN(parts));
	cr_assert_geq(sent, 0);
	stream->sent += (size_t)sent;
	stream->refused += !sent;
	stream->partly += sent && (size_t)sent < len;
	if ((size_t)sent < len)
		cr_assert(tls_session_has_pending_output(ends->session));
	/* What was taken may be gone by now. */
	memset(bytes, '!', sizeof(bytes));
}

static void read_some(struct ends *ends, struct stream *stream)
{
	static char text[TLS_RECORD_MAX];
	size_t got = ends_client_read(ends, text, roll(stream, sizeof(text)));

	for (size_t i = 0; i < got; i++)
		cr_assert_eq(text[i], stream_byte(stream->received + i), "at %zu",
			     stream->received + i);
	stream->received += got;
}

static void read_rest(struct ends *ends, struct stream *stream)
{
	int error = -EAGAIN;

	for (int i = 0; i < 100000 && (error || stream->received < stream->sent); i++) {
		read_some(ends, stream);
		error = tls_session_flush(ends->session);
		cr_assert(!error || error == -EAGAIN);
	}
	cr_assert_eq(stream->received, stream->sent);
	cr_assert_not(tls_session_has_pending_output(ends->session));
}

static void expect_stream(struct ends *ends)
{
	struct stream stream = {.dice = 42};

	shrink(ends);
	while (stream.sent < STREAM_LEN) {
		send_some(ends, &stream);
		for (size_t i = roll(&stream, 5); i > 1; i--)
			read_some(ends, &stream);
	}
	read_rest(ends, &stream);
	cr_assert(stream.refused && stream.partly, "%u %u", stream.refused, stream.partly);
}

Test(tls_session, what_was_taken_arrives_whatever_the_socket_takes)
{
	const char *const both[] = {TLS_1_2, TLS_1_3};

	for (size_t i = 0; i < ARRAY_LEN(both); i++) {
		struct ends ends = ends_meet(both[i]);

		expect_stream(&ends);
		ends_fini(&ends);
	}
}

/* GnuTLS would take less of a record than it is given, and not say how much. */
Test(tls_session, a_client_that_takes_small_records_only_gets_all_of_them)
{
	const char *const both[] = {TLS_1_2, TLS_1_3};

	for (size_t i = 0; i < ARRAY_LEN(both); i++) {
		struct ends ends = ends_open(both[i]);

		cr_assert_eq(gnutls_record_set_max_recv_size(ends.client, 600), 0);
		ends_greet(&ends);
		cr_assert_leq(tls_session_record_max(ends.session), 600);
		cr_assert_geq(tls_session_record_max(ends.session), 512);
		expect_stream(&ends);
		ends_fini(&ends);
	}
}

static void fill(struct ends *ends, struct stream *stream)
{
	shrink(ends);
	while (!tls_session_has_pending_output(ends->session))
		send_some(ends, stream);
}

Test(tls_session, a_new_key_may_be_asked_for_while_output_is_pending)
{
	struct ends ends = ends_meet(TLS_1_3);
	struct stream stream = {.dice = 3};

	for (int i = 0; i < 3; i++) {
		fill(&ends, &stream);
		cr_assert_eq(gnutls_session_key_update(ends.client, GNUTLS_KU_PEER), 0);
		cr_assert_eq(ends_receive(&ends), -EAGAIN);
		read_rest(&ends, &stream);
		send_some(&ends, &stream);
		read_rest(&ends, &stream);
	}
	cr_assert_eq(gnutls_record_send(ends.client, "still here", 10), 10);
	cr_assert_eq(ends_receive(&ends), 10);
	ends_fini(&ends);
}

Test(tls_session, farewell_waits_for_what_is_pending)
{
	struct ends ends = ends_meet(TLS_1_3);
	struct stream stream = {.dice = 5};
	char text[1];

	fill(&ends, &stream);
	cr_assert_eq(tls_session_bye(ends.session), -EAGAIN);
	cr_assert(tls_session_has_pending_output(ends.session));
	while (tls_session_bye(ends.session) == -EAGAIN)
		read_some(&ends, &stream);
	while (stream.received < stream.sent)
		read_some(&ends, &stream);
	cr_assert_eq(gnutls_record_recv(ends.client, text, sizeof(text)), 0);
	ends_fini(&ends);
}
