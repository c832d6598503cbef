/* session.h — what a client says in JSON messages, and what it is answered (DESIGN.md section 7).
 * For session*.c only. */
#ifndef SYNCDOC_SESSION_H
#define SYNCDOC_SESSION_H

#include "message_id.h"
#include "outcome.h"
#include "websockets_private.h"

/* A parsed message; `json` is the set's scratch and valid until the handler returns. */
struct session_message {
	const struct json *json; /* [0] is the object */
	struct span type;        /* decoded */
	struct span id;          /* raw JSON text of the client's id; len 0: none */
};

/* Starts an answer in the set's text buffer: `{"type":"result","id":1`; the caller appends members,
 * then session_answer_end(). */
struct buffer *session_answer_begin(struct connection *connection, const char *type,
				    struct span id);
void session_answer_end(struct connection *connection);
void session_send_error(struct connection *connection, struct span id,
			const struct outcome *outcome);

/* Appends `,"code":…,"status":…,"message":…` and what else the outcome has to the answer begun;
 * counts it. */
void session_append_error(struct connection *connection, const struct outcome *outcome);

/* Decoded string member into `ret` (a buffer of the caller's, replaced). 0, -ENOENT: absent,
 * -EINVAL: no string. */
int session_member_string(const struct session_message *message, const char *name,
			  struct buffer *ret);
/* 0, -ENOENT: absent or null, -EINVAL: no boolean. */
int session_member_boolean(const struct session_message *message, const char *name, bool *ret);

/* session_sync.c: sync.* */
void session_sync(struct connection *connection, const struct session_message *message);

#endif
