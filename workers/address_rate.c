/* address_rate.c — see address_rate.h. A set of eight places for each hash: who does not fit takes
 * the place of the one with the most tokens, who loses least by it. Nothing is ever allocated for a
 * client, so addresses without number cost no more than a few. */
#include "address_rate.h"

#include "address.h"
#include "hash.h"

#define SETS 4096
#define PLACES 8
#define TOKEN 1000 /* thousandths: one millisecond brings `per_second` of them */

struct place {
	struct in6_addr address; /* all zero: free */
	uint32_t at_ms;          /* when `tokens` was right; wraps */
	uint32_t tokens;
};

struct address_rate {
	uint64_t seed;
	uint32_t per_second;
	uint64_t forgotten;
	struct place places[SETS][PLACES];
};

struct address_rate *address_rate_create(unsigned per_second, uint64_t hash_seed)
{
	struct address_rate *rate = calloc(1, sizeof(*rate));

	MUST(rate && per_second && per_second <= UINT32_MAX / TOKEN);
	rate->seed = hash_seed;
	rate->per_second = per_second;
	return rate;
}

void address_rate_destroy(struct address_rate *rate)
{
	free(rate);
}

uint64_t address_rate_forgotten(const struct address_rate *rate)
{
	return rate->forgotten;
}

static uint32_t tokens_now(const struct address_rate *rate, const struct place *place,
			   uint32_t now_ms)
{
	uint64_t tokens =
		place->tokens + (uint64_t)(uint32_t)(now_ms - place->at_ms) * rate->per_second;
	uint64_t most = (uint64_t)rate->per_second * TOKEN;

	return (uint32_t)(tokens < most ? tokens : most);
}

/* The place of the address, or the one it takes. */
static struct place *find_place(struct address_rate *rate, const struct in6_addr *address,
				uint32_t now_ms)
{
	uint64_t hash = hash_bytes(rate->seed, address, sizeof(*address));
	struct place *set = rate->places[hash % SETS], *best = NULL;
	uint32_t full = rate->per_second * TOKEN, best_tokens = 0;

	for (unsigned i = 0; i < PLACES; i++) {
		bool is_free = IN6_IS_ADDR_UNSPECIFIED(&set[i].address);
		uint32_t tokens = is_free ? full : tokens_now(rate, &set[i], now_ms);

		if (memcmp(&set[i].address, address, sizeof(*address)) == 0)
			return &set[i];
		if (!best || tokens > best_tokens) {
			best = &set[i];
			best_tokens = tokens;
		}
	}
	rate->forgotten += best_tokens < full;
	*best = (struct place){.address = *address, .at_ms = now_ms, .tokens = full};
	return best;
}

bool address_rate_take(struct address_rate *rate, const struct in6_addr *address, int64_t now_ms)
{
	struct in6_addr group = address_group(address);
	uint32_t now = (uint32_t)now_ms;

	if (IN6_IS_ADDR_UNSPECIFIED(address))
		return true;
	struct place *place = find_place(rate, &group, now);
	place->tokens = tokens_now(rate, place, now);
	place->at_ms = now;
	if (place->tokens < TOKEN)
		return false;
	place->tokens -= TOKEN;
	return true;
}
