/* ring_processes.c — the ring between processes, as the daemon uses it: a sealed memfd that readers
 * map read-only, a slot page each, an eventfd each. While the writer goes on, random readers are
 * killed with SIGKILL every few milliseconds and forked again.
 *
 *     ring_processes [seconds]      exit 0: all held. One line says what was done.
 *
 * Holds: the writer is never held up by a dead or half-asleep reader; those that live see whole
 * records in order; at the end every one of them reaches the last record. */
#define _GNU_SOURCE
#include "ring_check.h"
#include "stats.h"

#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define READERS 4
#define RING_SIZE (256 << 10)
#define KILL_EVERY_US 3000
#define STALL_US 20000000 /* one publish may wait for the CPU, never for a reader */
#define DEADLINE_US 60000000

struct reader {
	pid_t pid;
	int wake_fd;
	uint32_t woken;
	struct slot *slot; /* borrowed: the shared page */
};

static struct reader readers[READERS];
static int ring_fd, slots_fd;
static size_t memory_len;
static uint64_t kills, longest_us;
static const char *fault;

static void sleep_until_woken(struct check_reader *check, struct slot *slot, int wake_fd)
{
	struct pollfd wait = {.fd = wake_fd, .events = POLLIN};
	if (!ring_reader_sleep(&check->ring, &slot->sleep))
		return;
	poll(&wait, 1, -1);
	uint64_t count;
	if (read(wake_fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
		_exit(3);
	ring_reader_wake(&slot->sleep);
}

/* Body of a reader process. Exits 0 when its slot is told to drain, 2 on a fault; else it is
 * killed. */
static void run_reader(const struct reader *self, unsigned index, pid_t parent)
{
	void *memory, *page;
	struct check_reader check = {.gap = true};
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent || shm_map(ring_fd, 0, memory_len, false, &memory) ||
	    shm_map(slots_fd, index * SHM_PAGE, SHM_PAGE, true, &page) ||
	    ring_reader_init(&check.ring, memory, memory_len))
		_exit(3);
	struct slot *slot = page;
	while (!atomic_load(&slot->draining)) {
		bool empty;
		const char *wrong = check_read(&check, &empty);
		if (wrong) {
			fprintf(stderr, "ring_processes: reader %u: %s\n", index, wrong);
			_exit(2);
		}
		atomic_store_explicit(&slot->ring_cursor, check.ring.cursor, memory_order_release);
		stat_set(slot, STAT_ring_records, check.records);
		stat_set(slot, STAT_ring_lapped, check.lapped);
		if (empty)
			sleep_until_woken(&check, slot, self->wake_fd);
	}
	_exit(0);
}

/* As the supervisor does: everything about the slot's last owner is forgotten before the next one
 * is forked. */
static void fork_reader(unsigned index)
{
	struct reader *reader = &readers[index];
	pid_t parent = getpid();
	memset(reader->slot, 0, SHM_PAGE);
	reader->woken = 0;
	reader->pid = fork();
	MUST(reader->pid >= 0);
	if (reader->pid == 0)
		run_reader(reader, index, parent);
}

static void kill_reader(unsigned index)
{
	int status;
	kill(readers[index].pid, SIGKILL);
	MUST(waitpid(readers[index].pid, &status, 0) == readers[index].pid);
	/* Any other end came before our signal. */
	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
		fault = "a reader found a fault";
	kills++;
}

static void wake_sleepers(bool all)
{
	for (unsigned i = 0; i < READERS; i++) {
		uint64_t one = 1;
		if (!ring_writer_must_wake(&readers[i].slot->sleep, &readers[i].woken) && !all)
			continue;
		if (write(readers[i].wake_fd, &one, sizeof(one)) < 0)
			fault = "eventfd";
	}
}

static void wait_for_readers(uint64_t tail)
{
	int64_t deadline = check_now_us() + DEADLINE_US;
	for (unsigned i = 0; i < READERS; i++) {
		while (atomic_load_explicit(&readers[i].slot->ring_cursor, memory_order_acquire) !=
			       tail &&
		       !fault) {
			if (check_now_us() > deadline)
				fault = "a reader did not reach the last record in time";
			sched_yield();
		}
	}
}

static uint64_t write_until(struct ring_writer *writer, int64_t end_us, uint64_t *lapped)
{
	uint64_t random = (uint64_t)end_us | 1;
	uint64_t sequence = 0;
	int64_t next_kill_us = 0;
	int64_t now_us = check_now_us();
	while (now_us < end_us && !fault) {
		for (uint64_t burst = check_random(&random) % 200; burst > 0; burst--) {
			check_publish(writer, ++sequence, &random);
			wake_sleepers(false);
			int64_t after_us = check_now_us();
			if ((uint64_t)(after_us - now_us) > longest_us)
				longest_us = (uint64_t)(after_us - now_us);
			now_us = after_us;
		}
		if (check_random(&random) % 4 == 0) {
			/* Else a forgotten sleeper would be woken by the next record, or killed. */
			wait_for_readers(writer->tail);
			now_us = check_now_us();
		}
		if (now_us >= next_kill_us) {
			unsigned victim = (unsigned)(check_random(&random) % READERS);
			*lapped += stat_read(readers[victim].slot, STAT_ring_lapped);
			kill_reader(victim);
			fork_reader(victim);
			now_us = check_now_us();
			next_kill_us = now_us + KILL_EVERY_US;
		}
	}
	return sequence;
}

/* All that still live must have read to the end, and leave of their own will. */
static void stop_readers(void)
{
	for (unsigned i = 0; i < READERS; i++)
		atomic_store(&readers[i].slot->draining, 1);
	wake_sleepers(true);
	for (unsigned i = 0; i < READERS; i++) {
		int status;
		if (fault)
			kill(readers[i].pid, SIGKILL);
		waitpid(readers[i].pid, &status, 0);
		if (!fault && (!WIFEXITED(status) || WEXITSTATUS(status) != 0))
			fault = "a reader found a fault";
	}
}

static void *create(struct ring_writer *writer)
{
	void *memory, *slots;
	memory_len = ring_memory_len(RING_SIZE);
	MUST(shm_create("ring", memory_len, &ring_fd) == 0);
	MUST(shm_create("slots", READERS * SHM_PAGE, &slots_fd) == 0);
	MUST(shm_map(ring_fd, 0, memory_len, true, &memory) == 0);
	MUST(shm_map(slots_fd, 0, READERS * SHM_PAGE, true, &slots) == 0);
	ring_writer_init(writer, memory, RING_SIZE, 0x1234567);
	for (unsigned i = 0; i < READERS; i++) {
		readers[i].slot = (struct slot *)((char *)slots + i * SHM_PAGE);
		readers[i].wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		MUST(readers[i].wake_fd >= 0);
	}
	return memory;
}

int main(int argc, char **argv)
{
	int64_t seconds = argc > 1 ? strtoll(argv[1], NULL, 10) : 3;
	struct ring_writer writer;
	void *memory = create(&writer);
	MUST(seconds > 0);
	for (unsigned i = 0; i < READERS; i++)
		fork_reader(i);

	uint64_t records = 0, lapped = 0;
	int64_t start_us = check_now_us();
	uint64_t published = write_until(&writer, start_us + seconds * 1000000, &lapped);
	int64_t stopped_us = check_now_us();
	/* Readers start at the tail they find: one more record shows that each of them reads. */
	uint64_t random = 1;
	for (unsigned i = 0; i < READERS; i++)
		while (!atomic_load(&readers[i].slot->ring_cursor) && !fault &&
		       check_now_us() < stopped_us + DEADLINE_US)
			sched_yield();
	check_publish(&writer, ++published, &random);
	wake_sleepers(false);
	wait_for_readers(writer.tail);
	for (unsigned i = 0; i < READERS; i++) {
		records += stat_read(readers[i].slot, STAT_ring_records);
		lapped += stat_read(readers[i].slot, STAT_ring_lapped);
	}
	stop_readers();
	if (!fault && longest_us > STALL_US)
		fault = "the writer was held up";
	if (!fault && (kills == 0 || records == 0))
		fault = "the run proves nothing: nobody was killed, or nobody read";
	printf("ring_processes: %s: %.1f s, %llu records published, %llu readers killed, %llu "
	       "times lapped, slowest publish %.1f ms\n",
	       fault ? fault : "ok", (double)(check_now_us() - start_us) / 1e6,
	       (unsigned long long)published, (unsigned long long)kills, (unsigned long long)lapped,
	       (double)longest_us / 1e3);
	munmap(memory, memory_len);
	return fault ? 1 : 0;
}
