/* log.h — one line per fact to stderr, syslog or a file. One per process, opened by the supervisor
 * before it forks. Lines say what, which object, why, what happens next: `relay: redis unix:/run/x
 * lost: Connection reset, retrying in 400 ms`. Never tokens or document bodies. */
#ifndef SYNCDOC_LOG_H
#define SYNCDOC_LOG_H

#include "base.h"

enum log_level {
	LOG_LEVEL_ERROR,
	LOG_LEVEL_WARNING,
	LOG_LEVEL_NOTICE,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG
};
enum log_format { LOG_FORMAT_TEXT, LOG_FORMAT_JSON };

/* target: "stderr", "syslog" or an absolute path (opened for append, mode 0640). -errno; then the
 * old target stays. */
int log_open(const char *target, enum log_level level, enum log_format format);
/* SIGUSR1: a file target is opened again by its path; the others ignore it. -errno; then the old
 * file stays. */
int log_reopen(void);
void log_set_level(enum log_level level);
enum log_level log_level_in_force(void);
/* From here on the level is the number in `word` (borrowed, for good; an enum log_level), which
 * another process may change at any time. A number that is no level counts as debug. */
void log_follow_level(const _Atomic uint32_t *word);
/* Name of this process in every line: "supervisor", "worker 3". Copied. After a fork the child
 * calls it, and counts anew. */
void log_set_process(const char *name);
/* Lines that stderr or the file has not taken whole since then: its disk is full, for instance. */
uint64_t log_lines_lost(void);
/* -EINVAL: not one of error, warning, notice, info, debug. */
int log_level_parse(const char *name, enum log_level *ret);
const char *log_level_name(enum log_level level);
/* The log file's descriptor, which a child must keep; -1 for stderr and syslog. */
int log_fd(void);

void log_write(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));
#define log_error(...) log_write(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_write(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_notice(...) log_write(LOG_LEVEL_NOTICE, __VA_ARGS__)
#define log_info(...) log_write(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_write(LOG_LEVEL_DEBUG, __VA_ARGS__)

/* A line of the access log, which has a switch of its own: written whatever log.level is, as info.
 * Where log.format is json the members stand beside the message; as text the message says it all.
 * Any bytes will do; a number must be one in JSON. */
struct log_member {
	const char *name; /* needs no escaping */
	struct span text;
	bool number;
};
void log_access(const struct log_member *members, size_t count, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* For repeats: `static struct log_limit limit; if (log_allow(&limit)) log_warning(…)`. One line a
 * minute each; the next allowed line of the same limit says how many were held back. */
struct log_limit {
	int64_t next_ms;
	uint64_t held_back;
};
bool log_allow(struct log_limit *limit);

#endif
