#include "dns_fixture.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <fcntl.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define HEAD 12
#define TYPE_A 1
#define TYPE_AAAA 28
#define RCODE_NXDOMAIN 3
#define PACKET_MAX 1500

/* The question's name as text; *at stands behind it then. */
static void read_name(const unsigned char *packet, size_t len, size_t *at, char ret[256])
{
	size_t out = 0;
	while (*at < len && packet[*at]) {
		size_t label = packet[(*at)++];
		cr_assert(*at + label < len && out + label + 2 < 256);
		memcpy(ret + out, packet + *at, label);
		out += label;
		ret[out++] = '.';
		*at += label;
	}
	(*at)++;
	ret[out ? out - 1 : 0] = '\0';
}

static size_t put_address(unsigned char *at, const char *text, unsigned type)
{
	int family = type == TYPE_A ? AF_INET : AF_INET6;
	unsigned char address[16];
	size_t len = type == TYPE_A ? 4 : 16;
	if (inet_pton(family, text, address) != 1)
		return 0;
	const unsigned char head[] = {0xc0, HEAD, 0, (unsigned char)type, 0, 1, 0, 0,
				      0,    60,   0, (unsigned char)len};
	memcpy(at, head, sizeof(head));
	memcpy(at + sizeof(head), address, len);
	return sizeof(head) + len;
}

static const struct dns_name *find(const struct dns_fixture *dns, const char *name)
{
	for (size_t i = 0; i < DNS_NAMES_MAX && dns->names[i].name; i++)
		if (strcasecmp(dns->names[i].name, name) == 0)
			return &dns->names[i];
	return NULL;
}

/* Head and question are in the packet; returns its new length. */
static size_t answer(unsigned char *packet, size_t len, const struct dns_name *name, unsigned type)
{
	char addresses[256];
	unsigned count = 0;
	packet[2] = 0x81; /* an answer */
	packet[3] = (unsigned char)(0x80 | (name ? 0 : RCODE_NXDOMAIN));
	memset(packet + 6, 0, 6); /* EDNS, too, is left out */
	snprintf(addresses, sizeof(addresses), "%s", name ? name->addresses : "");
	for (char *one = strtok(addresses, " "); one; one = strtok(NULL, " ")) {
		size_t more = put_address(packet + len, one, type);
		len += more;
		count += more > 0;
	}
	packet[7] = (unsigned char)count;
	return len;
}

static void on_question(struct ev_loop *loop, ev_io *io, int revents)
{
	struct dns_fixture *dns = io->data;
	struct sockaddr_in from;
	socklen_t from_len = sizeof(from);
	unsigned char packet[PACKET_MAX];
	char name[256];
	(void)loop, (void)revents;
	ssize_t len = recvfrom(dns->fd, packet, 512, 0, (void *)&from, &from_len);
	if (len < HEAD)
		return;
	size_t at = HEAD;
	read_name(packet, (size_t)len, &at, name);
	unsigned type = (unsigned)packet[at] << 8 | packet[at + 1];
	const struct dns_name *known = find(dns, name);
	dns->asked++;
	if (known && !known->addresses)
		return;
	size_t end = answer(packet, at + 4, known, type);
	sendto(dns->fd, packet, end, 0, (void *)&from, from_len);
}

void dns_open(struct dns_fixture *dns, struct ev_loop *loop)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	socklen_t len = sizeof(address);
	*dns = (struct dns_fixture){.loop = loop};
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	dns->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	cr_assert(dns->fd >= 0);
	cr_assert(bind(dns->fd, (struct sockaddr *)&address, len) == 0);
	cr_assert(getsockname(dns->fd, (struct sockaddr *)&address, &len) == 0);
	snprintf(dns->servers, sizeof(dns->servers), "127.0.0.1:%u", ntohs(address.sin_port));
	ev_io_init(&dns->io, on_question, dns->fd, EV_READ);
	dns->io.data = dns;
	ev_io_start(loop, &dns->io);
}

void dns_close(struct dns_fixture *dns)
{
	ev_io_stop(dns->loop, &dns->io);
	close(dns->fd);
}

void dns_set(struct dns_fixture *dns, const char *name, const char *addresses)
{
	size_t i = 0;
	while (i < DNS_NAMES_MAX - 1 && dns->names[i].name && strcmp(dns->names[i].name, name) != 0)
		i++;
	dns->names[i] = (struct dns_name){name, addresses};
}
