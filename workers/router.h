/* router.h — which handler a request goes to, and what is judged before it: host, path, method,
 * origin, who asks, names, Accept, Content-Type. */
#ifndef SYNCDOC_ROUTER_H
#define SYNCDOC_ROUTER_H

#include "http.h"
#include "target.h"

#define ROUTER_ALLOW_MAX 64

struct route {
	const char *pattern; /* `/a/{service}/{id}`; a parameter matches one segment that is not
				empty */
	unsigned methods;    /* enum http_method; HEAD goes with GET, OPTIONS with everything */
	void (*handle)(struct request *request);
	unsigned post_types, put_types,
		patch_types; /* bits of enum media_type that a body may have */
	/* enum right: what GET, and what the other methods need, on the document or, where the
	 * pattern has no {id}, on some document of the service. 0: administration. */
	unsigned read_right, change_right;
	bool upgrade;     /* WebSocket: no HEAD, and Accept does not count */
	bool stream;      /* answers with text/event-stream; the token may stand in the query */
	bool open;        /* for everybody, also without a token */
	bool local_open;  /* the same for who is on this host (/metrics) */
	bool token_only;  /* any token will do; the handler shows what it allows */
	bool token_later; /* without a token too: the handler asks for one (WebSocket) */
	bool any_type;    /* Accept does not count, or the handler looks at it */
};

/* Pure. NULL: there is no such route. All static files share one, whose pattern is "". */
const struct route *router_match(const struct target *target, struct span *ret_service,
				 struct span *ret_id, struct span *ret_member);
/* Value of Allow: `GET, HEAD, OPTIONS`. NULL: of all routes together. Pure. */
void router_format_allow(const struct route *route, char ret[ROUTER_ALLOW_MAX]);

/* Answers, or lets a handler do so, now or later. */
void router_dispatch(struct request *request);

#endif
