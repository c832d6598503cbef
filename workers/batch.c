#include "batch.h"

/* Bytes in a row: in the batch's own text, or in an arena. */
struct run {
	const char *external; /* NULL: in `copied`, at offset */
	size_t offset;
	size_t len;
};

struct batch {
	uint32_t references;
	size_t len;
	size_t events;
	struct buffer copied;
	struct run *runs; /* owned */
	size_t run_count, run_cap;
	struct text **arenas; /* owned references */
	size_t arena_count, arena_cap;
	struct batch_event *noted; /* owned, with a reference each; NULL: nothing noted */
	size_t noted_count, noted_cap;
};

struct batch *batch_create(void)
{
	struct batch *batch = calloc(1, sizeof(*batch));

	MUST(batch);
	batch->references = 1;
	return batch;
}

struct batch *batch_of_bytes(struct span bytes)
{
	struct batch *batch = batch_create();
	struct iovec part = {(void *)bytes.at, bytes.len};

	if (bytes.len <= BATCH_COPY_MAX) {
		batch_append(batch, &part, 1, NULL);
		return batch;
	}
	struct text *text = text_create(bytes);
	part.iov_base = text->at;
	batch_append(batch, &part, 1, text);
	text_put(text);
	return batch;
}

static void add_run(struct batch *batch, struct run run)
{
	if (batch->run_count == batch->run_cap) {
		batch->run_cap = batch->run_cap ? batch->run_cap * 2 : 4;
		batch->runs = reallocarray(batch->runs, batch->run_cap, sizeof(*batch->runs));
		MUST(batch->runs);
	}
	batch->runs[batch->run_count++] = run;
}

static void append_copied(struct batch *batch, const struct iovec *parts, unsigned part_count,
			  size_t len)
{
	struct run *last = batch->run_count ? &batch->runs[batch->run_count - 1] : NULL;

	if (last && !last->external)
		last->len += len;
	else
		add_run(batch, (struct run){.offset = batch->copied.len, .len = len});
	for (unsigned i = 0; i < part_count; i++)
		buffer_append(&batch->copied, parts[i].iov_base, parts[i].iov_len);
}

static void keep_arena(struct batch *batch, struct text *arena)
{
	if (batch->arena_count && batch->arenas[batch->arena_count - 1] == arena)
		return;
	if (batch->arena_count == batch->arena_cap) {
		batch->arena_cap = batch->arena_cap ? batch->arena_cap * 2 : 2;
		batch->arenas =
			reallocarray(batch->arenas, batch->arena_cap, sizeof(*batch->arenas));
		MUST(batch->arenas);
	}
	batch->arenas[batch->arena_count++] = text_get(arena);
}

void batch_append(struct batch *batch, const struct iovec *parts, unsigned part_count,
		  struct text *arena)
{
	size_t len = 0;

	for (unsigned i = 0; i < part_count; i++)
		len += parts[i].iov_len;
	if (len <= BATCH_COPY_MAX) {
		append_copied(batch, parts, part_count, len);
	} else {
		MUST(arena);
		keep_arena(batch, arena);
		for (unsigned i = 0; i < part_count; i++)
			add_run(batch, (struct run){.external = parts[i].iov_base,
						    .len = parts[i].iov_len});
	}
	batch->len += len;
	batch->events++;
}

struct batch *batch_get(struct batch *batch)
{
	batch->references++;
	return batch;
}

void batch_put(struct batch *batch)
{
	if (!batch || --batch->references)
		return;
	for (size_t i = 0; i < batch->arena_count; i++)
		text_put(batch->arenas[i]);
	batch_forget_noted(batch);
	free(batch->arenas);
	free(batch->runs);
	buffer_fini(&batch->copied);
	free(batch);
}

void batch_note(struct batch *batch, struct kept_record *record, enum event_mode mode)
{
	if (batch->noted_count == batch->noted_cap) {
		batch->noted_cap = batch->noted_cap ? batch->noted_cap * 2 : 8;
		batch->noted = reallocarray(batch->noted, batch->noted_cap, sizeof(*batch->noted));
		MUST(batch->noted);
	}
	batch->noted[batch->noted_count++] = (struct batch_event){kept_record_get(record), mode};
}

const struct batch_event *batch_noted(const struct batch *batch, size_t *ret_count)
{
	*ret_count = batch->noted_count;
	return batch->noted;
}

void batch_forget_noted(struct batch *batch)
{
	for (size_t i = 0; i < batch->noted_count; i++)
		kept_record_put(batch->noted[i].record);
	free(batch->noted);
	batch->noted = NULL;
	batch->noted_count = batch->noted_cap = 0;
}

size_t batch_len(const struct batch *batch)
{
	return batch->len;
}

size_t batch_events(const struct batch *batch)
{
	return batch->events;
}

unsigned batch_iovec(const struct batch *batch, size_t offset, struct iovec *iov, unsigned iov_max)
{
	unsigned count = 0;

	for (size_t i = 0; i < batch->run_count && count < iov_max; i++) {
		const struct run *run = &batch->runs[i];

		if (offset >= run->len) {
			offset -= run->len;
			continue;
		}
		const char *at = run->external ? run->external : batch->copied.at + run->offset;
		iov[count++] = (struct iovec){(void *)(at + offset), run->len - offset};
		offset = 0;
	}
	return count;
}

size_t batch_held(const struct batch *batch)
{
	size_t held = sizeof(*batch) + batch->copied.cap + batch->run_cap * sizeof(*batch->runs);

	for (size_t i = 0; i < batch->arena_count; i++)
		held += batch->arenas[i]->len;
	return held;
}
