/* exit_reason.h — what a wait status says, in words for the log. Pure. */
#ifndef SYNCDOC_EXIT_REASON_H
#define SYNCDOC_EXIT_REASON_H

#include "base.h"

#define EXIT_REASON_MAX 64

/* `exit status 3`, `killed by SIGKILL`, `killed by SIGSEGV (core dumped)`, `killed by signal 40`.
 * Returns ret. */
const char *exit_reason(int wait_status, char ret[EXIT_REASON_MAX]);

#endif
