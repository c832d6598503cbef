/* client.c — see client.h. */
#include "client.h"

#include "channel.h"

#include <inttypes.h>

#define ERROR_MAX 512

void client_append_path(struct buffer *ret, const char *service, const char *id)
{
	buffer_append_string(ret, "/v1/services/");
	server_url_append_escaped(ret, span_string(service));
	buffer_append_string(ret, "/documents");
	if (!id)
		return;
	buffer_append_char(ret, '/');
	server_url_append_escaped(ret, span_string(id));
}

void client_append_request(const struct context *context, const struct client_call *call, bool keep,
			   struct buffer *ret)
{
	buffer_printf(
		ret,
		"%s %s%.*s HTTP/1.1\r\nHost: %s\r\nUser-Agent: syncdocctl/" SYNCDOC_VERSION "\r\n",
		call->method, context->url.base, SPAN_ARGS(call->path), context->url.authority);
	if (!keep)
		buffer_append_string(ret, "Connection: close\r\n");
	if (context->token)
		buffer_printf(ret, "Authorization: Bearer %s\r\n", context->token);
	if (call->header)
		buffer_printf(ret, "%s\r\n", call->header);
	if (call->type)
		buffer_printf(ret, "Content-Type: %s\r\nContent-Length: %zu\r\n", call->type,
			      call->body.len);
	buffer_append_string(ret, "\r\n");
	if (call->type)
		buffer_append_span(ret, call->body);
}

/* ---- one exchange ---- */

static int read_reply(struct channel *channel, int64_t deadline_ms, struct http_reply *ret)
{
	char bytes[16384];
	while (ret->state != HTTP_REPLY_DONE) {
		ssize_t got = channel_receive_until(channel, bytes, sizeof(bytes), deadline_ms);
		if (got < 0)
			return (int)got;
		if (got == 0)
			return http_reply_end(ret);
		size_t len = (size_t)got;
		int error = http_reply_feed(ret, bytes, &len);
		if (error)
			return error;
	}
	return 0;
}

static const char *describe(int error)
{
	switch (error) {
	case -ETIMEDOUT:
		return "no answer in time (--timeout)";
	case -EBADMSG:
		return "what answers there is no HTTP server";
	case -EPIPE:
		return "the connection ended before the answer did";
	default:
		return strerror(-error);
	}
}

int client_request(const struct context *context, const struct client_call *call,
		   struct http_reply *ret)
{
	CLEANUP(buffer_fini) struct buffer request = {0};
	char reason[ERROR_MAX];
	struct channel *channel;
	int64_t deadline_ms = clock_monotonic_ms() + context->timeout_ms;
	int error = channel_open(&context->url, context->ca_file, deadline_ms, &channel, reason,
				 sizeof(reason));
	if (error) {
		output_complain("cannot reach %s: %s", context->url_text, reason);
		return EXIT_UNREACHABLE;
	}
	client_append_request(context, call, false, &request);
	http_reply_reset(ret);
	error = channel_send_all(channel, buffer_span(&request), deadline_ms);
	/* A server that refuses a large body may close before it has all of it; its answer is there
	 * nevertheless. */
	if (!error || error == -EPIPE || error == -ECONNRESET) {
		int read_error = read_reply(channel, deadline_ms, ret);
		error = error && read_error ? error : read_error;
	}
	channel_close(channel);
	if (!error)
		return 0;
	output_complain("%s: %s%s", context->url_text, describe(error),
			strcmp(call->method, "GET") == 0 ? ""
							 : "; whether it was done is not known");
	return EXIT_UNREACHABLE;
}

/* ---- refusals ---- */

int client_exit_code(int status, struct span code)
{
	switch (status) {
	case 404:
	case 410:
		return EXIT_NOT_FOUND;
	case 409:
	case 412:
		return EXIT_CONFLICT;
	case 401:
	case 403:
		return EXIT_FORBIDDEN;
	case 429:
		return EXIT_UNAVAILABLE;
	case 503:
		return span_equals(code, SPAN("outcome_unknown")) ? EXIT_FAILED : EXIT_UNAVAILABLE;
	default:
		return status < 400 ? EXIT_DONE : EXIT_FAILED;
	}
}

/* A member of the problem as text, safe for a terminal; nothing if it is none. */
static void append_member(const struct json *json, const char *name, struct buffer *ret)
{
	CLEANUP(buffer_fini) struct buffer text = {0};
	uint32_t token = json_member(json, 0, span_string(name));
	if (token && json_string(json, token, &text) == 0)
		output_append_safe(ret, buffer_span(&text));
}

int client_refused(const struct context *context, const struct http_reply *reply)
{
	CLEANUP(buffer_fini) struct buffer code = {0};
	CLEANUP(buffer_fini) struct buffer detail = {0};
	CLEANUP(json_fini) struct json json = {0};
	struct json_fault fault;
	int64_t revision;
	if (json_parse(&json, buffer_span(&reply->body), JSON_DEPTH_LIMIT, &fault) ||
	    json.tokens[0].type != JSON_OBJECT) {
		output_complain("%s answers with status %d, and not as syncdocd does",
				context->url_text, reply->status);
		return client_exit_code(reply->status, SPAN_NONE);
	}
	append_member(&json, "code", &code);
	append_member(&json, "detail", &detail);
	if (!detail.len)
		append_member(&json, "title", &detail);
	if (context->output.json) {
		fprintf(stderr, "%.*s\n", (int)reply->body.len, reply->body.at);
		return client_exit_code(reply->status, buffer_span(&code));
	}
	output_complain("%.*s (%d%s%.*s)", SPAN_ARGS(buffer_span(&detail)), reply->status,
			code.len ? " " : "", SPAN_ARGS(buffer_span(&code)));
	if (reply->status == 412 &&
	    json_int64(&json, json_member(&json, 0, SPAN("currentRevision")), &revision) == 0)
		output_complain("the document is at revision %" PRId64, revision);
	return client_exit_code(reply->status, buffer_span(&code));
}

int client_call(const struct context *context, const struct client_call *call,
		struct http_reply *ret)
{
	int error = client_request(context, call, ret);
	if (error)
		return error;
	return ret->status < 400 ? EXIT_DONE : client_refused(context, ret);
}

int client_parse(const struct http_reply *reply, struct json *json)
{
	struct json_fault fault;
	if (json_parse(json, buffer_span(&reply->body), JSON_DEPTH_LIMIT, &fault) == 0 &&
	    json->tokens[0].type == JSON_OBJECT)
		return 0;
	output_complain("the answer (status %d) is not one of syncdocd's", reply->status);
	return EXIT_FAILED;
}
