#include "address_count.h"

#include "address.h"
#include "hash.h"
#include <sys/socket.h>

struct address {
	struct address *next; /* in its bucket */
	struct in6_addr address;
	unsigned count;
};

#define BUCKETS 1024

struct address_count {
	uint64_t seed;
	struct address *buckets[BUCKETS];
};

struct address_count *address_count_create(uint64_t hash_seed)
{
	struct address_count *count = calloc(1, sizeof(*count));

	MUST(count);
	count->seed = hash_seed;
	return count;
}

void address_count_destroy(struct address_count *count)
{
	if (!count)
		return;
	for (size_t i = 0; i < BUCKETS; i++)
		while (count->buckets[i]) {
			struct address *address = count->buckets[i];

			count->buckets[i] = address->next;
			free(address);
		}
	free(count);
}

void address_of_peer(const struct sockaddr *peer, struct in6_addr *ret)
{
	memset(ret, 0, sizeof(*ret));
	if (peer && peer->sa_family == AF_INET6) {
		memcpy(ret, &((const struct sockaddr_in6 *)(const void *)peer)->sin6_addr,
		       sizeof(*ret));
	} else if (peer && peer->sa_family == AF_INET) {
		ret->s6_addr[10] = ret->s6_addr[11] = 0xff;
		memcpy(&ret->s6_addr[12],
		       &((const struct sockaddr_in *)(const void *)peer)->sin_addr, 4);
	}
}

static struct address **address_place(struct address_count *count, const struct in6_addr *address)
{
	struct in6_addr group = address_group(address);
	struct address **place =
		&count->buckets[hash_bytes(count->seed, &group, sizeof(group)) & (BUCKETS - 1)];

	while (*place && memcmp(&(*place)->address, &group, sizeof(group)) != 0)
		place = &(*place)->next;
	return place;
}

bool address_count_is_full(struct address_count *count, const struct in6_addr *address,
			   unsigned max)
{
	const struct address *found = *address_place(count, address);

	return max && found && found->count >= max;
}

void address_count_add(struct address_count *count, const struct in6_addr *address)
{
	struct address **place = address_place(count, address);

	if (IN6_IS_ADDR_UNSPECIFIED(address))
		return;
	if (!*place) {
		*place = calloc(1, sizeof(**place));
		MUST(*place);
		(*place)->address = address_group(address);
	}
	(*place)->count++;
}

void address_count_remove(struct address_count *count, const struct in6_addr *address)
{
	struct address **place = address_place(count, address), *found = *place;

	if (!found || --found->count)
		return;
	*place = found->next;
	free(found);
}
