/* verb_table.c — the rows, and finding in them. */
#include "verb_table.h"

#define OWN(...)                                                                                   \
	(const enum option_id[])                                                                   \
	{                                                                                          \
		__VA_ARGS__, OPTION_ID_COUNT                                                       \
	}
#define NO_OPTIONS                                                                                 \
	(const enum option_id[])                                                                   \
	{                                                                                          \
		OPTION_ID_COUNT                                                                    \
	}
#define YEAR_S 31536000

const struct option_row option_rows[OPTION_ID_COUNT] = {
	[OPTION_URL] = {"url", "URL", OPTION_KIND_TEXT,
			.help = "where the server listens: http://HOST:PORT, https://HOST:PORT or "
				"unix:/PATH; default $SYNCDOC_URL, else http://127.0.0.1:8080"},
	[OPTION_SOCKET] = {"socket", "PATH", OPTION_KIND_TEXT,
			   .help = "control socket of the daemon on this host; default "
				   "$SYNCDOC_SOCKET, else /var/lib/syncdoc/control.sock"},
	[OPTION_TOKEN] = {"token", "TOKEN", OPTION_KIND_TEXT,
			  .help = "token to show to the server; other users of this host can see "
				  "it: better $SYNCDOC_TOKEN or --token-file"},
	[OPTION_TOKEN_FILE] = {"token-file", "FILE", OPTION_KIND_TEXT,
			       .help = "file whose first line is the token"},
	[OPTION_CA] = {"ca", "FILE", OPTION_KIND_TEXT,
		       .help = "with https: trust the certificates in this PEM file instead of "
			       "those of the system"},
	[OPTION_TIMEOUT] =
		{"timeout", "SECONDS", OPTION_KIND_TIME, .min = 100, .max = 3600000,
		 .help = "how long to wait for a connection and for an answer; default 10"},
	[OPTION_JSON] =
		{"json", NULL, OPTION_KIND_FLAG,
		 .help = "print JSON for scripts, one object a line, errors too (on stderr)"},
	[OPTION_HELP] = {"help", NULL, OPTION_KIND_FLAG, .letter = 'h',
			 .help = "print help, also for one verb, and exit"},
	[OPTION_VERSION] = {"version", NULL, OPTION_KIND_FLAG, .letter = 'V',
			    .help = "print the version and exit"},
	[OPTION_ID] = {"id", "ID", OPTION_KIND_TEXT,
		       .help = "the new document's id; without it the server makes one"},
	[OPTION_EXPECTED_REVISION] =
		{"expected-revision", "N", OPTION_KIND_NUMBER, .min = 0, .max = INT64_MAX,
		 .help = "only if the document is at this revision, else exit status 4"},
	[OPTION_TTL] = {"ttl", "SECONDS", OPTION_KIND_NUMBER, .min = 1, .max = YEAR_S,
			.word = "never",
			.help = "let the document expire after so many seconds; `never` takes an "
				"earlier ttl away"},
	[OPTION_REVISION] = {"revision", "N", OPTION_KIND_NUMBER, .min = 1, .max = INT64_MAX,
			     .help = "an old revision instead of the newest"},
	[OPTION_DELETED] = {"deleted", NULL, OPTION_KIND_FLAG,
			    .help = "show deleted and expired documents too"},
	[OPTION_PREFIX] = {"prefix", "TEXT", OPTION_KIND_TEXT,
			   .help = "only documents whose id begins with this"},
	[OPTION_ORDER] = {"order", "ORDER", OPTION_KIND_CHOICE, .choices = "updated|id",
			  .help = "`updated` (newest first, the default) or `id`"},
	[OPTION_LIMIT] = {"limit", "N", OPTION_KIND_NUMBER, .min = 1, .max = INT64_MAX,
			  .word = "all",
			  .help = "print at most so many; default 100; `all` for all of them"},
	[OPTION_DATA] = {"data", NULL, OPTION_KIND_FLAG,
			 .help = "whole documents, one JSON object a line"},
	[OPTION_MODE] = {"mode", "MODE", OPTION_KIND_CHOICE, .choices = "full|diff|both",
			 .help = "what events bring: `full` (the document), `diff` (what changed) "
				 "or `both`, the default"},
	[OPTION_SINCE] = {"since", "REVISION", OPTION_KIND_NUMBER, .min = 1, .max = INT64_MAX,
			  .help = "of one document: begin with what came after this revision"},
	[OPTION_AFTER] =
		{"after", "POSITION", OPTION_KIND_TEXT,
		 .help = "begin with what came after this position, which an earlier event named"},
	[OPTION_SNAPSHOT] = {"snapshot", NULL, OPTION_KIND_FLAG,
			     .help = "of one document: print first how it is now"},
	[OPTION_PRESENCE] =
		{"presence", NULL, OPTION_KIND_FLAG,
		 .help = "presence events too, also when watching more than one document"},
	[OPTION_COUNT] = {"count", "N", OPTION_KIND_NUMBER, .min = 1, .max = INT64_MAX,
			  .help = "end after so many events; of `top`: after so many tables"},
	[OPTION_WATCH] = {"watch", NULL, OPTION_KIND_FLAG,
			  .help = "go on and print who comes and goes"},
	[OPTION_ONCE] = {"once", NULL, OPTION_KIND_FLAG,
			 .help = "measure for one interval, print that and end"},
	[OPTION_INTERVAL] = {"interval", "SECONDS", OPTION_KIND_TIME, .min = 100, .max = 60000,
			     .help = "time between two looks; default 1"},
	[OPTION_WAIT] = {"wait", NULL, OPTION_KIND_FLAG,
			 .help = "return when the drained processes have ended"},
	[OPTION_CONNECTIONS] = {"connections", "N", OPTION_KIND_NUMBER, .min = 1, .max = 10000,
				.help = "connections that write and read, each with one request at "
					"a time; default 16"},
	[OPTION_SUBSCRIBERS] = {"subscribers", "N", OPTION_KIND_NUMBER, .min = 1, .max = 50000,
				.help = "WebSocket connections that subscribe to the documents "
					"written; default 100"},
	[OPTION_SECONDS] = {"seconds", "SECONDS", OPTION_KIND_TIME, .min = 100, .max = 3600000,
			    .help = "how long each part takes; default 5"},
	[OPTION_SIZE] = {"size", "BYTES", OPTION_KIND_NUMBER, .min = 64, .max = 67108864,
			 .help = "bytes of each document's data; default 1024"},
	[OPTION_RATE] = {"rate", "N", OPTION_KIND_NUMBER, .min = 1, .max = 1000000, .word = "max",
			 .help = "requests a second in all; default `max` (as fast as answers "
				 "come), and 100 for the fan-out"},
	[OPTION_SERVICE] =
		{"service", "NAME", OPTION_KIND_TEXT,
		 .help = "service for the documents of the measurement; default syncdocctl-bench"},
	[OPTION_ONLY] = {"only", "PART", OPTION_KIND_CHOICE, .choices = "writes|reads|fanout",
			 .help = "measure one part: `writes`, `reads` or `fanout`"},
};

#define JSON_OPERAND                                                                               \
	"JSON stands on the command line, in a file (@FILE), or comes through standard input (-)."

const struct verb verb_rows[VERB_ID_COUNT] = {
	[VERB_GET] = {"get", "SERVICE ID", 2, 2, "print a document",
		      "Prints the document with its revision and times: laid out on a terminal, as "
		      "one line in a pipe or with --json.",
		      "syncdocctl get session doc_1\nsyncdocctl get session doc_1 --revision "
		      "3\nsyncdocctl get session doc_1 --json | jq .data",
		      OWN(OPTION_REVISION, OPTION_DELETED), TARGET_SERVER},
	[VERB_CREATE] =
		{"create", "SERVICE [JSON]", 1, 2, "make a new document",
		 "Makes a document with this data, {} without any, and prints it. Fails with exit "
		 "status 4 if there is a living document of that id.\n\n" JSON_OPERAND,
		 "syncdocctl create session '{\"status\":\"active\"}'\nsyncdocctl create session "
		 "--id doc_1 @state.json --ttl 3600",
		 OWN(OPTION_ID, OPTION_TTL), TARGET_SERVER},
	[VERB_REPLACE] = {"replace", "SERVICE ID JSON", 3, 3, "give a document new data",
			  "Puts this data in the place of what is there, and prints the new "
			  "revision. Makes the document if there is none.\n\n" JSON_OPERAND,
			  "syncdocctl replace session doc_1 '{\"status\":\"ended\"}' "
			  "--expected-revision 7\ngenerate | syncdocctl replace board b1 -",
			  OWN(OPTION_EXPECTED_REVISION, OPTION_TTL), TARGET_SERVER},
	[VERB_MERGE] =
		{"merge", "SERVICE ID JSON", 3, 3, "change some members of a document",
		 "Merges this object into the data (RFC 7396): members that are null are removed, "
		 "arrays are replaced, all else that is not named stays.\n\n" JSON_OPERAND,
		 "syncdocctl merge session doc_1 '{\"status\":\"ended\",\"n\":null}'",
		 OWN(OPTION_EXPECTED_REVISION, OPTION_TTL), TARGET_SERVER},
	[VERB_PATCH] = {"patch", "SERVICE ID JSON", 3, 3, "change a document step by step",
			"Applies an array of operations (JSON Patch, RFC 6902) to the data: all of "
			"them or, if one fails, none.\n\n" JSON_OPERAND,
			"syncdocctl patch board b1 "
			"'[{\"op\":\"test\",\"path\":\"/"
			"n\",\"value\":1},{\"op\":\"replace\",\"path\":\"/n\",\"value\":2}]'",
			OWN(OPTION_EXPECTED_REVISION), TARGET_SERVER},
	[VERB_DELETE] =
		{"delete", "SERVICE ID", 2, 2, "delete a document",
		 "The document's history stays for a while, so that `restore` can bring it back.",
		 "syncdocctl delete session doc_1", OWN(OPTION_EXPECTED_REVISION), TARGET_SERVER},
	[VERB_RESTORE] =
		{"restore", "SERVICE ID REVISION", 3, 3, "make an old revision the newest",
		 "Also brings a deleted document back. `history` shows which revisions there are.",
		 "syncdocctl restore session doc_1 4", OWN(OPTION_EXPECTED_REVISION),
		 TARGET_SERVER},
	[VERB_LIST] = {"list", "SERVICE", 1, 1, "list the documents of a service",
		       "Prints id, revision and time of the last change. When there are more than "
		       "--limit allows, a line on stderr says so.",
		       "syncdocctl list session\nsyncdocctl list session --prefix u42- --order id "
		       "--limit all\nsyncdocctl list session --data > backup.jsonl",
		       OWN(OPTION_PREFIX, OPTION_ORDER, OPTION_LIMIT, OPTION_DELETED, OPTION_DATA),
		       TARGET_SERVER},
	[VERB_SERVICES] = {"services", "", 0, 0, "list the services",
			   "Prints each service with the number of its living documents, the one "
			   "written last first.",
			   NULL, NO_OPTIONS, TARGET_SERVER},
	[VERB_HISTORY] = {"history", "SERVICE ID", 2, 2, "list the old revisions of a document",
			  "Prints what was done, when, by whom (where users are known) and what "
			  "changed: + added, - removed, ~ changed. The newest comes first.",
			  "syncdocctl history session doc_1 --limit 20\nsyncdocctl history session "
			  "doc_1 --json",
			  OWN(OPTION_LIMIT), TARGET_SERVER},
	[VERB_WATCH] =
		{"watch", "TOPIC|SERVICE [ID]", 1, 2, "print changes as they happen",
		 "A topic is sync.SERVICE.EVENT, with created, updated, deleted, expired or "
		 "presence for EVENT, and * for either part; a SERVICE alone is all its events, "
		 "with an ID those of one document.\n\n"
		 "On a terminal each event is a line and, unless --mode is full, what changed. In "
		 "a pipe, or with --json, each is a line of JSON, as the server sent it. `resync` "
		 "means that something was missed and cannot be told any more: read again.\n\n"
		 "A lost connection is made again, and what happened in between comes first. Ends "
		 "with Ctrl-C, or after --count events.",
		 "syncdocctl watch session\nsyncdocctl watch session doc_1 --snapshot\nsyncdocctl "
		 "watch 'sync.*.deleted' --json | jq -r .payload.documentId",
		 OWN(OPTION_MODE, OPTION_SINCE, OPTION_AFTER, OPTION_SNAPSHOT, OPTION_PREFIX,
		     OPTION_PRESENCE, OPTION_COUNT),
		 TARGET_SERVER},
	[VERB_PRESENCE] =
		{"presence", "SERVICE ID", 2, 2, "show who is at a document",
		 "Prints each member with its mode, since when it is there, and its data.",
		 "syncdocctl presence board b1\nsyncdocctl presence board b1 --watch",
		 OWN(OPTION_WATCH, OPTION_COUNT), TARGET_SERVER},
	[VERB_BENCH] =
		{"bench", "", 0, 0, "measure a running server",
		 "Three parts, one after the other: writes (each connection replaces a document of "
		 "its own), reads (of these documents), and fan-out (one connection writes, all "
		 "subscribers get each event; the time runs from sending the write to having the "
		 "event). Prints counts, rates and percentiles. Percentiles are exact to 1 %.\n\n"
		 "It writes to documents of its own, which it deletes at the end, and which expire "
		 "after an hour if it cannot. Still: on a server in use it takes capacity from "
		 "others. Client and server on one machine share its processors.",
		 "syncdocctl bench\nsyncdocctl bench --connections 50 --size 1024 --seconds "
		 "10\nsyncdocctl bench --only fanout --subscribers 1000 --rate 50",
		 OWN(OPTION_CONNECTIONS, OPTION_SUBSCRIBERS, OPTION_SECONDS, OPTION_SIZE,
		     OPTION_RATE, OPTION_SERVICE, OPTION_ONLY),
		 TARGET_SERVER},
	[VERB_STATUS] = {"status", "", 0, 0, "show how the daemon on this host is",
			 "Version, uptime, Redis, position, and each worker process. Uses the "
			 "control socket: for root and the user the daemon runs as.",
			 "syncdocctl status\nsyncdocctl status --json | jq .workers", NO_OPTIONS,
			 TARGET_CONTROL},
	[VERB_TOP] =
		{"top", "", 0, 0, "show what the workers do, again and again",
		 "Connections and streams, subscriptions, processor time; requests, documents "
		 "read, accepted writes, events that somebody wanted, deliveries and bytes a "
		 "second; bytes that wait for slow clients; and how far each worker is behind "
		 "the ring. Refreshes on a terminal until q or Ctrl-C; "
		 "in a pipe it prints a table for each interval. Uses the control socket: for "
		 "root and the user the daemon runs as.\n\n"
		 "With --json, each interval is one line, with all counters of each worker and "
		 "of the supervisor; the manual explains them.",
		 "syncdocctl top\nsyncdocctl top --once --json | jq .total",
		 OWN(OPTION_ONCE, OPTION_INTERVAL, OPTION_COUNT), TARGET_CONTROL},
	[VERB_LOGLEVEL] =
		{"loglevel", "[LEVEL]", 0, 1, "show or change the log level",
		 "LEVEL is error, warning, notice, info or debug. It is in force at once in the "
		 "supervisor and all workers, until it is changed again, or the configuration is "
		 "read again (reload, restart), which has its own in log.level.",
		 "syncdocctl loglevel debug", NO_OPTIONS, TARGET_CONTROL},
	[VERB_RELOAD] =
		{"reload", "", 0, 0, "read the configuration again",
		 "As SIGHUP does: new workers start with it, the old ones say goodbye to their "
		 "clients and end. If the file has a fault, it is printed, and nothing changes. "
		 "Keys "
		 "that have changed and need a restart are named.",
		 NULL, NO_OPTIONS, TARGET_CONTROL},
	[VERB_DRAIN] =
		{"drain", "WORKER|all", 1, 1, "send clients away: of one worker, or of all",
		 "With a number, as `status` shows them, that worker takes no new clients, sends "
		 "those it has away at drain_rate, and ends when they are gone or after "
		 "drain_timeout; a new process takes its place at once, so that nobody is turned "
		 "away.\n\n"
		 "`all` does the same to all workers and starts no new ones: the daemon ends, as "
		 "with SIGTERM. An init system that restarts it in any case will do so.",
		 "syncdocctl drain 0 --wait\nsyncdocctl drain all", OWN(OPTION_WAIT),
		 TARGET_CONTROL},
	[VERB_HELP] = {"help", "[VERB]", 0, 1, "print help, also for one verb",
		       "Without a verb: all verbs, one line each.", NULL, NO_OPTIONS, TARGET_NONE},
};

enum verb_id verb_find(struct span name)
{
	for (unsigned i = 0; i < VERB_ID_COUNT; i++)
		if (span_equals(name, span_string(verb_rows[i].name)))
			return (enum verb_id)i;
	return VERB_ID_COUNT;
}

enum option_id option_find(struct span name)
{
	for (unsigned i = 0; i < OPTION_ID_COUNT; i++)
		if (span_equals(name, span_string(option_rows[i].name)))
			return (enum option_id)i;
	return OPTION_ID_COUNT;
}

bool verb_takes_option(enum verb_id verb, enum option_id option)
{
	if (option < OPTION_GLOBAL_COUNT)
		return true;
	if (verb == VERB_ID_COUNT)
		return false;
	for (const enum option_id *own = verb_rows[verb].options; *own != OPTION_ID_COUNT; own++)
		if (*own == option)
			return true;
	return false;
}

/* ---- the nearest name ---- */

#define NAME_MAX_LEN 32
#define NEAR_MAX 2 /* edits that are still taken for a slip */

static unsigned smallest(unsigned a, unsigned b, unsigned c)
{
	unsigned ab = a < b ? a : b;
	return ab < c ? ab : c;
}

/* Insertions, removals, changes, and two neighbours exchanged (Damerau). */
static unsigned edits_between(struct span a, struct span b)
{
	unsigned rows[3][NAME_MAX_LEN + 1];
	if (a.len > NAME_MAX_LEN || b.len > NAME_MAX_LEN)
		return NAME_MAX_LEN;
	unsigned *before = rows[0], *last = rows[1], *row = rows[2];
	for (size_t j = 0; j <= b.len; j++)
		last[j] = before[j] = (unsigned)j;
	for (size_t i = 1; i <= a.len; i++) {
		row[0] = (unsigned)i;
		for (size_t j = 1; j <= b.len; j++) {
			unsigned change = last[j - 1] + (a.at[i - 1] != b.at[j - 1]);
			row[j] = smallest(last[j] + 1, row[j - 1] + 1, change);
			if (i > 1 && j > 1 && a.at[i - 1] == b.at[j - 2] &&
			    a.at[i - 2] == b.at[j - 1] && before[j - 2] + 1 < row[j])
				row[j] = before[j - 2] + 1;
		}
		unsigned *spare = before;
		before = last;
		last = row;
		row = spare;
	}
	return last[b.len];
}

struct nearest {
	struct span typed;
	const char *name;
	unsigned edits;
};

static void nearest_look(struct nearest *nearest, const char *name)
{
	struct span candidate = span_string(name);
	unsigned edits = edits_between(nearest->typed, candidate);
	/* The beginning of a name is a better hint than any slip. */
	if (nearest->typed.len >= 2 && span_starts_with(candidate, nearest->typed))
		edits = 0;
	if (edits < nearest->edits && edits < candidate.len) {
		nearest->edits = edits;
		nearest->name = name;
	}
}

const char *verb_suggest(const char *typed)
{
	struct nearest nearest = {span_string(typed), NULL, NEAR_MAX + 1};
	for (unsigned i = 0; i < VERB_ID_COUNT; i++)
		nearest_look(&nearest, verb_rows[i].name);
	return nearest.name;
}

const char *option_suggest(enum verb_id verb, struct span typed)
{
	struct nearest nearest = {typed, NULL, NEAR_MAX + 1};
	for (unsigned i = 0; i < OPTION_ID_COUNT; i++)
		if (verb_takes_option(verb, (enum option_id)i))
			nearest_look(&nearest, option_rows[i].name);
	return nearest.name;
}
