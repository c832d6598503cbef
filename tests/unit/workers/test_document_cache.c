#include <criterion/criterion.h>

#include "../common/random.h"
#include "document_cache.h"

#define SEED UINT64_C(0x5eed)

TestSuite(document_cache, .timeout = 100);

/* Owns its data: ends with revision_fini(). */
static struct revision revision_of(uint64_t number, size_t len)
{
	struct revision revision = {.number = number, .updated_at_ms = (int64_t)number + 1000};
	struct buffer data = {0};

	buffer_append_char(&data, '{');
	while (data.len + 1 < len)
		buffer_append_char(&data, ' ');
	buffer_append_char(&data, '}');
	revision.data = text_create(buffer_span(&data));
	buffer_fini(&data);
	return revision;
}

static void put(struct document_cache *cache, const char *service, const char *id, uint64_t number,
		size_t len)
{
	struct revision revision = revision_of(number, len);

	document_cache_put(cache, span_string(service), span_string(id), &revision);
	revision_fini(&revision);
}

/* 0: not there. */
static uint64_t find(struct document_cache *cache, const char *service, const char *id)
{
	const struct revision *found =
		document_cache_find(cache, span_string(service), span_string(id));

	if (found)
		cr_assert_eq(found->updated_at_ms, (int64_t)found->number + 1000);
	return found ? found->number : 0;
}

/* Bytes that an entry costs beside its names and data. */
static size_t overhead(void)
{
	struct document_cache *cache = document_cache_create(1 << 20, SEED);

	put(cache, "s", "d", 1, 10);
	size_t bytes = document_cache_bytes(cache) - 1 - 1 - 10;
	document_cache_destroy(cache);
	return bytes;
}

Test(document_cache, newest_revision_put_is_found)
{
	struct document_cache *cache = document_cache_create(1 << 20, SEED);

	cr_expect_eq(find(cache, "s", "d"), 0);
	put(cache, "s", "d", 1, 10);
	put(cache, "s", "d", 2, 500);
	cr_expect_eq(find(cache, "s", "d"), 2);
	cr_expect_eq(document_cache_bytes(cache), overhead() + 1 + 1 + 500);
	document_cache_destroy(cache);
	document_cache_destroy(NULL);
}

Test(document_cache, border_between_service_and_id_counts)
{
	struct document_cache *cache = document_cache_create(1 << 20, SEED);

	put(cache, "ab", "c", 1, 10);
	put(cache, "a", "bc", 2, 10);
	cr_expect_eq(find(cache, "ab", "c"), 1);
	cr_expect_eq(find(cache, "a", "bc"), 2);
	cr_expect_eq(find(cache, "abc", ""), 0);
	document_cache_destroy(cache);
}

Test(document_cache, longest_names_are_kept_apart)
{
	struct document_cache *cache = document_cache_create(1 << 20, SEED);
	char service[DOCUMENT_SERVICE_MAX + 1] = {0}, id[DOCUMENT_ID_MAX + 1] = {0};

	memset(service, 's', DOCUMENT_SERVICE_MAX);
	memset(id, 'i', DOCUMENT_ID_MAX);
	put(cache, service, id, 1, 10);
	id[DOCUMENT_ID_MAX - 1] = 'j';
	put(cache, service, id, 2, 10);
	cr_expect_eq(find(cache, service, id), 2);
	id[DOCUMENT_ID_MAX - 1] = 'i';
	cr_expect_eq(find(cache, service, id), 1);
	document_cache_destroy(cache);
}

Test(document_cache, reference_of_its_own_keeps_the_data)
{
	struct document_cache *cache = document_cache_create(1 << 20, SEED);
	struct revision revision = revision_of(1, 10);

	document_cache_put(cache, SPAN("s"), SPAN("d"), &revision);
	cr_expect_eq(revision.data->references, 2);
	struct revision clone = revision_clone(document_cache_find(cache, SPAN("s"), SPAN("d")));
	document_cache_drop(cache, SPAN("s"), SPAN("d"));
	cr_expect_eq(revision.data->references, 2);
	revision_fini(&clone);
	document_cache_put(cache, SPAN("s"), SPAN("d"), &revision);
	/* What it gives out may be put again. */
	document_cache_put(cache, SPAN("s"), SPAN("d"),
			   document_cache_find(cache, SPAN("s"), SPAN("d")));
	revision_fini(&revision);
	cr_expect_eq(find(cache, "s", "d"), 1);
	document_cache_destroy(cache);
}

Test(document_cache, dropping_forgets_and_gives_the_bytes_back)
{
	struct document_cache *cache = document_cache_create(1 << 20, SEED);

	put(cache, "s", "d", 1, 10);
	document_cache_drop(cache, SPAN("s"), SPAN("other"));
	cr_expect_eq(find(cache, "s", "d"), 1);
	document_cache_drop(cache, SPAN("s"), SPAN("d"));
	document_cache_drop(cache, SPAN("s"), SPAN("d"));
	cr_expect_eq(find(cache, "s", "d"), 0);
	cr_expect_eq(document_cache_bytes(cache), 0);
	document_cache_destroy(cache);
}

Test(document_cache, least_recently_used_goes_first)
{
	/* Room for three, and not for four. */
	struct document_cache *cache = document_cache_create(3 * (overhead() + 2 + 64) + 10, SEED);

	put(cache, "s", "a", 1, 64);
	put(cache, "s", "b", 2, 64);
	put(cache, "s", "c", 3, 64);
	cr_expect_eq(find(cache, "s", "a"), 1); /* used: b is the oldest now */
	put(cache, "s", "d", 4, 64);
	cr_expect_eq(find(cache, "s", "b"), 0);
	put(cache, "s", "c", 5, 64); /* put again: used */
	put(cache, "s", "e", 6, 64);
	cr_expect_eq(find(cache, "s", "a"), 0);
	cr_expect_eq(find(cache, "s", "c"), 5);
	cr_expect_eq(find(cache, "s", "d"), 4);
	cr_expect_eq(find(cache, "s", "e"), 6);
	document_cache_destroy(cache);
}

Test(document_cache, large_document_is_not_kept_and_its_old_revision_goes)
{
	struct document_cache *cache = document_cache_create(8000, SEED);

	put(cache, "s", "small", 9, 100);
	put(cache, "s", "d", 1, 1000); /* an eighth */
	cr_expect_eq(find(cache, "s", "d"), 1);
	put(cache, "s", "d", 2, 1001);
	cr_expect_eq(find(cache, "s", "d"), 0, "an old revision would be a base that never holds");
	cr_expect_eq(find(cache, "s", "small"), 9, "it pushed nobody out");
	put(cache, "s", "new", 1, 1001);
	cr_expect_eq(find(cache, "s", "new"), 0);
	document_cache_destroy(cache);
}

Test(document_cache, cache_that_is_too_small_for_anything_keeps_nothing)
{
	static const size_t sizes[] = {0, 1, 15, 16, 100};

	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		struct document_cache *cache = document_cache_create(sizes[i], SEED);
		put(cache, "s", "d", 1, 2);
		put(cache, "s", "d", 2, 2);
		cr_expect_eq(find(cache, "s", "d"), 0);
		cr_expect_eq(document_cache_bytes(cache), 0);
		document_cache_destroy(cache);
	}
}

Test(document_cache, many_documents_are_found_while_the_table_grows)
{
	struct document_cache *cache = document_cache_create((size_t)1 << 30, SEED);
	const unsigned many = 20000;
	char id[32];

	for (unsigned i = 0; i < many; i++) {
		snprintf(id, sizeof(id), "doc_%u", i);
		put(cache, "s", id, i + 1, 10);
	}
	for (unsigned i = 0; i < many; i++) {
		snprintf(id, sizeof(id), "doc_%u", i);
		cr_assert_eq(find(cache, "s", id), i + 1);
	}
	document_cache_destroy(cache);
}

/* --- against a list --- */

#define BUDGET 6000
#define IDS 40

struct model {
	struct document_cache *cache;
	size_t overhead;
	unsigned count;
	struct {
		unsigned id;
		uint64_t number;
		size_t len;
	} entries[IDS]; /* most recently used first */
};

static unsigned model_place(const struct model *model, unsigned id)
{
	unsigned place = 0;

	while (place < model->count && model->entries[place].id != id)
		place++;
	return place;
}

static void model_remove(struct model *model, unsigned place)
{
	memmove(&model->entries[place], &model->entries[place + 1],
		(--model->count - place) * sizeof(model->entries[0]));
}

static size_t model_bytes(const struct model *model)
{
	size_t bytes = 0;

	for (unsigned i = 0; i < model->count; i++)
		bytes += model->overhead + 1 + 3 + model->entries[i].len;
	return bytes;
}

static void model_use(struct model *model, unsigned id, uint64_t number, size_t len)
{
	unsigned place = model_place(model, id);

	if (place < model->count)
		model_remove(model, place);
	if (len > BUDGET / 8)
		return;
	memmove(&model->entries[1], &model->entries[0], model->count * sizeof(model->entries[0]));
	model->entries[0].id = id;
	model->entries[0].number = number;
	model->entries[0].len = len;
	model->count++;
	while (model_bytes(model) > BUDGET)
		model->count--;
}

static void model_step(struct model *model, uint64_t dice, uint64_t step)
{
	unsigned id_number = (unsigned)(dice >> 8) % IDS, place = model_place(model, id_number);
	size_t len = 2 + (dice >> 20) % (BUDGET / 7);
	char id[8];

	snprintf(id, sizeof(id), "d%02u", id_number);
	switch ((dice >> 50) % 8) {
	case 0:
		document_cache_drop(model->cache, SPAN("s"), span_string(id));
		if (place < model->count)
			model_remove(model, place);
		break;
	case 1:
	case 2:
	case 3:
		put(model->cache, "s", id, step, len);
		model_use(model, id_number, step, len);
		break;
	default:
		if (place == model->count) {
			cr_assert_eq(find(model->cache, "s", id), 0);
			break;
		}
		cr_assert_eq(find(model->cache, "s", id), model->entries[place].number);
		model_use(model, id_number, model->entries[place].number,
			  model->entries[place].len);
	}
}

Test(document_cache, random_use_agrees_with_a_list_and_never_exceeds_its_bytes)
{
	struct model model = {.overhead = overhead()};
	uint64_t random = random_seed("document_cache");

	model.cache = document_cache_create(BUDGET, SEED);
	for (uint64_t step = 1; step < 30000; step++) {
		model_step(&model, random_next(&random), step);
		cr_assert_leq(document_cache_bytes(model.cache), BUDGET);
		cr_assert_eq(document_cache_bytes(model.cache), model_bytes(&model));
	}
	document_cache_destroy(model.cache);
}
