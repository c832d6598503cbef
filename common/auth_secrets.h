/* auth_secrets.h — what the files of auth.key and auth.tokens hold. The supervisor reads them at
 * its start and at a reload, as the user it has become; workers have them from it by fork, so a
 * file that breaks later harms no worker that is born later. */
#ifndef SYNCDOC_AUTH_SECRETS_H
#define SYNCDOC_AUTH_SECRETS_H

#include "config.h"
#include "rights.h"

#define AUTH_USER_MAX 128
#define AUTH_DIGEST_LEN 32 /* SHA-256 */
#define AUTH_TOKENS_MAX 1000

struct auth_key {
	char *kid;          /* owned; "": it is tried for tokens of every kid */
	struct buffer text; /* owned; a PEM public key or, HS256, the secret; a NUL stands behind */
};

/* A static token. */
struct auth_token {
	unsigned char digest[AUTH_DIGEST_LEN]; /* of the token: it is kept nowhere */
	struct text *user;                     /* one reference */
	struct rights *rights;                 /* one reference */
};

struct auth_secrets {
	struct auth_key *keys; /* owned; in the order of auth.key */
	size_t key_count;
	struct auth_token *tokens; /* owned */
	size_t token_count;
};

/* Reads what auth.mode needs. -EINVAL, and one line in ret_error that names the key of the
 * configuration and the file: not there, writable by others, not of the algorithm. */
int auth_secrets_load(const struct config *config, struct auth_secrets **ret, char *ret_error,
		      size_t error_len);
void auth_secrets_destroy(struct auth_secrets *secrets); /* wipes; NULL is fine */

/* "path" or "kid=path" of auth.key. */
struct span auth_key_kid(const char *item); /* len 0: none */
const char *auth_key_path(const char *item);

/* Who it is: 1 to 128 bytes of UTF-8 without control characters. */
bool auth_user_is_valid(struct span user);
void auth_digest(struct span token, unsigned char ret[AUTH_DIGEST_LEN]);

/* Parses the text of a tokens file; `ret` gets the tokens. -EINVAL: *ret_line and ret_reason
 * (static) say where and why. For auth_secrets_load() and its tests. */
int auth_tokens_parse(struct span text, struct auth_secrets *ret, unsigned *ret_line,
		      const char **ret_reason);

#endif
