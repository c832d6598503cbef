#include "tls_session.h"

#include "buffer.h"
#include "stats.h"
#include "tls_files.h"

#include <criterion/criterion.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <sys/socket.h>
#include <unistd.h>

#define TLS_1_2 "NORMAL:-VERS-ALL:+VERS-TLS1.2"
#define TLS_1_3 "NORMAL:-VERS-ALL:+VERS-TLS1.3"
#define STREAM_LEN (300u << 10)

/* --- a server and its client ------------------------------------------------- */

static struct slot slot;
static struct tls_files files;
static struct tls_server *server;
static gnutls_certificate_credentials_t trust; /* of the client, who trusts anybody */

struct ends {
	int fds[2]; /* the server's, the client's */
	struct tls_session *session;
	gnutls_session_t client;
};

static void take_pem(gnutls_datum_t *pem, struct buffer *ret)
{
	buffer_append(ret, pem->data, pem->size);
	*buffer_reserve(ret, 1) = '\0';
	gnutls_free(pem->data);
}

static void make_files(void)
{
	gnutls_x509_privkey_t key;
	gnutls_x509_crt_t cert;
	gnutls_datum_t pem;
	const unsigned char serial = 1;

	cr_assert_eq(gnutls_x509_privkey_init(&key), 0);
	cr_assert_eq(gnutls_x509_privkey_generate(key, GNUTLS_PK_EC,
						  GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1),
						  0),
		     0);
	cr_assert_eq(gnutls_x509_crt_init(&cert), 0);
	gnutls_x509_crt_set_version(cert, 3);
	gnutls_x509_crt_set_serial(cert, &serial, 1);
	gnutls_x509_crt_set_activation_time(cert, time(NULL) - 60);
	gnutls_x509_crt_set_expiration_time(cert, time(NULL) + 3600);
	gnutls_x509_crt_set_key(cert, key);
	cr_assert_eq(gnutls_x509_crt_sign2(cert, cert, key, GNUTLS_DIG_SHA256, 0), 0);
	cr_assert_eq(gnutls_x509_crt_export2(cert, GNUTLS_X509_FMT_PEM, &pem), 0);
	take_pem(&pem, &files.cert);
	cr_assert_eq(gnutls_x509_privkey_export2(key, GNUTLS_X509_FMT_PEM, &pem), 0);
	take_pem(&pem, &files.key);
	gnutls_x509_crt_deinit(cert);
	gnutls_x509_privkey_deinit(key);
	memset(files.ticket_key, 7, sizeof(files.ticket_key));
}

static void init(void)
{
	make_files();
	server = tls_server_create(&files, &slot);
	cr_assert(server);
	cr_assert_eq(gnutls_certificate_allocate_credentials(&trust), 0);
}

static void fini(void)
{
	tls_server_destroy(server);
	gnutls_certificate_free_credentials(trust);
	buffer_fini(&files.cert);
	buffer_fini(&files.key);
}

TestSuite(tls_session, .init = init, .fini = fini, .timeout = 60);

static struct ends ends_open(const char *priorities)
{
	struct ends ends;

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.fds),
		     0);
	ends.session = tls_session_create(server, ends.fds[0]);
	cr_assert(ends.session);
	cr_assert_eq(gnutls_init(&ends.client, GNUTLS_CLIENT | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL),
		     0);
	cr_assert_eq(gnutls_priority_set_direct(ends.client, priorities, NULL), 0);
	gnutls_credentials_set(ends.client, GNUTLS_CRD_CERTIFICATE, trust);
	gnutls_transport_set_int(ends.client, ends.fds[1]);
	return ends;
}

static void ends_greet(struct ends *ends)
{
	int client = -1, mine = -EAGAIN;

	for (int i = 0; i < 100 && (client < 0 || mine); i++) {
		if (client < 0)
			client = gnutls_handshake(ends->client);
		if (mine)
			mine = tls_session_handshake(ends->session);
	}
	cr_assert_eq(client, 0, "%s", gnutls_strerror(client));
	cr_assert_eq(mine, 0);
}

static struct ends ends_meet(const char *priorities)
{
	struct ends ends = ends_open(priorities);

	ends_greet(&ends);
	return ends;
}

static void ends_fini(struct ends *ends)
{
	tls_session_destroy(ends->session);
	gnutls_deinit(ends->client);
	close(ends->fds[0]);
	if (ends->fds[1] >= 0)
		close(ends->fds[1]);
	cr_assert_eq(stat_read(&slot, STAT_tls_connections), 0);
}

static void shrink(const struct ends *ends)
{
	const int least = 1;

	cr_assert_eq(setsockopt(ends->fds[0], SOL_SOCKET, SO_SNDBUF, &least, sizeof(least)), 0);
}

static ssize_t send_text(struct ends *ends, const char *text)
{
	const struct iovec part = {(void *)text, strlen(text)};

	return tls_session_send(ends->session, &part, 1);
}

/* One record of what the client has; 0: there is none. */
static size_t client_read(struct ends *ends, char *to, size_t len)
{
	ssize_t got = GNUTLS_E_AGAIN;

	/* Says so also after a ticket. */
	for (int i = 0; i < 4 && got == GNUTLS_E_AGAIN; i++)
		got = gnutls_record_recv(ends->client, to, len);
	cr_assert(got >= 0 || got == GNUTLS_E_AGAIN, "%s", gnutls_strerror((int)got));
	return got > 0 ? (size_t)got : 0;
}

static char input[TLS_INPUT_MIN];

static ssize_t receive(struct ends *ends)
{
	return tls_session_recv(ends->session, input, sizeof(input));
}

/* --- both ways --------------------------------------------------------------- */

static void expect_talk(const char *priorities)
{
	struct ends ends = ends_meet(priorities);
	char text[100];

	cr_assert_eq(receive(&ends), -EAGAIN);
	cr_assert_eq(gnutls_record_send(ends.client, "question", 8), 8);
	cr_assert_eq(receive(&ends), 8);
	cr_assert_eq(memcmp(input, "question", 8), 0);
	cr_assert_eq(send_text(&ends, "answer"), 6);
	cr_assert_eq(client_read(&ends, text, sizeof(text)), 6);
	cr_assert_eq(memcmp(text, "answer", 6), 0);
	ends_fini(&ends);
}

Test(tls_session, talks_both_versions)
{
	expect_talk(TLS_1_2);
	expect_talk(TLS_1_3);
	cr_assert_eq(stat_read(&slot, STAT_tls_handshakes), 2);
	cr_assert_eq(stat_read(&slot, STAT_tls_handshakes_failed), 0);
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
	cr_assert_eq(client_read(&ends, text, sizeof(text)), 6300);
	cr_assert_eq(client_read(&ends, text, sizeof(text)), 0);
	ends_fini(&ends);
}

Test(tls_session, one_read_brings_all_records_there_are)
{
	struct ends ends = ends_meet(TLS_1_3);

	for (int i = 0; i < 5; i++)
		cr_assert_eq(gnutls_record_send(ends.client, "0123456789", 10), 10);
	cr_assert_eq(receive(&ends), 50);
	cr_assert_eq(receive(&ends), -EAGAIN);
	cr_assert_not(tls_session_has_pending_input(ends.session));
	ends_fini(&ends);
}

/* --- more than the socket takes ---------------------------------------------- */

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
	size_t got = client_read(ends, text, roll(stream, sizeof(text)));

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
		cr_assert_eq(receive(&ends), -EAGAIN);
		read_rest(&ends, &stream);
		send_some(&ends, &stream);
		read_rest(&ends, &stream);
	}
	cr_assert_eq(gnutls_record_send(ends.client, "still here", 10), 10);
	cr_assert_eq(receive(&ends), 10);
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

/* --- ends -------------------------------------------------------------------- */

Test(tls_session, an_end_behind_data_is_pending_input)
{
	struct ends ends = ends_meet(TLS_1_3);

	gnutls_record_send(ends.client, "last words", 10);
	gnutls_bye(ends.client, GNUTLS_SHUT_WR);
	cr_assert_eq(receive(&ends), 10);
	cr_assert(tls_session_has_pending_input(ends.session));
	cr_assert_eq(receive(&ends), 0);
	cr_assert_eq(receive(&ends), 0);
	cr_assert_eq(send_text(&ends, "understood"), 10); /* its own half is open */
	ends_fini(&ends);
}

Test(tls_session, an_end_without_a_word_is_a_lost_connection)
{
	struct ends ends = ends_meet(TLS_1_3);

	gnutls_record_send(ends.client, "last words", 10);
	close(ends.fds[1]);
	ends.fds[1] = -1;
	cr_assert_eq(receive(&ends), 10);
	cr_assert_eq(receive(&ends), -ECONNRESET);
	cr_assert_eq(send_text(&ends, "anybody?"), -ECONNRESET);
	cr_assert_eq(stat_read(&slot, STAT_tls_faults), 0);
	ends_fini(&ends);
}

Test(tls_session, noise_is_a_fault)
{
	struct ends ends = ends_meet(TLS_1_3);

	gnutls_record_send(ends.client, "good", 4);
	cr_assert_eq(
		write(ends.fds[1], "\x17\x03\x03\x00\x20 this is no record of TLS 1.3 ......", 37),
		37);
	cr_assert_eq(receive(&ends), 4);
	cr_assert_eq(receive(&ends), -EPROTO);
	cr_assert_eq(stat_read(&slot, STAT_tls_faults), 1);
	ends_fini(&ends);
}

Test(tls_session, a_renegotiation_is_refused)
{
	struct ends ends = ends_meet(TLS_1_2);

	cr_assert_eq(gnutls_handshake(ends.client), GNUTLS_E_AGAIN);
	cr_assert_eq(receive(&ends), -EPROTO);
	gnutls_handshake(ends.client);
	cr_assert_eq(gnutls_alert_get(ends.client), GNUTLS_A_NO_RENEGOTIATION);
	cr_assert_eq(stat_read(&slot, STAT_tls_faults), 1);
	ends_fini(&ends);
}

/* Raw bytes: the socket takes no more, and nothing is pending. */
static void stuff_socket(const struct ends *ends)
{
	char byte = 0;

	while (write(ends->fds[0], &byte, 1) == 1)
		;
}

static void empty_socket(const struct ends *ends)
{
	char bytes[4096];

	while (read(ends->fds[1], bytes, sizeof(bytes)) > 0)
		;
}

/* Its alert is still on the way: behind it nothing of ours would be what it seems. */
static void expect_no_more(struct ends *ends)
{
	cr_assert_eq(receive(ends), 4); /* what came before the fault is handled, and answered */
	empty_socket(ends);
	cr_assert_eq(send_text(ends, "an answer"), -ECONNRESET);
	cr_assert_eq(tls_session_bye(ends->session), -ECONNRESET);
	cr_assert_eq(receive(ends), -EPROTO);
	ends_fini(ends);
}

Test(tls_session, nothing_is_sent_after_a_refused_renegotiation)
{
	struct ends ends = ends_meet(TLS_1_2);

	gnutls_record_send(ends.client, "good", 4);
	cr_assert_eq(gnutls_handshake(ends.client), GNUTLS_E_AGAIN);
	stuff_socket(&ends);
	expect_no_more(&ends);
}

Test(tls_session, nothing_is_sent_after_a_fault)
{
	struct ends ends = ends_meet(TLS_1_3);

	gnutls_record_send(ends.client, "good", 4);
	cr_assert_eq(
		write(ends.fds[1], "\x17\x03\x03\x00\x20 this is no record of TLS 1.3 ......", 37),
		37);
	stuff_socket(&ends);
	expect_no_more(&ends);
}

Test(tls_session, a_handshake_that_fails_is_counted)
{
	struct ends ends = ends_open(TLS_1_3);

	cr_assert_eq(tls_session_handshake(ends.session), -EAGAIN);
	cr_assert_not(tls_session_has_pending_output(ends.session));
	cr_assert_eq(write(ends.fds[1], "GET / HTTP/1.1\r\n\r\n", 18), 18);
	cr_assert_eq(tls_session_handshake(ends.session), -EPROTO);
	cr_assert_eq(stat_read(&slot, STAT_tls_handshakes_failed), 1);
	ends_fini(&ends);
}

/* --- tickets ----------------------------------------------------------------- */

static gnutls_datum_t take_ticket(const char *priorities)
{
	struct ends ends = ends_meet(priorities);
	gnutls_datum_t ticket;
	char text[10];

	send_text(&ends, "x"); /* in TLS 1.3 the ticket stands before it */
	cr_assert_eq(client_read(&ends, text, sizeof(text)), 1);
	cr_assert_eq(gnutls_session_get_data2(ends.client, &ticket), 0);
	ends_fini(&ends);
	return ticket;
}

static bool resumes(const gnutls_datum_t *ticket, const char *priorities)
{
	uint64_t before = stat_read(&slot, STAT_tls_handshakes_resumed);
	struct ends ends = ends_open(priorities);

	gnutls_session_set_data(ends.client, ticket->data, ticket->size);
	ends_greet(&ends);
	bool resumed = gnutls_session_is_resumed(ends.client);
	cr_assert_eq(stat_read(&slot, STAT_tls_handshakes_resumed), before + resumed);
	ends_fini(&ends);
	return resumed;
}

static void restart(unsigned char ticket_key)
{
	tls_server_destroy(server);
	memset(files.ticket_key, ticket_key, sizeof(files.ticket_key));
	server = tls_server_create(&files, &slot);
	cr_assert(server);
}

Test(tls_session, resumes_at_whoever_has_the_key_of_the_tickets)
{
	const char *const both[] = {TLS_1_2, TLS_1_3};

	for (size_t i = 0; i < ARRAY_LEN(both); i++) {
		gnutls_datum_t ticket = take_ticket(both[i]);

		restart(7);
		cr_assert(resumes(&ticket, both[i]));
		restart(8);
		cr_assert_not(resumes(&ticket, both[i]));
		restart(7);
		gnutls_free(ticket.data);
	}
}
