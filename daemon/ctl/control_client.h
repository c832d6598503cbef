/* control_client.h — requests on the daemon's control socket. */
#ifndef SYNCDOC_CTL_CONTROL_CLIENT_H
#define SYNCDOC_CTL_CONTROL_CLIENT_H

#include "verb_context.h"

/* One request (a JSON object), one answer. On success `json` is the whole answer, over `text` (both
 * filled anew), and *ret_result the token of its "result". 0, or an exit code after complaining. */
int control_ask(const struct context *context, const char *request, struct buffer *text,
		struct json *json, uint32_t *ret_result);

/* Members of an answer; what is missing is 0 or empty. */
int64_t control_number(const struct json *json, uint32_t object, const char *name);
bool control_is_true(const struct json *json, uint32_t object, const char *name);
/* Decoded and NUL-terminated in `ret`. */
const char *control_string(const struct json *json, uint32_t object, const char *name,
			   struct buffer *ret);

#endif
