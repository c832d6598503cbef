/* exit_reason.c — see exit_reason.h. */
#define _GNU_SOURCE
#include "exit_reason.h"

#include <signal.h>
#include <sys/wait.h>

const char *exit_reason(int wait_status, char ret[EXIT_REASON_MAX])
{
	if (WIFEXITED(wait_status)) {
		snprintf(ret, EXIT_REASON_MAX, "exit status %d", WEXITSTATUS(wait_status));
		return ret;
	}
	if (!WIFSIGNALED(wait_status)) {
		snprintf(ret, EXIT_REASON_MAX, "wait status 0x%x", (unsigned)wait_status);
		return ret;
	}
	int number = WTERMSIG(wait_status);
	const char *name = sigabbrev_np(number); /* NULL for real-time signals */
	const char *core = number == SIGSYS         ? " (a call that seccomp forbids)"
			   : WCOREDUMP(wait_status) ? " (core dumped)"
						    : "";
	if (name)
		snprintf(ret, EXIT_REASON_MAX, "killed by SIG%s%s", name, core);
	else
		snprintf(ret, EXIT_REASON_MAX, "killed by signal %d%s", number, core);
	return ret;
}
