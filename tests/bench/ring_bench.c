/* ring_bench.c — what a record costs its writer and its readers, as a multiple of memcpy() of the
 * same bytes into a buffer of the same size.
 *
 *     ring_bench [ring bytes] [megabytes per run]
 *
 * One block per record length. "write alone": nobody reads. "N readers": so many follow on other
 * cores, as far as there are any; the lines then travel between caches, and who is overtaken skips.
 * "read back": a reader's cost of a full ring that nobody writes to. At the end: what the
 * supervisor's look at a sleep word costs where its line has counters in it, and as it is. */
#include "ring.h"

#include <pthread.h>
#include <sched.h>
#include <time.h>

#define READERS_MAX 4

static size_t ring_size = 64 << 20;
static _Atomic bool stopping;
static _Atomic int running; /* threads beside the writer */

struct run {
	void *memory; /* owned */
	struct ring_writer writer;
};

struct follower {
	pthread_t thread;
	const void *memory; /* borrowed */
	uint64_t records, lapped;
};

/* Of this thread: what others on the machine take is no part of it. */
static double now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static void init(struct run *run)
{
	*run = (struct run){.memory = calloc(1, ring_memory_len(ring_size))};
	MUST(run->memory);
	ring_writer_init(&run->writer, run->memory, ring_size, 1);
}

/* First time around pays for page faults; not what is measured. */
static void fill(struct run *run, struct span payload)
{
	while (run->writer.tail < 2 * ring_size)
		ring_publish(&run->writer, 1, payload);
}

static double write_records(struct run *run, struct span payload, uint64_t count)
{
	double start = now_ns();
	for (uint64_t i = 0; i < count; i++)
		ring_publish(&run->writer, 1, payload);
	return (now_ns() - start) / (double)count;
}

static double copy_records(struct run *run, struct span payload, uint64_t count)
{
	char *at = run->memory;
	size_t offset = 0;
	double start = now_ns();
	for (uint64_t i = 0; i < count; i++) {
		memcpy(at + offset, payload.at, payload.len);
		__asm__ volatile("" ::: "memory");
		offset += (payload.len + 15) & ~(size_t)7;
		if (offset + payload.len > ring_size)
			offset = 0;
	}
	return (now_ns() - start) / (double)count;
}

static void await_running(int count)
{
	while (atomic_load(&running) < count)
		sched_yield();
}

static void *follow(void *arg)
{
	struct follower *follower = arg;
	struct ring_reader reader;
	struct buffer buffer = {0};
	MUST(ring_reader_init(&reader, follower->memory, ring_memory_len(ring_size)) == 0);
	atomic_fetch_add(&running, 1);
	while (!atomic_load_explicit(&stopping, memory_order_relaxed)) {
		uint16_t type;
		buffer.len = 0;
		enum ring_answer answer = ring_read(&reader, &buffer, &type);
		follower->records += answer == RING_RECORD;
		follower->lapped += answer == RING_LAPPED;
	}
	buffer_fini(&buffer);
	return NULL;
}

/* *ret_read: part of the records that a reader got, on average. */
static double write_while_read(struct run *run, struct span payload, uint64_t count, int readers,
			       double *ret_read, uint64_t *ret_lapped)
{
	struct follower followers[READERS_MAX] = {0};
	uint64_t records = 0;
	atomic_store(&stopping, false);
	atomic_store(&running, 0);
	for (int i = 0; i < readers; i++) {
		followers[i].memory = run->memory;
		MUST(pthread_create(&followers[i].thread, NULL, follow, &followers[i]) == 0);
	}
	await_running(readers);
	double ns = write_records(run, payload, count);
	atomic_store(&stopping, true);
	*ret_lapped = 0;
	for (int i = 0; i < readers; i++) {
		pthread_join(followers[i].thread, NULL);
		records += followers[i].records;
		*ret_lapped += followers[i].lapped;
	}
	*ret_read = (double)records / (double)count / readers;
	return ns;
}

static double read_back(struct run *run, struct span payload)
{
	struct ring_reader reader;
	struct buffer buffer = {0};
	uint64_t records = 0;
	uint16_t type;
	MUST(ring_reader_init(&reader, run->memory, ring_memory_len(ring_size)) == 0);
	for (uint64_t i = 0; i < ring_size / (payload.len + 16) - 8; i++)
		ring_publish(&run->writer, 1, payload);
	double start = now_ns();
	while (ring_read(&reader, &buffer, &type) == RING_RECORD) {
		records++;
		buffer.len = 0;
	}
	double ns = (now_ns() - start) / (double)records;
	buffer_fini(&buffer);
	return ns;
}

static void print_row(const char *name, double ns, double copy_ns, size_t len)
{
	printf("      %-16s %8.1f ns %6.2f GB/s, %5.2f x memcpy", name, ns, (double)len / ns,
	       ns / copy_ns);
}

static void measure(size_t len, uint64_t bytes)
{
	struct run run;
	char *text = malloc(len);
	MUST(text);
	memset(text, 'x', len);
	struct span payload = span_of(text, len);
	uint64_t count = bytes / len;
	init(&run);
	fill(&run, payload);
	double copy = copy_records(&run, payload, count);
	free(run.memory);
	init(&run);
	fill(&run, payload);
	double alone = write_records(&run, payload, count);
	double back = read_back(&run, payload);
	printf("%5zu bytes: memcpy %.1f ns, %.2f GB/s\n", len, copy, (double)len / copy);
	print_row("write alone", alone, copy, len);
	printf("\n");
	print_row("read back", back, copy, len);
	printf("\n");
	for (int readers = 1; readers <= READERS_MAX; readers *= 2) {
		char name[32];
		double read;
		uint64_t lapped;
		double ns = write_while_read(&run, payload, count, readers, &read, &lapped);
		snprintf(name, sizeof(name), "write, %d reader%s", readers, readers > 1 ? "s" : "");
		print_row(name, ns, copy, len);
		printf(", %3.0f %% read, lapped %llu\n", 100 * read, (unsigned long long)lapped);
	}
	free(run.memory);
	free(text);
}

/* --- the sleep word --- */

struct neighbour {
	_Alignas(128) _Atomic uint32_t sleep;
	_Atomic uint64_t near;
	_Alignas(128) _Atomic uint64_t far;
};

static void *count_up(void *arg)
{
	_Atomic uint64_t *counter = arg;
	atomic_fetch_add(&running, 1);
	while (!atomic_load_explicit(&stopping, memory_order_relaxed))
		for (int i = 0; i < 1000; i++)
			atomic_store_explicit(counter, (uint64_t)i, memory_order_relaxed);
	return NULL;
}

/* One look of ring_writer_must_wake() while somebody counts in `counter`. */
static double look(struct neighbour *page, _Atomic uint64_t *counter)
{
	const int looks = 20000000;
	uint32_t woken = 0, wakes = 0;
	pthread_t thread;
	atomic_store(&stopping, false);
	atomic_store(&running, 0);
	MUST(pthread_create(&thread, NULL, count_up, counter) == 0);
	await_running(1);
	double start = now_ns();
	for (int i = 0; i < looks; i++)
		wakes += ring_writer_must_wake(&page->sleep, &woken);
	double ns = (now_ns() - start) / looks;
	atomic_store(&stopping, true);
	pthread_join(thread, NULL);
	MUST(!wakes);
	return ns;
}

static void measure_sleep_word(void)
{
	static struct neighbour page;
	double shared = look(&page, &page.near), own = look(&page, &page.far);
	printf("look at a sleep word: %.2f ns where its line has a busy counter, %.2f ns on its "
	       "own\n",
	       shared, own);
}

int main(int argc, char **argv)
{
	static const size_t lens[] = {16, 100, 300, 400, 1000, 4096, 65536};
	if (argc > 1)
		ring_size = strtoull(argv[1], NULL, 0);
	uint64_t bytes = (argc > 2 ? strtoull(argv[2], NULL, 0) : 500) * 1000000;
	printf("ring of %zu bytes, %llu MB a run\n", ring_size,
	       (unsigned long long)bytes / 1000000);
	for (size_t i = 0; i < ARRAY_LEN(lens); i++)
		if (lens[i] <= ring_payload_max(ring_size))
			measure(lens[i], bytes);
	measure_sleep_word();
	return 0;
}
