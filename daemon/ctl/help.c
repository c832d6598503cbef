/* help.c — see help.h. */
#include "help.h"

#include "exit_code.h"

#define LINE_WIDTH 100

const struct help_exit help_exits[] = {
	{EXIT_DONE, "done"},
	{EXIT_FAILED, "refused by the server, or failed in another way"},
	{EXIT_USAGE, "wrong usage: the command line, or a file or JSON that it names"},
	{EXIT_NOT_FOUND, "there is no such document, or it is deleted (404, 410)"},
	{EXIT_CONFLICT, "the document is not as expected, or exists already (409, 412)"},
	{EXIT_UNREACHABLE,
	 "the server or the control socket cannot be reached, or does not answer"},
	{EXIT_FORBIDDEN,
	 "not allowed: no token, not enough rights, another user's socket (401, 403)"},
	{EXIT_UNAVAILABLE, "surely not done, try again later (429, 503)"},
	{0, NULL},
};

/* Words of a paragraph behind `indent` columns; the cursor stands at `column`. */
static void append_wrapped(struct buffer *ret, const char *text, size_t column, size_t indent)
{
	bool first = true;
	while (*text) {
		size_t len = strcspn(text, " \n");
		if (!first && column + 1 + len > LINE_WIDTH) {
			buffer_printf(ret, "\n%*s", (int)indent, "");
			column = indent;
		} else if (!first) {
			buffer_append_char(ret, ' ');
			column++;
		}
		buffer_append(ret, text, len);
		column += len;
		text += len;
		first = false;
		if (text[0] == '\n' && text[1] == '\n') {
			buffer_printf(ret, "\n\n%*s", (int)indent, "");
			column = indent;
			first = true;
		}
		text += strspn(text, " \n");
	}
	buffer_append_char(ret, '\n');
}

static size_t option_head_len(const struct option_row *row)
{
	return 6 + strlen(row->name) + (row->value ? 1 + strlen(row->value) : 0);
}

static void append_option(struct buffer *ret, const struct option_row *row, size_t indent)
{
	size_t before = ret->len;
	if (row->letter)
		buffer_printf(ret, "  -%c, --%s", row->letter, row->name);
	else
		buffer_printf(ret, "      --%s", row->name);
	if (row->value)
		buffer_printf(ret, " %s", row->value);
	while (ret->len - before < indent)
		buffer_append_char(ret, ' ');
	append_wrapped(ret, row->help, indent, indent);
}

static void append_options(struct buffer *ret, const enum option_id *options)
{
	size_t indent = 0;
	for (const enum option_id *at = options; *at != OPTION_ID_COUNT; at++) {
		size_t len = option_head_len(&option_rows[*at]) + 4;
		if (len > indent)
			indent = len;
	}
	for (const enum option_id *at = options; *at != OPTION_ID_COUNT; at++)
		append_option(ret, &option_rows[*at], indent);
}

static void append_global_options(struct buffer *ret)
{
	enum option_id list[OPTION_GLOBAL_COUNT + 1];
	for (unsigned i = 0; i < OPTION_GLOBAL_COUNT; i++)
		list[i] = (enum option_id)i;
	list[OPTION_GLOBAL_COUNT] = OPTION_ID_COUNT;
	append_options(ret, list);
}

void help_append_usage(enum verb_id verb, struct buffer *ret)
{
	const struct verb *row = &verb_rows[verb];
	buffer_printf(ret, "syncdocctl %s", row->name);
	if (*row->operands)
		buffer_printf(ret, " %s", row->operands);
	for (const enum option_id *at = row->options; *at != OPTION_ID_COUNT; at++) {
		const struct option_row *option = &option_rows[*at];
		buffer_printf(ret, option->value ? " [--%s %s]" : " [--%s]", option->name,
			      option->value);
	}
}

void help_append_all(struct buffer *ret)
{
	buffer_append_string(
		ret,
		"Usage: syncdocctl [--url URL | --socket PATH] [--token-file FILE] [--json] VERB "
		"...\n"
		"\n"
		"Reads, changes and watches the documents of a syncdoc server, and looks after the "
		"daemon on this\nhost.\n"
		"\n"
		"Documents (over --url):\n");
	for (unsigned i = 0; i < VERB_ID_COUNT; i++) {
		const struct verb *verb = &verb_rows[i];
		if (i > 0 && verb->target == TARGET_CONTROL &&
		    verb_rows[i - 1].target != TARGET_CONTROL)
			buffer_append_string(ret, "\nThe daemon (over --socket, for root and the "
						  "daemon's own user):\n");
		if (verb->target == TARGET_NONE)
			buffer_append_char(ret, '\n');
		buffer_printf(ret, "  %-9s %-22s %s\n", verb->name, verb->operands, verb->summary);
	}
	buffer_append_string(ret,
			     "\n`syncdocctl VERB --help` says more, with examples. Options for "
			     "all verbs:\n");
	append_global_options(ret);
	buffer_append_string(ret, "\nExit status:\n");
	for (const struct help_exit *at = help_exits; at->meaning; at++)
		buffer_printf(ret, "  %d  %s\n", at->code, at->meaning);
	buffer_append_string(ret,
			     "\nTo try it out:\n"
			     "  syncdocctl create session '{\"status\":\"active\"}' --id doc_1\n"
			     "  syncdocctl watch session\n");
}

static void append_examples(struct buffer *ret, const char *examples)
{
	buffer_append_string(ret, "\nExamples:\n");
	while (*examples) {
		size_t len = strcspn(examples, "\n");
		buffer_printf(ret, "  %.*s\n", (int)len, examples);
		examples += len + (examples[len] == '\n');
	}
}

void help_append_verb(enum verb_id verb, struct buffer *ret)
{
	CLEANUP(buffer_fini) struct buffer usage = {0};
	const struct verb *row = &verb_rows[verb];
	help_append_usage(verb, &usage);
	buffer_append_char(&usage, '\0');
	buffer_append_string(ret, "Usage: ");
	append_wrapped(ret, usage.at, 7, 9);
	buffer_printf(ret, "\n%c%s.\n\n", row->summary[0] - 'a' + 'A', row->summary + 1);
	append_wrapped(ret, row->description, 0, 0);
	if (row->options[0] != OPTION_ID_COUNT) {
		buffer_append_char(ret, '\n');
		append_options(ret, row->options);
	}
	if (row->examples)
		append_examples(ret, row->examples);
	buffer_append_string(
		ret, row->target == TARGET_CONTROL
			     ? "\nFor all verbs there are --socket PATH, --json and others: "
			       "syncdocctl --help\n"
			     : "\nFor all verbs there are --url URL, --token-file FILE, --json and "
			       "others: syncdocctl --help\n");
}
