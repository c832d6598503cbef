/* ring_check.h — records that prove themselves, for the ring stress programs. Each carries its
 * sequence number, the byte position at which its writer stood before it, and a checksum over all
 * of it. So a reader can tell a torn record from a whole one, a lost one from a reported gap, and
 * whether lapped_by is exact. */
#ifndef SYNCDOC_RING_CHECK_H
#define SYNCDOC_RING_CHECK_H

#include "ring.h"
#include <time.h>

#define CHECK_BODY_MAX 2048

struct check_record {
	uint64_t sequence;
	uint64_t position; /* the writer's tail before this record */
	uint64_t checksum; /* over everything else */
	unsigned char body[CHECK_BODY_MAX];
};

#define CHECK_HEAD_LEN offsetof(struct check_record, body)

static inline uint64_t check_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static inline int64_t check_now_us(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static inline uint64_t check_sum(const struct check_record *record, size_t body_len, uint16_t type)
{
	uint64_t sum = record->sequence * 31 + record->position * 17 + type;
	for (size_t i = 0; i < body_len; i += sizeof(uint64_t)) {
		uint64_t word = 0;
		size_t left = body_len - i;
		memcpy(&word, record->body + i, left < sizeof(word) ? left : sizeof(word));
		sum = ((sum << 7) | (sum >> 57)) * UINT64_C(0x9e3779b97f4a7c15) ^ word;
	}
	return sum ^ body_len;
}

/* Publishes record `sequence` with a random body and type. */
static inline void check_publish(struct ring_writer *writer, uint64_t sequence, uint64_t *random)
{
	struct check_record record = {.sequence = sequence, .position = writer->tail};
	size_t body_len = check_random(random) % CHECK_BODY_MAX;
	if (check_random(random) % 4)
		body_len %= 300;
	for (size_t i = 0; i < body_len; i += sizeof(uint64_t)) {
		uint64_t word = check_random(random);
		memcpy(record.body + i, &word, sizeof(word)); /* CHECK_BODY_MAX is whole words */
	}
	uint16_t type = (uint16_t)(check_random(random) % 65535 + 1);
	record.checksum = check_sum(&record, body_len, type);
	MUST(ring_publish(writer, type,
			  span_of((const char *)&record, CHECK_HEAD_LEN + body_len)) == 0);
}

struct check_reader {
	struct ring_reader ring;
	struct buffer buffer; /* owned */
	uint64_t sequence;    /* of the last record; 0: none yet */
	bool gap;             /* the next record may have any higher sequence */
	uint64_t records, lapped, lapped_bytes;
};

/* Reads one record and checks it. NULL and *ret_empty, or what is wrong. */
static inline const char *check_read(struct check_reader *reader, bool *ret_empty)
{
	uint64_t cursor = reader->ring.cursor;
	uint16_t type;
	reader->buffer.len = 0;
	enum ring_answer answer = ring_read(&reader->ring, &reader->buffer, &type);
	*ret_empty = answer == RING_EMPTY;
	if (answer == RING_EMPTY)
		return NULL;
	if (answer == RING_BROKEN)
		return "sound memory was called broken";
	if (answer == RING_LAPPED) {
		reader->gap = true;
		reader->lapped++;
		reader->lapped_bytes += reader->ring.lapped_by;
		return cursor + reader->ring.lapped_by == reader->ring.cursor
			       ? NULL
			       : "lapped_by is not the gap";
	}
	struct check_record record;
	if (reader->buffer.len < CHECK_HEAD_LEN || reader->buffer.len > sizeof(record))
		return "a length nobody published";
	memcpy(&record, reader->buffer.at, reader->buffer.len);
	if (record.checksum != check_sum(&record, reader->buffer.len - CHECK_HEAD_LEN, type))
		return "a torn record";
	if (record.position != cursor)
		return "a record from another position than the cursor's";
	if (reader->gap ? record.sequence <= reader->sequence
			: record.sequence != reader->sequence + 1)
		return "a sequence number out of order";
	reader->gap = false;
	reader->sequence = record.sequence;
	reader->records++;
	return NULL;
}

#endif
