/* ring_reader.c — the reading half of ring.h. Whatever the memory holds, each call ends after at
 * most two headers and one copy. */
#include "ring_layout.h"

int ring_reader_init(struct ring_reader *reader, const void *memory, size_t memory_len)
{
	const struct ring_memory *ring = memory;
	if (memory_len < sizeof(*ring))
		return -EINVAL;
	/* acquire: pairs with the release in ring_writer_init(). */
	if (atomic_load_explicit(&ring->magic, memory_order_acquire) != RING_MAGIC)
		return -EINVAL;
	uint64_t size = atomic_load_explicit(&ring->size, memory_order_relaxed);
	if (!ring_size_is_valid(size) || memory_len - sizeof(*ring) < size)
		return -EINVAL;
	*reader = (struct ring_reader){
		.memory = ring,
		.size = (size_t)size,
		.epoch = atomic_load_explicit(&ring->epoch, memory_order_relaxed),
		.cursor = atomic_load_explicit(&ring->tail, memory_order_acquire),
	};
	return 0;
}

static bool constants_hold(const struct ring_reader *reader)
{
	const struct ring_memory *ring = reader->memory;
	/* relaxed: they do not change while the ring lives; a reader that sees a change late sees
	 * headers with another mark. */
	return atomic_load_explicit(&ring->magic, memory_order_relaxed) == RING_MAGIC &&
	       atomic_load_explicit(&ring->size, memory_order_relaxed) == reader->size &&
	       atomic_load_explicit(&ring->epoch, memory_order_relaxed) == reader->epoch;
}

/* Both bad answers leave the reader where the next record will begin. It takes over the epoch it
 * finds, so that a ring that was formatted again costs one RING_BROKEN; and as the cursor equals
 * the tail, a spoilt ring cannot make its reader spin. */
static enum ring_answer jump_to_tail(struct ring_reader *reader, enum ring_answer answer)
{
	const struct ring_memory *ring = reader->memory;
	uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_acquire);
	if (answer == RING_LAPPED)
		reader->lapped_by = tail > reader->cursor ? tail - reader->cursor : 0;
	else
		reader->epoch = atomic_load_explicit(&ring->epoch, memory_order_relaxed);
	reader->cursor = tail;
	return answer;
}

/* What the words loaded since the cursor are worth: RING_RECORD when none of them can have been
 * overwritten. The loads were acquire; had one of them met a newer word, the tail_intent that
 * covers it would be seen here. */
static enum ring_answer judge_loads(const struct ring_reader *reader, uint64_t tail)
{
	uint64_t intent = atomic_load_explicit(&reader->memory->tail_intent, memory_order_acquire);
	if (intent < tail)
		return RING_BROKEN;
	return intent - reader->cursor > reader->size ? RING_LAPPED : RING_RECORD;
}

static struct ring_header load_header(const struct ring_reader *reader, uint64_t position)
{
	size_t index = ring_word_index(reader->size, position);
	return ring_header_unpack(
		atomic_load_explicit(&reader->memory->words[index], memory_order_acquire));
}

static bool padding_is_sane(const struct ring_reader *reader, uint64_t at, uint64_t tail,
			    struct ring_header header)
{
	uint64_t until_end = reader->size - (at & (reader->size - 1));
	/* A record follows, so the tail lies behind it. A padding is shorter than the record that
	 * did not fit; so there are never two in a row. */
	return header.mark == ring_mark(reader->epoch, at) && header.len == until_end &&
	       until_end < reader->size / 8 && until_end < tail - at;
}

static bool record_is_sane(const struct ring_reader *reader, uint64_t at, uint64_t tail,
			   struct ring_header header)
{
	uint64_t until_end = reader->size - (at & (reader->size - 1));
	if (header.mark != ring_mark(reader->epoch, at) || header.type == RING_TYPE_PADDING ||
	    header.len > ring_payload_max(reader->size))
		return false;
	size_t record_len = ring_record_len(header.len);
	return record_len <= until_end && record_len <= tail - at;
}

/* acquire: pairs with the release in the writer's store_word(). Whole words are stored, so `to` has
 * room for len rounded up. */
static void copy_out(char *to, const _Atomic uint64_t *words, size_t len)
{
	for (size_t i = 0; i * sizeof(uint64_t) < len; i++) {
		uint64_t word = atomic_load_explicit(&words[i], memory_order_acquire);
		memcpy(to + i * sizeof(word), &word, sizeof(word));
	}
}

enum ring_answer ring_read(struct ring_reader *reader, struct buffer *ret, uint16_t *ret_type)
{
	/* acquire: pairs with the store in ring_publish(); all before the tail is visible. */
	uint64_t tail = atomic_load_explicit(&reader->memory->tail, memory_order_acquire);
	uint64_t at = reader->cursor;
	if (tail == at)
		return RING_EMPTY;
	if (!constants_hold(reader) || tail < at || (tail | at) % RING_RECORD_ALIGN != 0)
		return jump_to_tail(reader, RING_BROKEN);
	if (tail - at > reader->size)
		return jump_to_tail(reader, RING_LAPPED);

	/* Nothing is believed yet: any header may be overwritten while we look. Each is checked
	 * against the bounds before it is used, and one that fails is nonsense only if
	 * judge_loads() does not say that we were overtaken. */
	struct ring_header header = load_header(reader, at);
	if (header.type == RING_TYPE_PADDING && padding_is_sane(reader, at, tail, header)) {
		at += header.len;
		header = load_header(reader, at);
	}
	bool sane = record_is_sane(reader, at, tail, header);
	size_t record_len = 0;
	if (sane) {
		record_len = ring_record_len(header.len);
		char *to = buffer_reserve(ret, record_len);
		copy_out(to, &reader->memory->words[ring_word_index(reader->size, at) + 1],
			 header.len);
	}
	enum ring_answer answer = judge_loads(reader, tail);
	if (answer == RING_RECORD && !sane)
		answer = RING_BROKEN;
	if (answer != RING_RECORD)
		return jump_to_tail(reader, answer);
	ret->len += header.len;
	*ret_type = header.type;
	reader->cursor = at + record_len;
	return RING_RECORD;
}

uint64_t ring_reader_lag(const struct ring_reader *reader)
{
	/* relaxed: a figure. */
	uint64_t tail = atomic_load_explicit(&reader->memory->tail, memory_order_relaxed);
	return tail > reader->cursor ? tail - reader->cursor : 0;
}

bool ring_reader_sleep(const struct ring_reader *reader, _Atomic uint32_t *sleep_word)
{
	/* relaxed: our own word. Asleep already means that this is another sleep: two changes,
	 * since the writer may have woken the former one and would not wake it twice. */
	uint32_t sleep = (atomic_load_explicit(sleep_word, memory_order_relaxed) + 1) | 1;
	/* seq_cst, both: first the word, then the tail. Pairs with ring_publish() and
	 * ring_writer_must_wake(), which go the other way round: at least one side sees the other.
	 */
	atomic_store_explicit(sleep_word, sleep, memory_order_seq_cst);
	if (atomic_load_explicit(&reader->memory->tail, memory_order_seq_cst) == reader->cursor)
		return true;
	ring_reader_wake(sleep_word);
	return false;
}

void ring_reader_wake(_Atomic uint32_t *sleep_word)
{
	/* relaxed: seen late, it costs one needless wake-up. */
	uint32_t sleep = atomic_load_explicit(sleep_word, memory_order_relaxed);
	if (sleep % 2 == 1)
		atomic_store_explicit(sleep_word, sleep + 1, memory_order_relaxed);
}
