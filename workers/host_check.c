#include "host_check.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <strings.h>
#include <sys/socket.h>

#define HOST_MAX 255

/* A name, or an address in binary, so that ::1 and 0:0:0:0:0:0:0:1 are the same. */
struct host {
	int family;              /* AF_INET, AF_INET6, or AF_UNSPEC: a name */
	struct in6_addr address; /* AF_INET: in the first four bytes */
	struct span name;
};

struct host_check {
	bool any_address;
	size_t count;
	struct host hosts[]; /* names borrowed: from the config */
};

static bool is_digits(struct span text)
{
	for (size_t i = 0; i < text.len; i++)
		if (text.at[i] < '0' || text.at[i] > '9')
			return false;
	return true;
}

int host_split(struct span host, struct span *ret_name, struct span *ret_port)
{
	if (!host.len)
		return -EINVAL;
	bool bracketed = *host.at == '[';
	const char *from = host.at + bracketed;
	const char *end = host.at + host.len;
	const char *to = memchr(from, bracketed ? ']' : ':', (size_t)(end - from));

	if (bracketed && !to)
		return -EINVAL;
	struct span name = span_of(from, (size_t)((to ? to : end) - from));
	const char *colon = to ? to + bracketed : end;
	struct span port = colon < end ? span_of(colon + 1, (size_t)(end - colon - 1)) : SPAN_NONE;
	if ((colon < end && *colon != ':') || port.len > 5 || !is_digits(port))
		return -EINVAL;
	if (!bracketed && name.len && name.at[name.len - 1] == '.')
		name.len--;
	if (!name.len || name.len > HOST_MAX)
		return -EINVAL;
	*ret_name = name;
	*ret_port = port;
	return 0;
}

static struct host parse_host(struct span name)
{
	struct host host = {.family = AF_UNSPEC, .name = name};
	char text[HOST_MAX + 1];

	MUST(name.len <= HOST_MAX);
	memcpy(text, name.at, name.len);
	text[name.len] = '\0';
	if (strlen(text) != name.len)
		return host;
	if (inet_pton(AF_INET, text, &host.address) == 1)
		host.family = AF_INET;
	else if (inet_pton(AF_INET6, text, &host.address) == 1)
		host.family = AF_INET6;
	return host;
}

static bool host_equals(const struct host *a, const struct host *b)
{
	if (a->family != b->family)
		return false;
	if (a->family == AF_UNSPEC)
		return a->name.len == b->name.len &&
		       strncasecmp(a->name.at, b->name.at, a->name.len) == 0;
	return memcmp(&a->address, &b->address, a->family == AF_INET ? 4 : 16) == 0;
}

static void add_host(struct host_check *check, const char *text)
{
	struct span name, port;

	/* An entry of `hosts` may be an IPv6 address without brackets. */
	if (host_split(span_string(text), &name, &port))
		name = span_string(text);
	if (name.len && name.len <= HOST_MAX)
		check->hosts[check->count++] = parse_host(name);
}

static void add_listener(struct host_check *check, const char *text)
{
	struct sockaddr_storage address;
	struct host host = {0};
	unsigned len;

	if (config_listen_parse(text, &address, &len))
		return;
	host.family = address.ss_family;
	if (host.family == AF_INET)
		memcpy(&host.address, &((struct sockaddr_in *)&address)->sin_addr, 4);
	else if (host.family == AF_INET6)
		host.address = ((struct sockaddr_in6 *)&address)->sin6_addr;
	else
		return;
	static const struct in6_addr zero;
	if (memcmp(&host.address, &zero, sizeof(zero)) == 0)
		check->any_address = true;
	check->hosts[check->count++] = host;
}

struct host_check *host_check_create(const struct config *config)
{
	size_t max = config->listen.count + config->hosts.count + 2;
	struct host_check *check = calloc(1, sizeof(*check) + max * sizeof(check->hosts[0]));

	MUST(check);
	for (size_t i = 0; i < config->listen.count; i++)
		add_listener(check, config->listen.items[i]);
	add_host(check, "localhost");
	add_host(check, config->node);
	for (size_t i = 0; i < config->hosts.count; i++)
		add_host(check, config->hosts.items[i]);
	return check;
}

void host_check_destroy(struct host_check *check)
{
	free(check);
}

bool host_check_allows(const struct host_check *check, struct span host)
{
	struct span name, port;

	if (host_split(host, &name, &port))
		return false;
	struct host wanted = parse_host(name);
	if (wanted.family != AF_UNSPEC && check->any_address)
		return true;
	for (size_t i = 0; i < check->count; i++)
		if (host_equals(&check->hosts[i], &wanted))
			return true;
	return false;
}
