/* control_verbs.c — see control_verbs.h: requests, and the orders among them. What status and top
 * answer: control_report.c. */
#include "control_verbs.h"

#include "control_report.h"
#include "json.h"

#include <unistd.h>

#define REQUEST_DEPTH_MAX 4
#define ERROR_MAX 512

static void refuse(struct buffer *ret, const char *code, const char *detail)
{
	buffer_printf(ret, "{\"ok\":false,\"code\":\"%s\",\"detail\":", code);
	buffer_append_json(ret, span_string(detail));
	buffer_append_char(ret, '}');
}

/* ---- orders ---- */

static void answer_log_level(const struct control_host *host, const struct json *json,
			     const struct control_view *view, struct buffer *ret)
{
	CLEANUP(buffer_fini) struct buffer text = {0};
	uint32_t token = json_member(json, 0, SPAN("level"));
	enum log_level former = view->log_level, level = former;
	if (token && json_string(json, token, &text))
		buffer_append_char(&text, '?'); /* no string: no level either */
	buffer_append_char(&text, '\0');
	if (token && log_level_parse(text.at, &level)) {
		refuse(ret, "invalid_level",
		       "\"level\" must be error, warning, notice, info or debug");
		return;
	}
	if (token)
		host->set_log_level(level, host->arg);
	buffer_printf(ret, "{\"ok\":true,\"result\":{\"level\":\"%s\",\"former\":\"%s\"}}",
		      log_level_name(level), log_level_name(former));
}

static void refuse_ending(struct buffer *ret)
{
	refuse(ret, "ending", "the daemon is ending");
}

static void answer_reload(const struct control_host *host, struct buffer *ret)
{
	char error[ERROR_MAX] = "";
	int status = host->reload(error, sizeof(error), host->arg);
	struct control_view view;
	host->look(&view, host->arg);
	if (status == -EBUSY)
		refuse_ending(ret);
	else if (status && status != -EAGAIN)
		refuse(ret, "invalid_configuration", error);
	else {
		buffer_printf(ret, "{\"ok\":true,\"result\":{\"generation\":%u,\"waits\":%s",
			      children_generation(view.children),
			      status == -EAGAIN ? "true" : "false");
		control_report_restart_keys(&view, ret);
		buffer_append_string(ret, "}}");
	}
}

static void answer_drain_all(const struct control_host *host, struct buffer *ret)
{
	if (host->drain_all(host->arg))
		refuse_ending(ret);
	else
		buffer_printf(ret, "{\"ok\":true,\"result\":{\"drained\":\"all\",\"pid\":%d}}",
			      (int)getpid());
}

static void answer_drain_worker(const struct control_host *host, int64_t index, unsigned workers,
				struct buffer *ret)
{
	char detail[128];
	pid_t pid = 0;
	if (index < 0 || index >= workers) {
		snprintf(detail, sizeof(detail), "workers are numbered 0 to %u", workers - 1);
		refuse(ret, "no_such_worker", detail);
		return;
	}
	switch (host->drain_worker((unsigned)index, &pid, host->arg)) {
	case 0:
		buffer_printf(ret, "{\"ok\":true,\"result\":{\"drained\":%u,\"pid\":%d}}",
			      (unsigned)index, (int)pid);
		return;
	case -EBUSY:
		refuse_ending(ret);
		return;
	case -ESRCH:
		refuse(ret, "not_running", "this worker is not running; it will be started again");
		return;
	default:
		refuse(ret, "too_many_draining",
		       "too many processes drain already; try again when some have ended");
	}
}

static void answer_drain(const struct control_host *host, const struct json *json,
			 const struct control_view *view, struct buffer *ret)
{
	uint32_t token = json_member(json, 0, SPAN("worker"));
	int64_t index;
	if (token && json_string_equals(json, token, SPAN("all")))
		answer_drain_all(host, ret);
	else if (token && json_int64(json, token, &index) == 0)
		answer_drain_worker(host, index, view->config->workers, ret);
	else
		refuse(ret, "invalid_request", "\"worker\" must be a number, or \"all\"");
}

/* ---- requests ---- */

enum verb { VERB_STATUS, VERB_TOP, VERB_LOGLEVEL, VERB_RELOAD, VERB_DRAIN, VERB_COUNT };

static const struct {
	const char *name;
	const char *member; /* the only one it may have beside "verb" */
} verbs[VERB_COUNT] = {
	[VERB_STATUS] = {"status", NULL},        [VERB_TOP] = {"top", NULL},
	[VERB_LOGLEVEL] = {"loglevel", "level"}, [VERB_RELOAD] = {"reload", NULL},
	[VERB_DRAIN] = {"drain", "worker"},
};

static enum verb find_verb(const struct json *json)
{
	uint32_t token = json_member(json, 0, SPAN("verb"));
	for (unsigned i = 0; token && i < VERB_COUNT; i++)
		if (json_string_equals(json, token, span_string(verbs[i].name)))
			return (enum verb)i;
	return VERB_COUNT;
}

/* An order with a member that is not understood may mean something else than what would be done. */
static bool members_are_known(const struct json *json, enum verb verb)
{
	for (uint32_t i = 1; i < json->tokens[0].next; i = json->tokens[i + 1].next)
		if (!json_string_equals(json, i, SPAN("verb")) &&
		    !(verbs[verb].member &&
		      json_string_equals(json, i, span_string(verbs[verb].member))))
			return false;
	return true;
}

static void answer_verb(const struct control_host *host, enum verb verb, const struct json *json,
			struct buffer *ret)
{
	struct control_view view;
	host->look(&view, host->arg);
	switch (verb) {
	case VERB_STATUS:
		control_report_status(&view, ret);
		break;
	case VERB_TOP:
		control_report_top(&view, ret);
		break;
	case VERB_LOGLEVEL:
		answer_log_level(host, json, &view, ret);
		break;
	case VERB_RELOAD:
		answer_reload(host, ret);
		break;
	default:
		answer_drain(host, json, &view, ret);
	}
}

void control_verbs_answer(struct span line, struct buffer *ret, void *arg)
{
	const struct control_host *host = arg;
	struct json json = {0};
	struct json_fault fault;
	enum verb verb;
	if (json_parse(&json, line, REQUEST_DEPTH_MAX, &fault) ||
	    json.tokens[0].type != JSON_OBJECT)
		refuse(ret, "invalid_request",
		       "a request is one JSON object: {\"verb\":\"status\"}");
	else if ((verb = find_verb(&json)) == VERB_COUNT)
		refuse(ret, "unknown_verb",
		       "\"verb\" must be status, top, loglevel, reload or drain");
	else if (!members_are_known(&json, verb))
		refuse(ret, "unknown_member", "this verb does not know one of these members");
	else
		answer_verb(host, verb, &json, ret);
	json_fini(&json);
}
