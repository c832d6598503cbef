/* config_check.c — what texts must look like, and what values mean together. */
#define _GNU_SOURCE
#include "config_table.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "address.h"
#include "inherit.h"

#define STATE_DIR_MAX 80 /* so that sockets in it, "/control.sock" and the like, fit an address */
#define NAME_MAX_LEN 64
#define HOST_MAX_LEN 255

#define DIGITS "0123456789"
#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define WORD LOWER UPPER DIGITS "_.-"

static int refuse(struct buffer *ret_reason, const char *reason)
{
	buffer_append_string(ret_reason, reason);
	return -EINVAL;
}

static int refuse_text(struct buffer *ret_reason, const char *text, const char *reason)
{
	config_reason_quote(text, ret_reason);
	return refuse(ret_reason, reason);
}

static bool consists_of(const char *text, size_t len, const char *set)
{
	return strspn(text, set) >= len;
}

/* ---- one key ---- */

int config_check_listen(const char *text, struct buffer *ret_reason)
{
	struct sockaddr_storage address;
	unsigned len;

	if (config_listen_parse(text, &address, &len) == 0)
		return 0;
	return refuse_text(
		ret_reason, text,
		" must be address:port or [IPv6]:port with port 1 to 65535, or unix:/path of at "
		"most 107 bytes");
}

int config_check_user(const char *text, struct buffer *ret_reason)
{
	size_t len = strlen(text);

	if (len > NAME_MAX_LEN || !consists_of(text, len, WORD) || text[0] == '-')
		return refuse_text(ret_reason, text, " is not a user or group name");
	return 0;
}

static int path_check(const char *text, size_t max, struct buffer *ret_reason)
{
	if (text[0] != '/')
		return refuse_text(ret_reason, text, " is not an absolute path");
	if (strlen(text) > max) {
		buffer_printf(ret_reason, "must be at most %zu bytes long", max);
		return -EINVAL;
	}
	return 0;
}

int config_check_path_or_none(const char *text, struct buffer *ret_reason)
{
	return text[0] == '\0' ? 0 : path_check(text, 4095, ret_reason);
}

int config_check_state_dir(const char *text, struct buffer *ret_reason)
{
	return path_check(text, STATE_DIR_MAX, ret_reason);
}

int config_check_log_target(const char *text, struct buffer *ret_reason)
{
	if (strcmp(text, "stderr") == 0 || strcmp(text, "syslog") == 0)
		return 0;
	if (text[0] != '/')
		return refuse_text(ret_reason, text,
				   " is not one of stderr, syslog or an absolute path");
	return path_check(text, 4095, ret_reason);
}

int config_check_node(const char *text, struct buffer *ret_reason)
{
	size_t len = strlen(text);

	if (len > NAME_MAX_LEN || !consists_of(text, len, WORD))
		return refuse_text(ret_reason, text,
				   " must be 1 to 64 of A-Z, a-z, 0-9, _, . and -");
	return 0;
}

/* As the Host header has it, without the port. */
int config_check_host(const char *text, struct buffer *ret_reason)
{
	size_t len = strlen(text);
	char inside[INET6_ADDRSTRLEN];
	struct in6_addr address;

	if (text[0] == '[' && text[len - 1] == ']' && len - 2 < sizeof(inside)) {
		memcpy(inside, text + 1, len - 2);
		inside[len - 2] = '\0';
		if (inet_pton(AF_INET6, inside, &address) == 1)
			return 0;
	}
	if (len <= HOST_MAX_LEN && consists_of(text, len, WORD))
		return 0;
	return refuse_text(ret_reason, text,
			   " must be a host name, an IPv4 address or [IPv6], without a port");
}

int config_check_proxy(const char *text, struct buffer *ret_reason)
{
	struct address_network network;

	if (address_network_parse(span_string(text), &network) == 0)
		return 0;
	return refuse_text(ret_reason, text,
			   " must be an IP address, a network as 10.0.0.0/8, or unix");
}

/* Compared byte by byte with what browsers send, so it must be written the way they do. */
int config_check_origin(const char *text, struct buffer *ret_reason)
{
	size_t scheme_len = strspn(text, LOWER DIGITS "+.-");
	const char *host = text + scheme_len + 3;

	if (strcmp(text, "*") == 0)
		return 0;
	if (scheme_len > 0 && strncmp(text + scheme_len, "://", 3) == 0 && *host &&
	    consists_of(host, strlen(host), LOWER DIGITS "_.-:[]"))
		return 0;
	return refuse_text(ret_reason, text,
			   " must be * or scheme://host[:port] in lower case, without a path");
}

/* ---- values together ---- */

static bool is_local(const struct sockaddr_storage *address)
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)address;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)address;

	switch (address->ss_family) {
	case AF_UNIX:
		return true;
	case AF_INET:
		return ntohl(in->sin_addr.s_addr) >> 24 == 127;
	case AF_INET6:
		return IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr) ||
		       (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr) && in6->sin6_addr.s6_addr[12] == 127);
	default:
		return false;
	}
}

static int listen_check(const struct config *config, struct buffer *ret_reason)
{
	struct sockaddr_storage addresses[INHERIT_LISTENERS_MAX];
	unsigned len;

	if (config->listen.count == 0)
		return refuse(ret_reason, "must have at least one entry");
	for (size_t i = 0; i < config->listen.count; i++) {
		const char *text = config->listen.items[i];
		MUST(config_listen_parse(text, &addresses[i], &len) == 0);
		for (size_t before = 0; before < i; before++) {
			if (memcmp(&addresses[before], &addresses[i], sizeof(addresses[i])) == 0)
				return refuse_text(ret_reason, text, " stands there twice");
		}
		if (!is_local(&addresses[i]) && config->auth_mode == CONFIG_AUTH_UNSET)
			return refuse_text(
				ret_reason, text,
				" can be reached from other hosts, and there is no authentication: "
				"write auth.mode = \"none\" if that is meant");
	}
	return 0;
}

static int ring_power_check(const struct config *config, struct buffer *ret_reason)
{
	if ((config->ring_size & (config->ring_size - 1)) == 0)
		return 0;
	buffer_printf(ret_reason, "must be a power of two, not %zu", config->ring_size);
	return -EINVAL;
}

static int ring_room_check(const struct config *config, struct buffer *ret_reason)
{
	size_t least = 32 * config->documents_max_size;

	if (config->ring_size >= least)
		return 0;
	buffer_printf(ret_reason,
		      "ring.size is %zu bytes; documents.max_size of %zu needs at least 32 times "
		      "that: %zu",
		      config->ring_size, config->documents_max_size, least);
	return -EINVAL;
}

static int cluster_check(const struct config *config, struct buffer *ret_reason)
{
	return config->redis_cluster
		       ? refuse(ret_reason, "Redis Cluster is not supported by this version yet")
		       : 0;
}

static int replicas_check(const struct config *config, struct buffer *ret_reason)
{
	if (config->redis_wait_replicas == 0 || strcmp(config->redis_url, "embedded") != 0)
		return 0;
	return refuse(ret_reason, "the embedded Redis has no replicas to wait for");
}

static int sentinel_check(const struct config *config, struct buffer *ret_reason)
{
	bool given = *config->redis_sentinel_user || *config->redis_sentinel_password_file;

	if (!given || strncmp(config->redis_url, "sentinel://", 11) == 0)
		return 0;
	return refuse(ret_reason, "redis.url has no Sentinels to log in to: it must begin with "
				  "sentinel://");
}

static int tls_check(const struct config *config, struct buffer *ret_reason)
{
	return !*config->tls_cert == !*config->tls_key
		       ? 0
		       : refuse(ret_reason, "tls.cert and tls.key need each other");
}

static int queue_check(const struct config *config, struct buffer *ret_reason)
{
	if (config->ws_queue_total >= config->ws_queue)
		return 0;
	buffer_printf(ret_reason, "ws.queue_total is %zu bytes, less than ws.queue, which is %zu",
		      config->ws_queue_total, config->ws_queue);
	return -EINVAL;
}

int config_check_together(const struct config *config, const char **ret_key, const char **ret_other,
			  struct buffer *ret_reason)
{
	static const struct {
		int (*check)(const struct config *config, struct buffer *ret_reason);
		const char *key, *other;
	} checks[] = {
		{config_check_auth, "auth.mode", NULL},
		{listen_check, "listen", NULL},
		{ring_power_check, "ring.size", NULL},
		{ring_room_check, "ring.size", "documents.max_size"},
		{cluster_check, "redis.cluster", NULL},
		{replicas_check, "redis.wait_replicas", NULL},
		{sentinel_check, "redis.sentinel_password_file", "redis.sentinel_user"},
		{tls_check, "tls.cert", "tls.key"},
		{queue_check, "ws.queue_total", "ws.queue"},
	};

	for (size_t i = 0; i < ARRAY_LEN(checks); i++) {
		if (checks[i].check(config, ret_reason) < 0) {
			*ret_key = checks[i].key;
			*ret_other = checks[i].other;
			return -EINVAL;
		}
	}
	return 0;
}
