/* supervisor_page.c — see supervisor_page.h.
 *
 * Seats and totals change under a sequence count. Every word is stored with release and loaded with
 * acquire, in place of fences: who has read a word of a change therefore sees the odd count that
 * was stored before it, and knows that it must read again. */
#include "supervisor_page.h"

const struct supervisor_description supervisor_descriptions[SUPERVISOR_STAT_COUNT] = {
#define SUPERVISOR_COUNTER(id, name, labels, help) [SUPERVISOR_##id] = {#name, labels, help, false},
#define SUPERVISOR_GAUGE(id, name, labels, help) [SUPERVISOR_##id] = {#name, labels, help, true},
#include "supervisor_stats.def"
#undef SUPERVISOR_COUNTER
#undef SUPERVISOR_GAUGE
};

size_t supervisor_page_len(unsigned workers)
{
	size_t len = sizeof(struct supervisor_page) +
		     workers * (SUPERVISOR_SLOTS * sizeof(struct supervisor_seat) +
				sizeof(struct supervisor_total));
	return (len + SHM_PAGE - 1) & ~(size_t)(SHM_PAGE - 1);
}

static struct supervisor_seat *seat_at(const struct supervisor_page *page, unsigned slot)
{
	return (struct supervisor_seat *)(page + 1) + slot;
}

static struct supervisor_total *total_at(const struct supervisor_page *page, unsigned worker)
{
	/* relaxed: constant. */
	uint64_t workers = atomic_load_explicit(&page->workers, memory_order_relaxed);
	return (struct supervisor_total *)seat_at(page, SUPERVISOR_SLOTS * (unsigned)workers) +
	       worker;
}

const struct supervisor_seat *supervisor_page_seat(const struct supervisor_page *page,
						   unsigned slot)
{
	return seat_at(page, slot);
}

const struct supervisor_total *supervisor_page_total(const struct supervisor_page *page,
						     unsigned worker)
{
	return total_at(page, worker);
}

void supervisor_page_init(struct supervisor_page *page, unsigned workers, int64_t started_ms)
{
	atomic_store_explicit(&page->workers, workers, memory_order_relaxed);
	atomic_store_explicit(&page->started_ms, (uint64_t)started_ms, memory_order_relaxed);
}

static void change(struct supervisor_page *page)
{
	uint64_t changes = atomic_load_explicit(&page->changes, memory_order_relaxed);
	/* release: pairs with the acquire in supervisor_page_begin_read(); at the end of a change
	 * whoever sees the even count sees all of it. */
	atomic_store_explicit(&page->changes, changes + 1, memory_order_release);
}

/* release: pairs with the acquire loads of readers; see above. */
#define PUT(word, value) atomic_store_explicit(&(word), value, memory_order_release)

void supervisor_page_seat_take(struct supervisor_page *page, unsigned slot, uint64_t process,
			       unsigned index, unsigned pid, unsigned generation, int64_t now_ms)
{
	struct supervisor_seat *seat = seat_at(page, slot);
	change(page);
	PUT(seat->index, index);
	PUT(seat->pid, pid);
	PUT(seat->generation, generation);
	PUT(seat->draining, 0);
	PUT(seat->started_ms, (uint64_t)now_ms);
	PUT(seat->process, process);
	change(page);
}

void supervisor_page_seat_drain(struct supervisor_page *page, unsigned slot)
{
	change(page);
	PUT(seat_at(page, slot)->draining, 1);
	change(page);
}

/* Words that have one writer each: the dead process, and us. */
static void add_word(_Atomic uint64_t *total, const _Atomic uint64_t *figure)
{
	uint64_t sum = atomic_load_explicit(total, memory_order_relaxed) +
		       atomic_load_explicit(figure, memory_order_relaxed);
	PUT(*total, sum);
}

static void add_figures(struct supervisor_total *total, const struct slot *figures)
{
	for (size_t i = 0; i < STAT_COUNT; i++)
		if (!stat_descriptions[i].gauge)
			add_word(&total->values[i], &figures->values[i]);
	for (size_t i = 0; i < REFUSAL_COUNT; i++)
		add_word(&total->refusals[i], &figures->refusals[i]);
	for (size_t i = 0; i < HISTOGRAM_COUNT; i++) {
		const struct histogram *from = &figures->histograms[i];
		struct histogram *to = &total->histograms[i];
		for (size_t bucket = 0; bucket < HISTOGRAM_BUCKETS; bucket++)
			add_word(&to->buckets[bucket], &from->buckets[bucket]);
		add_word(&to->sum_ns, &from->sum_ns);
	}
}

void supervisor_page_seat_free(struct supervisor_page *page, unsigned slot,
			       const struct slot *figures)
{
	struct supervisor_seat *seat = seat_at(page, slot);
	uint64_t process = atomic_load_explicit(&seat->process, memory_order_relaxed);
	uint32_t index = atomic_load_explicit(&seat->index, memory_order_relaxed);
	/* acquire: pairs with the release of the process's claim of its slot. One that died before
	 * has left the figures of the one before it, which are in the total already. */
	bool has_figures = atomic_load_explicit(&figures->process, memory_order_acquire) == process;
	change(page);
	if (process && has_figures)
		add_figures(total_at(page, index), figures);
	PUT(seat->process, 0);
	change(page);
}

uint64_t supervisor_page_begin_read(const struct supervisor_page *page)
{
	/* acquire: see change(). */
	return atomic_load_explicit(&page->changes, memory_order_acquire);
}

bool supervisor_page_end_read(const struct supervisor_page *page, uint64_t begun)
{
	/* relaxed: behind acquire loads, which it cannot pass. */
	return begun % 2 == 0 &&
	       atomic_load_explicit(&page->changes, memory_order_relaxed) == begun;
}
