/* core_dumps.c — see core_dumps.h. Not by PR_SET_DUMPABLE: that gives /proc/self to root, and a
 * worker that is not root could no longer count its own descriptors. */
#include "core_dumps.h"

#include "log.h"

#include <sys/resource.h>

static bool has_secrets(const struct config *config)
{
	/* Of a name, with a password perhaps; the @ of a unix socket's path costs only a dump. */
	const char *at = strrchr(config->redis_url, '@');

	return CONFIG_AUTH_IS_ON(config) || at || *config->redis_password_file ||
	       *config->redis_sentinel_password_file || *config->tls_key;
}

void core_dumps_forbid(const struct config *config)
{
	struct rlimit limit;

	if (!has_secrets(config) || getrlimit(RLIMIT_CORE, &limit) < 0)
		return;
	/* One byte: too little for a file; and where core_pattern names a program the kernel heeds
	 * no limit but this one, by which it knows a dump that must not be. */
	limit.rlim_max = limit.rlim_max ? 1 : 0;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_CORE, &limit) < 0)
		log_warning("core dumps cannot be forbidden: %s; they will have keys in them",
			    strerror(errno));
	else
		log_debug("core dumps are forbidden: there are keys in memory");
}
