/* tls_session.h — the server's side of one TLS connection over a non-blocking socket (GnuTLS).
 *
 * What is encrypted and not taken by the socket stays in here, at most a record of 16 KiB: pending
 * output. It counts as sent, so who sent it may forget it; nothing else goes out before it. Nothing
 * decrypted ever stays in here, but the end of the connection may, which no descriptor tells of:
 * pending input. One thread. */
#ifndef SYNCDOC_TLS_SESSION_H
#define SYNCDOC_TLS_SESSION_H

#include "base.h"
#include <sys/uio.h>

#define TLS_RECORD_MAX 16384
/* Room for what one read may bring, at least. */
#define TLS_INPUT_MIN ((size_t)4 * TLS_RECORD_MAX)

struct slot;
struct tls_files;
struct tls_server;  /* what the sessions of a worker share: credentials, memory to work in */
struct tls_session; /* one connection */

/* NULL: GnuTLS does not take them, and why is logged. Both are borrowed, for as long as it lives.
 */
struct tls_server *tls_server_create(const struct tls_files *files, struct slot *slot);
/* No session may be left; NULL is fine. */
void tls_server_destroy(struct tls_server *server);

/* `fd` is borrowed: close it after tls_session_destroy(). NULL: no memory. */
struct tls_session *tls_session_create(struct tls_server *server, int fd);
void tls_session_destroy(struct tls_session *session); /* says nothing to the peer; NULL is fine */

/* Goes on with it. 0: it is done. -EAGAIN: it waits for the socket, to write if
 * tls_session_has_pending_output(). Others: it has failed, was counted, and the peer was told. */
int tls_session_handshake(struct tls_session *session);

/* What follows only after the handshake. */

/* Reads the socket once and decrypts it all: `len` >= TLS_INPUT_MIN. 0: the peer has said that it
 * sends no more. -EAGAIN: nothing whole has come; -ECONNRESET: the connection is gone, also if it
 * ended without a word; -EPROTO: a fault, counted. */
ssize_t tls_session_recv(struct tls_session *session, char *to, size_t len);
/* As sendmsg(): how many bytes were taken, 0 if none can be now; -ECONNRESET, -EPROTO. Small parts
 * are joined to records. */
ssize_t tls_session_send(struct tls_session *session, const struct iovec *parts, unsigned count);
/* 0: nothing is pending any more. -EAGAIN, -ECONNRESET, -EPROTO. */
int tls_session_flush(struct tls_session *session);
/* Flushes, then says that nothing more is sent; to be repeated after -EAGAIN. */
int tls_session_bye(struct tls_session *session);

/* The socket must be watched for writing: tls_session_flush(), tls_session_handshake(). */
bool tls_session_has_pending_output(const struct tls_session *session);
/* tls_session_recv() has something to say without the socket. */
bool tls_session_has_pending_input(const struct tls_session *session);
/* Bytes: so many are taken whole as long as nothing is pending. After the handshake. */
size_t tls_session_record_max(const struct tls_session *session);

#endif
