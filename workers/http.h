/* http.h — libmicrohttpd inside the worker's loop: requests in, answers out. One request is
 * answered exactly once.
 *
 * While a handler waits for Redis MHD asks for the answer a few times, then the connection is
 * suspended and request_answer() resumes it.
 * Handlers see struct request only, so they can be tested without sockets. */
#ifndef SYNCDOC_HTTP_H
#define SYNCDOC_HTTP_H

#include "context.h"
#include "outcome.h"
#include "buffer.h"
#include <netinet/in.h>

struct http;

/* Starts MHD on the inherited listeners. NULL: it failed, and the reason is logged. */
struct http *http_create(struct worker *worker);
/* It began while it was not known yet which tokens are revoked; now it is. */
void http_accept_now(struct http *http);
/* Stops accepting; idle keep-alive connections are closed, answers carry `Connection: close`. */
void http_drain(struct http *http);
/* TCP and unix connections but those of WebSockets. */
size_t http_connections(const struct http *http);
/* Requests under way. */
size_t http_active(const struct http *http);
/* All requests must be answered before (operations_destroy() does that). NULL is fine. */
void http_destroy(struct http *http);
/* MHD must run once more: after resume, and after an upgraded socket was taken over (FACTS.md). */
void http_run_soon(struct http *http);

enum http_method {
	HTTP_GET = 1,
	HTTP_HEAD = 2,
	HTTP_POST = 4,
	HTTP_PUT = 8,
	HTTP_PATCH = 16,
	HTTP_DELETE = 32,
	HTTP_OPTIONS = 64
};

#define REQUEST_ID_LEN 20

struct request; /* private to http.c, request.c; handlers use what follows */

struct worker *request_worker(const struct request *request);
enum http_method
request_method(const struct request *request); /* HEAD is seen as GET by handlers of GET */
bool request_is_head(const struct request *request);
struct span request_body(const struct request *request);
/* Percent-decoded path parameter of the route, "" where the route has none; always valid UTF-8
 * without NUL. */
struct span request_path_service(const struct request *request);
struct span request_path_id(const struct request *request);
struct span request_path_member(const struct request *request);
/* Decoded query value or header, NULL if absent. */
const char *request_query(const struct request *request, const char *name);
const char *request_header(const struct request *request, const char *name);
/* -EINVAL with a 400 refusal in *ret_fault if a query parameter outside the NULL-terminated list is
 * given, or one twice. */
int request_check_query(const struct request *request, const char *const *known,
			struct outcome *ret_fault);
/* The same, but the parameter `repeated` may be given several times: request_query_next() has
 * them. */
int request_check_query_repeated(const struct request *request, const char *const *known,
				 const char *repeated, struct outcome *ret_fault);
/* The next value of `name` from *place on, which begins at 0; NULL: no more. */
const char *request_query_next(const struct request *request, const char *name, unsigned *place);
struct MHD_Connection;
/* The socket that its client is at; MHD's own may be an end of a pair (tls_front.h). */
int http_connection_socket(struct MHD_Connection *connection);
struct MHD_Connection *request_connection(const struct request *request);

/* Who asks; set before the handler is called. NULL: nobody (the route is open, or a WebSocket that
 * authenticates later). */
struct principal;
struct principal *request_principal(const struct request *request);
/* 0: the principal may use `right` on the document, or, id of len 0, on some document of the
 * service; service of len 0: RIGHT_ADMIN of the whole server. -EACCES with a 403. */
int request_access(struct request *request, struct span service, struct span id, unsigned right,
		   struct outcome *ret_refusal);
/* The client's: that of the peer or, behind one of trusted_proxies, of whom it speaks for. All zero
 * over a unix socket. */
struct in6_addr request_address(const struct request *request);
/* Its connection becomes a WebSocket, which counts for limits.per_address by itself. */
void request_give_place(struct request *request);
/* From a client on this machine: over loopback or a unix socket, and not on behalf of somebody
 * else. */
bool request_is_local(const struct request *request);
/* On an open route: the client may see what is not for everybody, being local or an administrator.
 * A token that is none counts as no token. */
bool request_may_look_inside(struct request *request);
/* Of an upgraded request over TLS: what its WebSocket goes on with, without MHD, whose socket is
 * `mhd_fd`. False: it is plain, or its client has gone. */
struct tls_taken;
bool request_take_tls(struct request *request, int mhd_fd, struct tls_taken *ret);

/* NULL where log.access is off; see access_log.h. */
struct access_line *request_access_line(const struct request *request);

/* Header added to the answer; both are copied. Before request_answer(). */
void request_set_header(struct request *request, const char *name, const char *value);
/* Answers 101 with what MHD_create_response_for_upgrade() made (taken over); the caller has added
 * Upgrade, MHD adds Connection. Only inside the handler. What the socket gets afterwards is the
 * business of the response's upgrade handler. */
struct MHD_Response;
void request_answer_upgrade(struct request *request, struct MHD_Response *response);
/* Answers 200 with an event stream whose body comes from the callback of `response` (taken over);
 * HEAD gets the headers only. Only inside the handler. */
void request_answer_stream(struct request *request, struct MHD_Response *response);
/* limits.request_timeout does not end this request any more: the handler has a deadline of its
 * own, and takes its time. Inside the handler. */
void request_drop_deadline(struct request *request);
/* Answers; body is copied (or, `_owned`, taken over). content_type NULL: no body. HEAD sends the
 * headers only. */
void request_answer(struct request *request, int status, const char *content_type,
		    struct span body);
/* Of an answer that has no body by its nature, to HEAD or with status 304: how long it would be. */
void request_answer_without_body(struct request *request, int status, const char *content_type,
				 size_t body_len);
/* The same for a body that never changes or goes away: it is not copied. */
void request_answer_constant(struct request *request, int status, const char *content_type,
			     struct span body);
void request_answer_owned(struct request *request, int status, const char *content_type,
			  struct buffer *body);
/* application/problem+json from a refusal, with Retry-After, currentRevision… */
void request_answer_problem(struct request *request, const struct outcome *outcome);
/* An operation_done_fn whose arg is the request: success → the envelope (or list) as JSON with
 * ETag, refusal → problem. */
void request_answer_outcome(const struct outcome *outcome, void *request);

#endif
