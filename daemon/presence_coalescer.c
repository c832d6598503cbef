/* presence_coalescer.c — see presence_coalescer.h. */
#include "presence_coalescer.h"

#include "hash.h"

enum item_kind { ITEM_JOINED, ITEM_UPDATED, ITEM_LEFT, ITEM_KINDS };

/* What a client is to be told of one connection of a user. */
struct presence_item {
	struct presence_item *next; /* in its bucket */
	TAILQ_ENTRY(presence_item) link;
	struct presence_document *document;
	enum item_kind kind;
	bool is_gone;     /* UPDATED: this connection has gone, the user has others */
	struct span user; /* JSON strings with their quotes, in `text` */
	struct span connection;
	size_t text_len;
	char text[]; /* JSON object */
};

struct presence_document {
	struct presence_document *next; /* in its bucket */
	TAILQ_ENTRY(presence_document) link;
	TAILQ_HEAD(, presence_item) items;
	uint64_t hash;
	int64_t timestamp_ms; /* of the last event, as is the count */
	uint64_t count;
	size_t bytes;
	struct span service, id; /* in names */
	char names[];
};

void presence_coalescer_init(struct presence_coalescer *coalescer, uint64_t seed)
{
	*coalescer = (struct presence_coalescer){.seed = seed};
	TAILQ_INIT(&coalescer->documents);
	coalescer->document_buckets =
		calloc(PRESENCE_BUCKETS, sizeof(*coalescer->document_buckets));
	coalescer->item_buckets = calloc(PRESENCE_BUCKETS, sizeof(*coalescer->item_buckets));
	MUST(coalescer->document_buckets && coalescer->item_buckets);
}

/* ---- documents and items ---- */

static struct presence_document *document_get(struct presence_coalescer *coalescer,
					      const struct event_segments *segments)
{
	struct span service = segments->service, id = segments->id;
	uint64_t hash = hash_span(hash_span(coalescer->seed, service), id);
	struct presence_document **bucket = &coalescer->document_buckets[hash % PRESENCE_BUCKETS];
	for (struct presence_document *document = *bucket; document; document = document->next)
		if (document->hash == hash && span_equals(document->service, service) &&
		    span_equals(document->id, id))
			return document;
	struct presence_document *document = calloc(1, sizeof(*document) + service.len + id.len);
	MUST(document);
	TAILQ_INIT(&document->items);
	document->hash = hash;
	memcpy(document->names, service.at, service.len);
	memcpy(document->names + service.len, id.at, id.len);
	document->service = span_of(document->names, service.len);
	document->id = span_of(document->names + service.len, id.len);
	document->next = *bucket;
	*bucket = document;
	TAILQ_INSERT_TAIL(&coalescer->documents, document, link);
	return document;
}

static struct presence_item **item_bucket(const struct presence_coalescer *coalescer,
					  const struct presence_document *document,
					  struct span user)
{
	return &coalescer->item_buckets[hash_span(document->hash, user) % PRESENCE_BUCKETS];
}

/* The next item of that user in the bucket's chain, from `item` on. */
static struct presence_item *
item_of_user(struct presence_item *item, const struct presence_document *document, struct span user)
{
	while (item && !(item->document == document && span_equals(item->user, user)))
		item = item->next;
	return item;
}

static struct presence_item *item_find(const struct presence_coalescer *coalescer,
				       const struct presence_document *document, struct span user,
				       enum item_kind kind, const struct span *connection)
{
	struct presence_item *item = *item_bucket(coalescer, document, user);
	while ((item = item_of_user(item, document, user))) {
		if (item->kind == kind &&
		    (!connection || span_equals(item->connection, *connection)))
			return item;
		item = item->next;
	}
	return NULL;
}

/* `user` and `connection` lie in `text`. */
static struct presence_item *item_add(struct presence_coalescer *coalescer,
				      struct presence_document *document, enum item_kind kind,
				      struct span text, struct span user, struct span connection)
{
	struct presence_item *item = malloc(sizeof(*item) + text.len);
	struct presence_item **bucket = item_bucket(coalescer, document, user);
	MUST(item);
	memcpy(item->text, text.at, text.len);
	item->text_len = text.len;
	item->user = span_of(item->text + (user.at - text.at), user.len);
	item->connection = span_of(item->text + (connection.at - text.at), connection.len);
	item->document = document;
	item->kind = kind;
	item->is_gone = false;
	item->next = *bucket;
	*bucket = item;
	TAILQ_INSERT_TAIL(&document->items, item, link);
	document->bytes += text.len + 1;
	coalescer->items++;
	if (coalescer->items >= PRESENCE_ITEMS_MAX ||
	    document->bytes >= PRESENCE_DOCUMENT_BYTES_MAX)
		coalescer->full = true;
	return item;
}

static void item_drop(struct presence_coalescer *coalescer, struct presence_item *item)
{
	struct presence_item **place = item_bucket(coalescer, item->document, item->user);
	while (*place != item)
		place = &(*place)->next;
	*place = item->next;
	TAILQ_REMOVE(&item->document->items, item, link);
	item->document->bytes -= item->text_len + 1;
	coalescer->items--;
	free(item);
}

static void drop_all_of_user(struct presence_coalescer *coalescer,
			     struct presence_document *document, struct span user)
{
	struct presence_item *item;
	while ((item = item_of_user(*item_bucket(coalescer, document, user), document, user)))
		item_drop(coalescer, item);
}

/* ---- what follows what ---- */

/* One member of an event's list. */
struct change {
	enum item_kind kind;
	bool is_gone;
	struct span text, user, connection;
};

/* The user was there before, left and is back: for others that connection has gone, not the user.
 */
static void turn_left_into_gone(struct presence_coalescer *coalescer, struct presence_item *left)
{
	CLEANUP(buffer_fini) struct buffer text = {0};
	buffer_append_string(&text, "{\"userId\":");
	size_t user_at = text.len;
	buffer_append_span(&text, left->user);
	buffer_append_string(&text, ",\"connectionId\":");
	size_t connection_at = text.len;
	buffer_append_span(&text, left->connection);
	buffer_append_string(&text, ",\"mode\":null}");
	item_add(coalescer, left->document, ITEM_UPDATED, buffer_span(&text),
		 span_of(text.at + user_at, left->user.len),
		 span_of(text.at + connection_at, left->connection.len))
		->is_gone = true;
	item_drop(coalescer, left);
}

static void add_updated(struct presence_coalescer *coalescer, struct presence_document *document,
			const struct change *change)
{
	enum item_kind kind = ITEM_UPDATED;
	struct presence_item *item =
		item_find(coalescer, document, change->user, ITEM_JOINED, &change->connection);
	if (item && change->is_gone) {
		/* Came and went. Another connection of the user is what others see first. */
		item_drop(coalescer, item);
		item = *item_bucket(coalescer, document, change->user);
		while ((item = item_of_user(item, document, change->user)) && item->is_gone)
			item = item->next;
		if (item)
			item->kind = ITEM_JOINED;
		return;
	}
	if (item)
		kind = ITEM_JOINED;
	else
		item = item_find(coalescer, document, change->user, ITEM_UPDATED,
				 &change->connection);
	if (item)
		item_drop(coalescer, item);
	item_add(coalescer, document, kind, change->text, change->user, change->connection)
		->is_gone = change->is_gone;
}

static void add_joined(struct presence_coalescer *coalescer, struct presence_document *document,
		       const struct change *change)
{
	struct presence_item *left = item_find(coalescer, document, change->user, ITEM_LEFT, NULL);
	if (left) {
		turn_left_into_gone(coalescer, left);
		add_updated(coalescer, document, change);
		return;
	}
	drop_all_of_user(coalescer, document, change->user);
	item_add(coalescer, document, ITEM_JOINED, change->text, change->user, change->connection);
}

static void add_left(struct presence_coalescer *coalescer, struct presence_document *document,
		     const struct change *change)
{
	bool is_news = !item_find(coalescer, document, change->user, ITEM_JOINED, NULL);
	drop_all_of_user(coalescer, document, change->user);
	if (is_news)
		item_add(coalescer, document, ITEM_LEFT, change->text, change->user,
			 change->connection);
}

/* ---- an event ---- */

static int change_read(const struct json *json, uint32_t object, enum item_kind kind,
		       struct change *ret)
{
	uint32_t user = json_member(json, object, SPAN("userId"));
	uint32_t connection = json_member(json, object, SPAN("connectionId"));
	uint32_t mode = json_member(json, object, SPAN("mode"));
	if (!user || !connection || json->tokens[user].type != JSON_STRING ||
	    json->tokens[connection].type != JSON_STRING)
		return -EBADMSG;
	*ret = (struct change){
		.kind = kind,
		.is_gone = kind == ITEM_UPDATED && mode && json->tokens[mode].type == JSON_NULL,
		.text = json_raw(json, object),
		.user = json_raw(json, user),
		.connection = json_raw(json, connection),
	};
	return 0;
}

/* Calls for each member of the list; with `document` NULL it only looks. */
static int list_read(struct presence_coalescer *coalescer, struct presence_document *document,
		     struct span list, enum item_kind kind)
{
	static void (*const add[ITEM_KINDS])(struct presence_coalescer *,
					     struct presence_document *, const struct change *) = {
		[ITEM_JOINED] = add_joined,
		[ITEM_UPDATED] = add_updated,
		[ITEM_LEFT] = add_left,
	};
	struct json *json = &coalescer->scratch;
	struct json_fault fault;
	struct change change;
	if (json_parse(json, list, JSON_DEPTH_LIMIT, &fault))
		return -EBADMSG;
	for (uint32_t i = 1; i < json->tokens[0].next; i = json->tokens[i].next) {
		if (change_read(json, i, kind, &change))
			return -EBADMSG;
		if (document)
			add[kind](coalescer, document, &change);
	}
	return 0;
}

int presence_coalescer_add(struct presence_coalescer *coalescer,
			   const struct event_segments *segments)
{
	const struct event_presence *presence = &segments->presence;
	/* In this order: a script that takes away all connections of a user says `updated` of the
	 * first and `left` of the last. */
	const struct span lists[ITEM_KINDS] = {presence->joined, presence->updated, presence->left};
	for (int kind = 0; kind < ITEM_KINDS; kind++)
		if (list_read(coalescer, NULL, lists[kind], kind))
			return -EBADMSG;
	struct presence_document *document = document_get(coalescer, segments);
	for (int kind = 0; kind < ITEM_KINDS; kind++)
		MUST(list_read(coalescer, document, lists[kind], kind) == 0);
	document->timestamp_ms = segments->timestamp_ms;
	document->count = presence->count;
	return 0;
}

/* ---- flush ---- */

static void list_format(struct buffer *ret, const struct presence_document *document,
			enum item_kind kind)
{
	const struct presence_item *item;
	buffer_append_char(ret, '[');
	TAILQ_FOREACH(item, &document->items, link)
	{
		if (item->kind != kind)
			continue;
		if (ret->at[ret->len - 1] != '[')
			buffer_append_char(ret, ',');
		buffer_append(ret, item->text, item->text_len);
	}
	buffer_append_char(ret, ']');
}

static void document_format(struct buffer *ret, const struct presence_document *document)
{
	struct buffer lists[ITEM_KINDS] = {0};
	for (int kind = 0; kind < ITEM_KINDS; kind++)
		list_format(&lists[kind], document, kind);
	struct event_presence presence = {
		.joined = buffer_span(&lists[ITEM_JOINED]),
		.updated = buffer_span(&lists[ITEM_UPDATED]),
		.left = buffer_span(&lists[ITEM_LEFT]),
		.count = document->count,
	};
	event_format_presence(ret, document->service, document->id, document->timestamp_ms,
			      &presence);
	for (int kind = 0; kind < ITEM_KINDS; kind++)
		buffer_fini(&lists[kind]);
}

static void document_drop(struct presence_coalescer *coalescer, struct presence_document *document)
{
	struct presence_document **place =
		&coalescer->document_buckets[document->hash % PRESENCE_BUCKETS];
	struct presence_item *item;
	while ((item = TAILQ_FIRST(&document->items)))
		item_drop(coalescer, item);
	while (*place != document)
		place = &(*place)->next;
	*place = document->next;
	TAILQ_REMOVE(&coalescer->documents, document, link);
	free(document);
}

void presence_coalescer_flush(struct presence_coalescer *coalescer, presence_coalescer_fn fn,
			      void *arg)
{
	CLEANUP(buffer_fini) struct buffer text = {0};
	struct presence_document *document;
	if (coalescer->full)
		coalescer->early_flushes++;
	coalescer->full = false;
	while ((document = TAILQ_FIRST(&coalescer->documents))) {
		bool has_news = !TAILQ_EMPTY(&document->items);
		text.len = 0;
		document_format(&text, document);
		document_drop(coalescer, document);
		if (has_news)
			fn(buffer_span(&text), arg);
	}
}

void presence_coalescer_fini(struct presence_coalescer *coalescer)
{
	struct presence_document *document;
	while (coalescer->document_buckets && (document = TAILQ_FIRST(&coalescer->documents)))
		document_drop(coalescer, document);
	free(coalescer->document_buckets);
	free(coalescer->item_buckets);
	json_fini(&coalescer->scratch);
	*coalescer = (struct presence_coalescer){0};
}
