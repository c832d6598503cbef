/* fork_masked.c — see fork_masked.h. */
#include "fork_masked.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

pid_t fork_masked(void)
{
	sigset_t all, old;
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &old);
	pid_t pid = fork();
	if (pid == 0)
		return 0;
	if (pid < 0)
		pid = -errno;
	sigprocmask(SIG_SETMASK, &old, NULL);
	return pid;
}
