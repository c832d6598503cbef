/* subscriptions.h — who wants what. Connections with equal subscription sets form an audience; an
 * event is matched against audiences, never against connections, by a fixed number of hash lookups:
 * what does not match costs nothing.
 *
 * One index per worker. Knows no sockets: a member is anything that embeds struct audience_member.
 */
#ifndef SYNCDOC_SUBSCRIPTIONS_H
#define SYNCDOC_SUBSCRIPTIONS_H

#include "document.h"
#include "event.h"
#include "rights.h"
#include "topic.h"

struct subscription_index;
struct audience;

#define SUBSCRIPTION_PRESENCE_WITHHELD (-2)

/* What a client subscribed to. Two are the same subscription when topic, id and prefix are equal;
 * mode, presence and filter may be replaced. */
struct subscription_spec {
	struct topic topic;
	struct span id;     /* one document; empty: all */
	struct span prefix; /* documents whose id starts so; empty: none. Not both. */
	enum event_mode mode;
	int presence; /* -1 not said, 0 no, 1 yes. Not said: yes with an id, and with event
			 `presence` or `*`; else no. SUBSCRIPTION_PRESENCE_WITHHELD: not said, and
			 not allowed (access.h) */
	/* Only documents that these allow; NULL: all that match. Borrowed: the index takes a
	 * reference. Part of what makes audiences equal, so an event is judged once per audience
	 * whatever the number of its members. */
	struct rights *filter;
};

/* What members of one audience have in common besides their set, as all of them get one batch. */
enum audience_kind {
	AUDIENCE_PLAIN,
	AUDIENCE_DEFLATE, /* permessage-deflate was agreed */
};

struct audience_member {
	struct audience *audience; /* NULL: no subscriptions */
	uint32_t place;            /* private: index in the audience's list */
	uint8_t kind;              /* enum audience_kind; set before the first subscription */
};

/* They have one name: topic, id and prefix. */
bool subscription_is_same(const struct subscription_spec *a, const struct subscription_spec *b);

struct subscription_index *subscription_index_create(uint64_t hash_seed);
void subscription_index_destroy(
	struct subscription_index *index); /* all members must have left; NULL is fine */

/* Moves the member to the audience with this subscription added (or its mode, presence and filter
 * replaced). -ENOSPC: it has subscription_max already, nothing changed. */
int subscription_add(struct subscription_index *index, struct audience_member *member,
		     const struct subscription_spec *spec, unsigned subscription_max);
/* Moves the member to the audience that has exactly these subscriptions, all of different names;
 * one after the other, many would take a time that grows with their square. */
void subscription_set(struct subscription_index *index, struct audience_member *member,
		      const struct subscription_spec *specs, size_t count);
/* -ENOENT: it has no such subscription (mode and presence do not matter). */
int subscription_remove(struct subscription_index *index, struct audience_member *member,
			const struct subscription_spec *spec);
/* Leaves everything. */
void subscription_leave(struct subscription_index *index, struct audience_member *member);

unsigned audience_subscription_count(const struct audience *audience); /* NULL: 0 */
enum audience_kind audience_kind(const struct audience *audience);
size_t audience_member_count(const struct audience *audience);
struct audience_member *audience_member_at(const struct audience *audience, size_t place);
size_t subscription_index_audiences(const struct subscription_index *index);
size_t
subscription_index_subscriptions(const struct subscription_index *index); /* over all members */

/* Calls fn once per audience that wants the event, with its modes united. An empty service stands
 * for everybody (resync). fn must not change the index. Returns how many were called. */
typedef void (*audience_match_fn)(struct audience *audience, enum event_mode mode, void *arg);
size_t subscription_match(struct subscription_index *index, const struct event_record *record,
			  audience_match_fn fn, void *arg);
/* The mode in which the audience gets such an event: its matching subscriptions' modes united; 0:
 * not at all. Looks at name, service and id; walks over all subscriptions. NULL: 0. */
unsigned audience_mode(const struct audience *audience, const struct event_record *record);
/* Calls fn for each subscription of the audience, in no order. Spans are valid during the call. */
typedef void (*subscription_each_fn)(const struct subscription_spec *spec, void *arg);
void audience_each_subscription(const struct audience *audience, subscription_each_fn fn,
				void *arg);

/* One pointer of the fan-out's own per audience: the batch being built. NULL at first. */
void **audience_slot(struct audience *audience);

#endif
