/* router.h — which handler a request goes to, and what is judged before it: host, path, method,
 * origin, Accept, Content-Type. */
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
	bool upgrade;        /* WebSocket: no HEAD, and Accept does not count */
	bool stream;         /* answers with text/event-stream */
	bool any_type;       /* Accept does not count, or the handler looks at it */
};

/* Pure. NULL: there is no such route. All static files share one, whose pattern is "". */
const struct route *router_match(const struct target *target, struct span *ret_service,
				 struct span *ret_id, struct span *ret_member);
/* Value of Allow: `GET, HEAD, OPTIONS`. NULL: of all routes together. Pure. */
void router_format_allow(const struct route *route, char ret[ROUTER_ALLOW_MAX]);

/* Answers, or lets a handler do so, now or later. */
void router_dispatch(struct request *request);

#endif
