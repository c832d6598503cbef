/* watch_verb.c — watch: subscribes, prints what comes, and connects again when the connection is
 * lost, from where it was. */
#define _GNU_SOURCE
#include "channel.h"
#include "client.h"
#include "live.h"
#include "watch_print.h"
#include "watch_state.h"
#include "utf8.h"

#include <bsd/stdlib.h>
#include <inttypes.h>
#include <time.h>

#define BACKOFF_MIN_MS 500
#define BACKOFF_MAX_MS 10000
#define SILENCE_MS 70000 /* without even a ping; the welcome says it better */
#define AGAIN_MS 1000    /* between two attempts to resume in place */

struct watch {
	struct context *context;
	struct watch_state *state; /* borrowed */
	struct live live;
	struct json message; /* owned; over the live connection's bytes */
	bool print_snapshot; /* the user wants it, or it stands for what was missed */
	bool was_subscribed; /* at least once */
	bool subscribed;     /* on this connection */
	int64_t left;        /* events still to print; INT64_MAX: any number */
	int64_t silence_ms;
	int64_t backoff_ms;
	int64_t resumed_ms; /* when it last resumed in place */
	char topic[256];
};

enum { GO_ON = -1, CONNECT_AGAIN = -2 }; /* else an exit code */

/* ---- printing ---- */

static bool as_lines(const struct watch *watch)
{
	return watch->context->output.json || !watch->context->output.terminal;
}

static int print_line(const struct watch *watch)
{
	CLEANUP(buffer_fini) struct buffer text = {0};
	buffer_append_span(&text, json_raw(&watch->message, 0));
	buffer_append_char(&text, '\n');
	return output_write(buffer_span(&text)) ? EXIT_FAILED : GO_ON;
}

static int print_event(struct watch *watch)
{
	CLEANUP(buffer_fini) struct buffer text = {0};
	int status = GO_ON;
	if (as_lines(watch)) {
		status = print_line(watch);
	} else {
		watch_print_event(&watch->context->output, &watch->message, &text);
		status = output_write(buffer_span(&text)) ? EXIT_FAILED : GO_ON;
	}
	if (status == GO_ON && watch->left != INT64_MAX && --watch->left == 0)
		return EXIT_DONE;
	return status;
}

static int print_snapshot(struct watch *watch)
{
	CLEANUP(buffer_fini) struct buffer text = {0};
	uint32_t document = json_member(&watch->message, 0, SPAN("document"));
	if (!document || !watch->print_snapshot)
		return GO_ON;
	if (as_lines(watch))
		return print_line(watch);
	output_append_pretty(&text, &watch->message, document, 0);
	buffer_append_char(&text, '\n');
	return output_write(buffer_span(&text)) ? EXIT_FAILED : GO_ON;
}

/* ---- messages ---- */

static int subscribe(struct watch *watch)
{
	CLEANUP(buffer_fini) struct buffer text = {0};
	watch_state_append_subscribe(watch->state, &text);
	return live_send(&watch->live, buffer_span(&text),
			 clock_monotonic_ms() + watch->context->timeout_ms);
}

static int take_subscribed(struct watch *watch)
{
	bool resumes = watch->was_subscribed;
	uint32_t outcome = json_member(&watch->message, 0, SPAN("outcome"));
	if (!watch->subscribed)
		output_note("%s%s%s%s", resumes ? "watching again: " : "watching ", watch->topic,
			    watch->state->id ? " of " : "",
			    watch->state->id ? watch->state->id : "");
	watch->was_subscribed = watch->subscribed = true;
	watch->backoff_ms = BACKOFF_MIN_MS;
	/* A snapshot where events were asked for stands for events that are no longer kept. */
	if (resumes && json_string_equals(&watch->message, outcome, SPAN("snapshot")))
		watch->print_snapshot = true;
	int status = print_snapshot(watch);
	watch->print_snapshot = false;
	return status;
}

static int take_resync(struct watch *watch)
{
	CLEANUP(buffer_fini) struct buffer text = {0};
	uint32_t reason = json_member(&watch->message, 0, SPAN("reason"));
	bool passed_over = json_string_equals(&watch->message, reason, SPAN("slow")) ||
			   json_string_equals(&watch->message, reason, SPAN("lapped"));
	/* This connection was too slow, but the history has it: ask from where we are. */
	if (passed_over && clock_monotonic_ms() - watch->resumed_ms > AGAIN_MS) {
		watch->resumed_ms = clock_monotonic_ms();
		return subscribe(watch) ? CONNECT_AGAIN : GO_ON;
	}
	if (as_lines(watch))
		return print_line(watch);
	watch_print_resync(&watch->context->output, &watch->message, &text);
	return output_write(buffer_span(&text)) ? EXIT_FAILED : GO_ON;
}

static int take_error(struct watch *watch)
{
	CLEANUP(buffer_fini) struct buffer code = {0};
	CLEANUP(buffer_fini) struct buffer detail = {0};
	CLEANUP(buffer_fini) struct buffer safe = {0};
	CLEANUP(buffer_fini) struct buffer safe_code = {0};
	const struct json *message = &watch->message;
	int64_t status = 0;
	uint32_t token = json_member(message, 0, SPAN("status"));
	if (token)
		json_int64(message, token, &status);
	if ((token = json_member(message, 0, SPAN("code"))))
		json_string(message, token, &code);
	if ((token = json_member(message, 0, SPAN("message"))))
		json_string(message, token, &detail);
	output_append_safe(&safe, buffer_span(&detail));
	output_append_safe(&safe_code, buffer_span(&code));
	int exit_code = client_exit_code((int)status, buffer_span(&code));
	if (exit_code == EXIT_UNAVAILABLE && watch->was_subscribed)
		return CONNECT_AGAIN;
	if (watch->context->output.json)
		fprintf(stderr, "%.*s\n", SPAN_ARGS(json_raw(message, 0)));
	else
		output_complain("%.*s (%d %.*s)", SPAN_ARGS(buffer_span(&safe)), (int)status,
				SPAN_ARGS(buffer_span(&safe_code)));
	return exit_code ? exit_code : EXIT_FAILED;
}

static void sleep_ms(int64_t ms)
{
	struct timespec time = {ms / 1000, ms % 1000 * 1000000};
	nanosleep(&time, NULL);
}

/* The server sends its clients away one after the other; each comes back at a time of its own. */
static int take_goaway(struct watch *watch)
{
	int64_t retry_ms = 0;
	uint32_t token = json_member(&watch->message, 0, SPAN("retryAfterMs"));
	if (token)
		json_int64(&watch->message, token, &retry_ms);
	if (retry_ms < 0 || retry_ms > BACKOFF_MAX_MS)
		retry_ms = BACKOFF_MAX_MS;
	output_note("the server is restarting");
	live_close(&watch->live);
	sleep_ms((int64_t)arc4random_uniform((uint32_t)retry_ms + 1));
	watch->backoff_ms = 0;
	return CONNECT_AGAIN;
}

static void take_welcome(struct watch *watch)
{
	int64_t ping_ms;
	uint32_t token = json_member(&watch->message, 0, SPAN("pingInterval"));
	if (token && json_int64(&watch->message, token, &ping_ms) == 0 && ping_ms > 0 &&
	    ping_ms < 3600000)
		watch->silence_ms = ping_ms * 5 / 2;
}

static int take_message(struct watch *watch)
{
	switch (watch_state_take(watch->state, &watch->message)) {
	case WATCH_SUBSCRIBED:
		return take_subscribed(watch);
	case WATCH_EVENT:
		return print_event(watch);
	case WATCH_RESYNC:
		return take_resync(watch);
	case WATCH_ERROR:
		return take_error(watch);
	case WATCH_GOAWAY:
		return take_goaway(watch);
	case WATCH_NOTHING:
		take_welcome(watch);
		return GO_ON;
	default:
		return GO_ON;
	}
}

/* ---- one connection ---- */

static int take_close(struct watch *watch)
{
	uint16_t code = watch->live.close_code;
	if (code == WS_CLOSE_TOKEN_EXPIRED || code == WS_CLOSE_FORBIDDEN ||
	    code == WS_CLOSE_POLICY) {
		output_complain("the server has closed the connection: %s",
				code == WS_CLOSE_TOKEN_EXPIRED ? "the token has expired"
							       : "not allowed");
		return EXIT_FORBIDDEN;
	}
	output_note("the server has closed the connection (%u)", code);
	return CONNECT_AGAIN;
}

static int watch_connection(struct watch *watch)
{
	int error = subscribe(watch);
	while (!error) {
		struct json_fault fault;
		struct span text;
		error = live_receive(&watch->live, clock_monotonic_ms() + watch->silence_ms, &text);
		if (error == -ESHUTDOWN)
			return take_close(watch);
		if (error)
			break;
		if (json_parse(&watch->message, text, JSON_DEPTH_LIMIT, &fault) ||
		    watch->message.tokens[0].type != JSON_OBJECT) {
			output_complain("what answers there is no syncdocd");
			return EXIT_FAILED;
		}
		int status = take_message(watch);
		if (status != GO_ON)
			return status;
	}
	output_note("the connection is lost: %s", strerror(-error));
	return CONNECT_AGAIN;
}

static int connect_once(struct watch *watch)
{
	CLEANUP(buffer_fini) struct buffer reason = {0};
	int status = live_open(watch->context, &watch->live, &reason);
	if (status == EXIT_UNREACHABLE && !watch->was_subscribed)
		output_complain("cannot reach %s: %.*s", watch->context->url_text,
				SPAN_ARGS(buffer_span(&reason)));
	else if (status == EXIT_UNREACHABLE)
		status = CONNECT_AGAIN;
	if (status)
		return status;
	watch->subscribed = false;
	watch->silence_ms = SILENCE_MS;
	status = watch_connection(watch);
	live_close(&watch->live);
	return status == CONNECT_AGAIN && !watch->was_subscribed ? EXIT_UNREACHABLE : status;
}

static int watch_run(struct watch *watch)
{
	watch->backoff_ms = BACKOFF_MIN_MS;
	int status;
	while ((status = connect_once(watch)) == CONNECT_AGAIN) {
		int64_t wait_ms = watch->backoff_ms;
		if (wait_ms)
			sleep_ms(wait_ms / 2 + (int64_t)arc4random_uniform((uint32_t)wait_ms));
		watch->backoff_ms = wait_ms ? wait_ms * 2 : BACKOFF_MIN_MS;
		if (watch->backoff_ms > BACKOFF_MAX_MS)
			watch->backoff_ms = BACKOFF_MAX_MS;
	}
	json_fini(&watch->message);
	return status;
}

/* ---- what to watch ---- */

static struct watch_state *new_state(void)
{
	struct watch_state *state = calloc(1, sizeof(*state));
	MUST(state);
	arc4random_buf(&state->seed, sizeof(state->seed));
	return state;
}

/* To replay from a revision the server wants to know of which life of the document it is. */
static int look_up_since(struct watch *watch, const char *service)
{
	CLEANUP(buffer_fini) struct buffer path = {0};
	CLEANUP(http_reply_fini) struct http_reply reply = {0};
	CLEANUP(json_fini) struct json json = {0};
	struct watch_state *state = watch->state;
	client_append_path(&path, service, state->id);
	buffer_append_string(&path, "?deleted=true");
	struct client_call call = {.method = "GET", .path = buffer_span(&path)};
	int error = client_call(watch->context, &call, &reply);
	if (!error)
		error = client_parse(&reply, &json);
	if (error)
		return error;
	uint32_t created_at = json_member(&json, 0, SPAN("createdAt"));
	if (!created_at || json_int64(&json, created_at, &state->created_at_ms)) {
		output_complain("the answer is not one of syncdocd's");
		return EXIT_FAILED;
	}
	state->revision = watch->context->arguments.numbers[OPTION_SINCE];
	state->updated_at_ms = -1;
	return 0;
}

static int refuse_options(const struct context *context)
{
	const struct arguments *arguments = &context->arguments;
	bool one = arguments->operand_count == 2;
	if (!one && arguments_has(arguments, OPTION_SINCE))
		output_complain(
			"watch: --since needs the ID of a document; for topics it is --after");
	else if (!one && arguments_has(arguments, OPTION_SNAPSHOT))
		output_complain("watch: --snapshot needs the ID of a document");
	else if (one && arguments_has(arguments, OPTION_AFTER))
		output_complain("watch: --after is for topics; with an ID it is --since");
	else if (one && arguments_has(arguments, OPTION_PREFIX))
		output_complain("watch: --prefix and an ID exclude each other");
	else if (arguments_has(arguments, OPTION_AFTER) &&
		 (strlen(arguments->values[OPTION_AFTER]) >= WATCH_POSITION_MAX ||
		  !utf8_is_valid(span_string(arguments->values[OPTION_AFTER]))))
		output_complain("watch: --after: no position that a server gave out");
	else if (!utf8_is_valid(span_string(arguments->operands[0])) ||
		 (one && !utf8_is_valid(span_string(arguments->operands[1]))))
		output_complain("watch: no UTF-8");
	else
		return 0;
	return EXIT_USAGE;
}

/* Service names have no dots: what has one is a topic. Returns the service, in `memory`. */
static int read_topic(struct watch *watch, char *memory, size_t memory_len)
{
	const char *first = watch->context->arguments.operands[0];
	bool topic = strchr(first, '.') != NULL;
	int len = topic ? snprintf(watch->topic, sizeof(watch->topic), "%s", first)
			: snprintf(watch->topic, sizeof(watch->topic), "sync.%s.*", first);
	const char *service = strchr(watch->topic, '.') + 1;
	if ((size_t)len >= sizeof(watch->topic) || !strchr(service, '.')) {
		output_complain("watch: a topic is sync.SERVICE.EVENT, not \"%s\"", first);
		return EXIT_USAGE;
	}
	snprintf(memory, memory_len, "%.*s", (int)strcspn(service, "."), service);
	if (watch->state->id && strcmp(memory, "*") == 0) {
		output_complain("watch: with an ID the topic must name the service");
		return EXIT_USAGE;
	}
	watch->state->topic = watch->topic;
	return 0;
}

static int watch_arguments(struct watch *watch)
{
	const struct arguments *arguments = &watch->context->arguments;
	struct watch_state *state = watch->state;
	const char *mode = arguments->values[OPTION_MODE], *after = arguments->values[OPTION_AFTER];
	char service[256];
	state->id = arguments->operands[1];
	int error = refuse_options(watch->context);
	if (!error)
		error = read_topic(watch, service, sizeof(service));
	if (error)
		return error;
	state->prefix = arguments->values[OPTION_PREFIX];
	state->mode = mode ? mode : "both";
	state->presence = arguments_has(arguments, OPTION_PRESENCE);
	state->snapshot = state->id != NULL;
	watch->print_snapshot = arguments_has(arguments, OPTION_SNAPSHOT);
	if (after)
		strcpy(state->position, after);
	return arguments_has(arguments, OPTION_SINCE) ? look_up_since(watch, service) : 0;
}

int verb_watch(struct context *context)
{
	struct watch watch = {.context = context, .state = new_state()};
	watch.left = arguments_number(&context->arguments, OPTION_COUNT, INT64_MAX);
	int status = watch_arguments(&watch);
	if (!status)
		status = watch_run(&watch);
	free(watch.state);
	return status;
}

int watch_presence(struct context *context)
{
	const struct arguments *arguments = &context->arguments;
	struct watch watch = {.context = context, .state = new_state()};
	watch.left = arguments_number(arguments, OPTION_COUNT, INT64_MAX);
	snprintf(watch.topic, sizeof(watch.topic), "sync.%s.presence", arguments->operands[0]);
	watch.state->topic = watch.topic;
	watch.state->id = arguments->operands[1];
	int status = watch_run(&watch);
	free(watch.state);
	return status;
}
