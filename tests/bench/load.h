/* load.h — a load generator that knows no server in particular: WebSocket connections that count a
 * mark in what they get, and HTTP connections that publish it. One process, one thread.
 *
 * The mark is `"at_ns":"` and 19 digits, the CLOCK_MONOTONIC time at which the message was due, so
 * that frames, batches and envelopes of any server are counted alike. */
#ifndef SYNCDOC_BENCH_LOAD_H
#define SYNCDOC_BENCH_LOAD_H

#include "buffer.h"

#include <time.h>

#define LOAD_MARK "\"at_ns\":\""
#define LOAD_MARK_LEN (sizeof(LOAD_MARK) - 1)
#define LOAD_DIGITS 19
#define LOAD_TEMPLATES_MAX 8
#define LOAD_SAMPLES_MAX 4000000 /* latencies kept; the first ones */

struct load_options {
	int port;
	const char *ws_path; /* %i: number of the connection */
	unsigned subscribers;
	unsigned subscriptions;                    /* messages that each sends */
	const char *subscribe[LOAD_TEMPLATES_MAX]; /* in turn; %i connection, %j message */
	unsigned templates;
	const char *ready; /* what a server says to each of them; NULL: nothing */
	unsigned publishers;
	const char *method, *path, *body, *type; /* path: %i; body: %T time, %P pad, %i */
	size_t size;                             /* bytes of the pad */
	double rate;                             /* a second; 0: each as soon as it is answered */
	uint64_t count;                          /* messages; 0: until seconds are over */
	double seconds;
	bool one_by_one; /* the next only when all subscribers have the last */
};

struct load_samples {
	uint32_t *us; /* owned */
	size_t len;
};

/* What is counted from the "go" on. */
struct load_totals {
	uint64_t published, answered, refused, delivered, order_errors, bytes, lost;
	struct load_samples delivery, answer;
};

struct load {
	struct load_options options;
	int epoll;
	struct subscriber *subscribers; /* owned */
	struct publisher *publishers;   /* owned */
	unsigned ready;
	struct load_totals totals;
	uint64_t begun_ns, changed_ns; /* changed: the last answer or delivery */
};

static inline uint64_t load_now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* Prints and ends the process: a bench with a part of its load would measure something else. */
void load_die(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
/* A connected socket. Clients of many connections come from several addresses. */
int load_dial(const struct load *load, unsigned number);
void load_sample(struct load_samples *samples, uint64_t ns);
/* Replaces %i and %j. */
void load_expand(struct buffer *ret, const char *template, unsigned i, unsigned j);

/* load_subscriber.c */
void subscribers_open(struct load *load); /* returns when all are ready */
void subscriber_read(struct load *load, unsigned number);

/* load_publisher.c */
void publishers_open(struct load *load);
void publisher_read(struct load *load, unsigned number);
/* Sends what is due. False: nothing more will be. */
bool publishers_go_on(struct load *load);

#endif
