/* options.h — the command line of syncdocd. */
#ifndef SYNCDOC_OPTIONS_H
#define SYNCDOC_OPTIONS_H

#include "base.h"

#define OPTIONS_OVERRIDES_MAX 256

enum options_verb { OPTIONS_RUN, OPTIONS_CHECK, OPTIONS_VERSION, OPTIONS_HELP };

struct options {
	enum options_verb verb;
	bool foreground;
	const char *config_path; /* borrowed: from argv; NULL: the default place */
	const char *overrides[OPTIONS_OVERRIDES_MAX]; /* borrowed: from argv */
	size_t override_count;
};

/* 0, or -EINVAL: a line about it has been written to stderr. */
int options_parse(int argc, char **argv, struct options *ret);
void options_print_help(FILE *out);

#endif
