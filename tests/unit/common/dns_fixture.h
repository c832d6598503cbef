/* dns_fixture.h — a name server of the test's own: a UDP socket in the test's loop, with a few
 * names. */
#ifndef SYNCDOC_DNS_FIXTURE_H
#define SYNCDOC_DNS_FIXTURE_H

#include "base.h"
#include <ev.h>

#define DNS_NAMES_MAX 8

struct dns_name {
	const char *name;
	const char *addresses; /* separated by blanks, of both families; NULL: never answered */
};

struct dns_fixture {
	struct ev_loop *loop;
	int fd;
	ev_io io;
	char servers[96];                     /* address:port, for name_lookup_options */
	struct dns_name names[DNS_NAMES_MAX]; /* any other does not exist */
	int asked;                            /* questions so far */
};

void dns_open(struct dns_fixture *dns, struct ev_loop *loop);
void dns_close(struct dns_fixture *dns);
/* What it says of `name` from now on; both borrowed. */
void dns_set(struct dns_fixture *dns, const char *name, const char *addresses);

#endif
