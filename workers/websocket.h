/* websocket.h — WebSocket connections of one worker: handshake, the taken-over socket, frames in,
 * queue out, close. */
#ifndef SYNCDOC_WEBSOCKET_H
#define SYNCDOC_WEBSOCKET_H

#include "batch.h"
#include "context.h"
#include "subscriptions.h"

struct websockets;
struct request; /* http.h */

struct websockets *websockets_create(struct worker *worker);
/* Sends goaway to all, paced at drain_rate, and closes 1012 what remains at drain_timeout. */
void websockets_drain(struct websockets *websockets);
/* Whether it sends through io_uring, whose calls the seccomp filter must let pass then. */
bool websockets_has_ring(const struct websockets *websockets);
size_t websockets_count(const struct websockets *websockets);
void websockets_destroy(struct websockets *websockets); /* closes what is left; NULL is fine */

/* Adds all open ones to the page. */
struct connection_page;
void websockets_show(struct websockets *websockets, struct connection_page *page);
/* Closes it with 1008. False: it is not here. Between two passes of the fan-out. */
bool websockets_close_one(struct websockets *websockets, struct span id);
/* Closes those with 4001 for whose principal the test holds. */
struct principal;
void websockets_end_revoked(struct websockets *websockets,
			    bool (*test)(const struct principal *principal, void *arg), void *arg);

/* Handler of GET /v1/realtime: answers 101 and takes the socket over, or a fault (400, 426, 403
 * origin, 503 limit). */
void websocket_handle_upgrade(struct request *request);

#endif
