#include "connections.h"

#include "address.h"
#include "principal.h"
#include "store_control.h"
#include "stream.h"
#include "subscribe_private.h"
#include "websocket.h"

/* --- which ------------------------------------------------------------------- */

static int compare_ids(const struct connection_view *a, const struct connection_view *b)
{
	return memcmp(a->id, b->id, CONNECTION_ID_LEN);
}

static bool is_behind(const struct connection_view *view, struct span after)
{
	size_t len = after.len < CONNECTION_ID_LEN ? after.len : CONNECTION_ID_LEN;
	int order = len ? memcmp(view->id, after.at, len) : 1;

	return order > 0 || (!order && after.len < CONNECTION_ID_LEN);
}

void connection_page_add(struct connection_page *page, const struct connection_view *view)
{
	if (page->user.len && !span_equals(page->user, principal_user(view->principal)))
		return;
	page->total++;
	if (!is_behind(view, page->after))
		return;
	if (page->count == page->max) {
		page->is_cut = true;
		if (compare_ids(view, &page->views[page->max - 1]) > 0)
			return;
		page->count--;
	}
	size_t low = 0, high = page->count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (compare_ids(&page->views[middle], view) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	memmove(&page->views[low + 1], &page->views[low],
		(page->count++ - low) * sizeof(*page->views));
	page->views[low] = *view;
}

/* --- as text ----------------------------------------------------------------- */

struct shown {
	struct buffer *text;
	unsigned count;
};

static void append_subscription(const struct subscription_spec *spec, void *arg)
{
	struct shown *shown = arg;
	struct buffer *text = shown->text;

	if (shown->count++ >= CONNECTIONS_SUBSCRIPTIONS_SHOWN)
		return;
	if (shown->count > 1)
		buffer_append_char(text, ',');
	size_t start = text->len;
	subscribe_append(text, spec);
	text->at[start] = '{'; /* in place of the comma that the first member begins with */
	buffer_append_char(text, '}');
}

static void append_view(struct buffer *text, const struct worker *worker,
			const struct connection_view *view)
{
	char address[INET6_ADDRSTRLEN];
	struct span user = principal_user(view->principal);
	struct shown shown = {.text = text};

	buffer_append_string(text, "{\"connectionId\":");
	buffer_append_json(text, span_of(view->id, CONNECTION_ID_LEN));
	buffer_append_string(text, ",\"node\":");
	buffer_append_json(text, span_string(worker->config->node));
	buffer_printf(text, ",\"worker\":%u,\"protocol\":\"%s\"", worker->inherit->index,
		      view->protocol);
	if (user.len) {
		buffer_append_string(text, ",\"userId\":");
		buffer_append_json(text, user);
	}
	address_format(view->address, address);
	buffer_printf(text, ",\"address\":\"%s\",\"since\":%lld,\"subscriptions\":[", address,
		      (long long)view->since_ms);
	if (view->audience)
		audience_each_subscription(view->audience, append_subscription, &shown);
	buffer_printf(text, "],\"subscriptionCount\":%u,\"queueBytes\":%zu,\"lagMs\":%lld}",
		      audience_subscription_count(view->audience), view->queue_bytes,
		      (long long)view->lag_ms);
}

static void begin_answer(struct buffer *text, const struct worker *worker)
{
	buffer_append_string(text, "{\"run\":");
	buffer_append_json(text, span_string(worker->inherit->run_id));
}

/* As many items as an answer may have bytes; the asker goes on behind the last one. */
static void append_items(struct buffer *text, const struct worker *worker,
			 const struct connection_page *page)
{
	const size_t tail = sizeof("],\"more\":true}");
	bool more = page->is_cut;

	buffer_printf(text, ",\"total\":%llu,\"items\":[", (unsigned long long)page->total);
	for (size_t i = 0; i < page->count; i++) {
		size_t before = text->len;

		if (i)
			buffer_append_char(text, ',');
		append_view(text, worker, &page->views[i]);
		if (text->len + tail > STORE_ANSWER_MAX) {
			text->len = before;
			more = true;
			break;
		}
	}
	buffer_append_string(text, more ? "],\"more\":true}" : "],\"more\":false}");
}

void connections_answer_list(struct worker *worker, struct span question, struct span after,
			     unsigned limit, struct span user)
{
	CLEANUP(buffer_fini) struct buffer text = {0};
	struct connection_page page = {.after = after, .user = user, .max = limit};

	page.views = calloc(limit, sizeof(*page.views));
	MUST(page.views);
	websockets_show(worker->websockets, &page);
	streams_show(worker->streams, &page);
	begin_answer(&text, worker);
	append_items(&text, worker, &page);
	free(page.views);
	stat_add(worker->slot, STAT_questions_answered, 1);
	store_answer(worker->store, question, buffer_span(&text));
}

void connections_answer_close(struct worker *worker, struct span question, struct span id)
{
	CLEANUP(buffer_fini) struct buffer text = {0};
	bool found = websockets_close_one(worker->websockets, id) ||
		     streams_close_one(worker->streams, id);

	if (found)
		stat_add(worker->slot, STAT_connections_closed_by_order, 1);
	begin_answer(&text, worker);
	buffer_append_string(&text, found ? ",\"found\":true}" : ",\"found\":false}");
	stat_add(worker->slot, STAT_questions_answered, 1);
	store_answer(worker->store, question, buffer_span(&text));
}
