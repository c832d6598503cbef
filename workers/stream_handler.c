/* stream_handler.c — GET …/documents/{id}/events and GET /v1/events: what a request wants to hear
 * of. */
#include "stream.h"

#include "access.h"
#include "http.h"

#define SPECS_MAX 32 /* as many as a query can have parameters */

struct stream_wish {
	struct subscription_spec specs[SPECS_MAX];
	unsigned count;
};

static int refuse(struct outcome *ret, const char *code, const char *detail)
{
	*ret = outcome_refusal(400, code, "%s", detail);
	return -EINVAL;
}

static int read_mode(const struct request *request, enum event_mode *ret, struct outcome *fault)
{
	const char *mode = request_query(request, "returnMode");

	if (!mode || strcmp(mode, "full") == 0)
		*ret = EVENT_FULL;
	else if (strcmp(mode, "diff") == 0)
		*ret = EVENT_DIFF;
	else if (strcmp(mode, "both") == 0)
		*ret = EVENT_BOTH;
	else
		return refuse(fault, "invalid_return_mode",
			      "\"returnMode\" must be full, diff or both");
	return 0;
}

static int read_presence(const struct request *request, int *ret, struct outcome *fault)
{
	const char *presence = request_query(request, "presence");

	if (!presence)
		*ret = -1;
	else if (strcmp(presence, "true") == 0 || strcmp(presence, "false") == 0)
		*ret = *presence == 't';
	else
		return refuse(fault, "invalid_query", "\"presence\" must be true or false");
	return 0;
}

/* What all subscriptions of a stream have in common. */
static int read_common(const struct request *request, struct subscription_spec *ret,
		       struct outcome *fault)
{
	if (read_mode(request, &ret->mode, fault))
		return -EINVAL;
	return read_presence(request, &ret->presence, fault);
}

static int narrow(const struct request *request, struct stream_wish *wish, struct outcome *fault)
{
	for (unsigned i = 0; i < wish->count; i++)
		if (access_narrow(request_principal(request), &wish->specs[i], false, fault))
			return -EACCES;
	return 0;
}

static void open_or_refuse(struct request *request, struct stream_wish *wish, int error,
			   struct outcome *fault)
{
	if (error || narrow(request, wish, fault) ||
	    !streams_have_room(request_worker(request), fault))
		request_answer_problem(request, fault);
	else
		stream_open(request, wish->specs, wish->count,
			    request_header(request, "Last-Event-ID"));
}

/* --- /v1/services/{service}/documents/{id}/events ----------------------------- */

static int read_events(const struct request *request, const struct subscription_spec *common,
		       struct stream_wish *wish, struct outcome *fault)
{
	unsigned place = 0;
	const char *name;

	while ((name = request_query_next(request, "event", &place))) {
		struct subscription_spec *spec = &wish->specs[wish->count++];

		*spec = *common;
		if (topic_event_parse(span_string(name), &spec->topic.event))
			return refuse(fault, "invalid_query",
				      "\"event\" must be created, updated, deleted, expired or "
				      "presence");
	}
	if (!wish->count)
		wish->specs[wish->count++] = *common;
	return 0;
}

static int read_document_wish(const struct request *request, struct stream_wish *wish,
			      struct outcome *fault)
{
	static const char *const known[] = {"returnMode", "event", "presence", NULL};
	struct subscription_spec common = {
		.topic = {.service = request_path_service(request), .event = TOPIC_ANY},
		.id = request_path_id(request),
	};

	if (request_check_query_repeated(request, known, "event", fault) ||
	    read_common(request, &common, fault))
		return -EINVAL;
	return read_events(request, &common, wish, fault);
}

void stream_handle_document(struct request *request)
{
	struct stream_wish wish = {0};
	struct outcome fault;
	int error = read_document_wish(request, &wish, &fault);

	open_or_refuse(request, &wish, error, &fault);
}

/* --- /v1/events --------------------------------------------------------------- */

static int read_narrowing(const struct request *request, struct subscription_spec *ret,
			  struct outcome *fault)
{
	const char *id = request_query(request, "documentId");
	const char *prefix = request_query(request, "documentPrefix");

	ret->id = span_string(id);
	ret->prefix = span_string(prefix);
	if (id && prefix)
		return refuse(fault, "invalid_query",
			      "\"documentId\" and \"documentPrefix\" exclude each other");
	if (id && !document_id_is_valid(ret->id))
		return refuse(fault, "invalid_id", "\"documentId\" is no document id");
	if (prefix && !document_id_is_valid(ret->prefix))
		return refuse(fault, "invalid_id",
			      "\"documentPrefix\" is no beginning of a document id");
	return 0;
}

static int read_topics(const struct request *request, const struct subscription_spec *common,
		       struct stream_wish *wish, struct outcome *fault)
{
	unsigned place = 0;
	const char *topic;

	while ((topic = request_query_next(request, "topic", &place))) {
		struct subscription_spec *spec = &wish->specs[wish->count++];

		*spec = *common;
		if (topic_parse(span_string(topic), &spec->topic))
			return refuse(fault, "invalid_topic",
				      "\"topic\" must be "
				      "sync.{service}.{created|updated|deleted|expired|presence}, "
				      "with * for either");
	}
	if (!wish->count)
		return refuse(fault, "invalid_topic", "\"topic\" is needed, once or more");
	return 0;
}

static int read_topics_wish(const struct request *request, struct stream_wish *wish,
			    struct outcome *fault)
{
	static const char *const known[] = {"topic",          "returnMode", "documentId",
					    "documentPrefix", "presence",   NULL};
	struct subscription_spec common = {0};

	if (request_check_query_repeated(request, known, "topic", fault) ||
	    read_common(request, &common, fault) || read_narrowing(request, &common, fault))
		return -EINVAL;
	return read_topics(request, &common, wish, fault);
}

void stream_handle_topics(struct request *request)
{
	struct stream_wish wish = {0};
	struct outcome fault;
	int error = read_topics_wish(request, &wish, &fault);

	open_or_refuse(request, &wish, error, &fault);
}
