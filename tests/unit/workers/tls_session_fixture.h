/* tls_session_fixture.h — a TLS server with a certificate of its own, and both ends of connections
 * to it. One server per process: Criterion forks for each test. */
#ifndef SYNCDOC_TESTS_TLS_SESSION_FIXTURE_H
#define SYNCDOC_TESTS_TLS_SESSION_FIXTURE_H

#include "stats.h"
#include "tls_session.h"
#include <gnutls/gnutls.h>

#define TLS_1_2 "NORMAL:-VERS-ALL:+VERS-TLS1.2"
#define TLS_1_3 "NORMAL:-VERS-ALL:+VERS-TLS1.3"
#define FIXTURE_TICKET_KEY 7 /* each byte of the server's key at first */

void tls_fixture_init(void); /* .init of the suite */
void tls_fixture_fini(void); /* .fini: no ends may be left */
/* A new server of the same certificate, with another key for its tickets. */
void tls_fixture_restart(unsigned char ticket_key);
uint64_t tls_fixture_stat(enum statistic stat);

struct ends {
	int fds[2]; /* the server's, the client's (-1: closed by the test); not blocking */
	struct tls_session *session;
	gnutls_session_t client; /* who trusts anybody */
};

struct ends ends_open(const char *priorities); /* connected, before the handshake */
void ends_greet(struct ends *ends);            /* the handshake, which succeeds */
struct ends ends_meet(const char *priorities); /* both */
void ends_fini(struct ends *ends);

/* The server's end: as tls_session_send() and tls_session_recv(), which puts the bytes into
 * ends_input. */
extern char ends_input[TLS_INPUT_MIN];
ssize_t ends_send(struct ends *ends, const char *text);
ssize_t ends_receive(struct ends *ends);
/* One record of what the client has; 0: there is none. */
size_t ends_client_read(struct ends *ends, char *to, size_t len);

#endif
