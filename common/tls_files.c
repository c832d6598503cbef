#define _GNU_SOURCE
#include "tls_files.h"

#include "secret_file.h"

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

#define FILE_MAX (1u << 20)

static gnutls_datum_t datum_of(const struct buffer *text)
{
	return (gnutls_datum_t){(unsigned char *)text->at, (unsigned)text->len};
}

static int read_end(const struct secret_report *report, struct tls_files *files)
{
	gnutls_datum_t pem = datum_of(&files->cert);
	gnutls_x509_crt_t *chain;
	unsigned count;
	int error = gnutls_x509_crt_list_import2(&chain, &count, &pem, GNUTLS_X509_FMT_PEM, 0);

	if (error < 0)
		return secret_fault(report, "holds no PEM certificate");
	files->ends_at_ms = (int64_t)gnutls_x509_crt_get_expiration_time(chain[0]) * 1000;
	for (unsigned i = 0; i < count; i++)
		gnutls_x509_crt_deinit(chain[i]);
	gnutls_free(chain);
	return 0;
}

/* Of a key that GnuTLS does not take; its own words tell little ("The requested data were not
 * available"). */
static const char *key_fault(const gnutls_datum_t *key, int error)
{
	gnutls_x509_privkey_t parsed;

	if (error == GNUTLS_E_CERTIFICATE_KEY_MISMATCH)
		return "is not the key of the certificate in tls.cert";
	if (memmem(key->data, key->size, "ENCRYPTED", 9))
		return "is locked with a passphrase, which nobody is there to type in";
	MUST(!gnutls_x509_privkey_init(&parsed));
	bool is_key = gnutls_x509_privkey_import2(parsed, key, GNUTLS_X509_FMT_PEM, NULL, 0) == 0;
	gnutls_x509_privkey_deinit(parsed);
	return is_key ? gnutls_strerror(error) : "holds no private key in PEM";
}

static int check_pair(const struct secret_report *report, const struct tls_files *files)
{
	gnutls_certificate_credentials_t credentials;
	gnutls_datum_t cert = datum_of(&files->cert), key = datum_of(&files->key);

	MUST(!gnutls_certificate_allocate_credentials(&credentials));
	int error =
		gnutls_certificate_set_x509_key_mem(credentials, &cert, &key, GNUTLS_X509_FMT_PEM);
	gnutls_certificate_free_credentials(credentials);
	return error < 0 ? secret_fault(report, key_fault(&key, error)) : 0;
}

static void make_ticket_key(struct tls_files *files)
{
	gnutls_datum_t key;

	MUST(!gnutls_session_ticket_key_generate(&key) && key.size == TLS_TICKET_KEY_LEN);
	memcpy(files->ticket_key, key.data, key.size);
	gnutls_memset(key.data, 0, key.size);
	gnutls_free(key.data);
}

static int read_pem(const struct secret_report *report, mode_t forbidden, const char *reason,
		    struct buffer *ret)
{
	int error = secret_file_read(report, forbidden, reason, FILE_MAX, ret);

	if (error)
		return error;
	if (!ret->len || memchr(ret->at, '\0', ret->len))
		return secret_fault(report, "is no PEM file");
	*buffer_reserve(ret, 1) = '\0';
	return 0;
}

int tls_files_load(const struct config *config, struct tls_files **ret, char *ret_error,
		   size_t error_len)
{
	const struct secret_report cert = {"tls.cert", config->tls_cert, ret_error, error_len};
	const struct secret_report key = {"tls.key", config->tls_key, ret_error, error_len};

	*ret = NULL;
	if (!*config->tls_cert)
		return 0;
	struct tls_files *files = calloc(1, sizeof(*files));
	MUST(files);
	int error = read_pem(&cert, S_IWOTH, "may not be writable by others", &files->cert);
	if (!error)
		error = read_pem(&key, S_IRWXO | S_IWGRP,
				 "may not be open to others, nor writable by its group (chmod 640)",
				 &files->key);
	if (!error)
		error = read_end(&cert, files);
	if (!error)
		error = check_pair(&key, files);
	if (error) {
		tls_files_destroy(files);
	} else {
		make_ticket_key(files);
		*ret = files;
	}
	return error;
}

void tls_files_carry_over(struct tls_files *files, const struct tls_files *old)
{
	if (files && old)
		memcpy(files->ticket_key, old->ticket_key, sizeof(files->ticket_key));
}

void tls_files_destroy(struct tls_files *files)
{
	if (!files)
		return;
	if (files->key.at)
		gnutls_memset(files->key.at, 0, files->key.cap);
	gnutls_memset(files->ticket_key, 0, sizeof(files->ticket_key));
	buffer_fini(&files->key);
	buffer_fini(&files->cert);
	free(files);
}
