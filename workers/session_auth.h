/* session_auth.h — who a connection is: from its handshake or its first `auth`, until the token
 * ends or a later `auth` refreshes it. */
#ifndef SYNCDOC_SESSION_AUTH_H
#define SYNCDOC_SESSION_AUTH_H

#include "principal.h"
#include "session.h"

#define SESSION_AUTH_TIMEOUT_MS 10000            /* to the first good token */
#define SESSION_AUTH_MESSAGE_MAX ((size_t)65536) /* until then */

/* The `auth` message. */
void session_auth(struct connection *connection, const struct session_message *message);
/* 0, or -EACCES with a 403: the token does not allow `right` on the document (id of len 0: on some
 * document of the service). */
int session_access(struct connection *connection, struct span service, struct span id,
		   unsigned right, struct outcome *ret_refusal);

#endif
