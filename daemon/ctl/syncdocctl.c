/* syncdocctl.c — the command line tool: what was asked for, with what, and the verb that does it.
 */
#define _GNU_SOURCE
#include "verb_context.h"
#include "help.h"
#include "input.h"

#define URL_DEFAULT "http://127.0.0.1:8080"
#define SOCKET_DEFAULT "/var/lib/syncdoc/control.sock"
#define TIMEOUT_MS 10000

static const verb_fn functions[VERB_ID_COUNT] = {
	[VERB_GET] = verb_get,           [VERB_CREATE] = verb_create,
	[VERB_REPLACE] = verb_replace,   [VERB_MERGE] = verb_merge,
	[VERB_PATCH] = verb_patch,       [VERB_DELETE] = verb_delete,
	[VERB_RESTORE] = verb_restore,   [VERB_LIST] = verb_list,
	[VERB_SERVICES] = verb_services, [VERB_HISTORY] = verb_history,
	[VERB_WATCH] = verb_watch,       [VERB_PRESENCE] = verb_presence,
	[VERB_BENCH] = verb_bench,       [VERB_STATUS] = verb_status,
	[VERB_TOP] = verb_top,           [VERB_LOGLEVEL] = verb_loglevel,
	[VERB_RELOAD] = verb_reload,     [VERB_DRAIN] = verb_drain,
	[VERB_HELP] = verb_help,
};

static int print_help(enum verb_id verb)
{
	CLEANUP(buffer_fini) struct buffer text = {0};
	if (verb == VERB_ID_COUNT)
		help_append_all(&text);
	else
		help_append_verb(verb, &text);
	return output_write(buffer_span(&text)) ? EXIT_FAILED : EXIT_DONE;
}

int verb_help(struct context *context)
{
	const char *name = context->arguments.operands[0];
	enum verb_id verb = name ? verb_find(span_string(name)) : VERB_ID_COUNT;
	if (!name || verb != VERB_ID_COUNT)
		return print_help(verb);
	const char *near = verb_suggest(name);
	output_complain("unknown verb \"%s\"%s%s%s", name, near ? "; did you mean " : "",
			near ? near : "", near ? "?" : "; try syncdocctl --help");
	return EXIT_USAGE;
}

/* ---- what verbs get ---- */

static const char *first_of(const char *option, const char *variable, const char *otherwise)
{
	const char *value = option ? option : getenv(variable);
	return value && *value ? value : otherwise;
}

static int find_token(struct context *context)
{
	const struct arguments *arguments = &context->arguments;
	const char *token = arguments->values[OPTION_TOKEN],
		   *file = arguments->values[OPTION_TOKEN_FILE];
	if (token && file) {
		output_complain("--token and --token-file exclude each other");
		return EXIT_USAGE;
	}
	if (file)
		return input_read_token_file(file, &context->token);
	token = first_of(token, "SYNCDOC_TOKEN", NULL);
	if (!token)
		return 0;
	if (strlen(token) > TOKEN_MAX || !input_token_is_valid(token)) {
		output_complain("%s: no token",
				arguments->values[OPTION_TOKEN] ? "--token" : "SYNCDOC_TOKEN");
		return EXIT_USAGE;
	}
	context->token = strdup(token);
	MUST(context->token);
	/* Out of sight of those who look at the list of processes from here on. */
	if (arguments->values[OPTION_TOKEN])
		explicit_bzero((char *)arguments->values[OPTION_TOKEN], strlen(token));
	return 0;
}

static int find_server(struct context *context)
{
	const struct arguments *arguments = &context->arguments;
	const char *reason;
	context->url_text = first_of(arguments->values[OPTION_URL], "SYNCDOC_URL", URL_DEFAULT);
	context->ca_file = arguments->values[OPTION_CA];
	if (server_url_parse(context->url_text, &context->url, &reason)) {
		output_complain("--url %s: %s", context->url_text, reason);
		return EXIT_USAGE;
	}
	return find_token(context);
}

static int run(struct context *context)
{
	const struct arguments *arguments = &context->arguments;
	context->timeout_ms = arguments_number(arguments, OPTION_TIMEOUT, TIMEOUT_MS);
	context->socket_path =
		first_of(arguments->values[OPTION_SOCKET], "SYNCDOC_SOCKET", SOCKET_DEFAULT);
	output_open(&context->output, arguments_has(arguments, OPTION_JSON));
	int error = verb_rows[arguments->verb].target == TARGET_SERVER ? find_server(context) : 0;
	if (!error)
		error = functions[arguments->verb](context);
	free(context->token);
	return error;
}

int main(int argc, char **argv)
{
	static struct context context;
	CLEANUP(buffer_fini) struct buffer error = {0};
	const char *const *words = (const char *const *)argv;
	bool is_wrong = arguments_parse(argc, words, &context.arguments, &error) != 0;
	if (is_wrong ? arguments_want_json(argc, words)
		     : arguments_has(&context.arguments, OPTION_JSON))
		output_use_json();
	if (is_wrong) {
		CLEANUP(buffer_fini) struct buffer hint = {0};
		if (context.arguments.verb != VERB_ID_COUNT)
			buffer_printf(&hint, " %s", verb_rows[context.arguments.verb].name);
		output_complain("%.*s; try syncdocctl%.*s --help", SPAN_ARGS(buffer_span(&error)),
				SPAN_ARGS(buffer_span(&hint)));
		return EXIT_USAGE;
	}
	if (arguments_has(&context.arguments, OPTION_VERSION)) {
		puts("syncdocctl " SYNCDOC_VERSION);
		return EXIT_DONE;
	}
	if (arguments_has(&context.arguments, OPTION_HELP))
		return print_help(context.arguments.verb);
	return run(&context);
}
