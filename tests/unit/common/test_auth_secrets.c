#include "auth_secrets.h"

#include <criterion/criterion.h>
#include <gnutls/abstract.h>
#include <sys/stat.h>
#include <unistd.h>

TestSuite(auth_secrets, .timeout = 100);

static char directory[] = "/tmp/syncdoc-auth-XXXXXX";
static char path[64];
static char error[512];

static void put(const char *text, size_t len, mode_t mode)
{
	if (!*path) {
		cr_assert_not_null(mkdtemp(directory));
		snprintf(path, sizeof(path), "%s/secret", directory);
	}
	FILE *file = fopen(path, "w");
	cr_assert_not_null(file);
	cr_assert_eq(fwrite(text, 1, len, file), len);
	fclose(file);
	chmod(path, mode);
}

static void clean(void)
{
	unlink(path);
	rmdir(directory);
}

static int load(enum config_auth_mode mode, char *algorithm, struct auth_secrets **ret)
{
	char *items[] = {path};
	struct config config = {.auth_mode = mode,
				.auth_key = {items, 1},
				.auth_algorithm = algorithm,
				.auth_tokens = path};

	*ret = NULL;
	*error = '\0';
	return auth_secrets_load(&config, ret, error, sizeof(error));
}

static void expect_refused(enum config_auth_mode mode, char *algorithm, const char *reason)
{
	struct auth_secrets *secrets;

	cr_expect_eq(load(mode, algorithm, &secrets), -EINVAL, "%s", reason);
	cr_expect(strstr(error, reason), "\"%s\" does not say %s", error, reason);
	cr_expect(strstr(error, path), "%s", error);
	auth_secrets_destroy(secrets);
}

Test(auth_secrets, a_secret_loses_its_line_end_and_needs_32_bytes, .fini = clean)
{
	static const char secret[] = "0123456789abcdef0123456789abcdef\r\n";
	static const char binary[] = "\x01\x02\x03 3456789abcdef0123456789abcdef\n";
	struct auth_secrets *secrets;

	put(secret, sizeof(secret) - 1, 0644);
	cr_assert_eq(load(CONFIG_AUTH_JWT, "HS256", &secrets), 0, "%s", error);
	cr_expect_eq(secrets->key_count, 1);
	cr_expect_eq(secrets->keys[0].text.len, 32);
	cr_expect_str_eq(secrets->keys[0].kid, "");
	auth_secrets_destroy(secrets);
	put(binary, sizeof(binary) - 1, 0600);
	cr_assert_eq(load(CONFIG_AUTH_JWT, "HS256", &secrets), 0, "%s", error);
	cr_expect_eq(secrets->keys[0].text.len, sizeof(binary) - 1, "bytes are not text");
	auth_secrets_destroy(secrets);
	put(secret, 31, 0600);
	expect_refused(CONFIG_AUTH_JWT, "HS256", "shorter than the 32 bytes");
	put("", 0, 0600);
	expect_refused(CONFIG_AUTH_JWT, "HS256", "shorter than the 32 bytes");
}

Test(auth_secrets, files_that_others_may_change_are_refused, .fini = clean)
{
	static const char secret[] = "0123456789abcdef0123456789abcdef";
	static const char tokens[] = "0123456789abcdef ann r\n";

	put(secret, sizeof(secret) - 1, 0620);
	expect_refused(CONFIG_AUTH_JWT, "HS256", "chmod go-w");
	put(secret, sizeof(secret) - 1, 0602);
	expect_refused(CONFIG_AUTH_JWT, "HS256", "chmod go-w");
	put(tokens, sizeof(tokens) - 1, 0640);
	expect_refused(CONFIG_AUTH_TOKEN, "", "chmod 600");
	put(tokens, sizeof(tokens) - 1, 0604);
	expect_refused(CONFIG_AUTH_TOKEN, "", "chmod 600");
	unlink(path);
	expect_refused(CONFIG_AUTH_JWT, "HS256", "No such file");
	cr_assert_eq(mkfifo(path, 0600), 0);
	expect_refused(CONFIG_AUTH_JWT, "HS256", "no regular file");
}

static void put_key(gnutls_pk_algorithm_t kind, unsigned bits, bool private)
{
	gnutls_x509_privkey_t key;
	gnutls_pubkey_t public;
	gnutls_privkey_t abstract;
	gnutls_datum_t pem;

	cr_assert_eq(gnutls_x509_privkey_init(&key), 0);
	cr_assert_eq(gnutls_x509_privkey_generate(key, kind, bits, 0), 0);
	if (private) {
		cr_assert_eq(gnutls_x509_privkey_export2(key, GNUTLS_X509_FMT_PEM, &pem), 0);
	} else {
		cr_assert_eq(gnutls_privkey_init(&abstract), 0);
		cr_assert_eq(gnutls_privkey_import_x509(abstract, key, 0), 0);
		cr_assert_eq(gnutls_pubkey_init(&public), 0);
		cr_assert_eq(gnutls_pubkey_import_privkey(public, abstract, 0, 0), 0);
		cr_assert_eq(gnutls_pubkey_export2(public, GNUTLS_X509_FMT_PEM, &pem), 0);
		gnutls_pubkey_deinit(public);
		gnutls_privkey_deinit(abstract);
	}
	put((char *)pem.data, pem.size, 0600);
	gnutls_free(pem.data);
	gnutls_x509_privkey_deinit(key);
}

Test(auth_secrets, a_key_must_be_of_its_algorithm, .fini = clean)
{
	struct auth_secrets *secrets;

	put_key(GNUTLS_PK_RSA, 2048, false);
	cr_assert_eq(load(CONFIG_AUTH_JWT, "RS256", &secrets), 0, "%s", error);
	auth_secrets_destroy(secrets);
	expect_refused(CONFIG_AUTH_JWT, "ES256", "P-256");
	expect_refused(CONFIG_AUTH_JWT, "HS256", "is a PEM key");
	put_key(GNUTLS_PK_RSA, 1024, false);
	expect_refused(CONFIG_AUTH_JWT, "RS256", "less than 2048 bits");
	put_key(GNUTLS_PK_EC, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), false);
	cr_assert_eq(load(CONFIG_AUTH_JWT, "ES256", &secrets), 0, "%s", error);
	auth_secrets_destroy(secrets);
	expect_refused(CONFIG_AUTH_JWT, "RS256", "no RSA key");
	put_key(GNUTLS_PK_EC, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP384R1), false);
	expect_refused(CONFIG_AUTH_JWT, "ES256", "P-256");
	put_key(GNUTLS_PK_RSA, 2048, true);
	expect_refused(CONFIG_AUTH_JWT, "RS256", "private key");
	put("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", 57, 0600);
	expect_refused(CONFIG_AUTH_JWT, "RS256", "no public key");
}

/* --- static tokens ----------------------------------------------------------------- */

static int parse(const char *text, struct auth_secrets *ret, unsigned *ret_line,
		 const char **ret_reason)
{
	*ret = (struct auth_secrets){0};
	*ret_reason = NULL;
	return auth_tokens_parse(span_string(text), ret, ret_line, ret_reason);
}

static void fini(const struct auth_secrets *secrets)
{
	struct auth_secrets *owned = malloc(sizeof(*owned));

	*owned = *secrets;
	auth_secrets_destroy(owned);
}

Test(auth_secrets, a_line_is_a_token_a_user_and_rights)
{
	struct auth_secrets secrets;
	unsigned char digest[AUTH_DIGEST_LEN];
	const char *reason;
	unsigned line;

	cr_assert_eq(
		parse("# who\r\n\n  0123456789abcdef\tann\trwp\r\n"
		      "sha256:009f5111f7b27a781f1f1ddde5ebc2dd2b796bfc7365c9c28b548e564176929f bob "
		      "{ \"board\": {\"rights\":\"r\", \"documents\":[\"b-*\"]} }",
		      &secrets, &line, &reason),
		0, "%s", reason);
	cr_assert_eq(secrets.token_count, 2);
	auth_digest(SPAN("0123456789abcdef"), digest);
	cr_expect_eq(memcmp(secrets.tokens[0].digest, digest, sizeof(digest)), 0);
	cr_expect_eq(secrets.tokens[1].digest[1], 0x9f);
	cr_expect(span_equals(text_span(secrets.tokens[1].user), SPAN("bob")));
	cr_expect(rights_allow(secrets.tokens[0].rights, SPAN("x"), SPAN("y"), RIGHT_PRESENCE));
	cr_expect(!rights_allow(secrets.tokens[0].rights, SPAN("x"), SPAN("y"), RIGHT_ADMIN));
	cr_expect(rights_allow(secrets.tokens[1].rights, SPAN("board"), SPAN("b-1"), RIGHT_READ));
	cr_expect(!rights_allow(secrets.tokens[1].rights, SPAN("board"), SPAN("c"), RIGHT_READ));
	fini(&secrets);
}

Test(auth_secrets, a_bad_line_is_named)
{
	static const struct {
		const char *text;
		unsigned line;
	} rows[] = {
		{"short ann r", 1},
		{"\n0123456789abcdef", 2},
		{"0123456789abcdef ann", 1},
		{"0123456789abcdef ann x", 1},
		{"0123456789abcdef ann {\"s\":\"r\"", 1},
		{"0123456789abcdef ann {\"s\":\"r\"} more", 1},
		{"0123456789abcdef ann r\n0123456789abcdef bob r\n", 2},
		{"0123456789abcd\xc3\xa9 ann r", 1},
		{"0123456789abcdef a\x01n r", 1},
		{"0123456789abcdef a\xffn r", 1},
		{"sha256:00 ann r", 1},
		{"sha256:zz9f5111f7b27a781f1f1ddde5ebc2dd2b796bfc7365c9c28b548e564176929f ann r",
		 1},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct auth_secrets secrets;
		const char *reason;
		unsigned line;

		cr_expect_eq(parse(rows[i].text, &secrets, &line, &reason), -EINVAL, "%s",
			     rows[i].text);
		cr_expect_eq(line, rows[i].line, "%s", rows[i].text);
		cr_expect(reason && *reason, "%s", rows[i].text);
		fini(&secrets);
	}
}

Test(auth_secrets, there_is_a_limit_of_tokens)
{
	CLEANUP(buffer_fini) struct buffer text = {0};
	struct auth_secrets secrets;
	const char *reason;
	unsigned line;

	for (unsigned i = 0; i < AUTH_TOKENS_MAX; i++)
		buffer_printf(&text, "0123456789abcdef%u ann r\n", i);
	cr_assert_eq(auth_tokens_parse(buffer_span(&text), memset(&secrets, 0, sizeof(secrets)),
				       &line, &reason),
		     0);
	fini(&secrets);
	buffer_append_string(&text, "0123456789abcdef ann r");
	cr_assert_eq(auth_tokens_parse(buffer_span(&text), memset(&secrets, 0, sizeof(secrets)),
				       &line, &reason),
		     -EINVAL);
	fini(&secrets);
}
