#include "slow_reader.h"

#include "request_private.h"
#include "tls_front.h"

#include <linux/tcp.h> /* not netinet/tcp.h, whose tcp_info ends before tcpi_bytes_acked */
#include <netinet/in.h>
#include <sys/socket.h>

bool slow_reader_taken(int fd, uint64_t *ret)
{
	struct tcp_info info = {0};
	socklen_t len = sizeof(info);

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) < 0 ||
	    len < offsetof(struct tcp_info, tcpi_bytes_acked) + sizeof(info.tcpi_bytes_acked))
		return false;
	*ret = info.tcpi_bytes_acked;
	return true;
}

/* Not at the first look, which only says where it began: no call into the kernel for each of the
 * many answers that are gone by then. */
static bool is_too_slow(struct request *request, uint64_t taken)
{
	bool too_slow = request->reader_seen && taken - request->reader_taken < SLOW_READER_BYTES;

	request->reader_seen = true;
	request->reader_taken = taken;
	return too_slow;
}

void slow_reader_watch(struct request *request)
{
	if (!request->client->local)
		http_start_deadline(request->http, HTTP_DEADLINE_READER, &request->deadline);
}

void slow_reader_meet(struct deadline *deadline)
{
	struct request *request = CONTAINER_OF(deadline, struct request, deadline);
	const struct linger hard = {.l_onoff = 1};
	uint64_t taken;

	if (!slow_reader_taken(http_client_socket(request->client), &taken))
		return;
	if (!is_too_slow(request, taken)) {
		slow_reader_watch(request);
		return;
	}
	stat_add(request->http->worker->slot, STAT_answers_cut_slow, 1);
	/* A reset, or what the kernel holds for it stays for minutes. */
	if (request->client->front)
		tls_front_reset(request->client->front);
	else
		setsockopt(request->client->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	shutdown(request->client->fd, SHUT_RDWR); /* MHD sees the end and closes */
}
