/* document_verbs.c — get, create, replace, merge, patch, delete, restore: one document, and what
 * the server answers of it. */
#include "client.h"
#include "input.h"
#include "utf8.h"

#include <inttypes.h>

struct document_call {
	struct context *context;
	struct buffer path;   /* owned */
	struct buffer body;   /* owned */
	struct buffer header; /* owned, NUL-terminated where used */
	struct http_reply reply;
};

static void document_fini(struct document_call *document)
{
	buffer_fini(&document->path);
	buffer_fini(&document->body);
	buffer_fini(&document->header);
	http_reply_fini(&document->reply);
}

#define DOCUMENT_CALL(name, context)                                                               \
	CLEANUP(document_fini) struct document_call name = {.context = (context)}

static const char *operand(const struct document_call *document, unsigned index)
{
	return document->context->arguments.operands[index];
}

/* ---- the answer ---- */

static int print_document(const struct document_call *document)
{
	const struct output *output = &document->context->output;
	CLEANUP(buffer_fini) struct buffer text = {0};
	CLEANUP(json_fini) struct json json = {0};
	int error = client_parse(&document->reply, &json);
	if (error)
		return error;
	if (output->terminal && !output->json)
		output_append_pretty(&text, &json, 0, 0);
	else
		buffer_append_span(&text, buffer_span(&document->reply.body));
	buffer_append_char(&text, '\n');
	return output_write(buffer_span(&text)) ? EXIT_FAILED : EXIT_DONE;
}

/* Sends it and prints the answer. */
static int document_send(struct document_call *document, const char *method, const char *type)
{
	struct client_call call = {
		.method = method,
		.path = buffer_span(&document->path),
		.type = type,
		.body = buffer_span(&document->body),
		.header = document->header.len ? document->header.at : NULL,
	};
	int error = client_call(document->context, &call, &document->reply);
	return error ? error : print_document(document);
}

static void append_query(struct document_call *document, bool *begun, const char *name,
			 const char *value)
{
	buffer_append_char(&document->path, *begun ? '&' : '?');
	buffer_printf(&document->path, "%s=", name);
	server_url_append_escaped(&document->path, span_string(value));
	*begun = true;
}

/* ---- the body ---- */

static void append_member(struct buffer *body, const char *name)
{
	if (body->len > 1)
		buffer_append_char(body, ',');
	buffer_printf(body, "\"%s\":", name);
}

static void append_conditions(struct document_call *document)
{
	const struct arguments *arguments = &document->context->arguments;
	int64_t ttl = arguments_number(arguments, OPTION_TTL, 0);
	if (arguments_has(arguments, OPTION_EXPECTED_REVISION)) {
		append_member(&document->body, "expectedRevision");
		buffer_append_i64(&document->body, arguments->numbers[OPTION_EXPECTED_REVISION]);
	}
	if (arguments_has(arguments, OPTION_TTL)) {
		append_member(&document->body, "ttl");
		if (ttl < 0)
			buffer_append_string(&document->body, "null");
		else
			buffer_append_i64(&document->body, ttl);
	}
}

/* The operand as "data". `whole`: it is the body itself. */
static int read_data(struct document_call *document, const char *text, bool whole)
{
	CLEANUP(buffer_fini) struct buffer data = {0};
	CLEANUP(json_fini) struct json json = {0};
	int error = input_read_json(text, &data, &json);
	if (error)
		return error;
	if (!whole)
		append_member(&document->body, "data");
	/* What stands around the value is no part of it. */
	buffer_append_span(&document->body, json_raw(&json, 0));
	return 0;
}

/* ---- verbs ---- */

int verb_get(struct context *context)
{
	DOCUMENT_CALL(document, context);
	const struct arguments *arguments = &context->arguments;
	bool begun = false;
	client_append_path(&document.path, operand(&document, 0), operand(&document, 1));
	if (arguments_has(arguments, OPTION_REVISION))
		append_query(&document, &begun, "revision", arguments->values[OPTION_REVISION]);
	if (arguments_has(arguments, OPTION_DELETED))
		append_query(&document, &begun, "deleted", "true");
	return document_send(&document, "GET", NULL);
}

int verb_create(struct context *context)
{
	DOCUMENT_CALL(document, context);
	const char *id = context->arguments.values[OPTION_ID];
	client_append_path(&document.path, operand(&document, 0), NULL);
	buffer_append_char(&document.body, '{');
	if (id) {
		if (!utf8_is_valid(span_string(id))) {
			output_complain("--id: must be 1 to 128 of A-Z a-z 0-9 _ . : @ -");
			return EXIT_USAGE;
		}
		append_member(&document.body, "id");
		buffer_append_json(&document.body, span_string(id));
	}
	int error = operand(&document, 1) ? read_data(&document, operand(&document, 1), false) : 0;
	if (error)
		return error;
	append_conditions(&document);
	buffer_append_char(&document.body, '}');
	return document_send(&document, "POST", "application/json");
}

static int write_data(struct context *context, const char *method)
{
	DOCUMENT_CALL(document, context);
	client_append_path(&document.path, operand(&document, 0), operand(&document, 1));
	buffer_append_char(&document.body, '{');
	int error = read_data(&document, operand(&document, 2), false);
	if (error)
		return error;
	append_conditions(&document);
	buffer_append_char(&document.body, '}');
	return document_send(&document, method, "application/json");
}

int verb_replace(struct context *context)
{
	return write_data(context, "PUT");
}

int verb_merge(struct context *context)
{
	return write_data(context, "PATCH");
}

/* A JSON Patch has no room for a condition: it goes by If-Match, whose tag says which revision it
 * is, and of which life of the document. */
static int expect_revision(struct document_call *document)
{
	CLEANUP(json_fini) struct json json = {0};
	const struct context *context = document->context;
	int64_t expected = context->arguments.numbers[OPTION_EXPECTED_REVISION], revision,
		updated_at;
	struct client_call call = {.method = "GET", .path = buffer_span(&document->path)};
	int error = client_call(context, &call, &document->reply);
	if (!error)
		error = client_parse(&document->reply, &json);
	if (error)
		return error;
	if (json_int64(&json, json_member(&json, 0, SPAN("revision")), &revision) ||
	    json_int64(&json, json_member(&json, 0, SPAN("updatedAt")), &updated_at)) {
		output_complain("the answer is not one of syncdocd's");
		return EXIT_FAILED;
	}
	if (revision != expected) {
		output_complain("the document is at revision %" PRId64 ", not %" PRId64, revision,
				expected);
		return EXIT_CONFLICT;
	}
	buffer_printf(&document->header, "If-Match: \"%" PRId64 "-%" PRId64 "\"", revision,
		      updated_at);
	buffer_append_char(&document->header, '\0');
	return 0;
}

int verb_patch(struct context *context)
{
	DOCUMENT_CALL(document, context);
	client_append_path(&document.path, operand(&document, 0), operand(&document, 1));
	int error = read_data(&document, operand(&document, 2), true);
	if (!error && arguments_has(&context->arguments, OPTION_EXPECTED_REVISION))
		error = expect_revision(&document);
	return error ? error : document_send(&document, "PATCH", "application/json-patch+json");
}

int verb_delete(struct context *context)
{
	DOCUMENT_CALL(document, context);
	const char *expected = context->arguments.values[OPTION_EXPECTED_REVISION];
	bool begun = false;
	client_append_path(&document.path, operand(&document, 0), operand(&document, 1));
	if (expected)
		append_query(&document, &begun, "expectedRevision", expected);
	return document_send(&document, "DELETE", NULL);
}

int verb_restore(struct context *context)
{
	DOCUMENT_CALL(document, context);
	int64_t revision;
	if (arguments_parse_number(operand(&document, 2), &revision) || revision < 1) {
		output_complain("restore: REVISION must be a whole number from 1, not \"%s\"",
				operand(&document, 2));
		return EXIT_USAGE;
	}
	client_append_path(&document.path, operand(&document, 0), operand(&document, 1));
	buffer_append_string(&document.path, "/restore");
	buffer_append_char(&document.body, '{');
	append_member(&document.body, "revision");
	buffer_append_i64(&document.body, revision);
	append_conditions(&document);
	buffer_append_char(&document.body, '}');
	return document_send(&document, "POST", "application/json");
}
