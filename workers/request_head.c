#include "request_head.h"

/* libmicrohttpd 0.9.75 writes NULs over the ends of lines, 1.0 over one character only. */
#define LINE_END_NULS 2

static const char lost[] = "a NUL, a folded header or a line that cannot be read";

static bool is_token(struct span name)
{
	static const char others[] = "!#$%&'*+-.^_`|~"; /* RFC 9110 5.6.2 */

	for (size_t i = 0; i < name.len; i++) {
		char c = name.at[i];
		bool letter = (c | 32) >= 'a' && (c | 32) <= 'z';
		if (!letter && (c < '0' || c > '9') && (!c || !strchr(others, c)))
			return false;
	}
	return name.len;
}

/* Goes on to `to`. Between two parts there may only be what separates them. */
static void pass_to(struct request_head *head, const char *to, unsigned nuls_max)
{
	if (to < head->at || to > head->end) {
		head->fault = lost;
		return;
	}
	for (const char *at = head->at; at < to; at++) {
		if (!*at && nuls_max)
			nuls_max--;
		else if (!*at || !strchr(" \t\r\n", *at))
			head->fault = lost;
	}
	head->at = to;
}

void request_head_start(struct request_head *head, const char *method, const char *target,
			const char *target_end, const char *version, size_t len)
{
	*head = (struct request_head){.end = method + len};
	if (method + strlen(method) + 1 != target || target_end + 1 != version)
		head->fault = "a NUL or more than one space in the request line";
	head->at = version + strlen(version);
}

void request_head_take(struct request_head *head, struct span name, struct span value)
{
	if (head->fault)
		return;
	pass_to(head, name.at, LINE_END_NULS);
	if (head->fault)
		return;
	if (!is_token(name)) {
		head->fault = "a header name with a space or another character that no name has";
		return;
	}
	head->at += name.len;
	pass_to(head, value.at, 1); /* where the colon was */
	if (head->fault)
		return;
	/* RFC 9112 2.2: a CR alone may end a line for somebody else. */
	if (memchr(value.at, '\r', value.len))
		head->fault = "a carriage return in a header";
	head->at += value.len;
}

const char *request_head_finish(struct request_head *head)
{
	if (!head->fault)
		pass_to(head, head->end, 2 * LINE_END_NULS);
	return head->fault;
}
