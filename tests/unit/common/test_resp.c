/* test_resp.c — commands in the form in which Redis reads them. */
#include "resp.h"

#include <criterion/criterion.h>

TestSuite(resp, .timeout = 10);

Test(resp, a_command_is_a_count_and_its_items)
{
	char text[100];
	char *at = resp_put_count(text, 3);

	at = resp_put_item(at, "SET", 3);
	at = resp_put_item(at, "k\r\n\0", 4);
	at = resp_put_item(at, NULL, 0);
	static const char wanted[] = "*3\r\n$3\r\nSET\r\n$4\r\nk\r\n\0\r\n$0\r\n\r\n";
	cr_assert_eq((size_t)(at - text), sizeof(wanted) - 1);
	cr_assert_arr_eq(text, wanted, sizeof(wanted) - 1);
}

Test(resp, numbers_have_all_their_digits)
{
	char text[RESP_AROUND_MAX];
	char *at = resp_put_count(text, SIZE_MAX);

	cr_assert_eq((size_t)(at - text), strlen("*18446744073709551615\r\n"));
	cr_assert_arr_eq(text, "*18446744073709551615\r\n", (size_t)(at - text));
	at = resp_put_count(text, 10);
	cr_assert_arr_eq(text, "*10\r\n", (size_t)(at - text));
}
