#include <criterion/criterion.h>

#include "cors.h"

TestSuite(cors, .timeout = 100);

static bool allowed(const char *listed, const char *origin, const char *host)
{
	char *origins[] = {(char *)listed};
	struct config config = {.cors_origins = {origins, listed ? 1 : 0}};
	struct worker worker = {.config = &config};

	return cors_origin_is_allowed(&worker, origin, host);
}

Test(cors, no_origin_is_no_browser)
{
	cr_expect(allowed(NULL, NULL, "a.example"));
	cr_expect(allowed(NULL, NULL, NULL));
}

Test(cors, same_origin_is_allowed)
{
	cr_expect(allowed(NULL, "http://a.example", "a.example"));
	cr_expect(allowed(NULL, "http://a.example:8080", "A.Example:8080"));
	cr_expect(allowed(NULL, "https://a.example", "a.example"));
	cr_expect(allowed(NULL, "http://[::1]:8080", "[::1]:8080"));
	cr_expect(allowed(NULL, "http://a.example", "a.example:80"));
	cr_expect(allowed(NULL, "https://a.example", "a.example:443"));
}

Test(cors, other_origins_are_not)
{
	cr_expect(!allowed(NULL, "http://b.example", "a.example"));
	cr_expect(!allowed(NULL, "http://a.example:8081", "a.example:8080"));
	cr_expect(!allowed(NULL, "http://a.example", "a.example:443"));
	cr_expect(!allowed(NULL, "http://a.example.evil.example", "a.example"));
	cr_expect(!allowed(NULL, "null", "null"));
	cr_expect(!allowed(NULL, "", ""));
	cr_expect(!allowed(NULL, "ftp://a.example", "a.example"));
	cr_expect(!allowed(NULL, "http://a.example", NULL));
}

Test(cors, listed_origins_are_allowed)
{
	cr_expect(allowed("https://app.example", "https://app.example", "a.example"));
	cr_expect(allowed("https://app.example", "https://APP.example", "a.example"));
	cr_expect(!allowed("https://app.example", "http://app.example", "a.example"));
	cr_expect(!allowed("https://app.example", "https://app.example:444", "a.example"));
	cr_expect(!allowed("https://app.example", "https://app.example.evil", "a.example"));
}

Test(cors, star_allows_all)
{
	cr_expect(allowed("*", "https://anything.example", "a.example"));
	cr_expect(allowed("*", "null", NULL));
}
