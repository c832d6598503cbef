#include "tls_session_fixture.h"

#include "buffer.h"
#include "tls_files.h"

#include <criterion/criterion.h>
#include <gnutls/x509.h>
#include <sys/socket.h>
#include <unistd.h>

static struct slot slot;
static struct tls_files files;
static struct tls_server *server;
static gnutls_certificate_credentials_t trust; /* of the clients */

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
}

static void start(unsigned char ticket_key)
{
	memset(files.ticket_key, ticket_key, sizeof(files.ticket_key));
	server = tls_server_create(&files, &slot);
	cr_assert(server);
}

void tls_fixture_init(void)
{
	make_files();
	start(FIXTURE_TICKET_KEY);
	cr_assert_eq(gnutls_certificate_allocate_credentials(&trust), 0);
}

void tls_fixture_fini(void)
{
	tls_server_destroy(server);
	gnutls_certificate_free_credentials(trust);
	buffer_fini(&files.cert);
	buffer_fini(&files.key);
}

void tls_fixture_restart(unsigned char ticket_key)
{
	tls_server_destroy(server);
	start(ticket_key);
}

uint64_t tls_fixture_stat(enum statistic stat)
{
	return stat_read(&slot, stat);
}

struct ends ends_open(const char *priorities)
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

void ends_greet(struct ends *ends)
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

struct ends ends_meet(const char *priorities)
{
	struct ends ends = ends_open(priorities);

	ends_greet(&ends);
	return ends;
}

void ends_fini(struct ends *ends)
{
	tls_session_destroy(ends->session);
	gnutls_deinit(ends->client);
	close(ends->fds[0]);
	if (ends->fds[1] >= 0)
		close(ends->fds[1]);
	cr_assert_eq(stat_read(&slot, STAT_tls_connections), 0);
}

ssize_t ends_send(struct ends *ends, const char *text)
{
	const struct iovec part = {(void *)text, strlen(text)};

	return tls_session_send(ends->session, &part, 1);
}

char ends_input[TLS_INPUT_MIN];

ssize_t ends_receive(struct ends *ends)
{
	return tls_session_recv(ends->session, ends_input, sizeof(ends_input));
}

size_t ends_client_read(struct ends *ends, char *to, size_t len)
{
	ssize_t got = GNUTLS_E_AGAIN;

	/* Says so also after a ticket. */
	for (int i = 0; i < 4 && got == GNUTLS_E_AGAIN; i++)
		got = gnutls_record_recv(ends->client, to, len);
	cr_assert(got >= 0 || got == GNUTLS_E_AGAIN, "%s", gnutls_strerror((int)got));
	return got > 0 ? (size_t)got : 0;
}
