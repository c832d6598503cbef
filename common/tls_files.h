/* tls_files.h — what tls.cert and tls.key hold. Read as auth_secrets.h says: by the supervisor, at
 * its start and at a reload; workers have it by fork. */
#ifndef SYNCDOC_TLS_FILES_H
#define SYNCDOC_TLS_FILES_H

#include "buffer.h"
#include "config.h"

#define TLS_TICKET_KEY_LEN 64 /* gnutls_session_ticket_key_generate() */

struct tls_files {
	struct buffer cert, key; /* PEM, a NUL stands behind each */
	/* Of session tickets. Made here and not by workers, so that a client that comes back
	 * resumes at whichever process takes it; GnuTLS derives from it what it encrypts with, anew
	 * every few hours. */
	unsigned char ticket_key[TLS_TICKET_KEY_LEN];
	int64_t ends_at_ms; /* Unix: of the server's own certificate */
};

/* *ret is NULL where TLS is not set. -EINVAL, and one line in ret_error that names the key of the
 * configuration and the file: not there, readable by others, no PEM, not of one pair. */
int tls_files_load(const struct config *config, struct tls_files **ret, char *ret_error,
		   size_t error_len);
/* Tickets that were given out under `old` stay good: after a reload all clients come back at once.
 * Both may be NULL. */
void tls_files_carry_over(struct tls_files *files, const struct tls_files *old);
void tls_files_destroy(struct tls_files *files); /* wipes; NULL is fine */

#endif
