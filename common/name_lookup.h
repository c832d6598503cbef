/* name_lookup.h — the addresses of a host name, asked for without holding up the loop: /etc/hosts,
 * search domains and name servers as resolv.conf says, by c-ares.
 *
 * Each lookup is on its own: it reads the configuration of the resolver anew, keeps nothing for the
 * next one (so that what DNS says now is what the next connection follows), can be given up alone,
 * and leaves nothing behind that a fork could share. */
#ifndef SYNCDOC_NAME_LOOKUP_H
#define SYNCDOC_NAME_LOOKUP_H

#include "base.h"
#include <ev.h>

#define NAME_ADDRESSES_MAX 16    /* of one name; more are passed over */
#define NAME_ADDRESS_TEXT_MAX 64 /* with a zone: fe80::1%4294967295 */

struct name_addresses {
	char text[NAME_ADDRESSES_MAX][NAME_ADDRESS_TEXT_MAX]; /* numeric; the best one first */
	size_t count;
};

struct name_lookup;

struct name_lookup_options {
	const char *name;
	int64_t timeout_ms; /* until it has failed */
	/* For tests: "address:port,…" instead of the servers of resolv.conf; NULL: those. */
	const char *servers;
};

/* `reason` NULL: at least one address. Else why there is none, for people; `addresses` is NULL.
 * Both die with the call. */
typedef void (*name_lookup_fn)(const struct name_addresses *addresses, const char *reason,
			       void *arg);

/* Calls `fn` once, from a later turn of the loop; the lookup is freed behind that call. Options are
 * copied. */
struct name_lookup *name_lookup_start(struct ev_loop *loop,
				      const struct name_lookup_options *options, name_lookup_fn fn,
				      void *arg);
/* `fn` will not be called. Not from inside it. NULL is fine. */
void name_lookup_cancel(struct name_lookup *lookup);

/* An IPv4 address in any of its forms, or something with a colon, which no name has: nothing to
 * look up. Pure. */
bool name_is_numeric(const char *name);

#endif
