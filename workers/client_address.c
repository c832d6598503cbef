#include "client_address.h"

#include "address_count.h"
#include "address_rate.h"

/* --- life ------------------------------------------------------------------ */

void client_address_start(struct http *http)
{
	const struct config *config = http->worker->config;

	http->proxies = calloc(config->trusted_proxies.count + 1, sizeof(*http->proxies));
	MUST(http->proxies);
	for (size_t i = 0; i < config->trusted_proxies.count; i++)
		/* config_check_proxy() has let it through. */
		MUST(!address_network_parse(span_string(config->trusted_proxies.items[i]),
					    &http->proxies[http->proxy_count++]));
	if (config->limits_requests_per_address)
		http->rate = address_rate_create(config->limits_requests_per_address,
						 http->worker->hash_seed);
}

void client_address_stop(struct http *http)
{
	free(http->proxies);
	address_rate_destroy(http->rate);
}

/* --- connections ----------------------------------------------------------- */

static bool is_proxy(const struct http *http, const struct in6_addr *address)
{
	return address_is_in(address, http->proxies, http->proxy_count);
}

bool client_address_may_connect(const struct http *http, const struct sockaddr *peer)
{
	struct in6_addr address;

	address_of_peer(peer, &address);
	return is_proxy(http, &address) ||
	       !address_count_is_full(http->worker->addresses, &address,
				      http->worker->config->limits_per_address);
}

bool client_address_add(struct http *http, const struct sockaddr *peer, struct in6_addr *ret)
{
	address_of_peer(peer, ret);
	if (is_proxy(http, ret))
		return false;
	address_count_add(http->worker->addresses, ret);
	return true;
}

void client_address_come(struct client *client, const struct sockaddr *peer)
{
	address_of_peer(peer, &client->address);
	client->is_proxy = is_proxy(client->http, &client->address);
	client->counts = !client->is_proxy && !client->front;
	if (client->counts)
		address_count_add(client->http->worker->addresses, &client->address);
}

void client_address_go(struct client *client)
{
	if (client->counts)
		address_count_remove(client->http->worker->addresses, &client->address);
	client->counts = false;
}

/* --- requests -------------------------------------------------------------- */

static void find_address(struct request *request)
{
	const struct http *http = request->http;
	const struct client *client = request->client;

	request->address = client->address;
	request->forwarded = ADDRESS_DIRECT;
	if (client->is_proxy)
		request->forwarded = address_forwarded(
			&client->address, request_header(request, "X-Forwarded-For"), http->proxies,
			http->proxy_count, &request->address);
	if (request->forwarded == ADDRESS_UNCLEAR)
		stat_add(http->worker->slot, STAT_forwarded_unclear, 1);
}

static int refuse_rate(struct request *request, struct outcome *ret_refusal)
{
	stat_add(request->http->worker->slot, STAT_requests_rate_limited, 1);
	*ret_refusal = outcome_refusal(429, "rate_limited",
				       "limits.requests_per_address allows %u requests a second",
				       request->http->worker->config->limits_requests_per_address);
	ret_refusal->retry_after_s = 1;
	return -EAGAIN;
}

static int refuse_connection(struct request *request, struct outcome *ret_refusal)
{
	stat_add(request->http->worker->slot, STAT_connections_refused_address, 1);
	*ret_refusal =
		outcome_refusal(503, "too_many_connections", "limits.per_address is reached");
	ret_refusal->retry_after_s = 1;
	return -EAGAIN;
}

int request_admit(struct request *request, struct outcome *ret_refusal)
{
	struct http *http = request->http;
	struct address_count *addresses = http->worker->addresses;
	unsigned most = http->worker->config->limits_per_address;

	find_address(request);
	/* What a proxy asks for itself, its health checks, is no client's. */
	if (request->client->is_proxy && request->forwarded != ADDRESS_FORWARDED)
		return 0;
	if (http->rate) {
		bool allowed =
			address_rate_take(http->rate, &request->address, worker_monotonic_ms());

		stat_set(http->worker->slot, STAT_addresses_forgotten,
			 address_rate_forgotten(http->rate));
		if (!allowed)
			return refuse_rate(request, ret_refusal);
	}
	if (!request->client->is_proxy)
		return 0;
	if (address_count_is_full(addresses, &request->address, most))
		return refuse_connection(request, ret_refusal);
	address_count_add(addresses, &request->address);
	request->counts = true;
	return 0;
}

void request_leave(struct request *request)
{
	if (request->counts)
		address_count_remove(request->http->worker->addresses, &request->address);
	request->counts = false;
}

void request_give_place(struct request *request)
{
	request_leave(request);
	if (request->client)
		client_address_go(request->client);
}

struct in6_addr request_address(const struct request *request)
{
	return request->address;
}

/* A proxy here says whom it speaks for; one that is not trusted is not believed, but it is no local
 * client either. */
bool request_is_local(const struct request *request)
{
	static const char *const proxied[] = {"X-Forwarded-For", "Forwarded", "X-Real-IP"};

	for (size_t i = 0; i < ARRAY_LEN(proxied); i++)
		if (request->forwarded != ADDRESS_FORWARDED && request_header(request, proxied[i]))
			return false;
	return IN6_IS_ADDR_UNSPECIFIED(&request->address) || address_is_loopback(&request->address);
}
