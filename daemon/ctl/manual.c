/* manual.c — run while building, not installed: makes syncdocctl(1) and the shell completions from
 * the tables that the programs themselves read (verb_table.c, common/config.c).
 *
 *     syncdocctl-manual man|bash|bash-syncdocd */
#include "config_table.h"
#include "help.h"
#include "supervisor_page.h"

/* ---- roff ---- */

/* Text in a paragraph: `words` between back quotes become bold. */
static void put_text(const char *text)
{
	bool bold = false, line_start = true;
	for (; *text; text++) {
		if (line_start && (*text == '.' || *text == '\''))
			fputs("\\&", stdout);
		line_start = *text == '\n';
		if (*text == '`') {
			bold = !bold;
			fputs(bold ? "\\fB" : "\\fP", stdout);
		} else if (*text == '\\') {
			fputs("\\e", stdout);
		} else if (*text == '-') {
			fputs("\\-", stdout);
		} else if (text[0] == '\n' && text[1] == '\n') {
			fputs("\n.PP\n", stdout);
			text++;
		} else {
			putchar(*text);
		}
	}
}

static void put_options(const enum option_id *options)
{
	for (; *options != OPTION_ID_COUNT; options++) {
		const struct option_row *row = &option_rows[*options];
		fputs(".TP\n\\fB", stdout);
		if (row->letter)
			printf("\\-%c\\fP, \\fB", row->letter);
		put_text("--");
		put_text(row->name);
		fputs("\\fP", stdout);
		if (row->value)
			printf(" \\fI%s\\fP", row->value);
		putchar('\n');
		put_text(row->help);
		puts(".");
	}
}

static void put_examples(const char *examples)
{
	puts(".PP\n.nf\n.RS");
	put_text(examples);
	puts("\n.RE\n.fi");
}

static void put_verb(const struct verb *verb)
{
	printf(".SS \"%s", verb->name);
	if (*verb->operands)
		printf(" %s", verb->operands);
	putchar('"');
	putchar('\n');
	printf("%c%s.\n.PP\n", verb->summary[0] - 'a' + 'A', verb->summary + 1);
	put_text(verb->description);
	putchar('\n');
	put_options(verb->options);
	if (verb->examples)
		put_examples(verb->examples);
}

static void put_global_options(void)
{
	enum option_id list[OPTION_GLOBAL_COUNT + 1];
	for (unsigned i = 0; i < OPTION_GLOBAL_COUNT; i++)
		list[i] = (enum option_id)i;
	list[OPTION_GLOBAL_COUNT] = OPTION_ID_COUNT;
	put_options(list);
}

static void put_counter(const char *name, const char *labels, const char *help, bool gauge)
{
	fputs(".TP\n\\fB", stdout);
	put_text(name);
	if (*labels)
		printf("{%s}", labels);
	fputs("\\fP\n", stdout);
	put_text(help);
	puts(gauge ? " (a level)." : ".");
}

static void put_counters(void)
{
	puts(".SH COUNTERS\nWhat \\fBtop \\-\\-json\\fP shows of each worker, counted since its "
	     "process "
	     "was started. What ends in _seconds is in microseconds. /metrics has the same, and "
	     "more.");
	for (unsigned i = 0; i < STAT_COUNT; i++)
		put_counter(stat_descriptions[i].name, "", stat_descriptions[i].help,
			    stat_descriptions[i].gauge);
	puts(".PP\nAnd of the supervisor:");
	for (unsigned i = 0; i < SUPERVISOR_STAT_COUNT; i++) {
		const struct supervisor_description *row = &supervisor_descriptions[i];
		put_counter(row->name, row->labels, row->help, row->gauge);
	}
}

static void put_page(void)
{
	puts(".TH SYNCDOCCTL 1 \"\" \"syncdoc " SYNCDOC_VERSION "\" \"User Commands\"\n"
	     ".SH NAME\nsyncdocctl \\- read, change and watch syncdoc documents, and look after "
	     "the "
	     "daemon\n"
	     ".SH SYNOPSIS\n\\fBsyncdocctl\\fP [\\fIOPTION\\fP]... \\fIVERB\\fP "
	     "[\\fIARGUMENT\\fP]...\n"
	     ".SH DESCRIPTION\nTalks to a syncdoc server over REST and WebSocket "
	     "(\\fB\\-\\-url\\fP), "
	     "and to the daemon on this host over its control socket (\\fB\\-\\-socket\\fP).\n"
	     ".PP\nOn a terminal lists are tables and documents are laid out; with "
	     "\\fB\\-\\-json\\fP everything is JSON, one object a line. Documents and events are "
	     "JSON "
	     "in a pipe too.\n"
	     ".SH OPTIONS\nThese go with every verb, before or behind it:");
	put_global_options();
	puts(".SH VERBS");
	for (unsigned i = 0; i < VERB_ID_COUNT; i++)
		put_verb(&verb_rows[i]);
	puts(".SH EXIT STATUS");
	for (const struct help_exit *at = help_exits; at->meaning; at++)
		printf(".TP\n\\fB%d\\fP\n%s.\n", at->code, at->meaning);
	puts(".SH ENVIRONMENT\n"
	     ".TP\n\\fBSYNCDOC_URL\\fP\nas \\fB\\-\\-url\\fP, where that is not given.\n"
	     ".TP\n\\fBSYNCDOC_SOCKET\\fP\nas \\fB\\-\\-socket\\fP.\n"
	     ".TP\n\\fBSYNCDOC_TOKEN\\fP\nas \\fB\\-\\-token\\fP, and not seen by other users.\n"
	     ".TP\n\\fBNO_COLOR\\fP\nset to anything: no colours.\n"
	     ".SH FILES\n"
	     ".TP\n\\fI/var/lib/syncdoc/control.sock\\fP\nthe control socket of the daemon as "
	     "packaged; its protocol stands in \\fBsyncdocd\\fP(8).");
	put_counters();
	puts(".SH SEE ALSO\n\\fBsyncdocd\\fP(8), \\fBsyncdocd.conf\\fP(5)");
}

/* ---- bash ---- */

static void put_verbs(void)
{
	for (unsigned i = 0; i < VERB_ID_COUNT; i++)
		printf("%s%s", i ? " " : "", verb_rows[i].name);
}

static void put_option_words(enum verb_id verb, bool own)
{
	bool some = false;
	for (unsigned i = own ? OPTION_GLOBAL_COUNT : 0;
	     i < (own ? (unsigned)OPTION_ID_COUNT : (unsigned)OPTION_GLOBAL_COUNT); i++) {
		if (own && !verb_takes_option(verb, (enum option_id)i))
			continue;
		printf("%s--%s", some ? " " : "", option_rows[i].name);
		some = true;
	}
}

/* Words behind an option that takes one of a few. */
static void put_option_values(void)
{
	for (unsigned i = 0; i < OPTION_ID_COUNT; i++) {
		const struct option_row *row = &option_rows[i];
		if (!row->value)
			continue;
		printf("\t--%s) ", row->name);
		if (row->kind == OPTION_KIND_CHOICE) {
			fputs("COMPREPLY=($(compgen -W \"", stdout);
			for (const char *at = row->choices; *at; at++)
				putchar(*at == '|' ? ' ' : *at);
			fputs("\" -- \"$word\"))", stdout);
		} else if (strcmp(row->value, "FILE") == 0 || strcmp(row->value, "PATH") == 0) {
			fputs("COMPREPLY=($(compgen -f -- \"$word\"))", stdout);
		} else if (row->word) {
			printf("COMPREPLY=($(compgen -W \"%s\" -- \"$word\"))", row->word);
		} else {
			fputs("COMPREPLY=()", stdout);
		}
		puts("; return ;;");
	}
}

static void put_value_pattern(void)
{
	bool some = false;
	for (unsigned i = 0; i < OPTION_ID_COUNT; i++) {
		if (!option_rows[i].value)
			continue;
		printf("%s--%s", some ? "|" : "", option_rows[i].name);
		some = true;
	}
}

static void put_bash(void)
{
	puts("# bash completion for syncdocctl; made from daemon/ctl/verb_table.c\n"
	     "_syncdocctl() {\n"
	     "\tlocal word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} verb= own= "
	     "i\n"
	     "\tCOMPREPLY=()\n"
	     "\tcase $before in");
	put_option_values();
	fputs("\tesac\n"
	      "\tfor ((i = 1; i < COMP_CWORD; i++)); do\n"
	      "\t\tcase ${COMP_WORDS[i]} in\n"
	      "\t\t",
	      stdout);
	put_value_pattern();
	puts(") ((i++)) ;;\n"
	     "\t\t-*) ;;\n"
	     "\t\t*) verb=${COMP_WORDS[i]}; break ;;\n"
	     "\t\tesac\n"
	     "\tdone\n"
	     "\tcase $verb in");
	for (unsigned i = 0; i < VERB_ID_COUNT; i++) {
		printf("\t%s) own=\"", verb_rows[i].name);
		put_option_words((enum verb_id)i, true);
		puts("\" ;;");
	}
	fputs("\tesac\n\tif [[ $word == -* ]]; then\n\t\tCOMPREPLY=($(compgen -W \"$own ", stdout);
	put_option_words(VERB_ID_COUNT, false);
	fputs("\" -- \"$word\"))\n\telif [[ -z $verb || ( $verb == help && $before == help ) ]]; "
	      "then\n"
	      "\t\tCOMPREPLY=($(compgen -W \"",
	      stdout);
	put_verbs();
	puts("\" -- \"$word\"))\n"
	     "\telif [[ $verb == loglevel ]]; then\n"
	     "\t\tCOMPREPLY=($(compgen -W \"error warning notice info debug\" -- \"$word\"))\n"
	     "\telif [[ $verb == drain ]]; then\n"
	     "\t\tCOMPREPLY=($(compgen -W all -- \"$word\"))\n"
	     "\telif [[ $word == @* ]]; then\n"
	     "\t\tCOMPREPLY=($(compgen -f -P @ -- \"${word#@}\"))\n"
	     "\tfi\n"
	     "}\n"
	     "complete -F _syncdocctl syncdocctl");
}

static void put_bash_syncdocd(void)
{
	fputs("# bash completion for syncdocd; made from the table of configuration keys\n"
	      "_syncdocd() {\n"
	      "\tlocal word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]}\n"
	      "\tCOMPREPLY=()\n"
	      "\tcase $before in\n"
	      "\t-c|--config) COMPREPLY=($(compgen -f -- \"$word\")) ;;\n"
	      "\t-o|--option)\n"
	      "\t\tcompopt -o nospace 2>/dev/null\n"
	      "\t\tCOMPREPLY=($(compgen -S = -W \"",
	      stdout);
	for (size_t i = 0; i < config_key_count; i++)
		printf("%s%s", i ? " " : "", config_keys[i].name);
	puts("\" -- \"$word\")) ;;\n"
	     "\t*) COMPREPLY=($(compgen -W \"--foreground --config --option --test --version "
	     "--help\" "
	     "-- \"$word\")) ;;\n"
	     "\tesac\n"
	     "}\n"
	     "complete -F _syncdocd syncdocd");
}

int main(int argc, char **argv)
{
	const char *what = argc == 2 ? argv[1] : "";
	if (strcmp(what, "man") == 0)
		put_page();
	else if (strcmp(what, "bash") == 0)
		put_bash();
	else if (strcmp(what, "bash-syncdocd") == 0)
		put_bash_syncdocd();
	else
		return 2;
	return fflush(stdout) ? 1 : 0;
}
