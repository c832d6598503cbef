/* access_log.c — see access_log.h. */
#include "access_log.h"

#include "log.h"
#include "request_private.h"

#include <inttypes.h>

struct access_line {
	uint64_t started_ns;
	int status; /* 0: not answered */
	uint64_t bytes;
	size_t path_len;
	char path[];
};

struct span access_line_path(struct span target)
{
	if (!target.at || !target.len)
		return target;
	const char *end = memchr(target.at, '?', target.len);
	struct span path = span_of(target.at, end ? (size_t)(end - target.at) : target.len);

	if (path.len && path.at[0] != '/' && path.at[0] != '*') {
		/* http://user:password@host/path */
		const char *scheme = memmem(path.at, path.len, "://", 3);
		const char *host = scheme ? scheme + 3 : path.at;
		size_t rest = (size_t)(path.at + path.len - host);
		const char *slash = rest ? memchr(host, '/', rest) : NULL;

		path = slash ? span_of(slash, (size_t)(path.at + path.len - slash)) : SPAN("/");
	}
	return span_of(path.at, path.len < ACCESS_PATH_MAX ? path.len : ACCESS_PATH_MAX);
}

struct access_line *access_line_create(struct span target)
{
	struct span path = access_line_path(target);
	struct access_line *line = calloc(1, sizeof(*line) + path.len);

	MUST(line);
	line->started_ns = stat_clock_ns();
	line->path_len = path.len;
	if (path.len)
		memcpy(line->path, path.at, path.len);
	return line;
}

void access_line_answered(struct access_line *line, int status, size_t bytes)
{
	if (!line)
		return;
	line->status = status;
	line->bytes = bytes;
}

void access_line_add_bytes(struct access_line *line, size_t bytes)
{
	if (line)
		line->bytes += bytes;
}

static const char *method_name(enum http_method method)
{
	switch (method) {
	case HTTP_GET:
		return "GET";
	case HTTP_HEAD:
		return "HEAD";
	case HTTP_POST:
		return "POST";
	case HTTP_PUT:
		return "PUT";
	case HTTP_PATCH:
		return "PATCH";
	case HTTP_DELETE:
		return "DELETE";
	case HTTP_OPTIONS:
		return "OPTIONS";
	}
	return "-";
}

void access_line_finish(struct access_line *line, const struct request *request)
{
	char peer[INET6_ADDRSTRLEN], status[16], bytes[24], milliseconds[32];

	if (!line)
		return;
	uint64_t us = (stat_clock_ns() - line->started_ns) / 1000;
	const char *method = method_name(request->method);
	const char *id = *request->id ? request->id : "-";
	struct span path = span_of(line->path, line->path_len);

	address_format(&request->address, peer);
	snprintf(status, sizeof(status), "%d", line->status);
	snprintf(bytes, sizeof(bytes), "%" PRIu64, line->bytes);
	snprintf(milliseconds, sizeof(milliseconds), "%" PRIu64 ".%03" PRIu64, us / 1000,
		 us % 1000);
	const struct log_member members[] = {
		{"peer", span_string(peer), false},
		{"method", span_string(method), false},
		{"path", path, false},
		{"status", span_string(status), true},
		{"bytes", span_string(bytes), true},
		{"milliseconds", span_string(milliseconds), true},
		{"requestId", span_string(id), false},
	};
	log_access(members, ARRAY_LEN(members), "access: %s %s %.*s %s %s bytes %s ms %s", peer,
		   method, SPAN_ARGS(path), status, bytes, milliseconds, id);
}

void access_line_destroy(struct access_line *line)
{
	free(line);
}
