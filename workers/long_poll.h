/* long_poll.h — GET …/documents/{id}?wait=30s with If-None-Match: answered when the document is no
 * longer the one the client has, or with 304 when the time is over. */
#ifndef SYNCDOC_LONG_POLL_H
#define SYNCDOC_LONG_POLL_H

#include "context.h"
#include "http.h"
#include "operations.h"

struct long_polls;

#define LONG_POLL_MAX_S 60

/* After the fan-out, of which it is a tap. */
struct long_polls *long_polls_create(struct worker *worker);
size_t long_polls_count(const struct long_polls *polls);
/* Answers all, each after a last look at its document. Before operations_destroy(), which ends
 * those looks. */
void long_polls_end(struct long_polls *polls);
void long_polls_destroy(struct long_polls *polls); /* none is left; NULL is fine */

/* `30` or `30s`: 1 to LONG_POLL_MAX_S seconds. -EINVAL: it is not. */
int long_poll_parse_wait(const char *text, unsigned *ret_seconds);
/* Answers the request now or later. The spans of `read` live as long as the request.
 * -EBUSY with *ret_refusal set: too many, nothing was done. */
int long_poll_start(struct request *request, const struct read_request *read, unsigned seconds,
		    struct outcome *ret_refusal);

/* Answers those with 401 for whose principal the test holds. Between two passes of the fan-out. */
struct principal;
void long_polls_end_revoked(struct long_polls *polls,
			    bool (*test)(const struct principal *principal, void *arg), void *arg);

#endif
