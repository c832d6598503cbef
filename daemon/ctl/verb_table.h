/* verb_table.h — every verb and option of syncdocctl with its help: what --help prints, what the
 * command line is read by, and what the manual page and the shell completion are made of. Pure. */
#ifndef SYNCDOC_CTL_VERB_TABLE_H
#define SYNCDOC_CTL_VERB_TABLE_H

#include "base.h"

enum option_id {
	OPTION_URL,
	OPTION_SOCKET,
	OPTION_TOKEN,
	OPTION_TOKEN_FILE,
	OPTION_CA,
	OPTION_TIMEOUT,
	OPTION_JSON,
	OPTION_HELP,
	OPTION_VERSION,
	OPTION_GLOBAL_COUNT, /* the ones above go with every verb */
	OPTION_ID = OPTION_GLOBAL_COUNT,
	OPTION_EXPECTED_REVISION,
	OPTION_TTL,
	OPTION_REVISION,
	OPTION_DELETED,
	OPTION_PREFIX,
	OPTION_ORDER,
	OPTION_LIMIT,
	OPTION_DATA,
	OPTION_MODE,
	OPTION_SINCE,
	OPTION_AFTER,
	OPTION_SNAPSHOT,
	OPTION_PRESENCE,
	OPTION_COUNT,
	OPTION_WATCH,
	OPTION_ONCE,
	OPTION_INTERVAL,
	OPTION_WAIT,
	OPTION_CONNECTIONS,
	OPTION_SUBSCRIBERS,
	OPTION_SECONDS,
	OPTION_SIZE,
	OPTION_RATE,
	OPTION_SERVICE,
	OPTION_ONLY,
	OPTION_ID_COUNT,
};

enum option_kind {
	OPTION_KIND_FLAG,   /* takes no value */
	OPTION_KIND_TEXT,   /* anything but nothing */
	OPTION_KIND_NUMBER, /* a whole number from min to max */
	OPTION_KIND_TIME,   /* seconds with at most three decimals, from min to max milliseconds */
	OPTION_KIND_CHOICE, /* one of the words of `choices` */
};

struct option_row {
	const char *name;  /* without -- */
	const char *value; /* what --help calls it: "N", "FILE"; NULL: a flag */
	enum option_kind kind;
	int64_t min, max;    /* NUMBER; TIME in milliseconds */
	const char *word;    /* NUMBER: this word is allowed too; NULL: none */
	const char *choices; /* CHOICE: separated by | */
	char letter;         /* short form; 0: none */
	const char *help;    /* one sentence, without a full stop */
};

struct arguments;
struct verb {
	const char *name;
	const char *operands; /* "SERVICE ID JSON"; what is in [ ] may be missing */
	unsigned operands_min, operands_max;
	const char *summary;           /* one line */
	const char *description;       /* paragraphs separated by empty lines */
	const char *examples;          /* lines; NULL: none */
	const enum option_id *options; /* its own; ends with OPTION_ID_COUNT */
	enum verb_target { TARGET_NONE, TARGET_SERVER, TARGET_CONTROL } target;
};

enum verb_id {
	VERB_GET,
	VERB_CREATE,
	VERB_REPLACE,
	VERB_MERGE,
	VERB_PATCH,
	VERB_DELETE,
	VERB_RESTORE,
	VERB_LIST,
	VERB_SERVICES,
	VERB_HISTORY,
	VERB_WATCH,
	VERB_PRESENCE,
	VERB_BENCH,
	VERB_STATUS,
	VERB_TOP,
	VERB_LOGLEVEL,
	VERB_RELOAD,
	VERB_DRAIN,
	VERB_HELP,
	VERB_ID_COUNT,
};

extern const struct option_row option_rows[OPTION_ID_COUNT];
extern const struct verb verb_rows[VERB_ID_COUNT];

/* VERB_ID_COUNT: there is none of that name. */
enum verb_id verb_find(struct span name);
/* OPTION_ID_COUNT: there is none of that name. */
enum option_id option_find(struct span name);
bool verb_takes_option(enum verb_id verb, enum option_id option);
/* The nearest verb for a mistyped one; NULL: none is near. */
const char *verb_suggest(const char *typed);
/* The nearest option that this verb takes (VERB_ID_COUNT: a global one); NULL: none is near. */
const char *option_suggest(enum verb_id verb, struct span typed);

#endif
