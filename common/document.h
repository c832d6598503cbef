/* document.h — names, and the envelope as stored (DESIGN.md section 4). Pure.
 *
 * {"revision":N,"updatedAt":T,"createdAt":C[,"expiresAt":E][,"deleted":true],"service":…,"id":…,"data":{…}}
 * in exactly this member order and without white space outside data: scripts read the head of the
 * string, and GET sends the text unparsed. Times are Unix milliseconds. */
#ifndef SYNCDOC_DOCUMENT_H
#define SYNCDOC_DOCUMENT_H

#include "json.h"

#define DOCUMENT_SERVICE_MAX 64
#define DOCUMENT_ID_MAX 128
#define DOCUMENT_HEAD_MAX 448 /* bytes before the value of data, at most */
#define DOCUMENT_ETAG_MAX 48

struct document {
	uint64_t revision; /* 0: there is no document */
	int64_t updated_at_ms;
	int64_t created_at_ms;
	int64_t expires_at_ms; /* 0: never */
	bool deleted;
	struct span service; /* borrowed */
	struct span id;      /* borrowed */
	struct span data;    /* borrowed; a JSON object */
};

/* Which revision of a document: what its entity tag says. */
struct entity_tag {
	uint64_t revision;
	int64_t updated_at_ms;
};

bool document_service_is_valid(struct span service); /* [A-Za-z0-9_-]{1,64} */
bool document_id_is_valid(struct span id);           /* [A-Za-z0-9_.:@-]{1,128} */

/* Appends the envelope. */
void document_format(struct buffer *ret, const struct document *document);
/* The same as a text, of which the caller owns a reference. */
struct text *document_text(const struct document *document);
/* Reads the stored form without looking into data; spans point into `text`.
 * 0, or -EBADMSG: not in the stored form. */
int document_parse(struct span text, struct document *ret);
/* As document_parse(), of a text that is at least the head; ret->data is empty. */
int document_parse_head(struct span text, struct document *ret);
/* Appends the stored form of an envelope whose members stand in any order, as RedisJSON may give
 * it. 0, or -EBADMSG: not an envelope; ret unchanged. */
int document_canonicalise(struct span json, struct buffer *ret);
/* Appends the envelope without `,"data":…`: what lists show. `text` is at least the head of a
 * stored form. 0, or -EBADMSG. */
int document_format_head(struct span text, struct buffer *ret);

/* A document past its time reads as expired even before the expiry write. */
static inline bool document_is_expired(const struct document *document, int64_t now_ms)
{
	return !document->deleted && document->expires_at_ms && document->expires_at_ms <= now_ms;
}

static inline bool document_is_living(const struct document *document, int64_t now_ms)
{
	return document->revision && !document->deleted && !document_is_expired(document, now_ms);
}

/* updatedAt of the revision behind one of `previous_ms`: it never repeats within a document. */
static inline int64_t document_next_time(int64_t previous_ms, int64_t now_ms)
{
	return now_ms > previous_ms ? now_ms : previous_ms + 1;
}

/* Strong entity tag `"<revision>-<updatedAt>"`, quotes included, NUL-terminated. Returns its
 * length. */
size_t document_etag(const struct document *document, char ret[DOCUMENT_ETAG_MAX]);

#endif
