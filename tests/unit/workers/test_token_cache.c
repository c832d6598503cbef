#include "token_cache.h"

#include <criterion/criterion.h>

TestSuite(token_cache, .timeout = 100);

static struct principal *create(int64_t ends_at_ms)
{
	struct rights *rights;
	const char *reason;

	cr_assert_eq(rights_compile(NULL, 0, &rights, &reason), 0);
	struct principal *principal = principal_create(text_create(SPAN("ann")), NULL, rights);
	principal->ends_at_ms = ends_at_ms;
	return principal;
}

static void digest_of(unsigned number, unsigned char ret[AUTH_DIGEST_LEN])
{
	auth_digest(span_of((char *)&number, sizeof(number)), ret);
}

Test(token_cache, finds_what_was_added_until_its_end)
{
	struct token_cache *cache = token_cache_create();
	struct principal *principal = create(1000);
	unsigned char digest[AUTH_DIGEST_LEN], other[AUTH_DIGEST_LEN];

	digest_of(1, digest);
	memcpy(other, digest, sizeof(other));
	other[AUTH_DIGEST_LEN - 1] ^= 1;
	token_cache_add(cache, digest, principal);
	cr_expect_eq(token_cache_find(cache, digest, 999), principal);
	cr_expect_null(token_cache_find(cache, other, 999), "in the same bucket");
	cr_expect_null(token_cache_find(cache, digest, 1000));
	cr_expect_eq(token_cache_count(cache), 0);
	principal_put(principal);
	token_cache_destroy(cache);
}

Test(token_cache, the_one_asked_for_longest_ago_goes_first)
{
	struct token_cache *cache = token_cache_create();
	struct principal *principal = create(PRINCIPAL_FOR_EVER);
	unsigned char digest[AUTH_DIGEST_LEN];

	for (unsigned i = 0; i < TOKEN_CACHE_MAX; i++) {
		digest_of(i, digest);
		cr_assert_not(token_cache_add(cache, digest, principal));
	}
	digest_of(0, digest);
	cr_assert_not_null(token_cache_find(cache, digest, 0));
	digest_of(TOKEN_CACHE_MAX, digest);
	cr_expect(token_cache_add(cache, digest, principal), "another one had to go");
	cr_expect_eq(token_cache_count(cache), TOKEN_CACHE_MAX);
	digest_of(0, digest);
	cr_expect_not_null(token_cache_find(cache, digest, 0));
	digest_of(1, digest);
	cr_expect_null(token_cache_find(cache, digest, 0));
	principal_put(principal);
	token_cache_destroy(cache);
}
