/* client_address.h — whom a connection and a request come from, and what limits per address say to
 * that. For http*.c and request*.c.
 *
 * A connection from one of trusted_proxies counts for nobody; each request in it counts as a
 * connection of the client that X-Forwarded-For names, as long as it is under way. All others count
 * as connections of their peer, whatever their requests say. WebSockets count in the same table. */
#ifndef SYNCDOC_CLIENT_ADDRESS_H
#define SYNCDOC_CLIENT_ADDRESS_H

#include "request_private.h"

/* Fills http->proxies and ->rate from the configuration. */
void client_address_start(struct http *http);
void client_address_stop(struct http *http);

/* limits.per_address: may this peer have one connection more? */
bool client_address_may_connect(const struct http *http, const struct sockaddr *peer);
/* It has one more, as `ret`. False: it is a proxy, whose connections do not count. */
bool client_address_add(struct http *http, const struct sockaddr *peer, struct in6_addr *ret);
/* A connection has come or is gone. Fills in the client's address. One with a front counts there,
 * from its handshake to its last byte. */
void client_address_come(struct client *client, const struct sockaddr *peer);
void client_address_go(struct client *client);

/* The headers have come: finds out whom the request comes from, and whether there are too many of
 * them. -EAGAIN: *ret_refusal is a 429 or 503. */
int request_admit(struct request *request, struct outcome *ret_refusal);
/* The request is over. */
void request_leave(struct request *request);

#endif
