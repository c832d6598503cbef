/* test_tls_session_ends.c — connections over TLS that end, in all the ways they may, and those that
 * are resumed by tickets. */
#include "tls_session_fixture.h"

#include <criterion/criterion.h>
#include <unistd.h>

TestSuite(tls_session_ends, .init = tls_fixture_init, .fini = tls_fixture_fini, .timeout = 60);

/* --- ends -------------------------------------------------------------------- */

Test(tls_session_ends, an_end_behind_data_is_pending_input)
{
	struct ends ends = ends_meet(TLS_1_3);

	gnutls_record_send(ends.client, "last words", 10);
	gnutls_bye(ends.client, GNUTLS_SHUT_WR);
	cr_assert_eq(ends_receive(&ends), 10);
	cr_assert(tls_session_has_pending_input(ends.session));
	cr_assert_eq(ends_receive(&ends), 0);
	cr_assert_eq(ends_receive(&ends), 0);
	cr_assert_eq(ends_send(&ends, "understood"), 10); /* its own half is open */
	ends_fini(&ends);
}

Test(tls_session_ends, an_end_without_a_word_is_a_lost_connection)
{
	struct ends ends = ends_meet(TLS_1_3);

	gnutls_record_send(ends.client, "last words", 10);
	close(ends.fds[1]);
	ends.fds[1] = -1;
	cr_assert_eq(ends_receive(&ends), 10);
	cr_assert_eq(ends_receive(&ends), -ECONNRESET);
	cr_assert_eq(ends_send(&ends, "anybody?"), -ECONNRESET);
	cr_assert_eq(tls_fixture_stat(STAT_tls_faults), 0);
	ends_fini(&ends);
}

static void client_send_noise(const struct ends *ends)
{
	cr_assert_eq(
		write(ends->fds[1], "\x17\x03\x03\x00\x20 this is no record of TLS 1.3 ......", 37),
		37);
}

Test(tls_session_ends, noise_is_a_fault)
{
	struct ends ends = ends_meet(TLS_1_3);

	gnutls_record_send(ends.client, "good", 4);
	client_send_noise(&ends);
	cr_assert_eq(ends_receive(&ends), 4);
	cr_assert_eq(ends_receive(&ends), -EPROTO);
	cr_assert_eq(tls_fixture_stat(STAT_tls_faults), 1);
	ends_fini(&ends);
}

Test(tls_session_ends, a_renegotiation_is_refused)
{
	struct ends ends = ends_meet(TLS_1_2);

	cr_assert_eq(gnutls_handshake(ends.client), GNUTLS_E_AGAIN);
	cr_assert_eq(ends_receive(&ends), -EPROTO);
	gnutls_handshake(ends.client);
	cr_assert_eq(gnutls_alert_get(ends.client), GNUTLS_A_NO_RENEGOTIATION);
	cr_assert_eq(tls_fixture_stat(STAT_tls_faults), 1);
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
	/* What came before the fault is handled, and answered. */
	cr_assert_eq(ends_receive(ends), 4);
	empty_socket(ends);
	cr_assert_eq(ends_send(ends, "an answer"), -ECONNRESET);
	cr_assert_eq(tls_session_bye(ends->session), -ECONNRESET);
	cr_assert_eq(ends_receive(ends), -EPROTO);
	ends_fini(ends);
}

Test(tls_session_ends, nothing_is_sent_after_a_refused_renegotiation)
{
	struct ends ends = ends_meet(TLS_1_2);

	gnutls_record_send(ends.client, "good", 4);
	cr_assert_eq(gnutls_handshake(ends.client), GNUTLS_E_AGAIN);
	stuff_socket(&ends);
	expect_no_more(&ends);
}

Test(tls_session_ends, nothing_is_sent_after_a_fault)
{
	struct ends ends = ends_meet(TLS_1_3);

	gnutls_record_send(ends.client, "good", 4);
	client_send_noise(&ends);
	stuff_socket(&ends);
	expect_no_more(&ends);
}

Test(tls_session_ends, a_handshake_that_fails_is_counted)
{
	struct ends ends = ends_open(TLS_1_3);

	cr_assert_eq(tls_session_handshake(ends.session), -EAGAIN);
	cr_assert_not(tls_session_has_pending_output(ends.session));
	cr_assert_eq(write(ends.fds[1], "GET / HTTP/1.1\r\n\r\n", 18), 18);
	cr_assert_eq(tls_session_handshake(ends.session), -EPROTO);
	cr_assert_eq(tls_fixture_stat(STAT_tls_handshakes_failed), 1);
	ends_fini(&ends);
}

/* --- tickets ----------------------------------------------------------------- */

static gnutls_datum_t take_ticket(const char *priorities)
{
	struct ends ends = ends_meet(priorities);
	gnutls_datum_t ticket;
	char text[10];

	ends_send(&ends, "x"); /* in TLS 1.3 the ticket stands before it */
	cr_assert_eq(ends_client_read(&ends, text, sizeof(text)), 1);
	cr_assert_eq(gnutls_session_get_data2(ends.client, &ticket), 0);
	ends_fini(&ends);
	return ticket;
}

static bool resumes(const gnutls_datum_t *ticket, const char *priorities)
{
	uint64_t before = tls_fixture_stat(STAT_tls_handshakes_resumed);
	struct ends ends = ends_open(priorities);

	gnutls_session_set_data(ends.client, ticket->data, ticket->size);
	ends_greet(&ends);
	bool resumed = gnutls_session_is_resumed(ends.client);
	cr_assert_eq(tls_fixture_stat(STAT_tls_handshakes_resumed), before + resumed);
	ends_fini(&ends);
	return resumed;
}

Test(tls_session_ends, resumes_at_whoever_has_the_key_of_the_tickets)
{
	const char *const both[] = {TLS_1_2, TLS_1_3};

	for (size_t i = 0; i < ARRAY_LEN(both); i++) {
		gnutls_datum_t ticket = take_ticket(both[i]);

		tls_fixture_restart(FIXTURE_TICKET_KEY);
		cr_assert(resumes(&ticket, both[i]));
		tls_fixture_restart(FIXTURE_TICKET_KEY + 1);
		cr_assert_not(resumes(&ticket, both[i]));
		tls_fixture_restart(FIXTURE_TICKET_KEY);
		gnutls_free(ticket.data);
	}
}
