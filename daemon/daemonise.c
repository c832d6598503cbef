/* daemonise.c — see daemonise.h. */
#define _GNU_SOURCE
#include "daemonise.h"

#include "exit_reason.h"

#include <bsd/unistd.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

static char *title_area, *title_area_end; /* where argv[0] stood: there the title is written */

void process_title_init(int argc, char **argv)
{
	title_area = argv[0];
	title_area_end = title_area ? title_area + strlen(title_area) : NULL;
	setproctitle_init(argc, argv, environ);
}

void process_title_set(const char *title)
{
	setproctitle("%s", title);
	/* libbsd marks the end of argv[0] with a `.` when the title is shorter; ps then shows
	 * `syncdocd: worker 3      .` */
	if (title_area && title_area + strlen(title_area) < title_area_end)
		*title_area_end = '\0';
}

/* The starter: its exit status is the daemon's word, or what became of the daemon. */
static _Noreturn void wait_for_daemon(pid_t pid, int ready_fd)
{
	char byte;
	ssize_t got;
	do {
		got = read(ready_fd, &byte, 1);
	} while (got < 0 && errno == EINTR);
	if (got == 1)
		_exit(0);
	int status;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFEXITED(status)) /* it has said why */
		_exit(WEXITSTATUS(status) ? WEXITSTATUS(status) : 1);
	char reason[EXIT_REASON_MAX];
	fprintf(stderr, "syncdocd: died while starting: %s\n", exit_reason(status, reason));
	_exit(1);
}

int daemonise(int *ret_ready_fd)
{
	int ends[2];
	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	fflush(NULL);
	pid_t pid = fork();
	if (pid < 0) {
		int error = -errno;
		close(ends[0]);
		close(ends[1]);
		return error;
	}
	if (pid > 0) {
		close(ends[1]);
		wait_for_daemon(pid, ends[0]);
	}
	close(ends[0]);
	/* Cannot fail: a fresh child leads no process group. Nothing of us opens a terminal later,
	 * so it gets none as its own. */
	setsid();
	if (chdir("/") < 0)
		return -errno;
	*ret_ready_fd = ends[1];
	return 0;
}

void daemonise_ready(int ready_fd)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	for (int fd = 0; null >= 0 && fd <= 2; fd++)
		dup2(null, fd);
	if (null > 2)
		close(null);
	ssize_t written;
	do {
		written = write(ready_fd, "u", 1);
	} while (written < 0 && errno == EINTR);
	close(ready_fd);
}
