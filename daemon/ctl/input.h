/* input.h — what is read from outside the command line: JSON operands, tokens. */
#ifndef SYNCDOC_CTL_INPUT_H
#define SYNCDOC_CTL_INPUT_H

#include "json.h"

#define INPUT_MAX (128 << 20)
#define TOKEN_MAX 16384

/* The JSON that an operand names: itself, @FILE, or - for standard input. Checked by the same
 * scanner as the server's, so that what is refused is told before it is sent. 0, or an enum
 * exit_code after complaining. `text` is appended to; `json` refers to it. */
int input_read_json(const char *operand, struct buffer *text, struct json *json);

/* First line of the file; *ret is the caller's. 0, or an enum exit_code after complaining. */
int input_read_token_file(const char *path, char **ret);
/* Visible ASCII only: it becomes part of a header. */
bool input_token_is_valid(const char *token);

#endif
