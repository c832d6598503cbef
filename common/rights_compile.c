/* rights_compile.c — see rights.h: from the claim's JSON to services with sorted patterns, none of
 * which matches what another matches, and the text by which two are equal. */
#include "rights_internal.h"

#include "document.h"
#include "hash.h"

#define HASH_SEED UINT64_C(0x7269676874730001)

/* --- compiling: one value -------------------------------------------------------- */

static int refuse(const char **ret_reason, const char *reason)
{
	*ret_reason = reason;
	return -EINVAL;
}

static int read_letters(const struct json *doc, uint32_t token, uint8_t *ret,
			const char **ret_reason)
{
	static const char letters[] = "rwpa";
	CLEANUP(buffer_fini) struct buffer text = {0};

	*ret = 0;
	if (json_string(doc, token, &text))
		return refuse(ret_reason, "rights must be a string of r, w, p and a");
	for (size_t i = 0; i < text.len; i++) {
		const char *at = text.at[i] ? strchr(letters, text.at[i]) : NULL;
		uint8_t bit = at ? (uint8_t)(1u << (at - letters)) : 0;

		if (!bit || *ret & bit)
			return refuse(ret_reason, "rights are letters of r, w, p and a, each once");
		*ret |= bit;
	}
	return 0;
}

/* Names are kept as offsets until all are there: the buffer moves while it grows. */
static struct span keep_name(struct buffer *names, struct span name)
{
	size_t at = names->len;

	buffer_append_span(names, name);
	return span_of((const char *)(uintptr_t)at, name.len);
}

static int read_pattern(struct rights *rights, const struct json *doc, uint32_t token,
			const char **ret_reason)
{
	CLEANUP(buffer_fini) struct buffer text = {0};

	if (rights->pattern_count == RIGHTS_PATTERNS_MAX)
		return refuse(ret_reason, "too many document patterns");
	if (json_string(doc, token, &text) || !text.len)
		return refuse(ret_reason, "documents must hold strings that are not empty");
	bool is_prefix = text.at[text.len - 1] == '*';
	struct span name = span_of(text.at, text.len - is_prefix);
	if (name.len && !document_id_is_valid(name))
		return refuse(ret_reason,
			      "a document is an id, or the beginning of ids with a * at its end");
	rights->patterns[rights->pattern_count++] =
		(struct rights_pattern){keep_name(&rights->names, name), is_prefix};
	return 0;
}

static int read_patterns(struct rights *rights, struct rights_service *service,
			 const struct json *doc, uint32_t array, const char **ret_reason)
{
	if (doc->tokens[array].type != JSON_ARRAY)
		return refuse(ret_reason, "documents must be an array");
	service->is_restricted = true;
	for (uint32_t i = array + 1; i < doc->tokens[array].next; i = doc->tokens[i].next)
		if (read_pattern(rights, doc, i, ret_reason))
			return -EINVAL;
	return 0;
}

static int read_object(struct rights *rights, struct rights_service *service,
		       const struct json *doc, uint32_t object, const char **ret_reason)
{
	uint32_t letters = json_member(doc, object, SPAN("rights"));
	uint32_t documents = json_member(doc, object, SPAN("documents"));

	/* A misspelt "documents" would allow all of them. */
	if (!letters || doc->tokens[object].count != 1u + (documents != 0))
		return refuse(ret_reason,
			      "a service has letters, or {\"rights\":…,\"documents\":[…]}");
	if (read_letters(doc, letters, &service->letters, ret_reason))
		return -EINVAL;
	return documents ? read_patterns(rights, service, doc, documents, ret_reason) : 0;
}

static int read_service(struct rights *rights, const struct json *doc, uint32_t name,
			const char **ret_reason)
{
	struct rights_service *service = &rights->services[rights->service_count];
	CLEANUP(buffer_fini) struct buffer text = {0};
	uint32_t value = name + 1;

	if (rights->service_count == RIGHTS_SERVICES_MAX)
		return refuse(ret_reason, "too many services");
	MUST(!json_string(doc, name, &text));
	if (span_equals(buffer_span(&text), SPAN("*")))
		text.len = 0;
	else if (!document_service_is_valid(buffer_span(&text)))
		return refuse(ret_reason, "a name is neither a service nor *");
	*service = (struct rights_service){.name = keep_name(&rights->names, buffer_span(&text)),
					   .first = (uint32_t)rights->pattern_count};
	int error = doc->tokens[value].type == JSON_OBJECT
			    ? read_object(rights, service, doc, value, ret_reason)
			    : read_letters(doc, value, &service->letters, ret_reason);
	service->count = (uint32_t)rights->pattern_count - service->first;
	rights->service_count++;
	return error;
}

/* --- compiling: the whole ---------------------------------------------------------- */

/* A prefix before the id of the same text, which it matches. */
static int compare_patterns(const void *a, const void *b)
{
	const struct rights_pattern *first = a, *second = b;
	int order = rights_compare_spans(first->text, second->text);

	return order ? order : (int)second->is_prefix - (int)first->is_prefix;
}

/* What begins with a prefix stands directly behind it. */
static void join_patterns(struct rights *rights, struct rights_service *service)
{
	struct rights_pattern *patterns = rights->patterns + service->first;
	uint32_t kept = 0;

	if (service->count)
		qsort(patterns, service->count, sizeof(*patterns), compare_patterns);
	for (uint32_t i = 0; i < service->count; i++) {
		const struct rights_pattern *last = kept ? &patterns[kept - 1] : NULL;

		if (last && (last->is_prefix ? span_starts_with(patterns[i].text, last->text)
					     : span_equals(patterns[i].text, last->text) &&
						       !patterns[i].is_prefix))
			continue;
		patterns[kept++] = patterns[i];
	}
	service->count = kept;
	if (kept && !patterns[0].text.len) { /* a lone `*` */
		service->is_restricted = false;
		service->count = 0;
	}
}

static struct span settle_name(const struct rights *rights, struct span name)
{
	return span_of(rights->names.at + (uintptr_t)name.at, name.len);
}

static void append_canonical(struct rights *rights, const struct rights_service *service)
{
	struct buffer *text = &rights->canonical;

	buffer_append_span(text, service->name);
	buffer_printf(text, "=%u", service->letters);
	for (uint32_t i = 0; i < service->count; i++) {
		const struct rights_pattern *pattern = &rights->patterns[service->first + i];

		buffer_append_char(text, ' ');
		buffer_append_span(text, pattern->text);
		buffer_append_string(text, pattern->is_prefix ? "*" : "");
	}
	buffer_append_string(text, service->is_restricted ? "!\n" : "\n");
}

static void settle(struct rights *rights)
{
	buffer_reserve(&rights->names, 1); /* so that it is not NULL */
	for (size_t i = 0; i < rights->pattern_count; i++)
		rights->patterns[i].text = settle_name(rights, rights->patterns[i].text);
	for (size_t i = 0; i < rights->service_count; i++) {
		rights->services[i].name = settle_name(rights, rights->services[i].name);
		join_patterns(rights, &rights->services[i]);
	}
	if (rights->service_count)
		qsort(rights->services, rights->service_count, sizeof(*rights->services),
		      rights_compare_services);
	for (size_t i = 0; i < rights->service_count; i++)
		append_canonical(rights, &rights->services[i]);
	rights->hash = hash_span(HASH_SEED, buffer_span(&rights->canonical));
}

/* As many as the claim may have at most: tokens of the text. */
static struct rights *rights_create(uint32_t tokens)
{
	struct rights *rights = calloc(1, sizeof(*rights));

	MUST(rights);
	rights->references = 1;
	rights->services = calloc(tokens + 1, sizeof(*rights->services));
	rights->patterns = calloc(tokens + 1, sizeof(*rights->patterns));
	MUST(rights->services && rights->patterns);
	return rights;
}

/* They are kept for long, and many of them (token_cache.h). */
static void give_back_room(struct rights *rights)
{
	rights->services = reallocarray(rights->services, rights->service_count + 1,
					sizeof(*rights->services));
	rights->patterns = reallocarray(rights->patterns, rights->pattern_count + 1,
					sizeof(*rights->patterns));
	MUST(rights->services && rights->patterns);
}

int rights_compile(const struct json *doc, uint32_t token, struct rights **ret,
		   const char **ret_reason)
{
	struct rights *rights;
	int error = 0;

	if (doc && doc->tokens[token].type != JSON_OBJECT)
		return refuse(ret_reason, "it must be an object");
	rights = rights_create(doc ? doc->tokens[token].next - token : 0);
	for (uint32_t i = token + 1; doc && !error && i < doc->tokens[token].next;
	     i = doc->tokens[i + 1].next)
		error = read_service(rights, doc, i, ret_reason);
	if (error) {
		rights_put(rights);
		return error;
	}
	give_back_room(rights);
	settle(rights);
	*ret = rights;
	return 0;
}
