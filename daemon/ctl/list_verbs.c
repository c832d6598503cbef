/* list_verbs.c — list, services, history, presence: tables for people, a JSON object a line for
 * scripts. Long lists are read page by page and printed as they come. */
#include "client.h"

#define PAGE_SIZE 1000
#define CHANGES_SHOWN 6

struct listing {
	struct context *context;
	const char *items;       /* name of the array in the answers */
	struct buffer path;      /* owned: without page_size and page_token */
	bool has_query;          /* the path has a ? already */
	bool paged;              /* the route knows pages */
	int64_t left;            /* how many may still be printed; INT64_MAX: all */
	bool as_lines;           /* of JSON, not a table */
	struct table table;      /* its columns set */
	const char *const *head; /* as many as the table has columns */
	void (*row)(struct listing *listing, const struct json *json, uint32_t item);
	bool started;
	bool cut; /* there is more than may be printed */
};

static void listing_fini(struct listing *listing)
{
	buffer_fini(&listing->path);
	table_fini(&listing->table);
}

static bool is_true(const struct json *json, uint32_t object, const char *name)
{
	uint32_t token = json_member(json, object, span_string(name));
	return token && json->tokens[token].type == JSON_TRUE;
}

/* ---- cells ---- */

static void cell_string(struct table *table, const struct json *json, uint32_t object,
			const char *name)
{
	CLEANUP(buffer_fini) struct buffer text = {0};
	uint32_t token = json_member(json, object, span_string(name));
	if (token)
		json_string(json, token, &text);
	table_cell_span(table, buffer_span(&text));
}

static void cell_raw(struct table *table, const struct json *json, uint32_t object,
		     const char *name)
{
	uint32_t token = json_member(json, object, span_string(name));
	table_cell_span(table, token ? json_raw(json, token) : SPAN_NONE);
}

static void cell_time(struct table *table, const struct json *json, uint32_t object,
		      const char *name)
{
	CLEANUP(buffer_fini) struct buffer text = {0};
	int64_t time_ms;
	uint32_t token = json_member(json, object, span_string(name));
	if (token && json_int64(json, token, &time_ms) == 0)
		output_append_time(&text, time_ms);
	table_cell_span(table, buffer_span(&text));
}

/* ---- pages ---- */

static int fetch_page(struct listing *listing, struct span token, struct http_reply *reply)
{
	CLEANUP(buffer_fini) struct buffer path = {0};
	buffer_append_span(&path, buffer_span(&listing->path));
	if (listing->paged) {
		int64_t size = listing->left < PAGE_SIZE ? listing->left : PAGE_SIZE;
		buffer_printf(&path, "%cpage_size=%d", listing->has_query ? '&' : '?', (int)size);
	}
	if (token.len) {
		buffer_append_string(&path, "&page_token=");
		server_url_append_escaped(&path, token);
	}
	struct client_call call = {.method = "GET", .path = buffer_span(&path)};
	return client_call(listing->context, &call, reply);
}

static void print_item(struct listing *listing, const struct json *json, uint32_t item,
		       struct buffer *text)
{
	if (listing->as_lines) {
		buffer_append_span(text, json_raw(json, item));
		buffer_append_char(text, '\n');
		return;
	}
	listing->row(listing, json, item);
}

static int print_page(struct listing *listing, const struct json *json)
{
	CLEANUP(buffer_fini) struct buffer text = {0};
	uint32_t items = json_member(json, 0, span_string(listing->items));
	if (!items || json->tokens[items].type != JSON_ARRAY) {
		output_complain("the answer is not one of syncdocd's");
		return EXIT_FAILED;
	}
	if (!listing->started && !listing->as_lines)
		for (unsigned i = 0; i < listing->table.columns; i++)
			table_cell(&listing->table, listing->head[i]);
	listing->started = true;
	for (uint32_t i = items + 1; i < json->tokens[items].next; i = json->tokens[i].next) {
		if (listing->left == 0) {
			listing->cut = true;
			break;
		}
		print_item(listing, json, i, &text);
		if (listing->left != INT64_MAX)
			listing->left--;
	}
	if (listing->table.count)
		table_print(&listing->table, &listing->context->output, &text);
	return output_write(buffer_span(&text)) ? EXIT_FAILED : 0;
}

static int run_listing(struct listing *listing)
{
	CLEANUP(http_reply_fini) struct http_reply reply = {0};
	CLEANUP(buffer_fini) struct buffer token = {0};
	CLEANUP(json_fini) struct json json = {0};
	uint32_t next;
	do {
		int error = fetch_page(listing, buffer_span(&token), &reply);
		if (!error)
			error = client_parse(&reply, &json);
		if (!error)
			error = print_page(listing, &json);
		if (error)
			return error;
		token.len = 0;
		next = json_member(&json, 0, SPAN("next_page_token"));
		if (next && json_string(&json, next, &token))
			next = 0;
	} while (next && listing->left > 0);
	if ((listing->cut || next) && listing->left == 0)
		output_note("there are more: --limit all prints them too");
	return EXIT_DONE;
}

static int64_t limit_of(const struct context *context)
{
	int64_t limit = arguments_number(&context->arguments, OPTION_LIMIT, 100);
	return limit < 0 ? INT64_MAX : limit;
}

/* ---- services ---- */

static void row_of_service(struct listing *listing, const struct json *json, uint32_t item)
{
	cell_string(&listing->table, json, item, "service");
	cell_raw(&listing->table, json, item, "documents");
}

int verb_services(struct context *context)
{
	static const char *const head[] = {"SERVICE", "DOCUMENTS"};
	CLEANUP(listing_fini)
	struct listing listing = {
		.context = context,
		.items = "items",
		.left = INT64_MAX,
		.as_lines = context->output.json,
		.table = {.columns = ARRAY_LEN(head), .right = 2},
		.head = head,
		.row = row_of_service,
	};
	buffer_append_string(&listing.path, "/v1/services");
	return run_listing(&listing);
}

/* ---- list ---- */

static void row_of_document(struct listing *listing, const struct json *json, uint32_t item)
{
	struct table *table = &listing->table;
	cell_string(table, json, item, "id");
	cell_raw(table, json, item, "revision");
	cell_time(table, json, item, "updatedAt");
	cell_time(table, json, item, "expiresAt");
	table_cell(table, is_true(json, item, "deleted") ? "deleted" : "");
}

static void add_query(struct listing *listing, const char *name, const char *value)
{
	if (!value)
		return;
	buffer_printf(&listing->path, "%c%s=", listing->has_query ? '&' : '?', name);
	server_url_append_escaped(&listing->path, span_string(value));
	listing->has_query = true;
}

int verb_list(struct context *context)
{
	static const char *const head[] = {"ID", "REVISION", "UPDATED", "EXPIRES", ""};
	const struct arguments *arguments = &context->arguments;
	bool data = arguments_has(arguments, OPTION_DATA);
	CLEANUP(listing_fini)
	struct listing listing = {
		.context = context,
		.items = "items",
		.paged = true,
		.left = limit_of(context),
		.as_lines = context->output.json || data,
		.table = {.columns = ARRAY_LEN(head), .right = 2},
		.head = head,
		.row = row_of_document,
	};
	client_append_path(&listing.path, arguments->operands[0], NULL);
	add_query(&listing, "prefix", arguments->values[OPTION_PREFIX]);
	add_query(&listing, "order", arguments->values[OPTION_ORDER]);
	add_query(&listing, "deleted", arguments_has(arguments, OPTION_DELETED) ? "true" : NULL);
	add_query(&listing, "data", data ? "true" : NULL);
	return run_listing(&listing);
}

/* ---- history ---- */

/* Paths of one part of a diff, each with its sign. */
static void append_changes(const struct json *json, uint32_t part, char sign, unsigned *left,
			   struct buffer *ret)
{
	bool object = part && json->tokens[part].type == JSON_OBJECT;
	for (uint32_t i = part + 1; part && i < json->tokens[part].next;) {
		CLEANUP(buffer_fini) struct buffer path = {0};
		if (*left == 0)
			return;
		if (--*left == 0) {
			buffer_append_string(ret, " …");
			return;
		}
		json_string(json, i, &path);
		buffer_printf(ret, "%s%c", ret->len ? " " : "", sign);
		output_append_short(ret, buffer_span(&path), 40);
		i = json->tokens[object ? i + 1 : i].next;
	}
}

static void row_of_revision(struct listing *listing, const struct json *json, uint32_t item)
{
	CLEANUP(buffer_fini) struct buffer changes = {0};
	struct table *table = &listing->table;
	uint32_t diff = json_member(json, item, SPAN("diff"));
	unsigned left = CHANGES_SHOWN + 1;
	cell_raw(table, json, item, "revision");
	cell_time(table, json, item, "at");
	cell_string(table, json, item, "op");
	cell_string(table, json, item, "by");
	if (diff && json->tokens[diff].type == JSON_OBJECT) {
		append_changes(json, json_member(json, diff, SPAN("added")), '+', &left, &changes);
		append_changes(json, json_member(json, diff, SPAN("removed")), '-', &left,
			       &changes);
		append_changes(json, json_member(json, diff, SPAN("changed")), '~', &left,
			       &changes);
	} else {
		buffer_append_string(&changes, "(too large to be kept)");
	}
	buffer_append_char(&changes, '\0');
	table_cell(table, changes.at);
}

int verb_history(struct context *context)
{
	static const char *const head[] = {"REVISION", "AT", "OP", "BY", "CHANGES"};
	const struct arguments *arguments = &context->arguments;
	CLEANUP(listing_fini)
	struct listing listing = {
		.context = context,
		.items = "revisions",
		.paged = true,
		.left = limit_of(context),
		.as_lines = context->output.json,
		.table = {.columns = ARRAY_LEN(head), .right = 1},
		.head = head,
		.row = row_of_revision,
	};
	client_append_path(&listing.path, arguments->operands[0], arguments->operands[1]);
	buffer_append_string(&listing.path, "/history");
	return run_listing(&listing);
}

/* ---- presence ---- */

static void row_of_member(struct listing *listing, const struct json *json, uint32_t item)
{
	CLEANUP(buffer_fini) struct buffer data = {0};
	struct table *table = &listing->table;
	uint32_t token = json_member(json, item, SPAN("data"));
	cell_string(table, json, item, "userId");
	cell_string(table, json, item, "connectionId");
	cell_string(table, json, item, "mode");
	cell_time(table, json, item, "since");
	if (token)
		output_append_short(&data, json_raw(json, token), 60);
	buffer_append_char(&data, '\0');
	table_cell(table, data.at);
}

int verb_presence(struct context *context)
{
	static const char *const head[] = {"USER", "CONNECTION", "MODE", "SINCE", "DATA"};
	const struct arguments *arguments = &context->arguments;
	bool watch = arguments_has(arguments, OPTION_WATCH);
	if (!watch && arguments_has(arguments, OPTION_COUNT)) {
		output_complain("presence: --count goes with --watch");
		return EXIT_USAGE;
	}
	CLEANUP(listing_fini)
	struct listing listing = {
		.context = context,
		.items = "members",
		.left = INT64_MAX,
		.as_lines = context->output.json,
		.table = {.columns = ARRAY_LEN(head)},
		.head = head,
		.row = row_of_member,
	};
	client_append_path(&listing.path, arguments->operands[0], arguments->operands[1]);
	buffer_append_string(&listing.path, "/presence");
	int error = run_listing(&listing);
	return error || !watch ? error : watch_presence(context);
}
