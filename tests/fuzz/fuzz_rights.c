/* fuzz_rights.c — any text as the claim of a token, and as the file of static tokens. What is
 * allowed must be so by all questions alike. */
#include "auth_secrets.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static void ask(const struct rights *rights, struct span service, struct span id)
{
	for (unsigned right = RIGHT_READ; right <= RIGHT_ADMIN; right *= 2) {
		bool one = rights_allow(rights, service, id, right);

		if (one) {
			MUST(rights_allow_some(rights, service, id, right));
			MUST(rights_allow_some(rights, service, SPAN_NONE, right));
			MUST(rights_allow_some(rights, SPAN_NONE, SPAN_NONE, right));
		} else {
			MUST(!rights_allow_all(rights, service, id, right));
			MUST(!rights_allow_all(rights, service, SPAN_NONE, right));
			MUST(!rights_allow_all(rights, SPAN_NONE, SPAN_NONE, right));
		}
	}
}

/* The patterns say the same as the search in them. */
static void ask_patterns(const struct rights *rights, struct span service)
{
	size_t count;
	const struct rights_pattern *patterns = rights_patterns(rights, service, &count);

	for (size_t i = 0; patterns && i < count; i++) {
		unsigned matching = 0;

		for (size_t j = 0; j < count; j++)
			matching += patterns[j].is_prefix
					    ? span_starts_with(patterns[i].text, patterns[j].text)
					    : span_equals(patterns[i].text, patterns[j].text);
		MUST(matching == 1);
		ask(rights, service, patterns[i].text);
	}
}

static void try_claim(struct span text)
{
	struct json json = {0};
	struct json_fault fault;
	struct rights *rights, *again;
	const char *reason = NULL;

	if (!json_parse(&json, text, 8, &fault)) {
		if (rights_compile(&json, 0, &rights, &reason)) {
			MUST(reason);
		} else {
			MUST(!rights_compile(&json, 0, &again, &reason));
			MUST(rights_equal(rights, again));
			rights_put(again);
			for (size_t i = 0; i < rights_service_count(rights); i++)
				ask_patterns(rights, rights_service_at(rights, i));
			ask(rights, SPAN("s"), SPAN("doc_1"));
			rights_put(rights);
		}
	}
	json_fini(&json);
}

static void try_tokens(struct span text)
{
	struct auth_secrets *secrets = calloc(1, sizeof(*secrets));
	const char *reason = NULL;
	unsigned line;

	MUST(secrets);
	if (auth_tokens_parse(text, secrets, &line, &reason))
		MUST(reason && line);
	auth_secrets_destroy(secrets);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct span text = span_of((const char *)bytes, len);

	try_claim(text);
	try_tokens(text);
	return 0;
}
