/* rights.c — see rights.h: their life, and what they allow. How they are made: rights_compile.c. */
#include "rights_internal.h"

/* --- order ------------------------------------------------------------------------- */

int rights_compare_spans(struct span a, struct span b)
{
	size_t least = a.len < b.len ? a.len : b.len;
	int order = least ? memcmp(a.at, b.at, least) : 0;

	return order ? order : a.len < b.len ? -1 : a.len > b.len;
}

int rights_compare_services(const void *a, const void *b)
{
	return rights_compare_spans(((const struct rights_service *)a)->name,
				    ((const struct rights_service *)b)->name);
}

/* --- life -------------------------------------------------------------------------- */

struct rights *rights_get(struct rights *rights)
{
	if (rights)
		rights->references++;
	return rights;
}

void rights_put(struct rights *rights)
{
	if (!rights || --rights->references)
		return;
	free(rights->services);
	free(rights->patterns);
	buffer_fini(&rights->names);
	buffer_fini(&rights->canonical);
	free(rights);
}

bool rights_equal(const struct rights *a, const struct rights *b)
{
	if (!a || !b)
		return a == b;
	return a == b || (a->hash == b->hash &&
			  span_equals(buffer_span(&a->canonical), buffer_span(&b->canonical)));
}

uint64_t rights_hash(const struct rights *rights)
{
	return rights ? rights->hash : 0;
}

/* --- questions --------------------------------------------------------------------- */

/* The service of that name; else `*`, which comes first; else NULL. */
static const struct rights_service *find_service(const struct rights *rights, struct span name)
{
	struct rights_service key = {.name = name};
	const struct rights_service *service = NULL;

	if (rights->service_count)
		service = bsearch(&key, rights->services, rights->service_count, sizeof(key),
				  rights_compare_services);
	if (!service && rights->service_count && !rights->services[0].name.len)
		service = &rights->services[0];
	return service;
}

/* The only pattern that may match is the greatest one that is not above the id: any prefix of the
 * id that stands before it would match it too. */
static const struct rights_pattern *
last_not_above(const struct rights *rights, const struct rights_service *service, struct span id)
{
	const struct rights_pattern *patterns = rights->patterns + service->first;
	uint32_t low = 0, high = service->count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (rights_compare_spans(patterns[middle].text, id) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low ? &patterns[low - 1] : NULL;
}

static bool matches(const struct rights *rights, const struct rights_service *service,
		    struct span id)
{
	if (!service->is_restricted)
		return true;
	const struct rights_pattern *pattern = last_not_above(rights, service, id);
	if (!pattern)
		return false;
	return pattern->is_prefix ? span_starts_with(id, pattern->text)
				  : span_equals(id, pattern->text);
}

bool rights_allow(const struct rights *rights, struct span service, struct span id, unsigned right)
{
	const struct rights_service *found = find_service(rights, service);

	return found && found->letters & right && matches(rights, found, id);
}

static bool service_allows_some(const struct rights *rights, const struct rights_service *service,
				struct span prefix, unsigned right)
{
	if (!(service->letters & right))
		return false;
	if (!service->is_restricted)
		return true;
	for (uint32_t i = 0; i < service->count; i++) {
		const struct rights_pattern *pattern = &rights->patterns[service->first + i];

		if (span_starts_with(pattern->text, prefix) ||
		    (pattern->is_prefix && span_starts_with(prefix, pattern->text)))
			return true;
	}
	return false;
}

bool rights_allow_some(const struct rights *rights, struct span service, struct span prefix,
		       unsigned right)
{
	const struct rights_service *found = service.len ? find_service(rights, service) : NULL;

	if (service.len)
		return found && service_allows_some(rights, found, prefix, right);
	for (size_t i = 0; i < rights->service_count; i++)
		if (service_allows_some(rights, &rights->services[i], prefix, right))
			return true;
	return false;
}

static bool service_allows_all(const struct rights *rights, const struct rights_service *service,
			       struct span prefix, unsigned right)
{
	const struct rights_pattern *pattern;

	if (!(service->letters & right))
		return false;
	if (!service->is_restricted)
		return true;
	pattern = last_not_above(rights, service, prefix);
	return pattern && pattern->is_prefix && span_starts_with(prefix, pattern->text);
}

bool rights_allow_all(const struct rights *rights, struct span service, struct span prefix,
		      unsigned right)
{
	const struct rights_service *found = find_service(rights, service);

	/* All services: those that nobody names, and those that are named. */
	if (!found || !service_allows_all(rights, found, prefix, right))
		return false;
	for (size_t i = 0; !service.len && i < rights->service_count; i++)
		if (!service_allows_all(rights, &rights->services[i], prefix, right))
			return false;
	return true;
}

bool rights_allow_general(const struct rights *rights, unsigned right)
{
	return rights->service_count && !rights->services[0].name.len &&
	       rights->services[0].letters & right;
}

const struct rights_pattern *rights_patterns(const struct rights *rights, struct span service,
					     size_t *ret_count)
{
	const struct rights_service *found = find_service(rights, service);

	*ret_count = found ? found->count : 0;
	return found && !found->is_restricted ? NULL
					      : rights->patterns + (found ? found->first : 0);
}

size_t rights_service_count(const struct rights *rights)
{
	return rights->service_count;
}

struct span rights_service_at(const struct rights *rights, size_t place)
{
	return rights->services[place].name;
}
