/* Who was refused, and what it says of those whose names it was not told. */
#include "system_reason.h"

#include <criterion/criterion.h>
#include <pwd.h>
#include <unistd.h>

Test(system_reason, a_refusal_names_the_user_only_where_he_was_looked_up)
{
	char reason[SYSTEM_REASON_MAX], number[64], name[64];
	const struct passwd *user = getpwuid(geteuid());
	cr_assert(user);
	snprintf(number, sizeof(number), "Permission denied (for user %u)", (unsigned)geteuid());
	snprintf(name, sizeof(name), "Permission denied (for user %s)", user->pw_name);
	cr_assert_str_eq(system_reason(EACCES, reason), number);
	system_reason_name_user(geteuid());
	cr_assert_str_eq(system_reason(EACCES, reason), name);
	system_reason_name_user(geteuid() + 1);
	cr_assert_str_eq(system_reason(EACCES, reason), number);
}

Test(system_reason, what_is_no_refusal_names_nobody)
{
	char reason[SYSTEM_REASON_MAX];
	cr_assert_str_eq(system_reason(ENOENT, reason), "No such file or directory");
}
