/* arguments.h — the command line of syncdocctl, read by verb_table.h. Pure. */
#ifndef SYNCDOC_CTL_ARGUMENTS_H
#define SYNCDOC_CTL_ARGUMENTS_H

#include "buffer.h"
#include "verb_table.h"

#define OPERANDS_MAX 3

struct arguments {
	enum verb_id verb; /* VERB_ID_COUNT: none was given (then --help or --version was) */
	const char *operands[OPERANDS_MAX]; /* borrowed: from argv */
	unsigned operand_count;
	const char *values[OPTION_ID_COUNT]; /* borrowed; NULL: not given; "" for a flag */
	int64_t numbers[OPTION_ID_COUNT];    /* NUMBER, TIME (ms); -1: the option's word */
};

/* Options and operands in any order; `--name value`, `--name=value`; behind `--` all are operands.
 * Of an option given twice the last counts. 0, or -EINVAL with one line in *ret_error (no newline).
 */
int arguments_parse(int argc, const char *const *argv, struct arguments *ret,
		    struct buffer *ret_error);

/* Whether --json stands there: for when arguments_parse() fails, and it cannot be told whether it
 * is the value of another option. */
bool arguments_want_json(int argc, const char *const *argv);

static inline bool arguments_has(const struct arguments *arguments, enum option_id option)
{
	return arguments->values[option] != NULL;
}

/* The number, or `otherwise` where the option is not given. */
int64_t arguments_number(const struct arguments *arguments, enum option_id option,
			 int64_t otherwise);

/* Seconds with at most three decimals into milliseconds. -EINVAL. */
int arguments_parse_time(const char *text, int64_t *ret_ms);
/* Digits only. -EINVAL; -ERANGE: beyond int64. */
int arguments_parse_number(const char *text, int64_t *ret);

#endif
