#include "jwt_token.h"

#include <gnutls/gnutls.h>
#include <jwt.h>

#define CLAIMS_DEPTH 8
#define SECONDS_MAX 9007199254740991. /* 2^53 - 1 */
#define BASE64URL "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

/* One token being looked at. */
struct check {
	const struct config *config;
	char *text; /* owned; the token with a NUL behind it, as libjwt wants it */
	struct span header_part, claims_part;
	struct buffer header_text, claims_text; /* owned; decoded */
	struct json header, claims;             /* owned */
	struct buffer scratch;                  /* owned; a string of either */
	struct outcome *refusal;
};

static int refuse(struct check *check, const char *detail)
{
	*check->refusal = outcome_refusal(401, "invalid_token", "%s", detail);
	return -EINVAL;
}

/* --- form ------------------------------------------------------------------------ */

/* base64url without padding (RFC 7515 section 2). The alphabet has been checked. */
static int decode_part(struct span part, struct buffer *ret)
{
	struct buffer text = {0};
	gnutls_datum_t encoded, decoded;

	buffer_append_span(&text, part);
	for (size_t i = 0; i < text.len; i++)
		text.at[i] = text.at[i] == '-' ? '+' : text.at[i] == '_' ? '/' : text.at[i];
	while (text.len % 4)
		buffer_append_char(&text, '=');
	encoded = (gnutls_datum_t){(unsigned char *)text.at, (unsigned)text.len};
	int error = gnutls_base64_decode2(&encoded, &decoded);
	buffer_fini(&text);
	if (error)
		return -EINVAL;
	buffer_append(ret, decoded.data, decoded.size);
	gnutls_free(decoded.data);
	return 0;
}

/* Three parts of base64url with dots between them. */
static int split(struct check *check, struct span token)
{
	struct span parts[3];
	size_t at = 0;

	if (token.len > JWT_TOKEN_MAX)
		return refuse(check, "the token is too long");
	check->text = strndup(token.at, token.len);
	MUST(check->text);
	for (unsigned i = 0; i < 3; i++) {
		size_t len = strspn(check->text + at, BASE64URL);

		parts[i] = span_of(check->text + at, len);
		at += len;
		if (!len || len % 4 == 1 || (i < 2 && check->text[at++] != '.'))
			return refuse(check, "the token is no signed JSON Web Token");
	}
	if (at != token.len)
		return refuse(check, "the token is no signed JSON Web Token");
	check->header_part = parts[0];
	check->claims_part = parts[1];
	return 0;
}

static int parse_part(struct check *check, struct span part, struct buffer *text, struct json *ret)
{
	struct json_fault fault;

	if (decode_part(part, text) || json_parse(ret, buffer_span(text), CLAIMS_DEPTH, &fault) ||
	    ret->tokens[0].type != JSON_OBJECT)
		return refuse(check, "a part of the token is no strict JSON object");
	return 0;
}

/* A string member, in the scratch. 0, -ENOENT, or -EINVAL. */
static int read_string(struct check *check, const struct json *json, struct span name)
{
	uint32_t value = json_member(json, 0, name);

	check->scratch.len = 0;
	return value ? json_string(json, value, &check->scratch) : -ENOENT;
}

static int check_header(struct check *check)
{
	struct span algorithm = span_string(check->config->auth_algorithm);

	if (parse_part(check, check->header_part, &check->header_text, &check->header))
		return -EINVAL;
	if (read_string(check, &check->header, SPAN("alg")) ||
	    !span_equals(buffer_span(&check->scratch), algorithm))
		return refuse(check, "the token is not signed with the algorithm of this server");
	if (json_member(&check->header, 0, SPAN("crit")))
		return refuse(check, "the token demands an extension (crit)");
	return 0;
}

/* --- signature ------------------------------------------------------------------- */

static bool is_signed_with(const struct check *check, const struct auth_key *key)
{
	jwt_t *jwt = NULL;

	if (jwt_decode(&jwt, check->text, (const unsigned char *)key->text.at, (int)key->text.len))
		return false;
	bool is_same = strcmp(jwt_alg_str(jwt_get_alg(jwt)), check->config->auth_algorithm) == 0;
	jwt_free(jwt);
	return is_same;
}

/* A key without a kid is tried for all tokens, and a token without one is tried with all keys. */
static int check_signature(struct check *check)
{
	const struct auth_secrets *secrets = check->config->auth_secrets;
	int error = read_string(check, &check->header, SPAN("kid"));
	struct span kid = buffer_span(&check->scratch);

	if (error == -EINVAL)
		return refuse(check, "the token's kid is no string");
	for (size_t i = 0; i < secrets->key_count; i++) {
		const struct auth_key *key = &secrets->keys[i];

		if ((error || !*key->kid || span_equals(kid, span_string(key->kid))) &&
		    is_signed_with(check, key))
			return 0;
	}
	return refuse(check, "the token is not signed with a key of this server");
}

/* --- claims ---------------------------------------------------------------------- */

/* Seconds since 1970, perhaps with a fraction. 0, -ENOENT, or -EINVAL. */
static int read_time(const struct json *json, struct span name, int64_t *ret_ms)
{
	uint32_t value = json_member(json, 0, name);
	char text[64];

	if (!value)
		return -ENOENT;
	struct span raw = json_raw(json, value);
	uint8_t type = json->tokens[value].type;
	if ((type != JSON_INTEGER && type != JSON_DOUBLE) || raw.len >= sizeof(text))
		return -EINVAL;
	memcpy(text, raw.at, raw.len);
	text[raw.len] = '\0';
	double seconds = strtod(text, NULL);
	if (!(seconds >= 0. && seconds <= SECONDS_MAX / 1000.))
		return -EINVAL;
	*ret_ms = (int64_t)(seconds * 1000.);
	return 0;
}

static int check_times(struct check *check, int64_t now_ms, int64_t *ret_ends_ms)
{
	int64_t expires_ms, begins_ms = 0;

	if (read_time(&check->claims, SPAN("exp"), &expires_ms))
		return refuse(check, "the token needs exp, in seconds");
	if (read_time(&check->claims, SPAN("nbf"), &begins_ms) == -EINVAL)
		return refuse(check, "the token's nbf is no time in seconds");
	if (now_ms >= expires_ms + JWT_LEEWAY_MS) {
		*check->refusal = outcome_refusal(401, "token_expired", "the token has expired");
		return -EINVAL;
	}
	if (now_ms + JWT_LEEWAY_MS < begins_ms)
		return refuse(check, "the token is not valid yet");
	/* A socket that is opened in the leeway has it. */
	*ret_ends_ms = now_ms < expires_ms ? expires_ms : expires_ms + JWT_LEEWAY_MS;
	return 0;
}

static int check_issuer(struct check *check)
{
	struct span issuer = span_string(check->config->auth_issuer);

	if (issuer.len && (read_string(check, &check->claims, SPAN("iss")) ||
			   !span_equals(buffer_span(&check->scratch), issuer)))
		return refuse(check, "the token is not from the issuer of this server");
	return 0;
}

/* A string, or an array of them. */
static int check_audience(struct check *check)
{
	struct span wanted = span_string(check->config->auth_audience);
	const struct json *claims = &check->claims;
	uint32_t value = json_member(claims, 0, SPAN("aud"));

	if (!wanted.len)
		return 0;
	if (value && json_string_equals(claims, value, wanted))
		return 0;
	if (value && claims->tokens[value].type == JSON_ARRAY)
		for (uint32_t i = value + 1; i < claims->tokens[value].next;
		     i = claims->tokens[i].next)
			if (json_string_equals(claims, i, wanted))
				return 0;
	return refuse(check, "the token is for another audience");
}

static int read_rights(struct check *check, struct rights **ret)
{
	uint32_t claim = json_member(&check->claims, 0, SPAN("syncdoc"));
	const char *reason;

	if (!rights_compile(claim ? &check->claims : NULL, claim, ret, &reason))
		return 0;
	*check->refusal = outcome_refusal(401, "invalid_token",
					  "the token's claim \"syncdoc\" is malformed: %s", reason);
	return -EINVAL;
}

static int make_principal(struct check *check, int64_t ends_at_ms, struct principal **ret)
{
	struct rights *rights;
	int64_t issued_at_ms = 0;

	if (read_time(&check->claims, SPAN("iat"), &issued_at_ms) == -EINVAL)
		return refuse(check, "the token's iat is no time in seconds");
	if (read_string(check, &check->claims, SPAN("sub")) ||
	    !auth_user_is_valid(buffer_span(&check->scratch)))
		return refuse(check, "the token needs sub: a user of 1 to 128 bytes");
	struct text *user = text_create(buffer_span(&check->scratch));
	int error = read_string(check, &check->claims, SPAN("jti"));
	if (error == -EINVAL)
		error = refuse(check, "the token's jti is no string");
	else
		error = read_rights(check, &rights);
	if (error) {
		text_put(user);
		return error;
	}
	struct text *token_id =
		check->scratch.len ? text_create(buffer_span(&check->scratch)) : NULL;
	*ret = principal_create(user, token_id, rights);
	(*ret)->issued_at_ms = issued_at_ms;
	(*ret)->ends_at_ms = ends_at_ms;
	return 0;
}

static int run(struct check *check, struct span token, int64_t now_ms, struct principal **ret)
{
	int64_t ends_at_ms;

	if (split(check, token) || check_header(check) || check_signature(check) ||
	    parse_part(check, check->claims_part, &check->claims_text, &check->claims) ||
	    check_times(check, now_ms, &ends_at_ms) || check_issuer(check) || check_audience(check))
		return -EINVAL;
	return make_principal(check, ends_at_ms, ret);
}

int jwt_token_check(const struct config *config, struct span token, int64_t now_ms,
		    struct principal **ret, struct outcome *ret_refusal)
{
	struct check check = {.config = config, .refusal = ret_refusal};
	int error = run(&check, token, now_ms, ret);

	free(check.text);
	buffer_fini(&check.header_text);
	buffer_fini(&check.claims_text);
	buffer_fini(&check.scratch);
	json_fini(&check.header);
	json_fini(&check.claims);
	return error;
}
