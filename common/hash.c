/* hash.c — one 64x64->128 multiplication for every 8 bytes, the halves of the product folded
 * together.
 *
 * The multiplier comes from the seed too: with a constant one, pairs of inputs whose products
 * differ little would collide more often than chance under every seed, and the source is public. */
#include "hash.h"

/* Odd, about half of the bits set, no pattern: fractional parts of pi and e. */
#define HASH_PI UINT64_C(0x243f6a8885a308d3)
#define HASH_E UINT64_C(0xb7e151628aed2a6b)

static inline uint64_t fold(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * b;
	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline uint64_t load64(const unsigned char *at)
{
	uint64_t word;
	memcpy(&word, at, sizeof(word));
	return word;
}

static inline uint64_t load32(const unsigned char *at)
{
	uint32_t word;
	memcpy(&word, at, sizeof(word));
	return word;
}

/* 0 to 7 bytes as one word. Distinct inputs of one length give distinct words; the length is mixed
 * in elsewhere. */
static inline uint64_t load_short(const unsigned char *at, size_t len)
{
	if (len >= 4)
		return load32(at) << 32 | load32(at + len - 4);
	if (len == 0)
		return 0;
	return (uint64_t)at[0] << 16 | (uint64_t)at[len / 2] << 8 | at[len - 1];
}

uint64_t hash_bytes(uint64_t seed, const void *bytes, size_t len)
{
	const unsigned char *at = bytes;
	uint64_t multiplier = fold(seed ^ HASH_PI, HASH_E) | 1;
	uint64_t hash = seed + len * HASH_E;

	if (len < 8) {
		hash ^= load_short(at, len);
	} else {
		size_t left = len;
		for (; left > 8; left -= 8, at += 8)
			hash = fold(hash ^ load64(at), multiplier);
		/* The last word overlaps the one before it unless len is a multiple of 8. */
		hash ^= load64(at + left - 8);
	}
	hash = fold(hash, multiplier);
	/* A product of 0 stays 0 for ever: step off it, and spread once more into all bits. */
	return fold(hash ^ HASH_PI, HASH_E);
}
