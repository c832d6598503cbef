/* control_client.c — see control_client.h. */
#include "control_client.h"

#include "channel.h"

#define ANSWER_MAX (64 << 20)
#define ERROR_MAX 256

static int complain_unreachable(const struct context *context, int error)
{
	const char *hint = "";
	if (error == -EACCES || error == -EPERM)
		hint = "; it is for root and the daemon's own user: try sudo";
	else if (error == -ENOENT || error == -ECONNREFUSED)
		hint = "; is syncdocd running? Its socket stands in its state_dir (--socket PATH)";
	output_complain("control socket %s: %s%s", context->socket_path, strerror(-error), hint);
	return error == -EACCES || error == -EPERM ? EXIT_FORBIDDEN : EXIT_UNREACHABLE;
}

static int read_line(struct channel *channel, int64_t deadline_ms, struct buffer *text)
{
	for (;;) {
		char *to = buffer_reserve(text, 65536);
		ssize_t got = channel_receive_until(channel, to, 65536, deadline_ms);
		if (got < 0)
			return (int)got;
		if (got == 0)
			return -EPIPE;
		text->len += (size_t)got;
		if (text->at[text->len - 1] == '\n')
			return 0;
		if (text->len > ANSWER_MAX)
			return -EMSGSIZE;
	}
}

static int exchange(const struct context *context, const char *request, struct buffer *text)
{
	struct server_url place = {0};
	char reason[ERROR_MAX];
	struct channel *channel;
	int64_t deadline_ms = clock_monotonic_ms() + context->timeout_ms;
	if (strlen(context->socket_path) >= sizeof(place.unix_path))
		return -ENAMETOOLONG;
	strcpy(place.unix_path, context->socket_path);
	int error = channel_open(&place, NULL, deadline_ms, &channel, reason, sizeof(reason));
	if (error)
		return error;
	CLEANUP(buffer_fini) struct buffer line = {0};
	buffer_printf(&line, "%s\n", request);
	error = channel_send_all(channel, buffer_span(&line), deadline_ms);
	/* Who is refused is told so, whether or not it was listened to. */
	if (!error || error == -EPIPE || error == -ECONNRESET) {
		int read_error = read_line(channel, deadline_ms, text);
		error = error && read_error ? error : read_error;
	}
	channel_close(channel);
	return error;
}

static int exit_code_of(const char *code)
{
	if (strcmp(code, "forbidden") == 0)
		return EXIT_FORBIDDEN;
	if (strcmp(code, "busy") == 0 || strcmp(code, "too_many_draining") == 0 ||
	    strcmp(code, "not_running") == 0)
		return EXIT_UNAVAILABLE;
	if (strcmp(code, "no_such_worker") == 0)
		return EXIT_NOT_FOUND;
	return strcmp(code, "invalid_level") == 0 ? EXIT_USAGE : EXIT_FAILED;
}

static int refused(const struct context *context, const struct json *json, struct span text)
{
	CLEANUP(buffer_fini) struct buffer code = {0};
	CLEANUP(buffer_fini) struct buffer detail = {0};
	CLEANUP(buffer_fini) struct buffer safe = {0};
	control_string(json, 0, "code", &code);
	output_append_safe(&safe, span_string(control_string(json, 0, "detail", &detail)));
	if (context->output.json)
		fprintf(stderr, "%.*s", SPAN_ARGS(text));
	else
		output_complain("%.*s", SPAN_ARGS(buffer_span(&safe)));
	return exit_code_of(code.at);
}

int control_ask(const struct context *context, const char *request, struct buffer *text,
		struct json *json, uint32_t *ret_result)
{
	struct json_fault fault;
	text->len = 0;
	int error = exchange(context, request, text);
	if (error)
		return complain_unreachable(context, error);
	if (json_parse(json, buffer_span(text), JSON_DEPTH_LIMIT, &fault) ||
	    json->tokens[0].type != JSON_OBJECT) {
		output_complain("control socket %s: what answers there is no syncdocd",
				context->socket_path);
		return EXIT_FAILED;
	}
	if (!control_is_true(json, 0, "ok"))
		return refused(context, json, buffer_span(text));
	uint32_t result = json_member(json, 0, SPAN("result"));
	if (!result || json->tokens[result].type != JSON_OBJECT) {
		output_complain("control socket %s: an answer without a result",
				context->socket_path);
		return EXIT_FAILED;
	}
	*ret_result = result;
	return 0;
}

int64_t control_number(const struct json *json, uint32_t object, const char *name)
{
	uint32_t token = json_member(json, object, span_string(name));
	int64_t number;
	return token && json_int64(json, token, &number) == 0 ? number : 0;
}

bool control_is_true(const struct json *json, uint32_t object, const char *name)
{
	uint32_t token = json_member(json, object, span_string(name));
	return token && json->tokens[token].type == JSON_TRUE;
}

const char *control_string(const struct json *json, uint32_t object, const char *name,
			   struct buffer *ret)
{
	uint32_t token = json_member(json, object, span_string(name));
	ret->len = 0;
	if (token)
		json_string(json, token, ret);
	buffer_append_char(ret, '\0');
	return ret->at;
}
