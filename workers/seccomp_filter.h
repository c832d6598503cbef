/* seccomp_filter.h — what a worker may ask of the kernel once it serves: its sockets, its clocks,
 * its memory, files to read, its log. Whoever takes a worker over by a fault of ours or of a
 * library can start no program, open no file for writing, map no code. Only where the build has
 * libseccomp. */
#ifndef SYNCDOC_SECCOMP_FILTER_H
#define SYNCDOC_SECCOMP_FILTER_H

#include "base.h"

#ifdef SYNCDOC_SECCOMP
/* For this process, for good; no_new_privs must be set. `io_uring`: an io_uring that is there
 * already may be used; others cannot be made in any case. -errno: nothing is changed. */
int seccomp_filter_apply(bool io_uring);
#else
static inline int seccomp_filter_apply(bool io_uring)
{
	(void)io_uring;
	return -ENOSYS;
}
#endif

#endif
