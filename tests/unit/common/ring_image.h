/* ring_image.h — a ring on plain heap memory whose every word a test may set. Criterion forks for
 * each test, so one static image each is enough. The memory is exactly as long as the ring says:
 * the address sanitizer sees any access beyond it. */
#ifndef SYNCDOC_TEST_RING_IMAGE_H
#define SYNCDOC_TEST_RING_IMAGE_H

#include "ring_layout.h"

#define IMAGE_SIZE RING_SIZE_MIN
#define IMAGE_EPOCH UINT64_C(0x5eed5eed5eed5eed)

struct image {
	struct ring_memory *memory; /* owned */
	struct ring_writer writer;
	struct ring_reader reader;
	struct buffer out; /* what ring_read() appended */
	uint16_t type;
};

static inline void image_fini(struct image *image)
{
	free(image->memory);
	buffer_fini(&image->out);
}

/* Writer and reader both stand at `position`, as if that many bytes had gone through. */
static inline void image_init_at(struct image *image, uint64_t position)
{
	size_t len = ring_memory_len(IMAGE_SIZE);
	image->memory = calloc(1, len);
	MUST(image->memory);
	ring_writer_init(&image->writer, image->memory, IMAGE_SIZE, IMAGE_EPOCH);
	image->writer.tail = position;
	atomic_store(&image->memory->tail_intent, position);
	atomic_store(&image->memory->tail, position);
	MUST(ring_reader_init(&image->reader, image->memory, len) == 0);
}

static inline void image_init(struct image *image)
{
	image_init_at(image, 0);
}

static inline void image_set_tails(struct image *image, uint64_t position)
{
	atomic_store(&image->memory->tail_intent, position);
	atomic_store(&image->memory->tail, position);
}

static inline void image_put_word(struct image *image, uint64_t position, uint64_t word)
{
	atomic_store(&image->memory->words[ring_word_index(IMAGE_SIZE, position)], word);
}

/* A header as a writer with this epoch would put it at `position`, with any length. */
static inline void image_put_header(struct image *image, uint64_t position, uint16_t type,
				    uint32_t len)
{
	struct ring_header header = {len, type, ring_mark(IMAGE_EPOCH, position)};
	image_put_word(image, position, ring_header_pack(header));
}

static inline enum ring_answer image_read(struct image *image)
{
	image->out.len = 0;
	return ring_read(&image->reader, &image->out, &image->type);
}

static inline int image_publish(struct image *image, uint16_t type, const char *text)
{
	return ring_publish(&image->writer, type, span_string(text));
}

static inline bool image_got(const struct image *image, uint16_t type, const char *text)
{
	return image->type == type && span_equals(buffer_span(&image->out), span_string(text));
}

#endif
