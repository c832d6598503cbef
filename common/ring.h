/* ring.h — one-to-many broadcast of records through shared memory (DESIGN.md section 3). Pure:
 * works on any memory.
 *
 * One writer (the supervisor), any number of readers (workers, read-only mapping). The writer never
 * waits for a reader, so a slow reader is lapped and told so. After Aeron's broadcast buffer: a
 * random epoch, padding records so that no record crosses the end, and 64-bit byte counters that
 * never wrap:
 *   tail_intent  how far the writer may already be overwriting; release, before it copies
 *   tail         end of the last complete record; seq_cst, after it has copied: half of the sleep
 *                handshake
 *   latest       start of the last complete record
 * Record bytes are copied as 64-bit words with atomic stores and loads (memcpy on shared bytes is a
 * data race). After its copy the reader checks that tail_intent has not passed it; every length is
 * bounds-checked before it is used, so memory with any content whatever gives an answer, never a
 * fault. */
#ifndef SYNCDOC_RING_H
#define SYNCDOC_RING_H

#include "buffer.h"
#include <stdatomic.h>

#define RING_SIZE_MIN 65536
#define RING_SIZE_MAX (UINT64_C(1) << 34) /* a record length fits 32 bits */
#define RING_RECORD_ALIGN 8

/* What lies in shared memory: control lines, then `size` bytes of records; see ring_layout.h. */
struct ring_memory;

/* Bytes of memory for `size` (a power of two >= RING_SIZE_MIN) bytes of records, a multiple of the
 * page size. */
size_t ring_memory_len(size_t size);
/* Longest payload that ring_publish() takes: size / 8 minus the record header. */
size_t ring_payload_max(size_t size);

/* Writer: embedded in the supervisor; one per ring. */
struct ring_writer {
	struct ring_memory *memory; /* borrowed */
	size_t size;
	uint64_t epoch;
	uint64_t tail; /* the writer's own copy; it never reads counters back from shared memory */
};

/* Formats the memory (all zero before) with `epoch` (random, not 0). */
void ring_writer_init(struct ring_writer *writer, void *memory, size_t size, uint64_t epoch);
/* -EMSGSIZE: payload above ring_payload_max(); nothing written. `type` is the user's (1…65535). */
int ring_publish(struct ring_writer *writer, uint16_t type, struct span payload);

/* Reader: one per worker. */
struct ring_reader {
	const struct ring_memory *memory; /* borrowed; read-only */
	size_t size;
	uint64_t epoch;
	uint64_t cursor;    /* next byte to read */
	uint64_t lapped_by; /* set by RING_LAPPED: bytes that were lost */
};

enum ring_answer {
	RING_RECORD, /* type and payload appended to *ret */
	RING_EMPTY,
	RING_LAPPED, /* overwritten before it was read: the cursor now stands at the tail, lapped_by
			says what is lost */
	RING_BROKEN, /* memory makes no sense (bad magic, epoch, length): the cursor now stands at
			the tail, with the epoch found there */
};

/* Starts at the present tail. `memory_len` is the mapping's length. -EINVAL: magic, size or length
 * do not fit. */
int ring_reader_init(struct ring_reader *reader, const void *memory, size_t memory_len);
/* Appends the payload of the next record to `ret`; on any other answer ret is unchanged. */
enum ring_answer ring_read(struct ring_reader *reader, struct buffer *ret, uint16_t *ret_type);
/* Bytes between the cursor and the tail: how far this reader is behind. */
uint64_t ring_reader_lag(const struct ring_reader *reader);

/* Sleep handshake. The reader stores its sleep word and then looks at the tail, the writer stores
 * the tail and then looks at the sleep word; all four are seq_cst (release/acquire lost 868 of
 * 3,000,000 wake-ups). The sleep word lives in the reader's own slot page: odd = asleep, grows by
 * one at each change, so the writer can tell for which sleep it has already woken.
 * False: there is something to read, stays awake. */
bool ring_reader_sleep(const struct ring_reader *reader, _Atomic uint32_t *sleep_word);
void ring_reader_wake(_Atomic uint32_t *sleep_word); /* awake again; fine if it was */
/* Writer side, after publishing: true if this sleeper must be woken now. *woken is the writer's
 * memory for this slot; set it to 0 when the slot is given to a new process, or that one's first
 * sleep may look like one already woken. */
bool ring_writer_must_wake(const _Atomic uint32_t *sleep_word, uint32_t *woken);

#endif
