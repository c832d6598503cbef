/* shm.h — the shared segments (DESIGN.md section 2). Created by the supervisor as sealed memfds,
 * mapped by every process:
 *   ring     [struct shared_header, one page][ring memory]; workers map it read-only
 *   slots    one page per slot (stats.h); a worker maps all of it read-only and its own page
 *            writable, the supervisor all of it read-only
 *   figures  struct supervisor_page; workers map it read-only */
#ifndef SYNCDOC_SHM_H
#define SYNCDOC_SHM_H

#include "base.h"
#include <stdatomic.h>

#define SHM_PAGE 4096

/* Facts about the host that workers only read. written by: the supervisor, all words. */
struct shared_header {
	uint64_t epoch; /* before the first fork; also the ring's, and the seed of topic hashes */
	_Atomic uint32_t subscription_active; /* 1: Redis subscription confirmed and a mark has come
						 through it lately */
	_Atomic uint64_t incarnation; /* of this supervisor run; changes with a lost lease */
	_Atomic uint32_t log_level;   /* enum log_level: in force in all processes */
};

/* Creates a sealed memfd (F_SEAL_SHRINK | F_SEAL_GROW) with CLOEXEC, zero-filled. *ret_fd is owned
 * by the caller. -errno. */
int shm_create(const char *name, size_t len, int *ret_fd);
/* Maps [offset, offset + len) of it, shared. -errno. Undo with munmap(). */
int shm_map(int fd, size_t offset, size_t len, bool writable, void **ret);

#endif
