/* request_header.c — a header of a request as handlers see it: one value, however many lines it
 * came in. */
#include "request_private.h"

#include <strings.h>

struct header_search {
	const char *name;
	size_t name_len;
	const char *first;
	size_t first_len;
	size_t more; /* bytes of further values, with their commas */
	char *join;  /* second pass: where they go */
};

static enum MHD_Result search_header(void *arg, enum MHD_ValueKind kind, const char *name,
				     size_t name_len, const char *value, size_t value_len)
{
	struct header_search *search = arg;

	(void)kind;
	if (name_len != search->name_len || strncasecmp(name, search->name, name_len) != 0)
		return MHD_YES;
	if (search->join) {
		if (search->more++)
			search->join = stpcpy(search->join, ", ");
		search->join = stpcpy(search->join, value ? value : "");
	} else if (!search->first) {
		search->first = value ? value : "";
		search->first_len = value_len;
	} else {
		search->more += value_len + 2;
	}
	return MHD_YES;
}

/* Several lines of one header mean the same as one with commas (RFC 9110 5.3); where only one is
 * legal, the comma makes it invalid. */
static const char *join_header(struct request *request, struct header_search *search)
{
	struct joined_header *joined =
		malloc(sizeof(*joined) + search->first_len + search->more + 1);

	MUST(joined);
	joined->next = request->joined;
	request->joined = joined;
	search->join = joined->text;
	search->more = 0;
	MHD_get_connection_values_n(request->connection, MHD_HEADER_KIND, search_header, search);
	return joined->text;
}

const char *request_header(const struct request *request, const char *name)
{
	struct header_search search = {.name = name, .name_len = strlen(name)};

	if (!request->connection)
		return NULL;
	MHD_get_connection_values_n(request->connection, MHD_HEADER_KIND, search_header, &search);
	/* Only kept memory changes, not the request as the handler sees it. */
	return search.more ? join_header((struct request *)request, &search) : search.first;
}
