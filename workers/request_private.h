/* request_private.h — the inside of struct request, for what takes requests in and answers them:
 * http*.c, request*.c, answer*.c, router.c, and those who watch or log them.
 *
 * A request has two owners: MHD from its first line until the completed callback, and its handler
 * from the start of the handler until it has answered. Either may be first to let go: the client
 * may vanish while Redis is asked, and at the deadline the request is answered over the handler's
 * head, whose own answer is then dropped. */
#ifndef SYNCDOC_REQUEST_PRIVATE_H
#define SYNCDOC_REQUEST_PRIVATE_H

#include "http_private.h"
#include "media_type.h"
#include "principal.h"
#include "target.h"

#define REQUEST_ID_MAX 64
#define REQUEST_BODY_SPARE 4096 /* what a body may have around the document */
#define REQUEST_RESERVE 65536   /* of what is announced: it need not come */

enum request_state {
	REQUEST_READING,   /* MHD reads it */
	REQUEST_HANDLING,  /* inside router_dispatch() */
	REQUEST_WAITING,   /* the handler waits; MHD asks for the answer in each run */
	REQUEST_SUSPENDED, /* the same, and the connection is suspended */
	REQUEST_ANSWERED,
};

struct joined_header {
	struct joined_header *next;
	char text[];
};

struct request {
	struct http *http;
	struct client *client;
	struct MHD_Connection *connection; /* NULL once MHD is done with it */
	unsigned references;
	enum request_state state;
	enum http_method method; /* 0: one we do not know */
	bool headers_seen;
	bool is_http_1_0;
	bool handler_waits;  /* the handler holds a reference and has not answered */
	bool body_dropped;   /* too large: counted only */
	bool given_up;       /* answered past MHD: whatever still comes of it is not heard */
	bool body_unread;    /* answered before it was read: the connection lingers */
	bool prefer_minimal; /* Prefer: return=minimal on a method that writes */
	bool conceals;       /* who writes may not read: answers have no data */
	bool counts;         /* in worker->addresses: it came through a proxy */
	bool reader_seen;    /* slow_reader.c: reader_taken is known */
	bool waits;          /* among http->waiting: MHD will ask for the answer */
	bool is_patient;     /* request_drop_deadline(): its answer surely takes long */
	unsigned asked;      /* times that MHD has asked in vain */
	int status;          /* with `response` */
	struct MHD_Response *response; /* owned; answered, and MHD has not asked yet */
	uint64_t reader_taken;
	size_t sender_seen; /* slow_sender.c: body_seen at the begin of the period */

	struct in6_addr address; /* of the client; known when the headers are */
	enum address_forwarded forwarded;

	struct deadline deadline;    /* until it is answered */
	struct principal *principal; /* one reference, or NULL */

	/* borrowed: MHD's, until it is done with the request; MHD decodes in place */
	const char *line_target, *line_target_end;
	struct span path_service, path_id, path_member;
	struct buffer body;
	size_t body_seen;
	struct buffer headers;        /* of the answer: name NUL value NUL … */
	struct joined_header *joined; /* values of headers that came more than once */
	char id[REQUEST_ID_MAX + 1];
	struct access_line *access; /* owned; NULL: log.access is off */

	struct target target;
	char memory[]; /* of target */
};

/* MHD has read the first line. One reference, MHD's. `target` is MHD's and lives as long. */
struct request *request_create(struct http *http, struct client *client,
			       struct MHD_Connection *connection, const char *target);
/* MHD is done with it: answered, or the client is gone. */
void request_complete(struct request *request);
void request_put(struct request *request);
/* MHD has read the headers: refuses what need not be read. Both strings as MHD gave them. */
void request_check_headers(struct request *request, const char *method, const char *version);
void request_take_body(struct request *request, struct span bytes);
/* MHD has read all of it: judges and dispatches. */
void request_run(struct request *request);
/* request_wait.c: the handler has not answered. MHD is asked again, or the connection suspended. */
void request_wait(struct request *request);
/* MHD asks for the answer. False: the request does not wait for one. */
bool request_ask(struct request *request);
/* The answer, which is taken over: given to MHD now or when it asks. */
void request_give(struct request *request, int status, struct MHD_Response *response);
/* MHD will not ask any more. */
void request_wait_no_more(struct request *request);
/* answer_headers.c. Headers of the answer, from *at NULL on: false when there is none left. */
bool request_next_header(const struct request *request, const char **at, const char **ret_value);
/* What all answers have. */
void request_set_common_headers(struct request *request);
/* Answers over the handler's head, 503, or 408 if it has not even arrived. */
void request_meet_deadline(struct deadline *deadline);
/* answer.c: its two halves. */
void request_answer_timeout(struct request *request);
void request_answer_unread(struct request *request, const struct outcome *outcome);
/* It has its answer: meets no deadline any more. */
void request_set_answered(struct request *request);

/* request_access.c: finds out who asks, and whether the route is for them. -EACCES: *ret_refusal is
 * a 401 or 403, and WWW-Authenticate is set. */
struct route;
int request_authenticate(struct request *request, const struct route *route,
			 struct outcome *ret_refusal);

bool request_changes_something(const struct request *request);
/* What the client asked for: of an absolute-form target, else the Host header; len 0: none. */
struct span request_host(const struct request *request);
enum media_type request_media_type(const struct request *request);

#endif
