/* options.c — see options.h. */
#define _GNU_SOURCE
#include "options.h"

#include <getopt.h>

static const struct option names[] = {
	{"foreground", no_argument, NULL, 'f'},
	{"config", required_argument, NULL, 'c'},
	{"option", required_argument, NULL, 'o'},
	{"test", no_argument, NULL, 't'},
	{"version", no_argument, NULL, 'V'},
	{"help", no_argument, NULL, 'h'},
	{NULL, 0, NULL, 0},
};

static int refuse(const char *what, const char *text)
{
	fprintf(stderr, "syncdocd: %s%s%s; try syncdocd --help\n", what, text ? ": " : "",
		text ? text : "");
	return -EINVAL;
}

static int add_override(struct options *options, const char *text)
{
	const char *equals = strchr(text, '=');
	if (!equals || equals == text)
		return refuse("-o needs key=value, for instance -o listen=127.0.0.1:8080", text);
	if (options->override_count == OPTIONS_OVERRIDES_MAX)
		return refuse("too many -o", NULL);
	options->overrides[options->override_count++] = text;
	return 0;
}

static int take_option(struct options *options, int option)
{
	switch (option) {
	case 'f':
		options->foreground = true;
		return 0;
	case 'c':
		options->config_path = optarg;
		return 0;
	case 'o':
		return add_override(options, optarg);
	case 't':
		options->verb = OPTIONS_CHECK;
		return 0;
	case 'V':
		options->verb = OPTIONS_VERSION;
		return 0;
	case 'h':
		options->verb = OPTIONS_HELP;
		return 0;
	default:
		/* getopt has said what is wrong. */
		fprintf(stderr, "syncdocd: try syncdocd --help\n");
		return -EINVAL;
	}
}

int options_parse(int argc, char **argv, struct options *ret)
{
	struct options options = {.verb = OPTIONS_RUN};
	int option;
	while ((option = getopt_long(argc, argv, "fc:o:tVh", names, NULL)) != -1) {
		int error = take_option(&options, option);
		if (error)
			return error;
		/* The first of these wins, whatever stands behind it. */
		if (options.verb == OPTIONS_VERSION || options.verb == OPTIONS_HELP)
			break;
	}
	bool looked_at_all = options.verb == OPTIONS_RUN || options.verb == OPTIONS_CHECK;
	if (looked_at_all && optind < argc)
		return refuse("unexpected argument", argv[optind]);
	*ret = options;
	return 0;
}

void options_print_help(FILE *out)
{
	fputs("Usage: syncdocd [-f] [-c FILE] [-o key=value]... [-t] [-V] [-h]\n"
	      "\n"
	      "Serves JSON documents in real time over REST and WebSocket, on "
	      "http://127.0.0.1:8080 unless told\n"
	      "otherwise. Documents are kept in Redis: by default in one that syncdocd starts "
	      "itself.\n"
	      "\n"
	      "  -f, --foreground         stay in the foreground (for systemd, containers and "
	      "trying it out);\n"
	      "                           without it syncdocd goes to the background once it is "
	      "up\n"
	      "  -c, --config FILE        read FILE instead of /etc/syncdoc/syncdocd.conf\n"
	      "  -o, --option key=value   set one key of the configuration; may be given again and "
	      "again.\n"
	      "                           Lists are separated by commas: -o "
	      "listen=127.0.0.1:80,[::1]:80\n"
	      "  -t, --test               check the configuration, print it with all its defaults, "
	      "and exit;\n"
	      "                           says nothing about users, ports or Redis\n"
	      "  -V, --version            print the version and exit\n"
	      "  -h, --help               print this and exit\n"
	      "\n"
	      "Signals: SIGTERM or SIGINT ends (a second one at once), SIGHUP reads the "
	      "configuration again,\n"
	      "SIGUSR1 opens the log file again.\n"
	      "Exit status: 0 ended as asked, 1 could not start or run, 2 wrong usage or "
	      "configuration.\n"
	      "\n"
	      "To try it out without installing anything (Ctrl-C ends it):\n"
	      "  syncdocd -f -o state_dir=/tmp/syncdoc\n"
	      "Then, in another terminal:\n"
	      "  syncdocctl create session '{\"status\":\"active\"}'\n"
	      "  syncdocctl --socket /tmp/syncdoc/control.sock status\n"
	      "\n"
	      "More: man syncdocd, man syncdocd.conf (every key), man syncdocctl (the tool for "
	      "documents "
	      "and\n"
	      "for looking after a running daemon).\n",
	      out);
}
