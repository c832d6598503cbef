/* verb_context.h — what every verb of syncdocctl gets, and the verbs. Each returns an enum
 * exit_code and has said on stderr what went wrong. */
#ifndef SYNCDOC_CTL_VERB_CONTEXT_H
#define SYNCDOC_CTL_VERB_CONTEXT_H

#include "arguments.h"
#include "exit_code.h"
#include "output.h"
#include "server_url.h"

struct context {
	struct arguments arguments;
	struct output output;
	struct server_url url;   /* of verbs that talk to the server */
	const char *url_text;    /* borrowed: for messages */
	const char *ca_file;     /* borrowed; NULL: the system's */
	const char *socket_path; /* borrowed */
	char *token;             /* owned; NULL: none */
	int64_t timeout_ms;
};

typedef int (*verb_fn)(struct context *context);
int verb_get(struct context *context);
int verb_create(struct context *context);
int verb_replace(struct context *context);
int verb_merge(struct context *context);
int verb_patch(struct context *context);
int verb_delete(struct context *context);
int verb_restore(struct context *context);
int verb_list(struct context *context);
int verb_services(struct context *context);
int verb_history(struct context *context);
int verb_watch(struct context *context);
int verb_presence(struct context *context);
int verb_bench(struct context *context);
int verb_status(struct context *context);
int verb_top(struct context *context);
int verb_loglevel(struct context *context);
int verb_reload(struct context *context);
int verb_drain(struct context *context);
int verb_help(struct context *context);

/* presence --watch: goes on until Ctrl-C or --count. */
int watch_presence(struct context *context);

#endif
