/* cors.h — which web pages may talk to us: those of our own origin, and those in cors_origins. */
#ifndef SYNCDOC_CORS_H
#define SYNCDOC_CORS_H

#include "context.h"

struct request;

/* May a page of this origin read and write? NULL: no browser, allowed. Also for the WebSocket
 * handshake. `host` is what the request was sent to (Host header, NULL if it had none). */
bool cors_origin_is_allowed(const struct worker *worker, const char *origin, const char *host);

/* Sets the headers that let a page of a listed origin read the answer; nothing for all others. */
void cors_set_headers(struct request *request);
/* Those of a preflight answer, too. `methods`: value of Access-Control-Allow-Methods. */
void cors_set_preflight_headers(struct request *request, const char *methods);

#endif
