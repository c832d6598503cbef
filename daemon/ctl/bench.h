/* bench.h — `syncdocctl bench`, as its files share it: bench_verb.c (parts and report),
 * bench_load.c (connections that write and read), bench_request.c (what they send), bench_fanout.c
 * (subscribers). One thread, one libev loop. */
#ifndef SYNCDOC_CTL_BENCH_H
#define SYNCDOC_CTL_BENCH_H

#include "verb_context.h"
#include "latency.h"
#include <ev.h>

#define BENCH_SENT 65536 /* writes whose time of sending is remembered; a power of two */
#define BENCH_MARK "\"bench\":\""
#define BENCH_MARK_DIGITS 16

struct load;
struct fanout;

struct bench {
	struct context *context;
	struct ev_loop *loop;
	unsigned connections, subscribers;
	int64_t part_ms;
	size_t size;
	int64_t rate; /* -1: as fast as it goes; 0: each part's default */
	const char *service;
	char prefix[32]; /* of its documents' ids */
	bool interrupted;
	bool loading; /* load_run() is at work: it ends by itself when its answers are there */
	ev_signal signals[2];
	uint64_t sequence; /* of writes */
	struct bench_sent {
		uint64_t sequence;
		int64_t at_us;
	} * sent; /* owned: BENCH_SENT */
};

enum bench_kind { BENCH_PREPARE, BENCH_WRITE, BENCH_READ, BENCH_DELETE };

/* What a part came to. */
struct bench_result {
	const char *name;
	uint64_t count;
	uint64_t errors;
	double seconds;
	struct latency latency;    /* microseconds */
	uint64_t writes, expected; /* fan-out */
};

int64_t bench_now_us(void); /* CLOCK_MONOTONIC */

/* Builds the request that connection `index` sends again and again. *ret_digits: where the number
 * of the write stands in it; 0: nowhere. */
void bench_build_request(const struct bench *bench, enum bench_kind kind, unsigned index,
			 struct buffer *ret, size_t *ret_digits);
/* Numbers a write there, and remembers that it was sent (was due) at that time. */
void bench_stamp(struct bench *bench, char *digits, int64_t at_us);

/* Opens the connections. 0, or an exit code after complaining. */
int load_create(struct bench *bench, struct load **ret);
void load_destroy(struct load *load); /* NULL is fine */
/* One part. PREPARE and DELETE: one request on each connection; else for `part_ms`, at `rate` a
 * second in all (-1: as fast as answers come). 0, or an exit code after complaining: the server is
 * gone, or refused (PREPARE). Requests refused in other parts are counted. */
int load_run(struct load *load, enum bench_kind kind, int64_t rate, struct bench_result *ret);

/* Opens and subscribes. */
int fanout_create(struct bench *bench, struct fanout **ret);
void fanout_destroy(struct fanout *fanout); /* NULL is fine */
/* Counts into *ret from now on. */
void fanout_begin(struct fanout *fanout, struct bench_result *ret);
/* Runs the loop until all subscribers have had `writes` events, or too long nothing more came. */
void fanout_finish(struct fanout *fanout, uint64_t writes);

/* A line that replaces itself, on stderr if that is a terminal. NULL takes it away. */
void bench_progress(const char *text);

#endif
