/* ring_writer.c — the writing half of ring.h. */
#include "ring_layout.h"

size_t ring_memory_len(size_t size)
{
	return sizeof(struct ring_memory) + size;
}

size_t ring_payload_max(size_t size)
{
	return size / 8 - RING_HEADER_LEN;
}

void ring_writer_init(struct ring_writer *writer, void *memory, size_t size, uint64_t epoch)
{
	MUST(ring_size_is_valid(size));
	MUST(epoch != 0);
	struct ring_memory *ring = memory;
	atomic_store_explicit(&ring->size, size, memory_order_relaxed);
	atomic_store_explicit(&ring->epoch, epoch, memory_order_relaxed);
	atomic_store_explicit(&ring->tail_intent, 0, memory_order_relaxed);
	atomic_store_explicit(&ring->tail, 0, memory_order_relaxed);
	atomic_store_explicit(&ring->latest, 0, memory_order_relaxed);
	/* release: pairs with the acquire in ring_reader_init(); the magic comes last. */
	atomic_store_explicit(&ring->magic, RING_MAGIC, memory_order_release);
	*writer = (struct ring_writer){ring, size, epoch, 0};
}

/* release: pairs with the acquire loads of the reader's copy. A reader that gets a word of the new
 * record therefore sees the tail_intent stored before it and knows that its copy is spoilt. Each
 * word has to be such a store: a reader's copy may start to overlap at any of them. On x86 it is a
 * plain mov. */
static void store_word(_Atomic uint64_t *word, uint64_t value)
{
	atomic_store_explicit(word, value, memory_order_release);
}

static void copy_in(_Atomic uint64_t *words, const char *from, size_t len)
{
	uint64_t word;
	for (; len >= sizeof(word); len -= sizeof(word), from += sizeof(word)) {
		memcpy(&word, from, sizeof(word));
		store_word(words++, word);
	}
	if (len > 0) {
		word = 0;
		memcpy(&word, from, len);
		store_word(words, word);
	}
}

static void put_header(struct ring_writer *writer, uint64_t position, uint16_t type, size_t len)
{
	struct ring_header header = {(uint32_t)len, type, ring_mark(writer->epoch, position)};
	store_word(&writer->memory->words[ring_word_index(writer->size, position)],
		   ring_header_pack(header));
}

int ring_publish(struct ring_writer *writer, uint16_t type, struct span payload)
{
	MUST(type != RING_TYPE_PADDING);
	if (payload.len > ring_payload_max(writer->size))
		return -EMSGSIZE;
	struct ring_memory *ring = writer->memory;
	size_t record_len = ring_record_len(payload.len);
	size_t until_end = writer->size - (size_t)(writer->tail & (writer->size - 1));
	size_t padding_len = until_end < record_len ? until_end : 0;
	uint64_t start = writer->tail + padding_len;

	/* release: as DESIGN.md has it; what readers rely on is that every store_word() below comes
	 * after it. */
	atomic_store_explicit(&ring->tail_intent, start + record_len, memory_order_release);
	if (padding_len > 0)
		put_header(writer, writer->tail, RING_TYPE_PADDING, padding_len);
	put_header(writer, start, type, payload.len);
	copy_in(&ring->words[ring_word_index(writer->size, start) + 1], payload.at, payload.len);
	/* relaxed: ordered for readers by the tail behind it. */
	atomic_store_explicit(&ring->latest, start, memory_order_relaxed);
	/* seq_cst: pairs with the loads of tail in ring_read() (its release half) and in
	 * ring_reader_sleep(); nobody may see the sleep word of ring_writer_must_wake() as it was
	 * before this line, and this line not yet. */
	atomic_store_explicit(&ring->tail, start + record_len, memory_order_seq_cst);
	writer->tail = start + record_len;
	return 0;
}

bool ring_writer_must_wake(const _Atomic uint32_t *sleep_word, uint32_t *woken)
{
	/* seq_cst: after the tail in ring_publish(); pairs with ring_reader_sleep(). */
	uint32_t sleep = atomic_load_explicit(sleep_word, memory_order_seq_cst);
	if (sleep % 2 == 0 || sleep == *woken)
		return false;
	*woken = sleep;
	return true;
}
