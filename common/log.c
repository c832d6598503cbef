/* log.c — see log.h. Lines are built whole and written with one write(2): the supervisor and its
 * workers append to the same file. */
#define _GNU_SOURCE
#include "log.h"
#include "buffer.h"
#include "clock.h"
#include "utf8.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_LEN 4096 /* newline included */
#define PROCESS_MAX 32
#define MEMBER_MAX 1100 /* of the access log; all of them fit into a line */
#define ALLOW_EVERY_MS 60000

enum target { TARGET_STDERR, TARGET_SYSLOG, TARGET_FILE };

static struct {
	enum target target;
	enum log_level level;
	enum log_format format;
	int fd;     /* owned when TARGET_FILE, else -1 */
	char *path; /* owned when TARGET_FILE, else NULL */
	char process[PROCESS_MAX];
	uint64_t lost;                    /* lines */
	uint64_t held_back;               /* from log_allow() to the line it allowed */
	const _Atomic uint32_t *followed; /* borrowed; NULL: `level` is in force */
} state = {.target = TARGET_STDERR, .level = LOG_LEVEL_INFO, .fd = -1, .process = "syncdoc"};

static const struct {
	const char *name;
	int priority; /* of syslog(3) */
} levels[] = {
	[LOG_LEVEL_ERROR] = {"error", LOG_ERR},      [LOG_LEVEL_WARNING] = {"warning", LOG_WARNING},
	[LOG_LEVEL_NOTICE] = {"notice", LOG_NOTICE}, [LOG_LEVEL_INFO] = {"info", LOG_INFO},
	[LOG_LEVEL_DEBUG] = {"debug", LOG_DEBUG},
};

static int open_file(const char *path)
{
	int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0640);
	return fd < 0 ? -errno : fd;
}

static void open_syslog(void)
{
	closelog();
	openlog("syncdocd", LOG_PID, LOG_DAEMON);
}

static void tell_must(const char *file, int line, const char *condition)
{
	log_error("%s:%d: must hold: %s", file, line, condition);
}

int log_open(const char *target, enum log_level level, enum log_format format)
{
	enum target kind = TARGET_FILE;
	int fd = -1;
	if (strcmp(target, "stderr") == 0)
		kind = TARGET_STDERR;
	else if (strcmp(target, "syslog") == 0)
		kind = TARGET_SYSLOG;
	else if (target[0] != '/')
		return -EINVAL;
	else if ((fd = open_file(target)) < 0)
		return fd;

	if (state.fd >= 0)
		close(state.fd);
	free(state.path);
	state.target = kind;
	state.level = level;
	state.format = format;
	state.fd = fd;
	state.path = kind == TARGET_FILE ? strdup(target) : NULL;
	MUST(kind != TARGET_FILE || state.path);
	if (kind == TARGET_SYSLOG)
		open_syslog();
	must_tell = kind == TARGET_STDERR ? NULL : tell_must;
	return 0;
}

int log_reopen(void)
{
	if (state.target == TARGET_SYSLOG)
		open_syslog();
	if (state.target != TARGET_FILE)
		return 0;
	int fd = open_file(state.path);
	if (fd < 0)
		return fd;
	/* The number stays: a child may be about to keep log_fd(). */
	int error = dup3(fd, state.fd, O_CLOEXEC) < 0 ? -errno : 0;
	close(fd);
	return error;
}

void log_set_level(enum log_level level)
{
	state.level = level;
}

enum log_level log_level_in_force(void)
{
	if (!state.followed)
		return state.level;
	/* relaxed: one word that stands for itself. */
	uint32_t level = atomic_load_explicit(state.followed, memory_order_relaxed);
	return level < LOG_LEVEL_DEBUG ? (enum log_level)level : LOG_LEVEL_DEBUG;
}

void log_follow_level(const _Atomic uint32_t *word)
{
	state.followed = word;
}

void log_set_process(const char *name)
{
	snprintf(state.process, sizeof(state.process), "%s", name);
	state.lost = 0;
}

int log_level_parse(const char *name, enum log_level *ret)
{
	for (size_t i = 0; i < ARRAY_LEN(levels); i++) {
		if (strcmp(name, levels[i].name) == 0) {
			*ret = (enum log_level)i;
			return 0;
		}
	}
	return -EINVAL;
}

const char *log_level_name(enum log_level level)
{
	return levels[level].name;
}

int log_fd(void)
{
	return state.fd;
}

/* One character of a message as it will stand in the line. */
struct piece {
	char bytes[12];
	size_t len;
	size_t cost; /* bytes in the finished line, where JSON escapes are counted too */
};

/* Control characters (C0, DEL, C1) would let a client forge lines or steer the terminal of whoever
 * reads the log. */
static void piece_as_text(struct piece *piece, const unsigned char *at, size_t len)
{
	bool control = at[0] < 0x20 || at[0] == 0x7f || (len == 2 && at[0] == 0xc2 && at[1] < 0xa0);
	if (len > 0 && !control) {
		memcpy(piece->bytes, at, len);
		piece->len = len;
	} else if (at[0] == '\n' || at[0] == '\r' || at[0] == '\t') {
		piece->bytes[0] = '\\';
		piece->bytes[1] = at[0] == '\n' ? 'n' : at[0] == '\r' ? 'r' : 't';
		piece->len = 2;
	} else {
		for (size_t i = 0; i < (len ? len : 1); i++, piece->len += 4)
			snprintf(piece->bytes + piece->len, sizeof(piece->bytes) - piece->len,
				 "\\x%02x", at[i]);
	}
	piece->cost = piece->len;
}

/* What buffer_append_json() will be given: valid UTF-8. */
static void piece_as_json(struct piece *piece, const unsigned char *at, size_t len)
{
	static const unsigned char replacement[] = {0xef, 0xbf, 0xbd}; /* U+FFFD */
	piece->len = len ? len : sizeof(replacement);
	memcpy(piece->bytes, len ? at : replacement, piece->len);
	/* 6: as \u00XX, the longest escape. */
	piece->cost = at[0] < 0x20 ? 6 : at[0] == '"' || at[0] == '\\' ? 2 : piece->len;
}

/* Appends as much of the message as costs at most `room`; what is cut off shows as `...`. */
static void append_message(struct buffer *ret, struct span message, size_t room)
{
	struct span mark = SPAN("...");
	size_t used = 0;
	size_t cut_len = ret->len; /* where the mark would still fit */
	while (message.len > 0) {
		struct piece piece = {.len = 0};
		size_t len = utf8_char_len(message);
		if (state.format == LOG_FORMAT_JSON)
			piece_as_json(&piece, (const unsigned char *)message.at, len);
		else
			piece_as_text(&piece, (const unsigned char *)message.at, len);
		used += piece.cost;
		if (used > room) {
			ret->len = cut_len;
			buffer_append_span(ret, mark);
			return;
		}
		buffer_append(ret, piece.bytes, piece.len);
		if (used + mark.len <= room)
			cut_len = ret->len;
		len = len ? len : 1;
		message = span_of(message.at + len, message.len - len);
	}
}

static void append_time(struct buffer *line)
{
	struct timespec now;
	struct tm utc;
	char seconds[32];
	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &utc);
	strftime(seconds, sizeof(seconds), "%Y-%m-%dT%H:%M:%S", &utc);
	buffer_printf(line, "%s.%03ldZ", seconds, now.tv_nsec / 1000000);
}

/* Message and what log_allow() has to say about it, in `room` bytes. */
static void append_body(struct buffer *ret, struct span message, uint64_t held_back, size_t room)
{
	char suffix[64] = "";
	if (held_back > 0)
		snprintf(suffix, sizeof(suffix), " (%llu more held back)",
			 (unsigned long long)held_back);
	append_message(ret, message, room - strlen(suffix));
	buffer_append_string(ret, suffix);
}

static void format_text(struct buffer *line, enum log_level level, struct span message,
			uint64_t held_back)
{
	if (state.target != TARGET_SYSLOG) { /* which adds these itself */
		append_time(line);
		buffer_printf(line, " %s[%d] %s: ", state.process, (int)getpid(),
			      levels[level].name);
	} else {
		buffer_printf(line, "%s: ", state.process);
	}
	append_body(line, message, held_back, LINE_MAX_LEN - 1 - line->len);
}

static void append_members(struct buffer *line, const struct log_member *members, size_t count)
{
	CLEANUP(buffer_fini) struct buffer text = {0};
	for (size_t i = 0; i < count; i++) {
		buffer_printf(line, ",\"%s\":", members[i].name);
		text.len = 0;
		append_message(&text, members[i].text, MEMBER_MAX);
		if (members[i].number)
			buffer_append_span(line, buffer_span(&text));
		else
			buffer_append_json(line, buffer_span(&text));
	}
}

/* One that has members says in them what its message would. */
static void format_json(struct buffer *line, enum log_level level, struct span message,
			uint64_t held_back, const struct log_member *members, size_t count)
{
	CLEANUP(buffer_fini) struct buffer body = {0};
	buffer_append_string(line, "{\"time\":\"");
	append_time(line);
	buffer_printf(line, "\",\"level\":\"%s\",\"process\":", levels[level].name);
	append_message(&body, span_string(state.process), PROCESS_MAX * 6);
	buffer_append_json(line, buffer_span(&body));
	buffer_printf(line, ",\"pid\":%d", (int)getpid());
	append_members(line, members, count);
	buffer_append_string(line, ",\"message\":");
	body.len = 0;
	append_body(&body, message, held_back, LINE_MAX_LEN - strlen("\"\"}\n") - line->len);
	buffer_append_json(line, buffer_span(&body));
	buffer_append_char(line, '}');
}

static void write_line(enum log_level level, struct buffer *line)
{
	if (state.target == TARGET_SYSLOG) {
		syslog(levels[level].priority, "%.*s", (int)line->len, line->at);
		return;
	}
	buffer_append_char(line, '\n');
	/* One write, nothing more: a rest written later could land inside another process's line. A
	 * log that takes nothing is no reason to stop either. */
	ssize_t taken;
	do
		taken = write(state.fd >= 0 ? state.fd : STDERR_FILENO, line->at, line->len);
	while (taken < 0 && errno == EINTR);
	if (taken != (ssize_t)line->len)
		state.lost++;
}

uint64_t log_lines_lost(void)
{
	return state.lost;
}

static void write_message(enum log_level level, uint64_t held_back,
			  const struct log_member *members, size_t count, const char *format,
			  va_list args)
{
	char message[LINE_MAX_LEN + 1]; /* longer ones do not fit the line and are cut there */
	int len = vsnprintf(message, sizeof(message), format, args);
	CLEANUP(buffer_fini) struct buffer line = {0};
	if (len < 0)
		return;
	if (state.format == LOG_FORMAT_JSON)
		format_json(&line, level, span_string(message), held_back, members, count);
	else
		format_text(&line, level, span_string(message), held_back);
	write_line(level, &line);
}

void log_access(const struct log_member *members, size_t count, const char *format, ...)
{
	int saved_errno = errno;
	va_list args;
	va_start(args, format);
	write_message(LOG_LEVEL_INFO, 0, members, count,
		      state.format == LOG_FORMAT_JSON ? "access" : format, args);
	va_end(args);
	errno = saved_errno;
}

void log_write(enum log_level level, const char *format, ...)
{
	int saved_errno = errno; /* callers log and then return it; `%m` needs it too */
	uint64_t held_back = state.held_back;
	state.held_back = 0;
	if (level > log_level_in_force())
		return;

	va_list args;
	va_start(args, format);
	write_message(level, held_back, NULL, 0, format, args);
	va_end(args);
	errno = saved_errno;
}

bool log_allow(struct log_limit *limit)
{
	int64_t now_ms = clock_monotonic_ms();
	if (now_ms < limit->next_ms) {
		limit->held_back++;
		return false;
	}
	limit->next_ms = now_ms + ALLOW_EVERY_MS;
	state.held_back = limit->held_back;
	limit->held_back = 0;
	return true;
}
