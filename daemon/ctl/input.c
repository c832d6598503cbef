/* input.c — see input.h. */
#define _GNU_SOURCE
#include "input.h"

#include "exit_code.h"
#include "output.h"

#include <fcntl.h>
#include <unistd.h>

static int read_all(int fd, struct buffer *ret)
{
	for (;;) {
		char *to = buffer_reserve(ret, 65536);
		ssize_t got = read(fd, to, 65536);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0)
			return 0;
		ret->len += (size_t)got;
		if (ret->len > INPUT_MAX)
			return -EFBIG;
	}
}

static int read_file(const char *path, struct buffer *ret)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	int error = read_all(fd, ret);
	close(fd);
	return error;
}

static int read_operand(const char *operand, struct buffer *text, const char **ret_name)
{
	*ret_name = "JSON";
	if (strcmp(operand, "-") == 0) {
		*ret_name = "standard input";
		return read_all(STDIN_FILENO, text);
	}
	if (operand[0] == '@') {
		*ret_name = operand + 1;
		return read_file(operand + 1, text);
	}
	buffer_append_string(text, operand);
	return 0;
}

int input_read_json(const char *operand, struct buffer *text, struct json *json)
{
	struct json_fault fault;
	const char *name;
	int error = read_operand(operand, text, &name);
	if (error) {
		output_complain("%s: %s", name, strerror(-error));
		return EXIT_USAGE;
	}
	error = json_parse(json, buffer_span(text), JSON_DEPTH_LIMIT, &fault);
	if (!error)
		return 0;
	output_complain("%s: %s at byte %zu%s", name, fault.reason, fault.offset,
			operand[0] != '@' && operand[0] != '-' && operand[0] != '{' &&
					operand[0] != '['
				? "; a file is given as @FILE"
				: "");
	return EXIT_USAGE;
}

bool input_token_is_valid(const char *token)
{
	if (!*token)
		return false;
	for (; *token; token++)
		if (*token <= ' ' || (unsigned char)*token >= 0x7f)
			return false;
	return true;
}

int input_read_token_file(const char *path, char **ret)
{
	CLEANUP(buffer_fini) struct buffer text = {0};
	int error = read_file(path, &text);
	if (error) {
		output_complain("--token-file %s: %s", path, strerror(-error));
		return EXIT_USAGE;
	}
	buffer_append_char(&text, '\0');
	size_t len = strcspn(text.at, "\r\n");
	text.at[len] = '\0';
	if (len > TOKEN_MAX || !input_token_is_valid(text.at)) {
		output_complain("--token-file %s: its first line is no token", path);
		return EXIT_USAGE;
	}
	*ret = strdup(text.at);
	MUST(*ret);
	return 0;
}
