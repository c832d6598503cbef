/* session_subscribe.h — subscribe and unsubscribe. A subscribe waits until the host's Redis
 * subscription is active and its first mark has come, so that whoever is told `subscribed` misses
 * nothing from there on. */
#ifndef SYNCDOC_SESSION_SUBSCRIBE_H
#define SYNCDOC_SESSION_SUBSCRIBE_H

#include "session.h"

void session_subscribe(struct connection *connection, const struct session_message *message);
void session_unsubscribe(struct connection *connection, const struct session_message *message);

/* Subscribes that wait, of all connections of the set: waiting_subscribes.c. */
void session_waiting_start(struct websockets *websockets);
void session_waiting_stop(struct websockets *websockets); /* all connections are gone */
/* Those past redis.timeout are answered 503. A timer of their own calls it. */
void session_expire_waiting(struct websockets *websockets);
/* The connection is going: its waiting subscribes are dropped. */
void session_forget_waiting(struct connection *connection);

#endif
