/* redis_sentinel.h — sentinel://…: who is the primary now? Asked before every connection, so that
 * each reconnect follows a failover; what a Sentinel says is checked by ROLE, for right after one
 * it may still name the former primary. Inner to redis*.c. */
#ifndef SYNCDOC_REDIS_SENTINEL_H
#define SYNCDOC_REDIS_SENTINEL_H

#include "redis_link.h"

/* Asks one of the Sentinels of the URL; goes on with link_connect_primary(), or with link_lost(),
 * and the next attempt asks the next one. */
void sentinel_ask(struct redis *redis);

/* The answer of get-master-addr-by-name: *ret_host is borrowed from it. -ENOENT: the Sentinel does
 * not know this name. -EBADMSG, also for an error reply. Pure. */
struct redisReply;
int sentinel_parse_address(const struct redisReply *reply, const char **ret_host,
			   unsigned *ret_port);
/* A message on +switch-master, `name former-host port host port`, about `primary`: *ret_host lies
 * in it. -ENOENT: about another one. -EBADMSG. Pure. */
int sentinel_parse_switch(struct span message, const char *primary, struct span *ret_host,
			  unsigned *ret_port);
/* The answer of ROLE says that it is a primary, or nothing about it (an ACL may forbid to ask).
 * Pure. */
bool sentinel_role_fits(const struct redisReply *reply);

#endif
