/* redis_password.c — see redis_password.h. */
#include "redis_password.h"

#include "secret_file.h"

#define PASSWORD_MAX 1024
#define FILE_MAX 4096
#define READ_ROOM (2 * FILE_MAX + 4096) /* never moved while it is read: no copy stays behind */

static int take_line(const struct secret_report *report, struct span text, char **ret)
{
	size_t len = 0;

	while (len < text.len && text.at[len] != '\n' && text.at[len] != '\r')
		len++;
	if (!len)
		return secret_fault(report, text.len ? "its first line is empty" : "it is empty");
	if (len > PASSWORD_MAX)
		return secret_fault(report, "its first line is too long for a password");
	if (memchr(text.at, '\0', len))
		return secret_fault(report, "is no text file");
	MUST(*ret = strndup(text.at, len));
	return 0;
}

int redis_password_read(const char *key, const char *path, char **ret, char *ret_reason,
			size_t reason_len)
{
	const struct secret_report report = {key, path, ret_reason, reason_len};
	struct buffer text = {0};

	buffer_reserve(&text, READ_ROOM);
	int error =
		secret_file_read(&report, S_IRWXO | S_IWGRP,
				 "may not be open to others, nor writable by its group (chmod 640)",
				 FILE_MAX, &text);
	if (!error)
		error = take_line(&report, buffer_span(&text), ret);
	explicit_bzero(text.at, text.cap);
	buffer_fini(&text);
	return error;
}

void redis_password_wipe(char **password)
{
	if (*password)
		explicit_bzero(*password, strlen(*password));
	free(*password);
	*password = NULL;
}
