/* client.h — requests to the server's REST interface, one connection each, and what its refusals
 * mean for the exit status. */
#ifndef SYNCDOC_CTL_CLIENT_H
#define SYNCDOC_CTL_CLIENT_H

#include "verb_context.h"
#include "http_reply.h"

struct client_call {
	const char *method;
	struct span path; /* below the base of the URL, with its query, escaped */
	const char *type; /* of the body; NULL: there is none */
	struct span body;
	const char *header; /* one more line, without its end; NULL: none */
};

/* Appends "/v1/services/{service}/documents", and "/{id}" where id is not NULL. */
void client_append_path(struct buffer *ret, const char *service, const char *id);
/* Appends a whole request, as it goes out. `keep`: the connection stays. */
void client_append_request(const struct context *context, const struct client_call *call, bool keep,
			   struct buffer *ret);

/* 0, or EXIT_UNREACHABLE after complaining: then there is no answer. */
int client_request(const struct context *context, const struct client_call *call,
		   struct http_reply *ret);
/* The same, and an answer that is a refusal is printed and turned into its exit code. */
int client_call(const struct context *context, const struct client_call *call,
		struct http_reply *ret);
/* Prints the refusal of an answer; its exit code. */
int client_refused(const struct context *context, const struct http_reply *reply);
/* The body of an answer as JSON. EXIT_FAILED after complaining: it is none, so it is not ours. */
int client_parse(const struct http_reply *reply, struct json *json);

/* Pure: what a status and the `code` of its problem (may be empty) come to. */
int client_exit_code(int status, struct span code);

#endif
