/* ring_layout.h — what the ring's memory looks like. Private to ring_writer.c, ring_reader.c and
 * their tests.
 *
 *     byte 0      magic, size, epoch: constant
 *     byte 128    tail_intent
 *     byte 256    tail
 *     byte 384    latest
 *     byte 4096   records; position p, a counter that never wraps, lies at 4096 + p % size
 *
 * The counters have lines of their own, 128 apart because x86 fetches lines in pairs.
 *
 * A record is one header word and its payload, padded with zero bytes to whole words. Where a
 * record does not fit before the end, a padding record takes up what is left there; a header is one
 * word so that even the last 8 bytes can hold one. */
#ifndef SYNCDOC_RING_LAYOUT_H
#define SYNCDOC_RING_LAYOUT_H

#include "ring.h"

#define RING_MAGIC UINT64_C(0x3130676e69727373) /* "ssring01" */
#define RING_CONTROL_LEN 4096
#define RING_HEADER_LEN sizeof(uint64_t)
#define RING_TYPE_PADDING 0

/* written by: the supervisor alone, all words. Every word is atomic, the constants too: readers
 * must neither fault nor race whatever the memory holds. Padded by hand, not by _Alignas, so that
 * it may lie on memory of any 8-byte alignment. */
struct ring_memory {
	_Atomic uint64_t magic; /* stored last when the memory is formatted */
	_Atomic uint64_t size;
	_Atomic uint64_t epoch;
	uint64_t unused_constants[13];
	_Atomic uint64_t tail_intent;
	uint64_t unused_tail_intent[15];
	_Atomic uint64_t tail;
	uint64_t unused_tail[15];
	_Atomic uint64_t latest;
	uint64_t unused_latest[463];
	_Atomic uint64_t words[];
};

_Static_assert(sizeof(struct ring_memory) == RING_CONTROL_LEN, "records begin at the second page");
_Static_assert(offsetof(struct ring_memory, tail_intent) == 128 &&
		       offsetof(struct ring_memory, tail) == 256 &&
		       offsetof(struct ring_memory, latest) == 384,
	       "as drawn above");
_Static_assert(sizeof(_Atomic uint64_t) == 8, "a word is a word");
_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2,
	       "a lock in shared memory could be left held by a dead process");

/* What a header word says. */
struct ring_header {
	uint32_t len;  /* record: bytes of payload; padding: bytes of the whole padding record */
	uint16_t type; /* RING_TYPE_PADDING or the user's */
	uint16_t mark; /* ring_mark() of its own position: bytes of a payload are unlikely to pass
			  for a header */
};

static inline uint16_t ring_mark(uint64_t epoch, uint64_t position)
{
	uint64_t mixed = (epoch ^ position) * UINT64_C(0x9e3779b97f4a7c15);
	return (uint16_t)(mixed >> 48);
}

static inline uint64_t ring_header_pack(struct ring_header header)
{
	return (uint64_t)header.mark << 48 | (uint64_t)header.type << 32 | header.len;
}

static inline struct ring_header ring_header_unpack(uint64_t word)
{
	return (struct ring_header){(uint32_t)word, (uint16_t)(word >> 32), (uint16_t)(word >> 48)};
}

static inline size_t ring_record_len(size_t payload_len)
{
	return RING_HEADER_LEN +
	       ((payload_len + RING_RECORD_ALIGN - 1) & ~(size_t)(RING_RECORD_ALIGN - 1));
}

static inline bool ring_size_is_valid(uint64_t size)
{
	return size >= RING_SIZE_MIN && size <= RING_SIZE_MAX && (size & (size - 1)) == 0;
}

/* Index into words[] of the word at `position`. */
static inline size_t ring_word_index(size_t size, uint64_t position)
{
	return (size_t)(position & (size - 1)) / sizeof(uint64_t);
}

#endif
