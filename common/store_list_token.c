/* store_list_token.c — see store_list_token.h: order, check, cursor. */
#include "store_list_token.h"

#include "hash.h"

/* The same on all hosts: a token may come back to another one. */
#define TOKEN_SEED UINT64_C(0x73796e63646f6331)

static void token_check(const struct store_list_query *query, struct span cursor,
			char ret[STORE_LIST_TOKEN_CHECK_LEN + 1])
{
	uint64_t hash = TOKEN_SEED + query->order;
	hash = hash_span(hash, query->service);
	hash = hash_span(hash, query->prefix);
	hash = hash_span(hash, cursor);
	snprintf(ret, STORE_LIST_TOKEN_CHECK_LEN + 1, "%016llx", (unsigned long long)hash);
}

static char token_order(const struct store_list_query *query)
{
	return query->order == STORE_ORDER_ID ? 'i' : 'u';
}

size_t store_list_token_format(const struct store_list_query *query, struct span cursor,
			       char ret[STORE_LIST_TOKEN_MAX])
{
	ret[0] = token_order(query);
	token_check(query, cursor, ret + 1);
	memcpy(ret + 1 + STORE_LIST_TOKEN_CHECK_LEN, cursor.at, cursor.len);
	return 1 + STORE_LIST_TOKEN_CHECK_LEN + cursor.len;
}

static bool is_sequence(struct span text)
{
	for (size_t i = 0; i < text.len; i++)
		if (text.at[i] < '0' || text.at[i] > '9')
			return false;
	return text.len >= 1 && text.len <= 19;
}

int store_list_token_parse(const struct store_list_query *query, struct span *ret)
{
	char check[STORE_LIST_TOKEN_CHECK_LEN + 1];
	struct span token = query->page_token;
	if (!token.len) {
		*ret = SPAN_NONE;
		return 0;
	}
	if (token.len <= 1 + STORE_LIST_TOKEN_CHECK_LEN || token.at[0] != token_order(query))
		return -EINVAL;
	struct span cursor = span_of(token.at + 1 + STORE_LIST_TOKEN_CHECK_LEN,
				     token.len - 1 - STORE_LIST_TOKEN_CHECK_LEN);
	if (query->order == STORE_ORDER_ID ? !document_id_is_valid(cursor) : !is_sequence(cursor))
		return -EINVAL;
	token_check(query, cursor, check);
	if (memcmp(check, token.at + 1, STORE_LIST_TOKEN_CHECK_LEN) != 0)
		return -EINVAL;
	*ret = cursor;
	return 0;
}
