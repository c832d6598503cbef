/* host_check.h — is the Host of a request one of ours? Keeps a web page from reaching a local
 * daemon through a name of its own (DNS rebinding). One per worker. */
#ifndef SYNCDOC_HOST_CHECK_H
#define SYNCDOC_HOST_CHECK_H

#include "config.h"

struct host_check;

/* Allowed are the addresses of config->listen (0.0.0.0 and :: stand for every address), localhost,
 * config->node, config->hosts. */
struct host_check *host_check_create(const struct config *config);
void host_check_destroy(struct host_check *check); /* NULL is fine */
/* `host` as in the header: a name or an address, with or without a port, which does not count. Case
 * does not count either. */
bool host_check_allows(const struct host_check *check, struct span host);

/* Cuts `host[:port]` or `[v6][:port]`: *ret_name without brackets and without one trailing dot,
 * *ret_port the digits or empty. 0, or -EINVAL: not of that form. */
int host_split(struct span host, struct span *ret_name, struct span *ret_port);

#endif
