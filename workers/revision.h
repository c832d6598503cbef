/* revision.h — one revision of a document in a worker's memory. The data is shared and never
 * altered, so a clone costs a count. */
#ifndef SYNCDOC_REVISION_H
#define SYNCDOC_REVISION_H

#include "document.h"

struct revision {
	uint64_t number; /* 0: there is no document */
	int64_t updated_at_ms;
	int64_t created_at_ms;
	int64_t expires_at_ms; /* 0: never */
	bool deleted;
	struct text *data; /* owned reference; NULL when number is 0 */
};

/* A copy of its own to work on: what happens to it does not reach the cache until it is persisted.
 */
static inline struct revision revision_clone(const struct revision *revision)
{
	struct revision clone = *revision;

	text_get(clone.data);
	return clone;
}

static inline void revision_fini(struct revision *revision)
{
	text_put(revision->data);
	*revision = (struct revision){0};
}

/* Takes over `next`, drops what was there. */
static inline void revision_replace(struct revision *revision, struct revision next)
{
	text_put(revision->data);
	*revision = next;
}

/* The stored form's view of it; spans stay borrowed. */
static inline struct document revision_document(const struct revision *revision,
						struct span service, struct span id)
{
	return (struct document){
		.revision = revision->number,
		.updated_at_ms = revision->updated_at_ms,
		.created_at_ms = revision->created_at_ms,
		.expires_at_ms = revision->expires_at_ms,
		.deleted = revision->deleted,
		.service = service,
		.id = id,
		.data = text_span(revision->data),
	};
}

/* Copies data out of a parsed envelope. */
static inline struct revision revision_of_document(const struct document *document)
{
	return (struct revision){
		.number = document->revision,
		.updated_at_ms = document->updated_at_ms,
		.created_at_ms = document->created_at_ms,
		.expires_at_ms = document->expires_at_ms,
		.deleted = document->deleted,
		.data = text_create(document->data),
	};
}

#endif
