/* store_list_token.h — page tokens of lists of documents. A check in each binds it to the query and
 * keeps out what was typed by hand. Pure. */
#ifndef SYNCDOC_STORE_LIST_TOKEN_H
#define SYNCDOC_STORE_LIST_TOKEN_H

#include "store.h"

#define STORE_LIST_TOKEN_CHECK_LEN 16
#define STORE_LIST_TOKEN_MAX (2 + STORE_LIST_TOKEN_CHECK_LEN + DOCUMENT_ID_MAX)

/* The token for the page behind `cursor`, an id or a sequence of at most DOCUMENT_ID_MAX bytes;
 * returns its length. */
size_t store_list_token_format(const struct store_list_query *query, struct span cursor,
			       char ret[STORE_LIST_TOKEN_MAX]);
/* The cursor in query->page_token, which it borrows from; none for no token. -EINVAL: not one of
 * ours, or of another query. */
int store_list_token_parse(const struct store_list_query *query, struct span *ret);

#endif
