/* seccomp_filter.c — see seccomp_filter.h.
 *
 * What is not in the list fails with EPERM, and the kernel logs it: the next version of a library
 * may try a call that we have never seen, and nearly always does without it. Only what no library
 * asks for, and every intruder does, ends the process at once; the supervisor says so and starts
 * another.
 */
#define _GNU_SOURCE
#include "seccomp_filter.h"

#include <asm/termbits.h>
#include <fcntl.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

/* By name: what an architecture or a libseccomp does not know is left out. */
static const char *const allowed[] = {
	/* memory */
	"brk",
	"madvise",
	"mremap",
	"munmap",
	/* descriptors; fcntl(), below */
	"close",
	"dup",
	"dup3",
	"epoll_create1",
	"epoll_ctl",
	"epoll_pwait",
	"epoll_pwait2",
	"epoll_wait",
	"eventfd2",
	"lseek",
	"_llseek",
	"pipe2",
	"poll",
	"ppoll",
	"ppoll_time64",
	"pread64",
	"preadv",
	"pselect6",
	"read",
	"readv",
	"select",
	"signalfd4",
	"timerfd_create",
	"timerfd_settime",
	"timerfd_settime64",
	"write",
	"writev",
	/* sockets; which families, below */
	"accept",
	"accept4",
	"bind",
	"connect",
	"getpeername",
	"getsockname",
	"getsockopt",
	"recvfrom",
	"recvmmsg",
	"recvmsg",
	"sendmmsg",
	"sendmsg",
	"sendto",
	"setsockopt",
	"shutdown",
	/* files; opening, below */
	"access",
	"faccessat",
	"faccessat2",
	"fstat",
	"fstat64",
	"fstatfs",
	"fstatfs64",
	"getcwd",
	"getdents64",
	"newfstatat",
	"readlink",
	"readlinkat",
	"stat",
	"stat64",
	"statx",
	/* clocks */
	"clock_getres",
	"clock_gettime",
	"clock_gettime64",
	"clock_nanosleep",
	"gettimeofday",
	"nanosleep",
	"time",
	/* itself */
	"exit",
	"exit_group",
	"futex",
	"futex_time64",
	"getegid",
	"geteuid",
	"getgid",
	"getpid",
	"getppid",
	"getrandom",
	"getrusage",
	"gettid",
	"getuid",
	"restart_syscall",
	"rt_sigaction",
	"rt_sigprocmask",
	"rt_sigreturn",
	"sched_getaffinity",
	"sched_yield",
	"sigaltstack",
	"sigreturn",
	"sysinfo",
	"uname",
};

static const char *const deadly[] = {
	"add_key",
	"bpf",
	"chroot",
	"delete_module",
	"execve",
	"execveat",
	"finit_module",
	"init_module",
	"io_uring_setup",
	"kexec_file_load",
	"kexec_load",
	"keyctl",
	"mount",
	"open_by_handle_at",
	"perf_event_open",
	"personality",
	"pivot_root",
	"process_vm_readv",
	"process_vm_writev",
	"ptrace",
	"reboot",
	"request_key",
	"setgid",
	"setns",
	"setresgid",
	"setresuid",
	"setuid",
	"swapon",
	"umount2",
	"unshare",
	"userfaultfd",
};

static const char *const enter[] = {"io_uring_enter"};

static int add_names(scmp_filter_ctx filter, const char *const *names, size_t count,
		     uint32_t action)
{
	for (size_t i = 0; i < count; i++) {
		int number = seccomp_syscall_resolve_name(names[i]);

		if (number == __NR_SCMP_ERROR)
			continue;
		int error = seccomp_rule_add(filter, action, number, 0);
		if (error)
			return error;
	}
	return 0;
}

/* No code but what is mapped already. */
static int add_memory(scmp_filter_ctx filter)
{
	static const char *const names[] = {"mmap", "mmap2", "mprotect"};

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		int number = seccomp_syscall_resolve_name(names[i]);
		int error = number == __NR_SCMP_ERROR
				    ? 0
				    : seccomp_rule_add(filter, SCMP_ACT_ALLOW, number, 1,
						       SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
		if (error)
			return error;
	}
	return 0;
}

static int add_socket(scmp_filter_ctx filter)
{
	/* Not netlink: only getaddrinfo() would ask which addresses this host has, and names are
	 * looked up by c-ares, which tries. */
	static const int families[] = {AF_UNIX, AF_INET, AF_INET6};

	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		int error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1,
					     SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)families[i], 0));
		if (error)
			return error;
	}
	/* Between libmicrohttpd and a TLS session: tls_front.c. */
	return seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socketpair), 1,
				SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)AF_UNIX, 0));
}

/* To read; or to add to the log, which a signal opens again. */
static int add_open(scmp_filter_ctx filter)
{
	const scmp_datum_t writing = O_ACCMODE | O_CREAT | O_TRUNC;
	const scmp_datum_t adding = O_ACCMODE | O_APPEND | O_TRUNC;
	int error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(openat), 1,
				     SCMP_A2(SCMP_CMP_MASKED_EQ, writing, O_RDONLY));

	if (!error)
		error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(openat), 1,
					 SCMP_A2(SCMP_CMP_MASKED_EQ, adding, O_WRONLY | O_APPEND));
	return error;
}

/* Not F_SETOWN and F_SETSIG: with them the kernel would send the supervisor any signal. */
static int add_fcntl(scmp_filter_ctx filter)
{
	static const char *const names[] = {"fcntl", "fcntl64"};
	static const int commands[] = {F_DUPFD, F_DUPFD_CLOEXEC, F_GETFD,
				       F_SETFD, F_GETFL,         F_SETFL};

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		int number = seccomp_syscall_resolve_name(names[i]);

		for (size_t j = 0; j < ARRAY_LEN(commands) && number != __NR_SCMP_ERROR; j++) {
			int error = seccomp_rule_add(
				filter, SCMP_ACT_ALLOW, number, 1,
				SCMP_A1(SCMP_CMP_EQ, (scmp_datum_t)commands[j], 0));
			if (error)
				return error;
		}
	}
	return 0;
}

static int add_arguments(scmp_filter_ctx filter)
{
	static const unsigned long requests[] = {FIONREAD, FIONBIO, TCGETS};
	/* abort() */
	int error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1,
				     SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid(), 0));

	/* getrlimit(), not setrlimit() */
	if (!error)
		error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), 1,
					 SCMP_A2(SCMP_CMP_EQ, 0, 0));
	for (size_t i = 0; i < ARRAY_LEN(requests) && !error; i++)
		error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
					 SCMP_A1(SCMP_CMP_EQ, requests[i], 0));
	return error;
}

int seccomp_filter_apply(bool io_uring)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));

	if (!filter)
		return -ENOMEM;
	/* Before Linux 4.14 it cannot, and then it is not logged. */
	(void)seccomp_attr_set(filter, SCMP_FLTATR_CTL_LOG, 1);
	/* A tree instead of a row of comparisons: a few ns for each call. Before libseccomp 2.5: a
	 * row. */
	(void)seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	/* Older kernels slow down all of a process that has a filter, as if it ran code of
	 * strangers. */
	(void)seccomp_attr_set(filter, SCMP_FLTATR_CTL_SSB, 1);
	int error = add_names(filter, allowed, ARRAY_LEN(allowed), SCMP_ACT_ALLOW);
	if (!error)
		error = add_names(filter, deadly, ARRAY_LEN(deadly), SCMP_ACT_KILL_PROCESS);
	if (!error)
		error = add_memory(filter);
	if (!error)
		error = add_socket(filter);
	if (!error)
		error = add_open(filter);
	if (!error)
		error = add_fcntl(filter);
	if (!error)
		error = add_arguments(filter);
	/* Of a ring that was made before, and which takes only sends (send_ring.c). */
	if (!error && io_uring)
		error = add_names(filter, enter, ARRAY_LEN(enter), SCMP_ACT_ALLOW);
	if (!error)
		error = seccomp_load(filter);
	seccomp_release(filter);
	return error;
}
