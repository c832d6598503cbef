#define _GNU_SOURCE
/* auth_secrets.c — files into keys and static tokens. */
#include "auth_secrets.h"

#include "secret_file.h"
#include "utf8.h"

#include <gnutls/abstract.h>
#include <gnutls/crypto.h>

#define KEY_FILE_MAX 65536
#define TOKENS_FILE_MAX (1u << 20)
#define SECRET_MIN 32 /* bytes: RFC 7518 section 3.2, as long as the hash */
#define RSA_BITS_MIN 2048

/* --- keys ------------------------------------------------------------------------ */

struct span auth_key_kid(const char *item)
{
	const char *equals = *item == '/' ? NULL : strchr(item, '=');

	return equals ? span_of(item, (size_t)(equals - item)) : SPAN_NONE;
}

const char *auth_key_path(const char *item)
{
	size_t len = auth_key_kid(item).len;

	return len ? item + len + 1 : item;
}

static bool is_text(struct span bytes)
{
	for (size_t i = 0; i < bytes.len; i++)
		if ((unsigned char)bytes.at[i] < ' ' && bytes.at[i] != '\n' && bytes.at[i] != '\r')
			return false;
	return true;
}

/* Editors and `openssl rand -hex 32 >file` put a line's end there that nobody means. */
static void strip_line_end(struct buffer *secret)
{
	if (!is_text(buffer_span(secret)))
		return;
	if (secret->len && secret->at[secret->len - 1] == '\n')
		secret->len--;
	if (secret->len && secret->at[secret->len - 1] == '\r')
		secret->len--;
}

/* Who takes a public key for a secret lets everybody sign who has the public key. */
static int check_secret(const struct secret_report *report, struct buffer *secret)
{
	strip_line_end(secret);
	if (secret->len >= 10 && memmem(secret->at, secret->len, "-----BEGIN", 10))
		return secret_fault(report,
				    "is a PEM key, and HS256 needs a secret that nobody else has");
	if (secret->len < SECRET_MIN)
		return secret_fault(report,
				    "is shorter than the 32 bytes HS256 needs (openssl rand -hex "
				    "32 makes some)");
	return 0;
}

static const char *public_key_fault(gnutls_pubkey_t key, bool is_rsa)
{
	unsigned bits = 0;
	int kind = gnutls_pubkey_get_pk_algorithm(key, &bits);
	gnutls_ecc_curve_t curve;

	if (is_rsa)
		return kind != GNUTLS_PK_RSA ? "is no RSA key, which RS256 needs"
		       : bits < RSA_BITS_MIN ? "is an RSA key of less than 2048 bits"
					     : NULL;
	if (kind != GNUTLS_PK_ECDSA || gnutls_pubkey_export_ecc_raw(key, &curve, NULL, NULL) ||
	    curve != GNUTLS_ECC_CURVE_SECP256R1)
		return "is no key of the curve P-256, which ES256 needs";
	return NULL;
}

static int check_public_key(const struct secret_report *report, struct buffer *text, bool is_rsa)
{
	gnutls_datum_t pem = {(unsigned char *)text->at, (unsigned)text->len};
	gnutls_pubkey_t key;

	if (memmem(text->at, text->len, "PRIVATE KEY-----", 16))
		return secret_fault(report,
				    "has a private key; the public one is enough, and all this "
				    "server should have");
	MUST(!gnutls_pubkey_init(&key));
	const char *reason = gnutls_pubkey_import(key, &pem, GNUTLS_X509_FMT_PEM)
				     ? "is no public key in PEM (BEGIN PUBLIC KEY)"
				     : public_key_fault(key, is_rsa);
	gnutls_pubkey_deinit(key);
	return reason ? secret_fault(report, reason) : 0;
}

static int load_key(const struct config *config, const char *item, struct secret_report *report,
		    struct auth_key *ret)
{
	struct span kid = auth_key_kid(item);
	const char *algorithm = config->auth_algorithm;

	report->path = auth_key_path(item);
	ret->kid = strndup(kid.len ? kid.at : "", kid.len);
	MUST(ret->kid);
	if (secret_file_read(report, S_IWGRP | S_IWOTH,
			     "may be written by its group or by others (chmod go-w)", KEY_FILE_MAX,
			     &ret->text))
		return -EINVAL;
	buffer_reserve(&ret->text, 1);
	if (strcmp(algorithm, "HS256") == 0
		    ? check_secret(report, &ret->text)
		    : check_public_key(report, &ret->text, strcmp(algorithm, "RS256") == 0))
		return -EINVAL;
	ret->text.at[ret->text.len] = '\0';
	return 0;
}

static int load_keys(const struct config *config, struct auth_secrets *secrets,
		     struct secret_report *report)
{
	secrets->keys = calloc(config->auth_key.count + 1, sizeof(*secrets->keys));
	MUST(secrets->keys);
	for (size_t i = 0; i < config->auth_key.count; i++) {
		secrets->key_count++;
		if (load_key(config, config->auth_key.items[i], report, &secrets->keys[i]))
			return -EINVAL;
	}
	return 0;
}

static int load_tokens(const struct config *config, struct auth_secrets *secrets,
		       struct secret_report *report)
{
	CLEANUP(buffer_fini) struct buffer text = {0};
	char where[160];
	const char *reason;
	unsigned line;

	report->key = "auth.tokens";
	report->path = config->auth_tokens;
	if (secret_file_read(report, S_IRWXG | S_IRWXO, "must be its owner's alone (chmod 600)",
			     TOKENS_FILE_MAX, &text))
		return -EINVAL;
	int error = auth_tokens_parse(buffer_span(&text), secrets, &line, &reason);
	if (text.at)
		gnutls_memset(text.at, 0, text.len);
	if (!error)
		return 0;
	snprintf(where, sizeof(where), "line %u: %s", line, reason);
	return secret_fault(report, where);
}

/* --- life ------------------------------------------------------------------------ */

int auth_secrets_load(const struct config *config, struct auth_secrets **ret, char *ret_error,
		      size_t error_len)
{
	struct secret_report report = {"auth.key", "", ret_error, error_len};
	struct auth_secrets *secrets = calloc(1, sizeof(*secrets));
	int error = 0;

	MUST(secrets);
	if (config->auth_mode == CONFIG_AUTH_JWT)
		error = load_keys(config, secrets, &report);
	else if (config->auth_mode == CONFIG_AUTH_TOKEN)
		error = load_tokens(config, secrets, &report);
	if (error) {
		auth_secrets_destroy(secrets);
		return error;
	}
	*ret = secrets;
	return 0;
}

void auth_secrets_destroy(struct auth_secrets *secrets)
{
	if (!secrets)
		return;
	for (size_t i = 0; i < secrets->key_count; i++) {
		struct buffer *text = &secrets->keys[i].text;

		if (text->at)
			gnutls_memset(text->at, 0, text->len);
		buffer_fini(text);
		free(secrets->keys[i].kid);
	}
	for (size_t i = 0; i < secrets->token_count; i++) {
		text_put(secrets->tokens[i].user);
		rights_put(secrets->tokens[i].rights);
	}
	free(secrets->keys);
	free(secrets->tokens);
	free(secrets);
}

bool auth_user_is_valid(struct span user)
{
	if (!user.len || user.len > AUTH_USER_MAX || !utf8_is_valid(user))
		return false;
	for (size_t i = 0; i < user.len; i++)
		if ((unsigned char)user.at[i] < ' ' || user.at[i] == 0x7f)
			return false;
	return true;
}

void auth_digest(struct span token, unsigned char ret[AUTH_DIGEST_LEN])
{
	MUST(!gnutls_hash_fast(GNUTLS_DIG_SHA256, token.at, token.len, ret));
}
