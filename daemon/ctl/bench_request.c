/* bench_request.c — see bench.h: what the load sends, and when it was sent. */
#define _GNU_SOURCE
#include "bench.h"

#include "client.h"

#include <inttypes.h>
#include <time.h>

int64_t bench_now_us(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* {"bench":"<number of the write>","pad":"…"}: as many bytes as asked for. */
static void append_data(const struct bench *bench, struct buffer *body, size_t *ret_digits)
{
	static const char begin[] = "{" BENCH_MARK, middle[] = "\",\"pad\":\"", end[] = "\"}";
	size_t fixed = sizeof(begin) + sizeof(middle) + sizeof(end) - 3 + BENCH_MARK_DIGITS;
	buffer_append_string(body, begin);
	*ret_digits = body->len;
	buffer_printf(body, "%0*d%s", BENCH_MARK_DIGITS, 0, middle);
	for (size_t i = fixed; i < bench->size; i++)
		buffer_append_char(body, (char)('a' + i % 26));
	buffer_append_string(body, end);
}

void bench_build_request(const struct bench *bench, enum bench_kind kind, unsigned index,
			 struct buffer *ret, size_t *ret_digits)
{
	static const char *const methods[] = {[BENCH_PREPARE] = "PUT",
					      [BENCH_WRITE] = "PUT",
					      [BENCH_READ] = "GET",
					      [BENCH_DELETE] = "DELETE"};
	CLEANUP(buffer_fini) struct buffer path = {0};
	CLEANUP(buffer_fini) struct buffer body = {0};
	bool writes = kind == BENCH_PREPARE || kind == BENCH_WRITE;
	size_t digits = 0;
	char id[64];
	snprintf(id, sizeof(id), "%s%u", bench->prefix, index);
	client_append_path(&path, bench->service, id);
	if (writes) {
		buffer_append_string(&body, "{\"data\":");
		append_data(bench, &body, &digits);
		/* Should we not come to delete it. */
		buffer_append_string(&body, kind == BENCH_PREPARE ? ",\"ttl\":3600}" : "}");
	}
	struct client_call call = {
		.method = methods[kind],
		.path = buffer_span(&path),
		.type = writes ? "application/json" : NULL,
		.body = buffer_span(&body),
	};
	ret->len = 0;
	client_append_request(bench->context, &call, true, ret);
	*ret_digits = writes ? ret->len - body.len + digits : 0;
}

void bench_stamp(struct bench *bench, char *digits, int64_t at_us)
{
	char text[BENCH_MARK_DIGITS + 8];
	uint64_t sequence = ++bench->sequence;
	snprintf(text, sizeof(text), "%0*" PRIu64, BENCH_MARK_DIGITS, sequence);
	memcpy(digits, text, BENCH_MARK_DIGITS);
	bench->sent[sequence % BENCH_SENT] = (struct bench_sent){sequence, at_us};
}
