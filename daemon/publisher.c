/* publisher.c — see publisher.h. */
#define _GNU_SOURCE
#include "publisher.h"

#include "clock.h"

#include <bsd/stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

_Static_assert(sizeof(struct shared_header) <= SHM_PAGE, "the header is one page");

static int create_ring(struct publisher *publisher, size_t ring_size)
{
	publisher->ring_len = SHM_PAGE + ring_memory_len(ring_size);
	int error = shm_create("syncdoc-ring", publisher->ring_len, &publisher->ring_fd);
	void *at;
	if (!error)
		error = shm_map(publisher->ring_fd, 0, publisher->ring_len, true, &at);
	if (error)
		return error;
	publisher->header = at;
	do {
		arc4random_buf(&publisher->epoch, sizeof(publisher->epoch));
	} while (publisher->epoch == 0);
	publisher->header->epoch = publisher->epoch;
	ring_writer_init(&publisher->writer, (char *)at + SHM_PAGE, ring_size, publisher->epoch);
	return 0;
}

static int create_slots(struct publisher *publisher, unsigned slot_count)
{
	size_t len = (size_t)slot_count * SHM_PAGE;
	int error = shm_create("syncdoc-slots", len, &publisher->slots_fd);
	void *at;
	if (!error)
		error = shm_map(publisher->slots_fd, 0, len, false, &at);
	if (error)
		return error;
	publisher->slots = at;
	publisher->slot_count = slot_count;
	return 0;
}

static int create_page(struct publisher *publisher, unsigned workers)
{
	size_t len = supervisor_page_len(workers);
	int error = shm_create("syncdoc-figures", len, &publisher->page_fd);
	void *at;
	if (!error)
		error = shm_map(publisher->page_fd, 0, len, true, &at);
	if (error)
		return error;
	publisher->page = at;
	publisher->page_len = len;
	supervisor_page_init(publisher->page, workers, clock_real_ms());
	return 0;
}

int publisher_init(struct publisher *publisher, size_t ring_size, unsigned slot_count)
{
	*publisher = (struct publisher){.ring_fd = -1, .slots_fd = -1, .page_fd = -1};
	int error = create_ring(publisher, ring_size);
	if (!error)
		error = create_slots(publisher, slot_count);
	if (!error)
		error = create_page(publisher, slot_count / SUPERVISOR_SLOTS);
	if (error)
		publisher_fini(publisher);
	return error;
}

void publisher_fini(struct publisher *publisher)
{
	if (publisher->header)
		munmap(publisher->header, publisher->ring_len);
	if (publisher->slots)
		munmap((void *)publisher->slots, (size_t)publisher->slot_count * SHM_PAGE);
	if (publisher->page)
		munmap(publisher->page, publisher->page_len);
	if (publisher->ring_fd >= 0)
		close(publisher->ring_fd);
	if (publisher->slots_fd >= 0)
		close(publisher->slots_fd);
	if (publisher->page_fd >= 0)
		close(publisher->page_fd);
	*publisher = (struct publisher){.ring_fd = -1, .slots_fd = -1, .page_fd = -1};
}

int publisher_publish(struct publisher *publisher, enum event_record_kind kind, struct span record)
{
	int error = ring_publish(&publisher->writer, (uint16_t)kind, record);
	if (error)
		return error;
	publisher->fresh = true;
	publisher->records++;
	return 0;
}

bool publisher_take_fresh(struct publisher *publisher)
{
	bool fresh = publisher->fresh;
	publisher->fresh = false;
	return fresh;
}

void publisher_set_active(struct publisher *publisher, bool active)
{
	/* release: pairs with the acquire of workers; who sees 1 also sees the mark in the ring
	 * that made it so. */
	atomic_store_explicit(&publisher->header->subscription_active, active,
			      memory_order_release);
}

bool publisher_is_active(const struct publisher *publisher)
{
	/* relaxed: our own word. */
	return atomic_load_explicit(&publisher->header->subscription_active, memory_order_relaxed);
}

void publisher_set_log_level(struct publisher *publisher, unsigned level)
{
	/* relaxed: nothing else goes with it. */
	atomic_store_explicit(&publisher->header->log_level, level, memory_order_relaxed);
}

void publisher_set_incarnation(struct publisher *publisher, uint64_t incarnation)
{
	/* release: pairs with the acquire of workers. */
	atomic_store_explicit(&publisher->header->incarnation, incarnation, memory_order_release);
}
