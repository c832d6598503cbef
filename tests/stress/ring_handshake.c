/* ring_handshake.c — the sleep handshake alone, as close to its worst moment as two cores allow.
 *
 *     ring_handshake [seconds]      exit 0: no wake-up was lost; 77: one core only. One line says
 * what was done.
 *
 * Each round one thread publishes and asks whether the sleeper must be woken, while the other puts
 * itself to sleep. Lost is a round in which the sleeper saw nothing to read and the writer nobody
 * asleep. ring_threads is too slow for it: there the two sides meet within nanoseconds only by
 * luck. */
#define _GNU_SOURCE
#include "ring_check.h"

#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#define PATIENCE_US 60000000

static struct ring_writer writer;
static struct ring_reader reader;
static _Atomic uint32_t sleep_word;
static _Atomic uint64_t round_started;  /* written by: the writer */
static _Atomic uint64_t round_finished; /* written by: the reader */
static _Atomic bool stopping;
static bool slept; /* by the reader in the round just finished */

/* Spins, because the two must leave together; yields in the end, because there may be one core
 * only. */
static bool wait_for(_Atomic uint64_t *word, uint64_t value)
{
	for (unsigned turns = 1; atomic_load_explicit(word, memory_order_acquire) != value;
	     turns++) {
		if (atomic_load_explicit(&stopping, memory_order_relaxed))
			return false;
		if (turns % 10000 == 0)
			sched_yield();
	}
	return true;
}

static void spin(uint64_t turns)
{
	for (volatile uint64_t left = turns; left > 0; left--)
		;
}

/* Of the cores that we may use, which a container may have restricted. */
static unsigned count_cores(void)
{
	cpu_set_t cpus;
	MUST(sched_getaffinity(0, sizeof(cpus), &cpus) == 0);
	return (unsigned)CPU_COUNT(&cpus);
}

/* To the nth of them. A thread inherits its creator's, so it is created before that one is pinned.
 */
static void pin(unsigned nth)
{
	cpu_set_t cpus, one;
	MUST(sched_getaffinity(0, sizeof(cpus), &cpus) == 0);
	for (unsigned cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &cpus) || nth-- > 0)
			continue;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		MUST(sched_setaffinity(0, sizeof(one), &one) == 0);
		return;
	}
}

static void *sleep_again_and_again(void *arg)
{
	CLEANUP(buffer_fini) struct buffer buffer = {0};
	uint64_t random = 99;
	uint16_t type;
	(void)arg;
	pin(1);
	for (uint64_t round = 1; wait_for(&round_started, round); round++) {
		spin(check_random(&random) % 16);
		slept = ring_reader_sleep(&reader, &sleep_word);
		atomic_store_explicit(&round_finished, round, memory_order_release);
		if (!wait_for(&round_started, UINT64_MAX - round)) /* the writer has taken notes */
			break;
		while (ring_read(&reader, &buffer, &type) == RING_RECORD)
			buffer.len = 0;
		ring_reader_wake(&sleep_word);
		atomic_store_explicit(&round_finished, UINT64_MAX - round, memory_order_release);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	int64_t seconds = argc > 1 ? strtoll(argv[1], NULL, 10) : 3;
	if (count_cores() < 2) {
		puts("ring_handshake: skipped, needs two cores");
		return 77; /* what meson takes for a skip */
	}
	size_t memory_len = ring_memory_len(RING_SIZE_MIN);
	void *memory = calloc(1, memory_len);
	MUST(memory && seconds > 0);
	ring_writer_init(&writer, memory, RING_SIZE_MIN, 0x1234567);
	MUST(ring_reader_init(&reader, memory, memory_len) == 0);
	pthread_t thread;
	MUST(pthread_create(&thread, NULL, sleep_again_and_again, NULL) == 0);
	pin(0);

	uint64_t rounds = 0, sleeps = 0, wakes = 0, lost = 0;
	uint64_t random = 7;
	uint32_t woken = 0;
	int64_t end_us = check_now_us() + seconds * 1000000, last_us = end_us + PATIENCE_US;
	/* Longer where the machine has hardly let the two run at the same time. */
	for (int64_t now_us; (now_us = check_now_us()) < end_us ||
			     (now_us < last_us && (sleeps == 0 || sleeps == rounds));) {
		rounds++;
		atomic_store_explicit(&round_started, rounds, memory_order_release);
		spin(check_random(&random) % 16);
		MUST(ring_publish(&writer, 1, SPAN("x")) == 0);
		bool wake = ring_writer_must_wake(&sleep_word, &woken);
		wait_for(&round_finished, rounds);
		sleeps += slept;
		wakes += wake;
		lost += slept && !wake;
		atomic_store_explicit(&round_started, UINT64_MAX - rounds, memory_order_release);
		wait_for(&round_finished, UINT64_MAX - rounds);
	}
	atomic_store(&stopping, true);
	pthread_join(thread, NULL);
	free(memory);
	const char *answer = lost                              ? "wake-ups were lost"
			     : sleeps == 0 || sleeps == rounds ? "the two sides never met"
							       : "ok";
	printf("ring_handshake: %s: %llu rounds, %llu slept, %llu woken, %llu lost\n", answer,
	       (unsigned long long)rounds, (unsigned long long)sleeps, (unsigned long long)wakes,
	       (unsigned long long)lost);
	return strcmp(answer, "ok") != 0;
}
