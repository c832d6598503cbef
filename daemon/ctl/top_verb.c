/* top_verb.c — top: looks at the counters again and again, and shows what happened in between. */
#define _GNU_SOURCE
#include "control_client.h"
#include "rates.h"

#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

/* A screen of our own, without cursor, on which long lines are cut. */
#define SCREEN_BEGIN "\033[?1049h\033[?25l\033[?7l"
#define SCREEN_END "\033[?7h\033[?25h\033[?1049l"
#define SCREEN_CLEAR "\033[H\033[2J"

struct top {
	struct context *context;
	struct buffer text; /* owned: the last answer */
	struct json json;   /* owned */
	uint32_t result;
	struct rates_look looks[2];
	unsigned now; /* which of the two is the last */
	bool screen;  /* of a terminal, taken over */
	bool keys;    /* standard input is that terminal */
	struct termios terminal;
};

static volatile sig_atomic_t ended;

static void on_signal(int number)
{
	ended = number;
}

/* ---- the screen ---- */

static void screen_begin(struct top *top)
{
	struct sigaction action = {.sa_handler = on_signal};
	struct termios terminal;
	top->screen = true;
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
	top->keys = tcgetattr(STDIN_FILENO, &top->terminal) == 0;
	if (top->keys) {
		terminal = top->terminal;
		terminal.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
		tcsetattr(STDIN_FILENO, TCSANOW, &terminal);
	}
	output_write(SPAN(SCREEN_BEGIN));
}

static void screen_end(struct top *top)
{
	if (!top->screen)
		return;
	output_write(SPAN(SCREEN_END));
	if (top->keys)
		tcsetattr(STDIN_FILENO, TCSANOW, &top->terminal);
	top->screen = false;
}

/* Waits for the interval, or until q was typed or a signal came. False: to be ended. */
static bool wait_interval(struct top *top, int64_t interval_ms)
{
	struct timespec time = {interval_ms / 1000, interval_ms % 1000 * 1000000};
	if (!top->keys) {
		nanosleep(&time, NULL);
		return !ended;
	}
	struct pollfd poll_fd = {.fd = STDIN_FILENO, .events = POLLIN};
	char key;
	if (poll(&poll_fd, 1, (int)interval_ms) <= 0)
		return !ended;
	if (read(STDIN_FILENO, &key, 1) != 1)
		top->keys = false;
	return !ended && (!top->keys || (key != 'q' && key != 'Q'));
}

/* ---- looking and showing ---- */

static int look(struct top *top)
{
	int error = control_ask(top->context, "{\"verb\":\"top\"}", &top->text, &top->json,
				&top->result);
	if (error)
		return error;
	top->now = !top->now;
	rates_read(&top->json, top->result, &top->looks[top->now]);
	return 0;
}

static void append_head(struct top *top, struct buffer *ret)
{
	CLEANUP(buffer_fini) struct buffer value = {0};
	const struct json *json = &top->json;
	uint32_t marks = json_member(json, top->result, SPAN("marks"));
	buffer_printf(ret, "syncdocd %s on ", control_string(json, top->result, "version", &value));
	output_append_safe(ret, span_string(control_string(json, top->result, "node", &value)));
	buffer_printf(ret, ", %s for ", control_string(json, top->result, "phase", &value));
	output_append_duration(ret, control_number(json, top->result, "uptimeMs"));
	if (marks)
		buffer_printf(ret, ", position %s",
			      control_string(json, marks, "position", &value));
	if (marks && !control_is_true(json, marks, "active"))
		buffer_append_string(ret, ", events do not come through");
	buffer_append_char(ret, '\n');
}

static int show(struct top *top)
{
	CLEANUP(buffer_fini) struct buffer text = {0};
	const struct output *output = &top->context->output;
	const struct rates_look *before = &top->looks[!top->now], *now = &top->looks[top->now];
	if (output->json) {
		rates_append_json(before, now, &top->json, top->result, &text);
	} else {
		if (top->screen)
			buffer_append_string(&text, SCREEN_CLEAR);
		append_head(top, &text);
		buffer_append_char(&text, '\n');
		rates_append_table(before, now, output, &text);
		buffer_append_string(&text, top->screen ? "\nq ends" : "\n");
	}
	return output_write(buffer_span(&text)) ? EXIT_FAILED : EXIT_DONE;
}

static int run(struct top *top)
{
	const struct arguments *arguments = &top->context->arguments;
	bool once = arguments_has(arguments, OPTION_ONCE);
	int64_t left = once ? 1 : arguments_number(arguments, OPTION_COUNT, INT64_MAX);
	int64_t interval_ms = arguments_number(arguments, OPTION_INTERVAL, 1000);
	int error = look(top);
	if (error)
		return error;
	if (top->context->output.terminal && !top->context->output.json && !once) {
		screen_begin(top);
		show(top); /* levels are known at once; rates are not yet */
	}
	while (!error && left > 0 && wait_interval(top, interval_ms)) {
		error = look(top);
		if (!error)
			error = show(top);
		left -= left != INT64_MAX;
	}
	bool screen = top->screen;
	screen_end(top);
	if (error && screen) /* what was said of it went with the screen */
		output_complain("the daemon does not answer any more on %s",
				top->context->socket_path);
	return error;
}

int verb_top(struct context *context)
{
	struct top *top = calloc(1, sizeof(*top));
	MUST(top);
	top->context = context;
	int status = run(top);
	buffer_fini(&top->text);
	json_fini(&top->json);
	free(top);
	return status;
}
