/* publisher.h — the supervisor's side of the shared segments: the only writer of the ring and of
 * the shared header, a reader of slots. */
#ifndef SYNCDOC_PUBLISHER_H
#define SYNCDOC_PUBLISHER_H

#include "event.h"
#include "ring.h"
#include "shm.h"
#include "supervisor_page.h"

struct publisher {
	int ring_fd;                  /* owned */
	int slots_fd;                 /* owned */
	int page_fd;                  /* owned: of `page` */
	struct shared_header *header; /* mapped, writable */
	const char *slots; /* mapped read-only: whatever happens here, no slot is written */
	struct supervisor_page *page; /* mapped, writable: our own figures */
	size_t page_len;
	size_t ring_len; /* of the ring segment, header page included */
	unsigned slot_count;
	struct ring_writer writer;
	uint64_t epoch;
	bool fresh; /* something was published since publisher_take_fresh() */
	uint64_t records;
};

/* Creates and formats all segments. `slot_count` pages, SUPERVISOR_SLOTS for each worker. -errno;
 * nothing is held then. */
int publisher_init(struct publisher *publisher, size_t ring_size, unsigned slot_count);
void publisher_fini(struct publisher *publisher);

/* Puts a record made by event_record_format…() into the ring. Readers are not woken before the loop
 * turns, so that a burst costs one wake-up each. -EMSGSIZE: too large for this ring; nothing was
 * published. */
int publisher_publish(struct publisher *publisher, enum event_record_kind kind, struct span record);
/* True once after one or more records. */
bool publisher_take_fresh(struct publisher *publisher);
/* Seen by workers at once, whatever is still in the ring. */
void publisher_set_active(struct publisher *publisher, bool active);
bool publisher_is_active(const struct publisher *publisher);
void publisher_set_incarnation(struct publisher *publisher, uint64_t incarnation);
/* Of all workers, at once. */
void publisher_set_log_level(struct publisher *publisher, unsigned level);

static inline const struct slot *publisher_slot(const struct publisher *publisher, unsigned slot)
{
	return (const struct slot *)(publisher->slots + (size_t)slot * SHM_PAGE);
}

#endif
