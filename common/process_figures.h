/* process_figures.h — what a process costs, from the kernel: cheap enough for once a second. */
#ifndef SYNCDOC_PROCESS_FIGURES_H
#define SYNCDOC_PROCESS_FIGURES_H

#include "base.h"

/* Of this process. What cannot be told stays 0. */
struct process_figures {
	uint64_t cpu_us;
	uint64_t resident_bytes;
	uint64_t open_fds;
	uint64_t max_fds; /* 0: no limit */
};

/* `sockets`: descriptors that the caller knows of. Where the kernel does not tell the number (Linux
 * before 6.2) a process with very many is not counted again: what it had beside its sockets when
 * last counted is taken for still true. */
void process_figures_read(struct process_figures *ret, size_t sockets);
/* Memory of any process of our user; 0: there is none. */
uint64_t process_resident_bytes(int pid);

#endif
