/* tls_session.c — sessions come and go: credentials, handshake, faults. What they carry:
 * tls_record.c. */
#include "tls_session_private.h"

#include "log.h"
#include "stats.h"
#include "tls_files.h"

/* TLS 1.2 and what came after it; GnuTLS knows which ciphers are still good. Of these the client
 * has its choice: it knows what its processor is good at, and has sent a key for the group it likes
 * best; with another one its handshake would begin again (%SERVER_PRECEDENCE: P-256, where nearly
 * all send X25519). */
#define PRIORITIES "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"
#define HANDSHAKE_MESSAGE_MAX (32u << 10) /* a client sends no certificates here */
/* Extensions by which a client takes smaller records only. */
#define EXTENSION_MAX_FRAGMENT_LENGTH 1 /* RFC 6066 */
#define EXTENSION_RECORD_SIZE_LIMIT 28  /* RFC 8449 */

/* --- the server -------------------------------------------------------------- */

static int server_prepare(struct tls_server *server, const struct tls_files *files)
{
	gnutls_datum_t cert = {(unsigned char *)files->cert.at, (unsigned)files->cert.len};
	gnutls_datum_t key = {(unsigned char *)files->key.at, (unsigned)files->key.len};
	int status = gnutls_certificate_allocate_credentials(&server->credentials);

	if (status >= 0)
		status = gnutls_certificate_set_x509_key_mem(server->credentials, &cert, &key,
							     GNUTLS_X509_FMT_PEM);
	if (status >= 0)
		status = gnutls_priority_init(&server->priorities, PRIORITIES, NULL);
	return status;
}

struct tls_server *tls_server_create(const struct tls_files *files, struct slot *slot)
{
	struct tls_server *server = calloc(1, sizeof(*server));

	MUST(server);
	server->slot = slot;
	server->ticket_key =
		(gnutls_datum_t){(unsigned char *)files->ticket_key, sizeof(files->ticket_key)};
	int status = server_prepare(server, files);
	if (status >= 0)
		return server;
	log_error("tls: %s", gnutls_strerror(status));
	tls_server_destroy(server);
	return NULL;
}

void tls_server_destroy(struct tls_server *server)
{
	if (!server)
		return;
	MUST(!server->count);
	if (server->priorities)
		gnutls_priority_deinit(server->priorities);
	if (server->credentials)
		gnutls_certificate_free_credentials(server->credentials);
	/* It held what clients and server have told each other. */
	gnutls_memset(server->input, 0, sizeof(server->input));
	gnutls_memset(server->output, 0, sizeof(server->output));
	free(server);
}

/* --- a session --------------------------------------------------------------- */

static void limit_record(struct tls_session *session, unsigned most)
{
	if (most && most < session->record_max)
		session->record_max = (uint16_t)most;
}

static int on_extension(void *arg, unsigned id, const unsigned char *bytes, unsigned len)
{
	/* TLS 1.3 counts a byte of its own. GnuTLS refuses what is not valid. */
	if (id == EXTENSION_RECORD_SIZE_LIMIT && len == 2)
		limit_record(arg, ((unsigned)bytes[0] << 8 | bytes[1]) - 1);
	else if (id == EXTENSION_MAX_FRAGMENT_LENGTH && len == 1 && *bytes >= 1 && *bytes <= 4)
		limit_record(arg, 256u << *bytes);
	return 0;
}

/* GnuTLS keeps to these limits, too, but does not tell how much of a record that was not sent at
 * once it has taken; so it never gets more than it can take. */
static int on_client_hello(gnutls_session_t gnutls, unsigned type, unsigned when, unsigned incoming,
			   const gnutls_datum_t *message)
{
	(void)type;
	(void)when;
	(void)incoming;
	gnutls_ext_raw_parse(gnutls_session_get_ptr(gnutls), on_extension, message,
			     GNUTLS_EXT_RAW_FLAG_TLS_CLIENT_HELLO);
	return 0;
}

static int session_prepare(struct tls_session *session)
{
	static const char http[] = "http/1.1";
	const gnutls_datum_t protocol = {(unsigned char *)http, sizeof(http) - 1};
	const struct tls_server *server = session->server;
	gnutls_session_t gnutls = session->gnutls;
	int status = gnutls_priority_set(gnutls, server->priorities);

	if (status >= 0)
		status =
			gnutls_credentials_set(gnutls, GNUTLS_CRD_CERTIFICATE, server->credentials);
	if (status >= 0)
		status = gnutls_session_ticket_enable_server(gnutls, &server->ticket_key);
	/* Who offers other protocols only is served as well. */
	if (status >= 0)
		status = gnutls_alpn_set_protocols(gnutls, &protocol, 1, 0);
	if (status < 0)
		return status;
	gnutls_handshake_set_max_packet_length(gnutls, HANDSHAKE_MESSAGE_MAX);
	gnutls_handshake_set_hook_function(gnutls, GNUTLS_HANDSHAKE_CLIENT_HELLO, GNUTLS_HOOK_PRE,
					   on_client_hello);
	gnutls_session_set_ptr(gnutls, session);
	gnutls_transport_set_ptr2(gnutls, session, (gnutls_transport_ptr_t)(intptr_t)session->fd);
	gnutls_transport_set_pull_function(gnutls, tls_session_pull);
	return 0;
}

static void count_sessions(struct tls_server *server, int more)
{
	server->count += (size_t)more;
	stat_set(server->slot, STAT_tls_connections, server->count);
}

struct tls_session *tls_session_create(struct tls_server *server, int fd)
{
	struct tls_session *session = calloc(1, sizeof(*session));

	MUST(session);
	session->server = server;
	session->fd = fd;
	session->record_max = TLS_RECORD_MAX;
	count_sessions(server, 1);
	int status =
		gnutls_init(&session->gnutls, GNUTLS_SERVER | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL);
	if (status >= 0)
		status = session_prepare(session);
	if (status >= 0)
		return session;
	log_error("tls: no session: %s", gnutls_strerror(status));
	tls_session_destroy(session);
	return NULL;
}

void tls_session_destroy(struct tls_session *session)
{
	if (!session)
		return;
	if (session->gnutls)
		gnutls_deinit(session->gnutls);
	count_sessions(session->server, -1);
	free(session);
}

/* --- faults ------------------------------------------------------------------ */

static bool is_lost(ssize_t status)
{
	return status == GNUTLS_E_PUSH_ERROR || status == GNUTLS_E_PULL_ERROR ||
	       status == GNUTLS_E_PREMATURE_TERMINATION || status == GNUTLS_E_SESSION_EOF ||
	       status == GNUTLS_E_INVALID_SESSION;
}

static void log_fault(const struct tls_session *session, const char *when, ssize_t status)
{
	static struct log_limit limit;
	const char *alert = status == GNUTLS_E_FATAL_ALERT_RECEIVED
				    ? gnutls_alert_get_name(gnutls_alert_get(session->gnutls))
				    : NULL;

	if (log_allow(&limit))
		log_info("tls: connection ended %s: %s%s%s", when, gnutls_strerror((int)status),
			 alert ? ": " : "", alert ? alert : "");
}

int tls_session_fail(struct tls_session *session, ssize_t status)
{
	session->failed = true;
	if (is_lost(status))
		return -ECONNRESET;
	if (status == GNUTLS_E_REHANDSHAKE)
		gnutls_alert_send(session->gnutls, GNUTLS_AL_WARNING, GNUTLS_A_NO_RENEGOTIATION);
	else
		gnutls_alert_send_appropriate(session->gnutls, (int)status);
	stat_add(session->server->slot, STAT_tls_faults, 1);
	log_fault(session, "after its handshake", status);
	return -EPROTO;
}

/* --- handshake --------------------------------------------------------------- */

static int handshake_fail(struct tls_session *session, int status)
{
	stat_add(session->server->slot, STAT_tls_handshakes_failed, 1);
	if (is_lost(status))
		return -ECONNRESET;
	gnutls_alert_send_appropriate(session->gnutls, status);
	log_fault(session, "in its handshake", status);
	return -EPROTO;
}

int tls_session_handshake(struct tls_session *session)
{
	struct slot *slot = session->server->slot;
	int status;

	do
		status = gnutls_handshake(session->gnutls);
	while (status < 0 && status != GNUTLS_E_AGAIN && !gnutls_error_is_fatal(status));
	session->pending = status < 0 && gnutls_record_get_direction(session->gnutls) == 1;
	if (status == GNUTLS_E_AGAIN)
		return -EAGAIN;
	if (status < 0)
		return handshake_fail(session, status);
	session->established = true;
	stat_add(slot, STAT_tls_handshakes, 1);
	if (gnutls_session_is_resumed(session->gnutls))
		stat_add(slot, STAT_tls_handshakes_resumed, 1);
	return 0;
}
