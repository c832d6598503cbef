/* script_call.h — runs a script by its SHA1, and by its text when Redis does not know it (yet, or
 * after SCRIPT FLUSH). */
#ifndef SYNCDOC_SCRIPT_CALL_H
#define SYNCDOC_SCRIPT_CALL_H

#include "redis.h"
#include "scripts.h"

/* As redis_command(): same errors, called exactly once, arguments are copied. `argv` has the keys
 * first, then the other arguments; all lengths are given. */
int script_call(struct redis *redis, struct script *script, redis_reply_fn fn, void *arg,
		unsigned key_count, int argc, const char *const *argv, const size_t *len);

#endif
