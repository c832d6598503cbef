/* store_list.c — pages of documents. A page is collected from several script calls of a few hundred
 * ids each: Redis serves others in between. */
#include "log.h"
#include "store_internal.h"
#include "store_list_range.h"
#include "store_list_token.h"

#define LIST_BYTES_MAX (4 * 1024 * 1024)
#define LIST_LOOK_MAX 10000 /* ids looked at for one page */
#define LIST_PIECE_MAX 500  /* ids looked at in one script call */

struct cursor {
	char at[DOCUMENT_ID_MAX];
	size_t len;
};

struct list_request {
	struct store_request base;
	struct list_turn turn;
	store_list_fn fn;
	void *arg;

	char service[DOCUMENT_SERVICE_MAX];
	char prefix_at[DOCUMENT_ID_MAX];
	struct store_list_query query; /* spans point to the above */

	struct list_ranges ranges; /* of the query's filter and prefix; only in the order of ids */

	struct buffer items; /* `[…` */
	unsigned found;
	unsigned looked;
	unsigned piece; /* items wanted from the last call; grows while tombstones are in the way */
	bool has_more;
	struct cursor last_item;
	struct cursor last_looked;
};

static struct span cursor_span(const struct cursor *cursor)
{
	return span_of(cursor->at, cursor->len);
}

static bool cursor_set(struct cursor *cursor, struct span text)
{
	if (text.len > sizeof(cursor->at))
		return false;
	if (text.len)
		memcpy(cursor->at, text.at, text.len);
	cursor->len = text.len;
	return true;
}

/* --- pages --- */

static void list_free(struct list_request *request)
{
	rights_put(request->query.filter);
	buffer_fini(&request->items);
	free(request);
}

static void list_finish(struct store_request *base, int error)
{
	struct list_request *request = CONTAINER_OF(base, struct list_request, base);
	request->fn(error, error ? SPAN_NONE : SPAN("[]"), SPAN_NONE, request->arg);
	list_free(request);
}

/* `from`: where the next page begins, behind it; NULL: there is none. */
static void list_answer(struct list_request *request, const struct cursor *from)
{
	char token[STORE_LIST_TOKEN_MAX];
	size_t len = from ? store_list_token_format(&request->query, cursor_span(from), token) : 0;
	if (!request->items.len)
		buffer_append_char(&request->items, '[');
	buffer_append_char(&request->items, ']');
	request->fn(0, buffer_span(&request->items), span_of(token, len), request->arg);
	list_free(request);
}

/* Head and state of an envelope of which the end may be missing. `scratch` gets the head. */
static int head_parse(struct span text, struct buffer *scratch, struct document *ret)
{
	size_t from = scratch->len;
	if (document_format_head(text, scratch))
		return -EBADMSG;
	size_t len = scratch->len - from;
	scratch->len--;
	buffer_append_string(scratch, ",\"data\":{}}");
	MUST(document_parse(span_of(scratch->at + from, scratch->len - from), ret) == 0);
	scratch->len = from + len;
	scratch->at[scratch->len - 1] = '}';
	return 0;
}

/* What is shown of an item, and its state. `*ret` lies in the reply or in the scratch. */
static int item_parse(struct list_request *request, const struct redisReply *reply,
		      struct span *ret, struct document *document)
{
	struct buffer *scratch = &request->base.store->scratch;
	struct span text;
	if (request->query.data) {
		if (store_envelope(reply, scratch, &text) || document_parse(text, document))
			return -EBADMSG;
		*ret = text;
		return 0;
	}
	if (reply->type == REDIS_REPLY_STRING)
		text = span_of(reply->str, reply->len);
	else if (store_envelope(reply, scratch, &text))
		return -EBADMSG;
	/* The text may lie in the scratch, which must not move while it is read. */
	buffer_reserve(scratch, 2 * DOCUMENT_HEAD_MAX);
	if (reply->type != REDIS_REPLY_STRING)
		text = buffer_span(scratch);
	size_t from = scratch->len;
	if (head_parse(text, scratch, document))
		return -EBADMSG;
	*ret = span_of(scratch->at + from, scratch->len - from);
	return 0;
}

static bool list_append(struct list_request *request, struct span text)
{
	struct buffer *items = &request->items;
	if (request->found && items->len + text.len + 2 > LIST_BYTES_MAX)
		return false;
	buffer_append_char(items, request->found ? ',' : '[');
	buffer_append_span(items, text);
	request->found++;
	return true;
}

/* False: the page is full. */
static bool list_consider(struct list_request *request, struct span cursor,
			  const struct redisReply *reply)
{
	static struct log_limit foreign;
	struct document document;
	struct span text;
	request->base.store->scratch.len = 0;
	if (item_parse(request, reply, &text, &document)) {
		if (log_allow(&foreign))
			log_error("store: list of %.*s: a key at %.*s holds no document, left out",
				  SPAN_ARGS(request->query.service), SPAN_ARGS(cursor));
		return true;
	}
	if (!request->query.deleted && !document_is_living(&document, request->query.now_ms))
		return true;
	/* Behind the one id of a range stand those of others, perhaps of the next range. */
	struct span only = list_ranges_only(&request->ranges);
	if (only.len && !span_equals(cursor, only))
		return true;
	if (request->query.filter &&
	    !rights_allow(request->query.filter, request->query.service, document.id, RIGHT_READ))
		return true;
	/* One more than asked for tells that there is a next page. */
	if (request->found == request->query.page_size || !list_append(request, text)) {
		request->has_more = true;
		return false;
	}
	MUST(cursor_set(&request->last_item, cursor));
	return true;
}

static bool is_string(const struct redisReply *reply)
{
	return reply->type == REDIS_REPLY_STRING && reply->len <= DOCUMENT_ID_MAX;
}

static bool list_reply_is_valid(const struct redisReply *reply)
{
	if (reply->type != REDIS_REPLY_ARRAY || reply->elements < 3 || reply->elements % 2 == 0 ||
	    !is_string(reply->element[2]))
		return false;
	for (size_t i = 3; i < reply->elements; i += 2)
		if (!is_string(reply->element[i]))
			return false;
	bool is_end = store_number(reply->element[0]) == 1;
	return is_end || store_number(reply->element[1]) > 0;
}

static void list_ask(struct list_request *request);

static void list_proceed(struct list_request *request, const struct redisReply *reply)
{
	for (size_t i = 3; i < reply->elements && !request->has_more; i += 2) {
		const struct redisReply *cursor = reply->element[i];
		list_consider(request, span_of(cursor->str, cursor->len), reply->element[i + 1]);
	}
	store_scratch_trim(request->base.store);
	const struct redisReply *looked = reply->element[2];
	struct span only = list_ranges_only(&request->ranges);
	bool is_end = only.len || store_number(reply->element[0]) == 1;
	/* What was looked at beside the one id is not to be named. */
	if (only.len)
		cursor_set(&request->last_looked, only);
	else if (looked->len)
		cursor_set(&request->last_looked, span_of(looked->str, looked->len));
	request->looked +=
		(unsigned)store_number(reply->element[1]) + (request->ranges.patterns != NULL);

	if (request->has_more)
		list_answer(request, &request->last_item);
	else if (is_end && !list_ranges_next(&request->ranges, cursor_span(&request->last_looked)))
		list_answer(request, NULL);
	else if (request->looked >= LIST_LOOK_MAX)
		list_answer(request, &request->last_looked);
	else
		list_ask(request);
}

static void on_list(const struct redisReply *reply, int error, void *arg)
{
	struct list_request *request = arg;
	list_gate_leave(&request->base.store->lists, &request->turn, !error);
	error = store_error(&request->base, reply, error, false, "list.lua");
	if (!error && !list_reply_is_valid(reply))
		error = -EIO;
	if (error)
		list_finish(&request->base, error);
	else
		list_proceed(request, reply);
}

/* How many items the next call is asked for: what is missing, but more and more while most of it
 * does not live. */
static unsigned list_piece(const struct list_request *request)
{
	unsigned missing = request->query.page_size + 1 - request->found;
	unsigned piece = missing > 2 * request->piece ? missing : 2 * request->piece;
	return piece < LIST_PIECE_MAX ? piece : LIST_PIECE_MAX;
}

/* What still fits into the page. */
static size_t list_room(const struct list_request *request)
{
	return request->items.len < LIST_BYTES_MAX ? LIST_BYTES_MAX - request->items.len : 0;
}

static bool list_send(struct list_turn *turn)
{
	struct list_request *request = CONTAINER_OF(turn, struct list_request, turn);
	const struct store_list_query *query = &request->query;
	bool by_id = query->order == STORE_ORDER_ID;
	struct span prefix = list_ranges_prefix(&request->ranges);
	struct span cursor = cursor_span(&request->last_looked);
	char zset[KEY_MAX], data[KEY_MAX], wanted[16], look[16], bytes[24], last_byte[16];
	/* A prefix in the order of writes is looked for among all ids; else every id is an item. */
	unsigned ids = prefix.len && !by_id ? LIST_PIECE_MAX : request->piece;
	if (list_ranges_only(&request->ranges).len)
		ids = 1;
	if (by_id && !span_starts_with(cursor, prefix))
		cursor = SPAN_NONE; /* of the range before */
	if (ids > LIST_LOOK_MAX - request->looked)
		ids = LIST_LOOK_MAX - request->looked;
	size_t room = list_room(request);
	snprintf(wanted, sizeof(wanted), "%u", request->piece);
	snprintf(look, sizeof(look), "%u", ids);
	snprintf(bytes, sizeof(bytes), "%zu", query->data ? room : (size_t)LIST_BYTES_MAX);
	snprintf(last_byte, sizeof(last_byte), "%d", query->data ? -1 : DOCUMENT_HEAD_MAX - 1);

	const struct span arguments[] = {
		span_of(zset,
			by_id ? key_names(zset, query->service) : key_index(zset, query->service)),
		by_id ? SPAN("id") : SPAN("updated"),
		span_of(data, key_data(data, query->service, SPAN_NONE)),
		cursor,
		prefix,
		span_string(wanted),
		span_string(look),
		span_string(bytes),
		span_string(last_byte),
	};
	if (store_script(store_lane_of_lists(request->base.store), &script_list, on_list, request,
			 1, arguments, ARRAY_LEN(arguments)) == 0)
		return true;
	store_defer(&request->base, -EAGAIN);
	return false;
}

static void list_refuse(struct list_turn *turn, int error)
{
	store_defer(&CONTAINER_OF(turn, struct list_request, turn)->base, error);
}

static void list_ask(struct list_request *request)
{
	request->piece = list_piece(request);
	list_gate_enter(&request->base.store->lists, &request->turn,
			request->query.data ? list_room(request)
					    : (size_t)request->piece * DOCUMENT_HEAD_MAX);
}

static struct span keep(char *memory, struct span span)
{
	if (span.len)
		memcpy(memory, span.at, span.len);
	return span_of(memory, span.len);
}

void store_list(struct store *store, const struct store_list_query *query, store_list_fn fn,
		void *arg)
{
	struct list_request *request = calloc(1, sizeof(*request));
	MUST(request && query->service.len <= DOCUMENT_SERVICE_MAX && query->page_size >= 1 &&
	     query->page_size <= STORE_PAGE_SIZE_MAX);
	request->base = (struct store_request){.store = store, .finish = list_finish};
	request->turn = (struct list_turn){.go = list_send, .refuse = list_refuse};
	request->fn = fn;
	request->arg = arg;
	request->query = *query;
	request->query.service = keep(request->service, query->service);
	/* No id begins with what is none: nothing to look for. */
	bool can_match = !query->prefix.len || document_id_is_valid(query->prefix);
	if (can_match)
		request->query.prefix = keep(request->prefix_at, query->prefix);
	request->query.filter = rights_get(query->filter);
	struct span from;
	bool token_is_ours = store_list_token_parse(query, &from) == 0 &&
			     cursor_set(&request->last_looked, from);
	request->ranges.prefix = request->query.prefix;
	if (query->filter && query->order == STORE_ORDER_ID)
		request->ranges.patterns = rights_patterns(query->filter, request->query.service,
							   &request->ranges.count);
	if (!token_is_ours)
		store_defer(&request->base, -EINVAL);
	else if (!can_match || !list_ranges_find(&request->ranges, from))
		store_defer(&request->base, 0);
	else
		list_ask(request);
	request->query.page_token = SPAN_NONE; /* borrowed only until here */
}
