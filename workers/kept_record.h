/* kept_record.h — one ring record kept beyond its pass, shared by all slow connections that
 * remember its event. One process, one thread. */
#ifndef SYNCDOC_KEPT_RECORD_H
#define SYNCDOC_KEPT_RECORD_H

#include "event.h"

struct kept_record {
	uint32_t references;       /* all owners: the pass, batches, conflations */
	uint32_t holders;          /* conflations among them; for the bytes that slow ones cost */
	struct text *text;         /* owned: the record's bytes */
	struct event_record event; /* its spans point into text */
};

/* A copy of a record that event_record_parse() has taken already; one reference. */
struct kept_record *kept_record_create(struct span record);
struct kept_record *kept_record_get(struct kept_record *kept);
void kept_record_put(struct kept_record *kept); /* NULL is fine */

#endif
