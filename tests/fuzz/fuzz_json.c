/* fuzz_json.c — any bytes: the scanner refuses them with a place, or gives tokens that hold
 * together. */
#include "json.h"
#include "utf8.h"

#define DEPTH 64

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static void check_refusal(const struct json *doc, int error, const struct json_fault *fault)
{
	MUST(error == -EBADMSG || error == -ERANGE || error == -E2BIG);
	MUST(fault->reason && fault->offset <= doc->text.len);
	MUST(doc->count == 0);
}

/* Children fill their container, names are strings, nothing reaches beyond the text. */
static void check_structure(const struct json *doc, uint32_t index)
{
	const struct json_token *token = &doc->tokens[index];
	bool is_object = token->type == JSON_OBJECT;
	uint32_t children = 0, at = index + 1;

	MUST(token->len > 0 && token->at + (uint64_t)token->len <= doc->text.len);
	MUST(token->next > index && token->next <= doc->count);
	for (; at < token->next; children++) {
		MUST(!is_object || doc->tokens[at].type == JSON_STRING);
		at = doc->tokens[at + is_object].next;
	}
	MUST(at == token->next && children == token->count);
}

/* What is a value in the text is the same value alone, in memory of exactly its size. */
static void check_alone(const struct json *doc, uint32_t index, struct json *scratch)
{
	const struct json_token *token = &doc->tokens[index];
	struct json_fault fault;
	char *copy = malloc(token->len);

	MUST(copy);
	memcpy(copy, json_raw(doc, index).at, token->len);
	MUST(json_parse(scratch, span_of(copy, token->len), DEPTH, &fault) == 0);
	MUST(scratch->count == token->next - index && scratch->tokens[0].type == token->type);
	MUST(json_equals(doc, index, scratch, 0) && json_equals(scratch, 0, doc, index));
	MUST(json_depth(doc, index) == json_depth(scratch, 0));
	free(copy);
}

/* A decoded string is UTF-8 and, written again, means the same. */
static void check_string(const struct json *doc, uint32_t index, struct json *scratch)
{
	struct buffer decoded CLEANUP(buffer_fini) = {0};
	struct buffer text CLEANUP(buffer_fini) = {0};
	struct json_fault fault;

	MUST(json_string(doc, index, &decoded) == 0);
	MUST(utf8_is_valid(buffer_span(&decoded)));
	MUST(json_string_equals(doc, index, buffer_span(&decoded)));
	buffer_append_json(&text, buffer_span(&decoded));
	MUST(json_parse(scratch, buffer_span(&text), 0, &fault) == 0);
	MUST(json_equals(doc, index, scratch, 0));
}

/* Every member is found by its name, so no two have the same. */
static void check_members(const struct json *doc, uint32_t object)
{
	struct buffer name CLEANUP(buffer_fini) = {0};

	for (uint32_t i = object + 1; i < doc->tokens[object].next; i = doc->tokens[i + 1].next) {
		name.len = 0;
		json_string(doc, i, &name);
		MUST(!memchr(name.len ? name.at : "", 0, name.len));
		MUST(json_member(doc, object, buffer_span(&name)) == i + 1);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct json doc CLEANUP(json_fini) = {0};
	struct json scratch CLEANUP(json_fini) = {0};
	struct json_fault fault = {0};
	int error = json_parse(&doc, span_of((const char *)bytes, len), DEPTH, &fault);

	if (error) {
		check_refusal(&doc, error, &fault);
		return 0;
	}
	MUST(doc.tokens[0].next == doc.count && json_equals(&doc, 0, &doc, 0));
	for (uint32_t i = 0; i < doc.count; i++) {
		check_structure(&doc, i);
		check_alone(&doc, i, &scratch);
		if (doc.tokens[i].type == JSON_STRING)
			check_string(&doc, i, &scratch);
		if (doc.tokens[i].type == JSON_OBJECT)
			check_members(&doc, i);
	}
	return 0;
}
