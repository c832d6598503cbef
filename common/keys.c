/* keys.c — key names, put together without printf: several are made for every command. */
#include "keys.h"
#include "document.h"

#define PREFIX_DATA "syncdoc:data:"
#define PREFIX_HISTORY "syncdoc:history:{"

_Static_assert(sizeof(PREFIX_HISTORY PREFIX_DATA) + DOCUMENT_SERVICE_MAX + DOCUMENT_ID_MAX + 2 <=
		       KEY_MAX,
	       "the longest key of a document fits");

/* Names come checked; a longer one here is our own bug. */
static size_t append(char ret[KEY_MAX], size_t len, const char *bytes, size_t more)
{
	MUST(more < KEY_MAX - len);
	if (more)
		memcpy(ret + len, bytes, more);
	ret[len + more] = '\0';
	return len + more;
}

static size_t append_string(char ret[KEY_MAX], size_t len, const char *string)
{
	return append(ret, len, string, strlen(string));
}

static size_t key_of_document(char ret[KEY_MAX], const char *prefix, struct span service,
			      struct span id)
{
	size_t len = append_string(ret, 0, prefix);
	len = append(ret, len, service.at, service.len);
	len = append(ret, len, ":", 1);
	return append(ret, len, id.at, id.len);
}

static size_t key_of_service(char ret[KEY_MAX], const char *prefix, struct span service)
{
	return append(ret, append_string(ret, 0, prefix), service.at, service.len);
}

static size_t key_of_run(char ret[KEY_MAX], const char *prefix, const char *node,
			 uint64_t incarnation)
{
	char digits[24];
	int count = snprintf(digits, sizeof(digits), ".%llu", (unsigned long long)incarnation);
	size_t len = append_string(ret, append_string(ret, 0, prefix), node);
	return append(ret, len, digits, count);
}

size_t key_data(char ret[KEY_MAX], struct span service, struct span id)
{
	return key_of_document(ret, PREFIX_DATA, service, id);
}

size_t key_channel(char ret[KEY_MAX], struct span service, struct span id)
{
	return key_of_document(ret, KEY_CHANNEL_PREFIX, service, id);
}

size_t key_history(char ret[KEY_MAX], struct span service, struct span id)
{
	size_t len = key_of_document(ret, PREFIX_HISTORY PREFIX_DATA, service, id);
	return append(ret, len, "}", 1);
}

size_t key_presence(char ret[KEY_MAX], struct span service, struct span id)
{
	return key_of_document(ret, KEY_PRESENCE_PREFIX, service, id);
}

size_t key_index(char ret[KEY_MAX], struct span service)
{
	return key_of_service(ret, "syncdoc:index:", service);
}

size_t key_names(char ret[KEY_MAX], struct span service)
{
	return key_of_service(ret, "syncdoc:names:", service);
}

size_t key_deleted(char ret[KEY_MAX], struct span service)
{
	return key_of_service(ret, "syncdoc:deleted:", service);
}

size_t key_mark(char ret[KEY_MAX], const char *node, uint64_t incarnation)
{
	return key_of_run(ret, "syncdoc:mark:", node, incarnation);
}

size_t key_node_lease(char ret[KEY_MAX], const char *node, uint64_t incarnation)
{
	return key_of_run(ret, KEY_NODE_LEASE_PREFIX, node, incarnation);
}

size_t key_node_presence(char ret[KEY_MAX], struct span run_id)
{
	return append(ret, append_string(ret, 0, "syncdoc:node-presence:"), run_id.at, run_id.len);
}
