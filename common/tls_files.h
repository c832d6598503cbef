/* tls_files.h — what tls.cert and tls.key hold. Read as auth_secrets.h says: by the supervisor, at
 * its start and at a reload; workers have it by fork. */
#ifndef SYNCDOC_TLS_FILES_H
#define SYNCDOC_TLS_FILES_H

#include "buffer.h"
#include "config.h"

struct tls_files {
	struct buffer cert, key; /* PEM, a NUL stands behind each */
	int64_t ends_at_ms;      /* Unix: of the server's own certificate */
};

/* *ret is NULL where TLS is not set. -EINVAL, and one line in ret_error that names the key of the
 * configuration and the file: not there, readable by others, no PEM, not of one pair. */
int tls_files_load(const struct config *config, struct tls_files **ret, char *ret_error,
		   size_t error_len);
void tls_files_destroy(struct tls_files *files); /* wipes; NULL is fine */

#endif
