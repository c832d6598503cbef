/* status_verbs.c — status, loglevel, reload, drain: one question to the control socket, and its
 * answer. */
#define _GNU_SOURCE
#include "channel.h"
#include "control_client.h"
#include "utf8.h"

#include <inttypes.h>
#include <signal.h>
#include <unistd.h>

#define WAIT_LOOK_MS 100

struct asked {
	struct buffer text; /* owned */
	struct json json;   /* owned */
	uint32_t result;
};

static void asked_fini(struct asked *asked)
{
	buffer_fini(&asked->text);
	json_fini(&asked->json);
}

static int ask(const struct context *context, const char *request, struct asked *ret)
{
	return control_ask(context, request, &ret->text, &ret->json, &ret->result);
}

static int print_result(const struct asked *asked)
{
	CLEANUP(buffer_fini) struct buffer text = {0};
	buffer_append_span(&text, json_raw(&asked->json, asked->result));
	buffer_append_char(&text, '\n');
	return output_write(buffer_span(&text)) ? EXIT_FAILED : EXIT_DONE;
}

/* ---- status ---- */

/* A line of the form `name  value`. */
static void begin_line(struct buffer *text, const char *name)
{
	buffer_printf(text, "%-12s", name);
}

static void line_of_string(const struct asked *asked, uint32_t object, const char *member,
			   const char *name, struct buffer *text)
{
	CLEANUP(buffer_fini) struct buffer value = {0};
	begin_line(text, name);
	const char *string = control_string(&asked->json, object, member, &value);
	output_append_safe(text, *string ? span_string(string) : SPAN("none"));
	buffer_append_char(text, '\n');
}

static void append_listen(const struct asked *asked, struct buffer *text)
{
	const struct json *json = &asked->json;
	uint32_t list = json_member(json, asked->result, SPAN("listen"));
	begin_line(text, "listen");
	for (uint32_t i = list + 1; list && i < json->tokens[list].next; i = json->tokens[i].next) {
		CLEANUP(buffer_fini) struct buffer item = {0};
		json_string(json, i, &item);
		buffer_append_string(text, i > list + 1 ? ", " : "");
		output_append_safe(text, buffer_span(&item));
	}
	buffer_append_char(text, '\n');
}

static void append_redis(const struct context *context, const struct asked *asked,
			 struct buffer *text)
{
	CLEANUP(buffer_fini) struct buffer value = {0};
	const struct json *json = &asked->json;
	uint32_t redis = json_member(json, asked->result, SPAN("redis"));
	int64_t pid = control_number(json, redis, "embeddedPid");
	begin_line(text, "redis");
	output_append_safe(text, span_string(control_string(json, redis, "url", &value)));
	if (pid)
		buffer_printf(text, ", embedded (pid %" PRId64 ")", pid);
	const char *commands = control_string(json, redis, "commands", &value);
	bool ready = strcmp(commands, "ready") == 0;
	buffer_append_string(text, ", ");
	output_colour(&context->output, text, ready ? COLOUR_GREEN : COLOUR_RED);
	buffer_append_string(text, commands);
	output_colour(&context->output, text, COLOUR_NONE);
	buffer_printf(text, ", subscription %s",
		      control_string(json, redis, "subscription", &value));
	buffer_printf(text, ", %" PRId64 " reconnects\n",
		      control_number(json, redis, "reconnects"));
}

static void append_marks(const struct context *context, const struct asked *asked,
			 struct buffer *text)
{
	CLEANUP(buffer_fini) struct buffer value = {0};
	const struct json *json = &asked->json;
	uint32_t marks = json_member(json, asked->result, SPAN("marks"));
	const char *position = control_string(json, marks, "position", &value);
	begin_line(text, "position");
	buffer_append_string(text, *position ? position : "none yet");
	if (*position) {
		buffer_append_string(text, ", ");
		output_append_duration(text, control_number(json, marks, "ageMs"));
		buffer_append_string(text, " ago");
	}
	if (!control_is_true(json, marks, "active")) {
		output_colour(&context->output, text, COLOUR_RED);
		buffer_append_string(text, ", events do not come through at the moment");
		output_colour(&context->output, text, COLOUR_NONE);
	}
	buffer_append_char(text, '\n');
}

/* Keys that the last reload could not apply. False: there are none. */
static bool append_restart_keys(const struct asked *asked, struct buffer *text)
{
	CLEANUP(buffer_fini) struct buffer key = {0};
	const struct json *json = &asked->json;
	uint32_t keys = json_member(json, asked->result, SPAN("needsRestart"));
	bool any = false;
	for (uint32_t i = keys + 1; keys && i < json->tokens[keys].next; i = json->tokens[i].next) {
		key.len = 0;
		json_string(json, i, &key);
		if (any)
			buffer_append_string(text, ", ");
		output_append_safe(text, buffer_span(&key));
		any = true;
	}
	return any;
}

static void append_waiting(const struct context *context, const struct asked *asked,
			   struct buffer *text)
{
	CLEANUP(buffer_fini) struct buffer keys = {0};
	if (!append_restart_keys(asked, &keys))
		return;
	begin_line(text, "restart");
	output_colour(&context->output, text, COLOUR_YELLOW);
	buffer_append_string(text, "needed for ");
	buffer_append_span(text, buffer_span(&keys));
	output_colour(&context->output, text, COLOUR_NONE);
	buffer_append_char(text, '\n');
}

static void append_head(const struct context *context, const struct asked *asked,
			struct buffer *text)
{
	CLEANUP(buffer_fini) struct buffer value = {0};
	const struct json *json = &asked->json;
	uint32_t result = asked->result;
	buffer_printf(text, "syncdocd %s on ", control_string(json, result, "version", &value));
	output_append_safe(text, span_string(control_string(json, result, "node", &value)));
	buffer_printf(text, ", pid %" PRId64 ", %s for ", control_number(json, result, "pid"),
		      control_string(json, result, "phase", &value));
	output_append_duration(text, control_number(json, result, "uptimeMs"));
	if (control_is_true(json, result, "reloadWaits"))
		buffer_append_string(text, ", a reload waits for killed workers");
	buffer_append_char(text, '\n');
	append_listen(asked, text);
	line_of_string(asked, result, "config", "config", text);
	append_waiting(context, asked, text);
	line_of_string(asked, result, "stateDir", "state_dir", text);
	line_of_string(asked, result, "logLevel", "log level", text);
	append_redis(context, asked, text);
	append_marks(context, asked, text);
	begin_line(text, "run");
	buffer_printf(text, "incarnation %s, generation %" PRId64 "\n",
		      control_string(json, result, "incarnation", &value),
		      control_number(json, result, "generation"));
}

static void append_worker(const struct json *json, uint32_t worker, struct table *table)
{
	CLEANUP(buffer_fini) struct buffer text = {0};
	uint32_t heartbeat = json_member(json, worker, SPAN("heartbeatAgeMs"));
	table_printf(table, "%" PRId64, control_number(json, worker, "index"));
	table_printf(table, "%" PRId64, control_number(json, worker, "pid"));
	table_printf(table, "%" PRId64, control_number(json, worker, "slot"));
	table_printf(table, "%" PRId64, control_number(json, worker, "generation"));
	table_cell(table, control_is_true(json, worker, "draining") ? "draining" : "serving");
	output_append_duration(&text, control_number(json, worker, "uptimeMs"));
	table_cell_span(table, buffer_span(&text));
	text.len = 0;
	if (heartbeat && json->tokens[heartbeat].type == JSON_INTEGER)
		output_append_duration(&text, control_number(json, worker, "heartbeatAgeMs"));
	else
		buffer_append_string(&text, "starting");
	table_cell_span(table, buffer_span(&text));
	table_printf(table, "%" PRId64, control_number(json, worker, "connections"));
	table_printf(table, "%" PRId64, control_number(json, worker, "streams"));
	text.len = 0;
	output_append_bytes(&text, (uint64_t)control_number(json, worker, "lag"));
	table_cell_span(table, buffer_span(&text));
}

static void append_workers(const struct context *context, const struct asked *asked,
			   struct buffer *text)
{
	static const char *const head[] = {"WORKER",  "PID",     "SLOT",      "GENERATION",
					   "STATE",   "UPTIME",  "HEARTBEAT", "CONNECTIONS",
					   "STREAMS", "RING LAG"};
	CLEANUP(table_fini) struct table table = {.columns = ARRAY_LEN(head), .right = 0x3ef};
	const struct json *json = &asked->json;
	uint32_t workers = json_member(json, asked->result, SPAN("workers"));
	for (unsigned i = 0; i < ARRAY_LEN(head); i++)
		table_cell(&table, head[i]);
	for (uint32_t i = workers + 1; workers && i < json->tokens[workers].next;
	     i = json->tokens[i].next)
		append_worker(json, i, &table);
	buffer_append_char(text, '\n');
	table_print(&table, &context->output, text);
}

int verb_status(struct context *context)
{
	CLEANUP(asked_fini) struct asked asked = {0};
	CLEANUP(buffer_fini) struct buffer text = {0};
	int error = ask(context, "{\"verb\":\"status\"}", &asked);
	if (error || context->output.json)
		return error ? error : print_result(&asked);
	append_head(context, &asked, &text);
	append_workers(context, &asked, &text);
	return output_write(buffer_span(&text)) ? EXIT_FAILED : EXIT_DONE;
}

/* ---- loglevel, reload ---- */

int verb_loglevel(struct context *context)
{
	CLEANUP(asked_fini) struct asked asked = {0};
	CLEANUP(buffer_fini) struct buffer request = {0};
	CLEANUP(buffer_fini) struct buffer level = {0};
	const char *wanted = context->arguments.operands[0];
	if (wanted && !utf8_is_valid(span_string(wanted)))
		wanted = "?";
	buffer_append_string(&request, "{\"verb\":\"loglevel\"");
	if (wanted) {
		buffer_append_string(&request, ",\"level\":");
		buffer_append_json(&request, span_string(wanted));
	}
	buffer_append_char(&request, '}');
	buffer_append_char(&request, '\0');
	int error = ask(context, request.at, &asked);
	if (error || context->output.json)
		return error ? error : print_result(&asked);
	printf("%s\n", control_string(&asked.json, asked.result, "level", &level));
	return EXIT_DONE;
}

int verb_reload(struct context *context)
{
	CLEANUP(asked_fini) struct asked asked = {0};
	CLEANUP(buffer_fini) struct buffer keys = {0};
	int error = ask(context, "{\"verb\":\"reload\"}", &asked);
	if (error || context->output.json)
		return error ? error : print_result(&asked);
	if (control_is_true(&asked.json, asked.result, "waits"))
		printf("killed workers are still ending; the reload follows\n");
	else
		printf("generation %" PRId64 " serves, the old workers drain\n",
		       control_number(&asked.json, asked.result, "generation"));
	if (append_restart_keys(&asked, &keys))
		printf("a restart is needed for %.*s\n", SPAN_ARGS(buffer_span(&keys)));
	return EXIT_DONE;
}

/* ---- drain ---- */

static bool has_worker(const struct asked *asked, int64_t pid)
{
	const struct json *json = &asked->json;
	uint32_t workers = json_member(json, asked->result, SPAN("workers"));
	for (uint32_t i = workers + 1; workers && i < json->tokens[workers].next;
	     i = json->tokens[i].next)
		if (control_number(json, i, "pid") == pid)
			return true;
	return false;
}

static int wait_for_worker(const struct context *context, int64_t pid)
{
	for (;;) {
		CLEANUP(asked_fini) struct asked asked = {0};
		int error = ask(context, "{\"verb\":\"status\"}", &asked);
		if (error || !has_worker(&asked, pid))
			return error;
		usleep(WAIT_LOOK_MS * 1000);
	}
}

/* The supervisor takes its socket away when all has ended; unless an init system has it started
 * again at once. */
static void wait_for_end(const struct context *context, int64_t pid)
{
	while (access(context->socket_path, F_OK) == 0 &&
	       (kill((pid_t)pid, 0) == 0 || errno != ESRCH))
		usleep(WAIT_LOOK_MS * 1000);
}

static int drain(struct context *context, const char *request, bool all)
{
	CLEANUP(asked_fini) struct asked asked = {0};
	int error = ask(context, request, &asked);
	if (error)
		return error;
	int64_t pid = control_number(&asked.json, asked.result, "pid");
	bool wait = arguments_has(&context->arguments, OPTION_WAIT);
	if (wait && all)
		wait_for_end(context, pid);
	else if (wait && (error = wait_for_worker(context, pid)))
		return error;
	if (context->output.json)
		return print_result(&asked);
	if (all)
		printf(wait ? "ended\n" : "all workers drain, then the daemon ends\n");
	else
		printf("the process %" PRId64 " %s, a new one serves\n", pid,
		       wait ? "has drained and ended" : "drains");
	return EXIT_DONE;
}

int verb_drain(struct context *context)
{
	const char *worker = context->arguments.operands[0];
	char request[64];
	int64_t index;
	if (strcmp(worker, "all") == 0)
		return drain(context, "{\"verb\":\"drain\",\"worker\":\"all\"}", true);
	if (arguments_parse_number(worker, &index)) {
		output_complain(
			"drain: WORKER must be a number, as `syncdocctl status` shows them, "
			"or all, not \"%s\"",
			worker);
		return EXIT_USAGE;
	}
	snprintf(request, sizeof(request), "{\"verb\":\"drain\",\"worker\":%" PRId64 "}", index);
	return drain(context, request, false);
}
