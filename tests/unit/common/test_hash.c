/* test_hash.c — what tables with keys from clients need of their hash. */
#include "hash.h"
#include <criterion/criterion.h>

TestSuite(hash, .timeout = 100);

static int compare_u64(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
	return (left > right) - (left < right);
}

Test(hash, is_the_same_for_the_same_bytes_wherever_they_lie)
{
	char bytes[96 + 8];

	for (size_t len = 0; len <= 96; len++) {
		uint64_t first = 0;
		for (size_t shift = 0; shift < 8; shift++) {
			/* The bytes around them must not count. */
			memset(bytes, (int)(shift * 37 + 1), sizeof(bytes));
			for (size_t i = 0; i < len; i++)
				bytes[shift + i] = (char)(i * 31 + len);
			uint64_t hash = hash_bytes(42, bytes + shift, len);
			if (shift == 0)
				first = hash;
			cr_assert_eq(hash, first, "len %zu shift %zu", len, shift);
		}
	}
}

Test(hash, reads_no_byte_beyond_the_key)
{
	for (size_t len = 0; len <= 40; len++) {
		char *key = malloc(len ? len : 1); /* ASan watches both ends */
		memset(key, 'k', len);
		cr_expect_eq(hash_bytes(1, key, len), hash_bytes(1, key, len));
		free(key);
	}
	cr_expect_eq(hash_bytes(1, NULL, 0), hash_bytes(1, "", 0));
}

Test(hash, tells_apart_lengths_of_equal_bytes)
{
	static const char zeros[64];
	uint64_t hashes[65];

	for (size_t len = 0; len <= 64; len++)
		hashes[len] = hash_bytes(7, zeros, len);
	qsort(hashes, 65, sizeof(hashes[0]), compare_u64);
	for (size_t i = 1; i < 65; i++)
		cr_expect_neq(hashes[i - 1], hashes[i]);
}

Test(hash, changes_half_of_its_bits_with_any_bit_of_key_or_seed)
{
	for (size_t len = 1; len <= 40; len++) {
		unsigned changed = 0, tried = 0;
		unsigned char key[40];
		for (uint64_t seed = 0; seed < 8; seed++) {
			for (size_t i = 0; i < len; i++)
				key[i] = (unsigned char)(seed * 97 + i * 13);
			uint64_t hash = hash_bytes(seed, key, len);
			for (size_t bit = 0; bit < len * 8; bit++, tried++) {
				key[bit / 8] ^= (unsigned char)(1 << bit % 8);
				uint64_t other = hash_bytes(seed, key, len);
				key[bit / 8] ^= (unsigned char)(1 << bit % 8);
				changed += (unsigned)__builtin_popcountll(hash ^ other);
				cr_assert_neq(hash, other, "len %zu bit %zu", len, bit);
			}
			uint64_t reseeded = hash_bytes(seed ^ UINT64_C(1) << len, key, len);
			cr_assert_neq(hash, reseeded);
		}
		double mean = (double)changed / tried;
		cr_expect(mean > 30 && mean < 34, "len %zu: %.2f of 64 bits", len, mean);
	}
}

Test(hash, fills_tables_evenly_by_high_and_by_low_bits)
{
	enum { KEYS = 1 << 16, BUCKETS = 1 << 12 };
	static uint32_t high[BUCKETS], low[BUCKETS];

	/* Ids that differ in few digits, as ids do. Mean 16 a bucket; beyond 45 is chance below
	 * 1e-5. */
	for (unsigned i = 0; i < KEYS; i++) {
		char key[32];
		int len = snprintf(key, sizeof(key), "doc_%012u", i);
		uint64_t hash = hash_bytes(99, key, (size_t)len);
		high[hash >> 52]++;
		low[hash % BUCKETS]++;
	}
	for (unsigned i = 0; i < BUCKETS; i++) {
		cr_expect_lt(high[i], 45);
		cr_expect_lt(low[i], 45);
	}
}

Test(hash, has_no_collision_among_many_short_keys)
{
	enum { KEYS = 200000 };
	uint64_t *hashes = malloc(KEYS * sizeof(*hashes));

	for (unsigned i = 0; i < KEYS; i++)
		hashes[i] = hash_bytes(3, &i, 3);
	qsort(hashes, KEYS, sizeof(*hashes), compare_u64);
	for (unsigned i = 1; i < KEYS; i++)
		cr_assert_neq(hashes[i - 1], hashes[i]);
	free(hashes);
}

Test(hash, chains_by_passing_a_result_as_the_next_seed)
{
	uint64_t ab_c = hash_span(hash_span(5, SPAN("ab")), SPAN("c"));
	uint64_t a_bc = hash_span(hash_span(5, SPAN("a")), SPAN("bc"));

	cr_expect_neq(ab_c, a_bc);
	cr_expect_neq(ab_c, hash_span(5, SPAN("abc")));
}

Test(hash, keys_that_collide_under_one_seed_do_not_under_another)
{
	/* Pairs that agree in the top 16 bits under seed 1: as many must agree under seed 2 as
	 * chance gives, not all. */
	enum { KEYS = 4096 };
	static uint64_t first[KEYS], second[KEYS];
	unsigned pairs = 0, again = 0;

	for (unsigned i = 0; i < KEYS; i++) {
		first[i] = hash_bytes(1, &i, sizeof(i)) >> 48;
		second[i] = hash_bytes(2, &i, sizeof(i)) >> 48;
	}
	for (unsigned i = 0; i < KEYS; i++) {
		for (unsigned j = i + 1; j < KEYS; j++) {
			pairs += first[i] == first[j];
			again += first[i] == first[j] && second[i] == second[j];
		}
	}
	cr_expect_gt(pairs, 60); /* 128 expected */
	cr_expect_leq(again, 2);
}
