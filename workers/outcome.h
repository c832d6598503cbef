/* outcome.h — the result of an operation, the same for REST and WebSocket. */
#ifndef SYNCDOC_OUTCOME_H
#define SYNCDOC_OUTCOME_H

#include "document.h"

#define OUTCOME_DETAIL_MAX 320

/* Spans are borrowed: valid only during the callback that hands the outcome over. */
struct outcome {
	int status;                      /* HTTP status; < 400: success (200, 201, 304) */
	const char *code;                /* NULL on success; static: "revision_conflict" */
	char detail[OUTCOME_DETAIL_MAX]; /* for humans; valid UTF-8; "" on success */

	struct span envelope; /* success: the document in stored form; conflict: the current one; or
				 len 0 */
	struct text *text;    /* borrowed: `envelope` is all of it; NULL: it lies elsewhere */
	size_t unread_len;    /* of an envelope of which only the head was read: the answer has no
				 body, and `envelope` len 0 */
	struct document document; /* head of `envelope` where it has one; revision 0: none */
	struct span items;        /* list, services, batchGet: a JSON array; else len 0 */
	const char *items_name;   /* what clients find them under; NULL: "items" */
	struct span next_page_token;

	bool has_current_revision; /* conflicts and 410 */
	uint64_t current_revision;
	bool has_oldest_revision; /* a revision that is no longer kept */
	uint64_t oldest_revision;
	bool has_failed_operation; /* JSON Patch */
	uint32_t failed_operation;
	bool has_offset; /* malformed JSON: byte in the body */
	size_t offset;
	bool idempotent_replay;
	unsigned retry_after_s; /* 0: no Retry-After */
};

/* A refusal; detail is cut to what fits. */
struct outcome outcome_refusal(int status, const char *code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* Maps a json_parse() error (-EBADMSG 400 json_malformed, -ERANGE 422 json_not_representable,
 * -E2BIG 422 json_too_deep). */
struct json_fault;
struct outcome outcome_of_json_fault(int error, const struct json_fault *fault);
/* 422 unknown_member: `name` is the token of a member's name. */
struct json;
struct outcome outcome_of_unknown_member(const struct json *json, uint32_t name);
/* 0, or -EINVAL and *ret is that refusal: the object has a member that is not in `known`
 * (NULL-terminated). */
int outcome_check_members(const struct json *json, uint32_t object, const char *const *known,
			  struct outcome *ret);
/* Maps an error of store.h: 503 redis_unavailable, 500 internal_error… */
struct outcome outcome_of_store_error(int error);
/* Takes the document's data out: of a success its head is left, which goes into `memory`. */
void outcome_conceal(struct outcome *outcome, struct buffer *memory);
/* Appends `,"currentRevision":7,"oldestRevision":3,"document":{…},"failedOp":0,"offset":12`, each
 * where it is known: the members that problem+json and WebSocket errors share. `with_document`
 * false: without the document (Prefer: return=minimal). */
void outcome_append_members(struct buffer *ret, const struct outcome *outcome, bool with_document);

#endif
