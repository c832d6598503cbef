/* auth_tokens.c — the file of static tokens, a line each: `token user rights`. The token is at
 * least 16 characters, or `sha256:` and the hex digest of one, so that the file need not give it
 * away. Rights are letters (for all services) or what the claim "syncdoc" would be. `#` begins a
 * comment line. */
#include "auth_secrets.h"

#include <gnutls/crypto.h>

#define TOKEN_MIN 16
#define TOKEN_ALPHABET "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/="
#define DIGEST_PREFIX "sha256:"
#define RIGHTS_DEPTH 4

static int refuse(const char **ret_reason, const char *reason)
{
	*ret_reason = reason;
	return -EINVAL;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* Takes the next word off the line. */
static struct span take_word(struct span *line)
{
	size_t from = 0, to;

	while (from < line->len && is_blank(line->at[from]))
		from++;
	for (to = from; to < line->len && !is_blank(line->at[to]);)
		to++;
	struct span word = span_of(line->at + from, to - from);
	*line = span_of(line->at + to, line->len - to);
	return word;
}

static struct span trim(struct span line)
{
	while (line.len && is_blank(line.at[0]))
		line = span_of(line.at + 1, line.len - 1);
	while (line.len && is_blank(line.at[line.len - 1]))
		line.len--;
	return line;
}

static int read_digest(struct span token, unsigned char ret[AUTH_DIGEST_LEN],
		       const char **ret_reason)
{
	if (span_starts_with(token, SPAN(DIGEST_PREFIX))) {
		size_t prefix = strlen(DIGEST_PREFIX), len = AUTH_DIGEST_LEN;
		gnutls_datum_t hex = {(unsigned char *)token.at + prefix,
				      (unsigned)(token.len - prefix)};

		if (hex.size != 2 * AUTH_DIGEST_LEN || gnutls_hex_decode(&hex, ret, &len) ||
		    len != AUTH_DIGEST_LEN)
			return refuse(ret_reason, "sha256: needs 64 hex digits behind it");
		return 0;
	}
	if (token.len < TOKEN_MIN)
		return refuse(ret_reason, "a token needs at least 16 characters");
	for (size_t i = 0; i < token.len; i++)
		if (!token.at[i] || !strchr(TOKEN_ALPHABET, token.at[i]))
			return refuse(ret_reason, "a token is letters, digits and -._~+/=");
	auth_digest(token, ret);
	return 0;
}

static int read_rights(struct span text, struct rights **ret, const char **ret_reason)
{
	CLEANUP(buffer_fini) struct buffer claim = {0};
	struct json_fault where;
	struct json json = {0};

	if (!text.len)
		return refuse(ret_reason, "a line is: token, user, rights");
	if (text.at[0] != '{') {
		buffer_append_string(&claim, "{\"*\":\"");
		buffer_append_span(&claim, text);
		buffer_append_string(&claim, "\"}");
		text = buffer_span(&claim);
	}
	int error = json_parse(&json, text, RIGHTS_DEPTH, &where);
	if (error)
		*ret_reason = where.reason;
	else
		error = rights_compile(&json, 0, ret, ret_reason);
	json_fini(&json);
	return error ? -EINVAL : 0;
}

static bool is_known(const struct auth_secrets *secrets, const unsigned char *digest)
{
	for (size_t i = 0; i < secrets->token_count; i++)
		if (memcmp(secrets->tokens[i].digest, digest, AUTH_DIGEST_LEN) == 0)
			return true;
	return false;
}

static int read_line(struct span line, struct auth_secrets *secrets, const char **ret_reason)
{
	struct span token = take_word(&line), user = take_word(&line);
	struct auth_token *ret = &secrets->tokens[secrets->token_count];

	if (!token.len || token.at[0] == '#')
		return 0;
	if (secrets->token_count == AUTH_TOKENS_MAX)
		return refuse(ret_reason, "there are more than 1000 tokens");
	if (read_digest(token, ret->digest, ret_reason))
		return -EINVAL;
	if (is_known(secrets, ret->digest))
		return refuse(ret_reason, "that token stands there twice");
	if (!auth_user_is_valid(user))
		return refuse(ret_reason, "the second word must be a user of at most 128 bytes");
	if (read_rights(trim(line), &ret->rights, ret_reason))
		return -EINVAL;
	ret->user = text_create(user);
	secrets->token_count++;
	return 0;
}

int auth_tokens_parse(struct span text, struct auth_secrets *ret, unsigned *ret_line,
		      const char **ret_reason)
{
	*ret_line = 0;
	ret->tokens = calloc(AUTH_TOKENS_MAX + 1, sizeof(*ret->tokens));
	MUST(ret->tokens);
	while (text.len) {
		const char *end = memchr(text.at, '\n', text.len);
		struct span line = span_of(text.at, end ? (size_t)(end - text.at) : text.len);

		++*ret_line;
		if (read_line(line, ret, ret_reason))
			return -EINVAL;
		size_t used = line.len + (end != NULL);
		text = span_of(text.at + used, text.len - used);
	}
	return 0;
}
