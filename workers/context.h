/* context.h — what the parts of one worker process know of each other. Created by worker.c, one per
 * process, one thread. */
#ifndef SYNCDOC_CONTEXT_H
#define SYNCDOC_CONTEXT_H

#include "config.h"
#include "inherit.h"
#include "shm.h"
#include "supervisor_page.h"
#include <ev.h>

struct address_count;
struct auth;
struct ws_deflate;

struct worker {
	const struct inherit *inherit;
	const struct config *config; /* borrowed: from inherit */
	struct ev_loop *loop;
	struct slot *slot;                  /* this worker's page, writable */
	const char *slots;                  /* the pages of all, read-only: for /metrics */
	const struct shared_header *shared; /* read-only */
	const struct supervisor_page *page; /* read-only */
	uint64_t hash_seed; /* the ring's epoch: hashes in records and in tables here agree */

	struct auth *auth;
	struct address_count *addresses; /* connections of each client, WebSockets and others */
	struct store *store;
	struct operations *operations;
	struct http *http;
	struct websockets *websockets;
	struct fanout *fanout;
	struct ws_deflate *deflate; /* made and ended with websockets; NULL: ws.deflate = no */
	struct streams *streams;
	struct long_polls *long_polls;
	struct presence *presence;
	struct revocations *revocations; /* NULL: auth.mode is not set */

	bool stopping; /* its parts are being taken down: no request is begun any more */
	bool draining; /* takes no new connections; ends when the last one is gone */
};

/* Milliseconds, CLOCK_REALTIME: what updatedAt and expiresAt mean. */
int64_t worker_now_ms(void);
/* Milliseconds, CLOCK_MONOTONIC: for deadlines. */
int64_t worker_monotonic_ms(void);
#define WORKER_NAME_LETTERS "0123456789abcdefghijklmnopqrstuvwxyz"
/* `len` of these from the kernel's random source, NUL-terminated: ret has len + 1 bytes. */
void worker_random_name(char *ret, size_t len);

#endif
