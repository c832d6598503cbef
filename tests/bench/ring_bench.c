/* ring_bench.c — what a record costs its writer and its reader, beside memcpy() of the same bytes
 * into a buffer of the same size.
 *
 *     ring_bench [ring bytes] [megabytes per run]      one line per record length
 *
 * "alone": nobody reads. "read": one reader on another core (the lines then travel between caches).
 * "read back": the reader's cost of a full ring that nobody writes to. */
#include "ring.h"

#include <pthread.h>
#include <time.h>

static size_t ring_size = 64 << 20;
static _Atomic bool stopping;

struct run {
	void *memory; /* owned */
	struct ring_writer writer;
	uint64_t records_read, bytes_read, lapped;
};

static double now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
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

static void *read_all(void *arg)
{
	struct run *run = arg;
	struct ring_reader reader;
	struct buffer buffer = {0};
	MUST(ring_reader_init(&reader, run->memory, ring_memory_len(ring_size)) == 0);
	while (!atomic_load_explicit(&stopping, memory_order_relaxed)) {
		uint16_t type;
		buffer.len = 0;
		enum ring_answer answer = ring_read(&reader, &buffer, &type);
		run->records_read += answer == RING_RECORD;
		run->bytes_read += buffer.len;
		run->lapped += answer == RING_LAPPED;
	}
	buffer_fini(&buffer);
	return NULL;
}

static double write_while_read(struct run *run, struct span payload, uint64_t count)
{
	pthread_t reader;
	atomic_store(&stopping, false);
	MUST(pthread_create(&reader, NULL, read_all, run) == 0);
	double ns = write_records(run, payload, count);
	atomic_store(&stopping, true);
	pthread_join(reader, NULL);
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
	double while_read = write_while_read(&run, payload, count);
	printf("%5zu bytes: memcpy %6.1f ns %5.2f GB/s | write alone %6.1f ns %5.2f GB/s %5.2f M/s "
	       "| write, read %6.1f ns, %3.0f %% read, "
	       "lapped %llu | read back %6.1f ns %5.2f GB/s\n",
	       len, copy, (double)len / copy, alone, (double)len / alone, 1e3 / alone, while_read,
	       100.0 * (double)run.records_read / (double)count, (unsigned long long)run.lapped,
	       back, (double)len / back);
	free(run.memory);
	free(text);
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
	return 0;
}
