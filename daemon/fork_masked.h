/* fork_masked.h — a fork in whose child no handler of ours can run: libev's would write into the
 * pipe of the supervisor's loop. */
#ifndef SYNCDOC_FORK_MASKED_H
#define SYNCDOC_FORK_MASKED_H

#include <sys/types.h>

/* As fork(), but in the child all signals are blocked: it unblocks them when it has set their
 * handlers. -errno: there is no child. */
pid_t fork_masked(void);

#endif
