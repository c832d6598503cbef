/* tls_session_private.h — shared by tls_session.c and tls_record.c. */
#ifndef SYNCDOC_TLS_SESSION_PRIVATE_H
#define SYNCDOC_TLS_SESSION_PRIVATE_H

#include "tls_session.h"
#include <gnutls/gnutls.h>

/* A read never brings more than finds room with who asked for it, be it the end of a record whose
 * beginning GnuTLS has kept since the last read. */
#define INPUT_MAX (TLS_INPUT_MIN - TLS_RECORD_MAX)

struct tls_server {
	struct slot *slot; /* borrowed */
	gnutls_certificate_credentials_t credentials;
	gnutls_priority_t priorities;
	gnutls_datum_t ticket_key;   /* borrowed: the files' */
	size_t count;                /* sessions */
	struct tls_session *reading; /* it has read what stands in `input` */
	size_t input_at, input_len;
	bool input_asked; /* for more than there is */
	char input[INPUT_MAX];
	char output[TLS_RECORD_MAX]; /* where a record is put together */
};

struct tls_session {
	struct tls_server *server; /* borrowed */
	gnutls_session_t gnutls;
	int fd;              /* borrowed */
	uint16_t record_max; /* bytes: what the client takes in one record */
	bool established;
	bool pending; /* output */
	bool leaving; /* its close_notify is on the way */
	bool failed;  /* nothing more goes out: GnuTLS may still hold a part of the alert, and would
			 take it for ours */
	bool ended;   /* no more input: `end` is what tls_session_recv() says */
	int end;
};

/* tls_session.c. Counts and logs it, and tells the peer as far as its socket takes it: nobody waits
 * for that. The -errno that it is for callers. */
int tls_session_fail(struct tls_session *session, ssize_t status);
/* tls_record.c: a gnutls_pull_func. */
ssize_t tls_session_pull(gnutls_transport_ptr_t session, void *to, size_t len);

#endif
