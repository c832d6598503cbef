#include "resp.h"

#define DIGITS_MAX 20 /* of a size_t */

_Static_assert(RESP_AROUND_MAX == DIGITS_MAX + 5, "a mark, and two line ends");

/* A mark, a number and the end of their line. */
static char *put_line(char *at, char mark, size_t number)
{
	char digits[DIGITS_MAX];
	size_t first = sizeof(digits);

	do {
		digits[--first] = (char)('0' + number % 10);
		number /= 10;
	} while (number);
	*at++ = mark;
	at = mempcpy(at, digits + first, sizeof(digits) - first);
	return mempcpy(at, "\r\n", 2);
}

char *resp_put_count(char *at, size_t items)
{
	return put_line(at, '*', items);
}

char *resp_put_item(char *at, const char *bytes, size_t len)
{
	at = put_line(at, '$', len);
	if (len)
		at = mempcpy(at, bytes, len);
	return mempcpy(at, "\r\n", 2);
}
