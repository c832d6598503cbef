/* core_dumps.h — keys and passwords must not end up in a core dump. */
#ifndef SYNCDOC_CORE_DUMPS_H
#define SYNCDOC_CORE_DUMPS_H

#include "config.h"

/* Where the configuration has secrets that stay in memory (auth.mode, a password of Redis, a TLS
 * key), this process and those it will start leave no core dumps, until they end. Without secrets
 * nothing is changed: a dump then helps. */
void core_dumps_forbid(const struct config *config);

#endif
