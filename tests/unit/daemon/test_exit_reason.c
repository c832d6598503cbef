/* Wait statuses in words; the statuses come from real children. */
#include "exit_reason.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

TestSuite(exit_reason, .timeout = 100);

static int status_of_child(int signal_number, int exit_status)
{
	pid_t pid = fork();
	if (pid == 0) {
		struct rlimit none = {0, 0};
		setrlimit(RLIMIT_CORE, &none);
		if (signal_number) {
			signal(signal_number, SIG_DFL);
			raise(signal_number);
		}
		_exit(exit_status);
	}
	int status = -1;
	waitpid(pid, &status, 0);
	return status;
}

Test(exit_reason, an_exit_shows_its_status)
{
	char text[EXIT_REASON_MAX];
	cr_assert_str_eq(exit_reason(status_of_child(0, 3), text), "exit status 3");
	cr_assert_str_eq(exit_reason(status_of_child(0, 0), text), "exit status 0");
}

Test(exit_reason, a_signal_shows_its_name)
{
	char text[EXIT_REASON_MAX];
	cr_assert_str_eq(exit_reason(status_of_child(SIGKILL, 0), text), "killed by SIGKILL");
	cr_assert_str_eq(exit_reason(status_of_child(SIGTERM, 0), text), "killed by SIGTERM");
	cr_assert_str_eq(exit_reason(status_of_child(SIGSYS, 0), text),
			 "killed by SIGSYS (a call that seccomp forbids)");
}

Test(exit_reason, a_signal_without_a_name_shows_its_number)
{
	char text[EXIT_REASON_MAX];
	cr_assert_str_eq(exit_reason(status_of_child(40, 0), text), "killed by signal 40");
}

Test(exit_reason, a_core_dump_is_told)
{
	char text[EXIT_REASON_MAX];
	int core_flag = 0x80; /* what WCOREDUMP() looks at */
	cr_assert_str_eq(exit_reason(SIGSEGV | core_flag, text), "killed by SIGSEGV (core dumped)");
}
