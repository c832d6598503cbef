/* ring_threads.c — one writer and three readers in one process, for ThreadSanitizer and for the
 * sleep handshake.
 *
 *     ring_threads [seconds]      exit 0: all held. One line says what was done.
 *
 * The writer takes turns: floods, in which readers are lapped, and lockstep, in which each record
 * waits until all readers have seen it. Only lockstep finds lost wake-ups: in a flood the next
 * record would wake whom the last one forgot. */
#include "ring_check.h"

#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define READERS 3
/* Generous: a lost wake-up lasts for ever, a busy machine does not. */
#define DEADLINE_US 60000000
#define FLOOD_RECORDS 4000
#define LOCKSTEP_RECORDS 400

struct thread {
	pthread_t id;
	const void *memory; /* borrowed */
	size_t memory_len;
	int wake_fd;
	uint32_t woken;          /* written by: the writer */
	_Atomic uint32_t sleep;  /* written by: the reader */
	_Atomic uint64_t cursor; /* written by: the reader */
	struct check_reader check;
	uint64_t sleeps;
	uint64_t random;
};

static struct thread threads[READERS];
static _Atomic bool stopping;
static _Atomic(const char *) fault;

static void set_fault(const char *what)
{
	const char *none = NULL;
	atomic_compare_exchange_strong(&fault, &none, what);
}

/* Resets before it looks, as ring.h wants it: the eventfd is emptied first, the ring read after. */
static void sleep_until_woken(struct thread *thread)
{
	struct pollfd wait = {.fd = thread->wake_fd, .events = POLLIN};
	if (!ring_reader_sleep(&thread->check.ring, &thread->sleep))
		return;
	thread->sleeps++;
	if (poll(&wait, 1, DEADLINE_US / 1000) == 0 && ring_reader_lag(&thread->check.ring) > 0)
		set_fault("a lost wake-up");
	uint64_t count;
	if (read(thread->wake_fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
		set_fault("eventfd");
	ring_reader_wake(&thread->sleep);
}

static void *read_until_stopped(void *arg)
{
	struct thread *thread = arg;
	while (!atomic_load(&stopping) && !atomic_load(&fault)) {
		bool empty;
		const char *wrong = check_read(&thread->check, &empty);
		if (wrong)
			set_fault(wrong);
		atomic_store_explicit(&thread->cursor, thread->check.ring.cursor,
				      memory_order_release);
		if (empty)
			sleep_until_woken(thread);
		else if (check_random(&thread->random) % 512 == 0)
			sched_yield(); /* the others get their chance to be ahead */
	}
	return NULL;
}

static void wake_sleepers(bool all)
{
	for (unsigned i = 0; i < READERS; i++) {
		uint64_t one = 1;
		if (!ring_writer_must_wake(&threads[i].sleep, &threads[i].woken) && !all)
			continue;
		if (write(threads[i].wake_fd, &one, sizeof(one)) < 0)
			set_fault("eventfd");
	}
}

static void wait_for_readers(uint64_t tail)
{
	int64_t deadline = check_now_us() + DEADLINE_US;
	for (unsigned i = 0; i < READERS; i++) {
		while (atomic_load_explicit(&threads[i].cursor, memory_order_acquire) != tail &&
		       !atomic_load(&fault)) {
			if (check_now_us() > deadline)
				set_fault("a reader did not reach the last record in time");
			sched_yield();
		}
	}
}

static uint64_t write_until(struct ring_writer *writer, int64_t end_us)
{
	uint64_t random = (uint64_t)end_us | 1;
	uint64_t sequence = 0;
	while (check_now_us() < end_us && !atomic_load(&fault)) {
		for (int i = 0; i < FLOOD_RECORDS; i++) {
			check_publish(writer, ++sequence, &random);
			wake_sleepers(false);
		}
		for (int i = 0; i < LOCKSTEP_RECORDS; i++) {
			wait_for_readers(writer->tail);
			/* Readers are now on their way to sleep; meet them at every point of it. */
			for (volatile uint64_t spin = check_random(&random) % 2000; spin > 0;
			     spin--)
				;
			check_publish(writer, ++sequence, &random);
			wake_sleepers(false);
		}
	}
	wait_for_readers(writer->tail);
	return sequence;
}

static void start_readers(const void *memory, size_t memory_len)
{
	for (unsigned i = 0; i < READERS; i++) {
		struct thread *thread = &threads[i];
		thread->random = i + 1;
		thread->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		MUST(thread->wake_fd >= 0);
		MUST(ring_reader_init(&thread->check.ring, memory, memory_len) == 0);
		MUST(pthread_create(&thread->id, NULL, read_until_stopped, thread) == 0);
	}
}

static void report(uint64_t published, int64_t took_us)
{
	uint64_t records = 0, lapped = 0, sleeps = 0;
	for (unsigned i = 0; i < READERS; i++) {
		struct thread *thread = &threads[i];
		records += thread->check.records;
		lapped += thread->check.lapped;
		sleeps += thread->sleeps;
		if (thread->check.sequence != published)
			set_fault("a reader's last record is not the writer's");
	}
	if (lapped == 0 || sleeps == 0)
		set_fault("the run proves nothing: nobody was lapped, or nobody slept");
	const char *wrong = atomic_load(&fault);
	printf("ring_threads: %s: %.1f s, %llu records published, %llu read and whole, %llu times "
	       "lapped, %llu sleeps\n",
	       wrong ? wrong : "ok", (double)took_us / 1e6, (unsigned long long)published,
	       (unsigned long long)records, (unsigned long long)lapped, (unsigned long long)sleeps);
}

int main(int argc, char **argv)
{
	int64_t seconds = argc > 1 ? strtoll(argv[1], NULL, 10) : 3;
	size_t memory_len = ring_memory_len(RING_SIZE_MIN);
	void *memory = calloc(1, memory_len);
	MUST(memory && seconds > 0);
	struct ring_writer writer;
	ring_writer_init(&writer, memory, RING_SIZE_MIN, 0x1234567);

	int64_t start_us = check_now_us();
	start_readers(memory, memory_len);
	uint64_t published = write_until(&writer, start_us + seconds * 1000000);
	atomic_store(&stopping, true);
	wake_sleepers(true);
	for (unsigned i = 0; i < READERS; i++)
		pthread_join(threads[i].id, NULL);
	report(published, check_now_us() - start_us);
	for (unsigned i = 0; i < READERS; i++) {
		buffer_fini(&threads[i].check.buffer);
		close(threads[i].wake_fd);
	}
	free(memory);
	return atomic_load(&fault) ? 1 : 0;
}
