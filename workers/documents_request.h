/* documents_request.h — reading what requests about documents have in common, for
 * documents_handler.c and history_handler.c. What refuses fills *ret_fault and returns -EINVAL; the
 * handlers' entry points answer it. */
#ifndef SYNCDOC_DOCUMENTS_REQUEST_H
#define SYNCDOC_DOCUMENTS_REQUEST_H

#include "http.h"
#include "json.h"
#include "operations.h"
#include "principal.h"

/* Digits only: no sign, no space, no exponent. Refuses without a fault. */
int documents_read_integer(const char *text, int64_t min, int64_t max, int64_t *ret);
/* `name` is true, false, or absent, which is false. */
int documents_read_flag(const struct request *request, const char *name, bool *ret,
			struct outcome *ret_fault);
int documents_read_page_size(const struct request *request, unsigned *ret,
			     struct outcome *ret_fault);
int documents_check_no_query(const struct request *request, struct outcome *ret_fault);
/* `wrapped`: levels that the body has around the document, which alone may be documents.max_depth
 * deep. */
int documents_parse_body(const struct request *request, unsigned wrapped, struct json *json,
			 struct outcome *ret_fault);
/* Token memory for one body, until the handler returns. */
struct json *documents_scratch(void);
/* If-Match, and If-None-Match, where weak tags match too. */
int documents_read_conditions(const struct request *request, struct tag_condition *ret_if_match,
			      struct tag_condition *ret_if_none_match, struct outcome *ret_fault);
/* Names, conditions and Idempotency-Key: what all writes have. */
int documents_begin_write(const struct request *request, enum write_kind kind,
			  struct write_request *ret, struct outcome *ret_fault);
void documents_submit(struct request *request, const struct write_request *write);

#endif
