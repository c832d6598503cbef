/* reload.h — SIGHUP: the configuration read again. */
#ifndef SYNCDOC_RELOAD_H
#define SYNCDOC_RELOAD_H

#include "buffer.h"
#include "config.h"

/* Reads the configuration as at the start. Values that need a restart are logged, their keys are
 * written to `ret_restart` as a JSON array, and they keep their old value in what is returned, so
 * that whoever reads it sees what is in force. NULL: it is faulty, ret_error says how; logged, and
 * `old` goes on. The result is the caller's; `old` too. */
struct config *reload_config(const struct config *old, const char *path,
			     const char *const *overrides, size_t override_count,
			     struct buffer *ret_restart, char *ret_error, size_t error_len);
/* Opens the log anew where the configuration of it has changed. */
void reload_log(const struct config *old, const struct config *new, bool has_stderr);
/* Logs if the certificate of tls.cert has expired or is about to. */
void reload_tell_certificate(const struct config *config);
/* Where to log in truth: a daemon has no stderr, and the lines must not be lost for that. */
const char *reload_log_target(const struct config *config, bool has_stderr);

#endif
