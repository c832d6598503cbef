/* document.c — the stored form of an envelope: writing it, reading its head. */
#include "document.h"

/* What stands where in the stored form. */
#define TEXT_REVISION "{\"revision\":"
#define TEXT_UPDATED_AT ",\"updatedAt\":"
#define TEXT_CREATED_AT ",\"createdAt\":"
#define TEXT_EXPIRES_AT ",\"expiresAt\":"
#define TEXT_DELETED ",\"deleted\":true"
#define TEXT_SERVICE ",\"service\":\""
#define TEXT_ID "\",\"id\":\""
#define TEXT_DATA "\",\"data\":"
#define TEXT_LEN(text) (sizeof(text) - 1)
#define NUMBER_MAX 20 /* digits of a 64-bit number */

_Static_assert(TEXT_LEN(TEXT_REVISION TEXT_UPDATED_AT TEXT_CREATED_AT TEXT_EXPIRES_AT TEXT_DELETED
				TEXT_SERVICE TEXT_ID TEXT_DATA) +
			       4 * NUMBER_MAX + DOCUMENT_SERVICE_MAX + DOCUMENT_ID_MAX <=
		       DOCUMENT_HEAD_MAX,
	       "the longest head fits what scripts read of it");

/* Bits per byte: may stand in a service, may stand in an id. */
enum { IN_SERVICE = 1, IN_ID = 2, IN_BOTH = 3 };

static const uint8_t name_bytes[256] = {
	['0' ... '9'] = IN_BOTH, ['A' ... 'Z'] = IN_BOTH, ['a' ... 'z'] = IN_BOTH, ['_'] = IN_BOTH,
	['-'] = IN_BOTH,         ['.'] = IN_ID,           [':'] = IN_ID,           ['@'] = IN_ID,
};

/* Bytes at the front that may stand in such a name. */
static size_t name_scan(const char *at, size_t len, uint8_t bit)
{
	size_t n = 0;
	while (n < len && name_bytes[(unsigned char)at[n]] & bit)
		n++;
	return n;
}

bool document_service_is_valid(struct span service)
{
	return service.len >= 1 && service.len <= DOCUMENT_SERVICE_MAX &&
	       name_scan(service.at, service.len, IN_SERVICE) == service.len;
}

bool document_id_is_valid(struct span id)
{
	return id.len >= 1 && id.len <= DOCUMENT_ID_MAX &&
	       name_scan(id.at, id.len, IN_ID) == id.len;
}

/* Where the writers below put their next byte; the room has been made by the caller. */
static char *put_bytes(char *at, const char *bytes, size_t len)
{
	if (len)
		memcpy(at, bytes, len);
	return at + len;
}

#define PUT_TEXT(at, text) put_bytes(at, text, TEXT_LEN(text))

static char *put_number(char *at, uint64_t number)
{
	char digits[NUMBER_MAX], *first = digits + NUMBER_MAX;
	do
		*--first = '0' + number % 10;
	while (number /= 10);
	return put_bytes(at, first, digits + NUMBER_MAX - first);
}

/* The room is DOCUMENT_HEAD_MAX, the data and a byte. Returns how much was put there. */
static size_t put_document(char *start, const struct document *document)
{
	MUST(document->service.len <= DOCUMENT_SERVICE_MAX && document->id.len <= DOCUMENT_ID_MAX);
	MUST(document->updated_at_ms >= 0 && document->created_at_ms >= 0 &&
	     document->expires_at_ms >= 0 && document->data.len >= 2);
	char *at = PUT_TEXT(start, TEXT_REVISION);
	at = put_number(at, document->revision);
	at = PUT_TEXT(at, TEXT_UPDATED_AT);
	at = put_number(at, document->updated_at_ms);
	at = PUT_TEXT(at, TEXT_CREATED_AT);
	at = put_number(at, document->created_at_ms);
	if (document->expires_at_ms) {
		at = PUT_TEXT(at, TEXT_EXPIRES_AT);
		at = put_number(at, document->expires_at_ms);
	}
	if (document->deleted)
		at = PUT_TEXT(at, TEXT_DELETED);
	at = PUT_TEXT(at, TEXT_SERVICE);
	at = put_bytes(at, document->service.at, document->service.len);
	at = PUT_TEXT(at, TEXT_ID);
	at = put_bytes(at, document->id.at, document->id.len);
	at = PUT_TEXT(at, TEXT_DATA);
	at = put_bytes(at, document->data.at, document->data.len);
	*at++ = '}';
	return (size_t)(at - start);
}

void document_format(struct buffer *ret, const struct document *document)
{
	char *start = buffer_reserve(ret, DOCUMENT_HEAD_MAX + document->data.len + 1);
	ret->len += put_document(start, document);
}

struct text *document_text(const struct document *document)
{
	struct text *text = text_reserve(DOCUMENT_HEAD_MAX + document->data.len + 1);
	text->len = put_document(text->at, document);
	return text;
}

/* What is left of a text while its head is read. */
struct cursor {
	const char *at;
	const char *end;
};

static struct cursor cursor_over(struct span text)
{
	const char *at = text.len ? text.at : "";
	return (struct cursor){at, at + text.len};
}

static bool take(struct cursor *cursor, const char *text, size_t len)
{
	if ((size_t)(cursor->end - cursor->at) < len || memcmp(cursor->at, text, len) != 0)
		return false;
	cursor->at += len;
	return true;
}

#define TAKE(cursor, text) take(cursor, text, TEXT_LEN(text))

/* Digits of a number from `min` to `max`, as JSON writes them: no sign, no leading zero. */
static bool take_number(struct cursor *cursor, uint64_t min, uint64_t max, uint64_t *ret)
{
	const char *first = cursor->at;
	uint64_t number = 0;
	while (cursor->at < cursor->end) {
		unsigned digit = (unsigned)(unsigned char)*cursor->at - '0';
		if (digit > 9)
			break;
		if (number > max / 10 || number * 10 > max - digit)
			return false;
		number = number * 10 + digit;
		cursor->at++;
	}
	if (cursor->at == first || (*first == '0' && cursor->at != first + 1) || number < min)
		return false;
	*ret = number;
	return true;
}

static bool take_time(struct cursor *cursor, int64_t min, int64_t *ret)
{
	uint64_t number;
	if (!take_number(cursor, min, INT64_MAX, &number))
		return false;
	*ret = (int64_t)number;
	return true;
}

static bool take_name(struct cursor *cursor, size_t max, uint8_t bit, struct span *ret)
{
	size_t left = cursor->end - cursor->at;
	size_t len = name_scan(cursor->at, left < max ? left : max, bit);
	*ret = span_of(cursor->at, len);
	cursor->at += len;
	return len > 0;
}

/* Everything before the value of data. */
static bool take_head(struct cursor *cursor, struct document *ret)
{
	*ret = (struct document){0};
	if (!TAKE(cursor, TEXT_REVISION) || !take_number(cursor, 1, UINT64_MAX, &ret->revision) ||
	    !TAKE(cursor, TEXT_UPDATED_AT) || !take_time(cursor, 0, &ret->updated_at_ms) ||
	    !TAKE(cursor, TEXT_CREATED_AT) || !take_time(cursor, 0, &ret->created_at_ms))
		return false;
	if (TAKE(cursor, TEXT_EXPIRES_AT) && !take_time(cursor, 1, &ret->expires_at_ms))
		return false;
	ret->deleted = TAKE(cursor, TEXT_DELETED);
	return TAKE(cursor, TEXT_SERVICE) &&
	       take_name(cursor, DOCUMENT_SERVICE_MAX, IN_SERVICE, &ret->service) &&
	       TAKE(cursor, TEXT_ID) && take_name(cursor, DOCUMENT_ID_MAX, IN_ID, &ret->id) &&
	       TAKE(cursor, TEXT_DATA);
}

int document_parse(struct span text, struct document *ret)
{
	struct cursor cursor = cursor_over(text);
	struct document document;
	if (!take_head(&cursor, &document))
		return -EBADMSG;
	size_t left = cursor.end - cursor.at;
	if (left < 3 || cursor.at[0] != '{' || memcmp(cursor.end - 2, "}}", 2) != 0)
		return -EBADMSG;
	document.data = span_of(cursor.at, left - 1);
	*ret = document;
	return 0;
}

int document_parse_head(struct span text, struct document *ret)
{
	struct cursor cursor = cursor_over(text);
	struct document document;
	if (!take_head(&cursor, &document))
		return -EBADMSG;
	*ret = document;
	return 0;
}

int document_format_head(struct span text, struct buffer *ret)
{
	struct cursor cursor = cursor_over(text);
	struct document document;
	if (!take_head(&cursor, &document))
		return -EBADMSG;
	/* The quote that ends the id stays. */
	buffer_append(ret, text.at, cursor.at - text.at - (TEXT_LEN(TEXT_DATA) - 1));
	buffer_append_char(ret, '}');
	return 0;
}

/* A whole token is a number in range. */
static bool number_from(struct span raw, uint64_t min, uint64_t max, uint64_t *ret)
{
	struct cursor cursor = cursor_over(raw);
	return take_number(&cursor, min, max, ret) && cursor.at == cursor.end;
}

static bool time_from(struct span raw, int64_t min, int64_t *ret)
{
	struct cursor cursor = cursor_over(raw);
	return take_time(&cursor, min, ret) && cursor.at == cursor.end;
}

/* A string without its quotes. No writer of JSON escapes what may stand in a name, so a backslash
 * is refused. */
static bool name_from(struct span raw, bool (*is_valid)(struct span), struct span *ret)
{
	if (raw.len < 2 || raw.at[0] != '"')
		return false;
	*ret = span_of(raw.at + 1, raw.len - 2);
	return is_valid(*ret);
}

/* `name` as it stands in the text, with quotes. */
static bool member_from(struct span name, struct span raw, struct document *ret)
{
	if (span_equals(name, SPAN("\"revision\"")))
		return number_from(raw, 1, UINT64_MAX, &ret->revision);
	if (span_equals(name, SPAN("\"updatedAt\"")))
		return time_from(raw, 0, &ret->updated_at_ms);
	if (span_equals(name, SPAN("\"createdAt\"")))
		return time_from(raw, 0, &ret->created_at_ms);
	if (span_equals(name, SPAN("\"expiresAt\"")))
		return time_from(raw, 1, &ret->expires_at_ms);
	if (span_equals(name, SPAN("\"deleted\""))) {
		ret->deleted = true;
		return span_equals(raw, SPAN("true"));
	}
	if (span_equals(name, SPAN("\"service\"")))
		return name_from(raw, document_service_is_valid, &ret->service);
	if (span_equals(name, SPAN("\"id\"")))
		return name_from(raw, document_id_is_valid, &ret->id);
	if (span_equals(name, SPAN("\"data\""))) {
		ret->data = raw;
		return raw.at[0] == '{';
	}
	return false;
}

/* Refuses unknown and missing members; duplicates were refused by json_parse(). */
static int envelope_from(const struct json *doc, struct document *ret)
{
	*ret = (struct document){.updated_at_ms = -1, .created_at_ms = -1};
	if (doc->tokens[0].type != JSON_OBJECT)
		return -EBADMSG;
	for (uint32_t i = 1; i < doc->tokens[0].next; i = doc->tokens[i + 1].next)
		if (!member_from(json_raw(doc, i), json_raw(doc, i + 1), ret))
			return -EBADMSG;
	bool complete = ret->revision && ret->updated_at_ms >= 0 && ret->created_at_ms >= 0 &&
			ret->service.len && ret->id.len && ret->data.len;
	return complete ? 0 : -EBADMSG;
}

int document_canonicalise(struct span json, struct buffer *ret)
{
	CLEANUP(json_fini) struct json doc = {0};
	struct json_fault fault;
	struct document document;
	if (json_parse(&doc, json, JSON_DEPTH_LIMIT, &fault) || envelope_from(&doc, &document))
		return -EBADMSG;
	document_format(ret, &document);
	return 0;
}

size_t document_etag(const struct document *document, char ret[DOCUMENT_ETAG_MAX])
{
	char *at = ret;
	*at++ = '"';
	at = put_number(at, document->revision);
	*at++ = '-';
	at = put_number(at, document->updated_at_ms);
	*at++ = '"';
	*at = '\0';
	return at - ret;
}
