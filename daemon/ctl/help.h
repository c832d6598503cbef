/* help.h — the verb table as people read it in a terminal. Pure. */
#ifndef SYNCDOC_CTL_HELP_H
#define SYNCDOC_CTL_HELP_H

#include "buffer.h"
#include "verb_table.h"

/* All verbs, what goes with each of them, exit status. */
void help_append_all(struct buffer *ret);
void help_append_verb(enum verb_id verb, struct buffer *ret);
/* `syncdocctl get SERVICE ID [--revision N] …` */
void help_append_usage(enum verb_id verb, struct buffer *ret);

/* Exit status and what it means, for --help and the manual; ends with NULL. */
struct help_exit {
	int code;
	const char *meaning;
};
extern const struct help_exit help_exits[];

#endif
