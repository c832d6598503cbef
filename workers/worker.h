/* worker.h — one forked worker: libmicrohttpd and libev in one loop, REST and WebSocket, reads the
 * ring. */
#ifndef SYNCDOC_WORKER_H
#define SYNCDOC_WORKER_H

struct inherit;

/* Runs a worker until it is drained (a byte on inherit->drain_fd or SIGTERM, returns 0) or its
 * supervisor is gone (EOF, returns 1). Called once in the child after inherit_settle(); the return
 * value is the exit status. Logs go to the inherited log. */
int worker_main(const struct inherit *inherit);

#endif
