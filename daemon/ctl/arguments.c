/* arguments.c — see arguments.h. */
#include "arguments.h"

#include <inttypes.h>

struct reader {
	struct arguments *arguments;
	struct buffer *error;
	int argc;
	const char *const *argv;
	int at;
};

int arguments_parse_number(const char *text, int64_t *ret)
{
	int64_t number = 0;
	bool too_big = false;
	if (!*text)
		return -EINVAL;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return -EINVAL;
		too_big = too_big || __builtin_mul_overflow(number, 10, &number) ||
			  __builtin_add_overflow(number, *text - '0', &number);
	}
	if (too_big)
		return -ERANGE;
	*ret = number;
	return 0;
}

int arguments_parse_time(const char *text, int64_t *ret_ms)
{
	char whole[24];
	int64_t seconds = 0, thousandths = 0;
	size_t len = strcspn(text, ".");
	if (len >= sizeof(whole))
		return -EINVAL;
	memcpy(whole, text, len);
	whole[len] = '\0';
	if (arguments_parse_number(whole, &seconds) || seconds > INT32_MAX)
		return -EINVAL;
	if (text[len]) {
		const char *decimals = text + len + 1;
		size_t count = strlen(decimals);
		if (count > 3 || arguments_parse_number(decimals, &thousandths))
			return -EINVAL;
		for (; count < 3; count++)
			thousandths *= 10;
	}
	*ret_ms = seconds * 1000 + thousandths;
	return 0;
}

static bool choice_has(const char *choices, struct span value)
{
	while (*choices) {
		size_t len = strcspn(choices, "|");
		if (span_equals(span_of(choices, len), value))
			return true;
		choices += len + (choices[len] == '|');
	}
	return false;
}

/* ---- values ---- */

static int refuse_value(struct reader *reader, const struct option_row *row, const char *value)
{
	struct buffer *error = reader->error;
	buffer_printf(error, "--%s: must be ", row->name);
	if (row->kind == OPTION_KIND_CHOICE) {
		for (const char *at = row->choices; *at; at++) {
			if (*at == '|')
				buffer_append_string(error, strchr(at + 1, '|') ? ", " : " or ");
			else
				buffer_append_char(error, *at);
		}
	} else if (row->kind == OPTION_KIND_NUMBER) {
		buffer_printf(error, "a whole number from %" PRId64, row->min);
		if (row->max < INT64_MAX)
			buffer_printf(error, " to %" PRId64, row->max);
		if (row->word)
			buffer_printf(error, ", or %s", row->word);
	} else if (row->kind == OPTION_KIND_TIME) {
		buffer_printf(error, "seconds from %g to %g", (double)row->min / 1000.,
			      (double)row->max / 1000.);
	} else {
		buffer_append_string(error, "something");
	}
	buffer_printf(error, ", not \"%s\"", value);
	return -EINVAL;
}

static int take_value(struct reader *reader, enum option_id option, const char *value)
{
	const struct option_row *row = &option_rows[option];
	int64_t number = 0;
	int error = *value || row->kind == OPTION_KIND_FLAG ? 0 : -EINVAL;
	if (row->kind == OPTION_KIND_CHOICE && !choice_has(row->choices, span_string(value)))
		error = -EINVAL;
	else if (row->word && strcmp(value, row->word) == 0)
		number = -1;
	else if (row->kind == OPTION_KIND_NUMBER)
		error = arguments_parse_number(value, &number);
	else if (row->kind == OPTION_KIND_TIME)
		error = arguments_parse_time(value, &number);
	if (!error && number >= 0 &&
	    (row->kind == OPTION_KIND_NUMBER || row->kind == OPTION_KIND_TIME) &&
	    (number < row->min || number > row->max))
		error = -ERANGE;
	if (error)
		return refuse_value(reader, row, value);
	reader->arguments->values[option] = value;
	reader->arguments->numbers[option] = number;
	return 0;
}

/* ---- options ---- */

static int refuse_option(struct reader *reader, struct span name)
{
	enum verb_id verb = reader->arguments->verb;
	const char *near = option_suggest(verb, name);
	bool known = option_find(name) != OPTION_ID_COUNT && verb != VERB_ID_COUNT;
	if (known)
		buffer_printf(reader->error, "%s does not take --%.*s", verb_rows[verb].name,
			      SPAN_ARGS(name));
	else
		buffer_printf(reader->error, "unknown option --%.*s", SPAN_ARGS(name));
	if (near && !known)
		buffer_printf(reader->error, "; did you mean --%s?", near);
	return -EINVAL;
}

/* The verb may stand behind its options, so what it takes is judged at the end. */
static int take_option(struct reader *reader, struct span name, const char *value)
{
	enum option_id option = option_find(name);
	if (option == OPTION_ID_COUNT)
		return refuse_option(reader, name);
	const struct option_row *row = &option_rows[option];
	if (!row->value && value) {
		buffer_printf(reader->error, "--%s takes no value", row->name);
		return -EINVAL;
	}
	if (row->value && !value) {
		if (reader->at + 1 >= reader->argc) {
			buffer_printf(reader->error, "--%s needs a value: --%s %s", row->name,
				      row->name, row->value);
			return -EINVAL;
		}
		value = reader->argv[++reader->at];
	}
	return take_value(reader, option, value ? value : "");
}

static int take_letters(struct reader *reader, const char *letters)
{
	for (; *letters; letters++) {
		unsigned option = 0;
		while (option < OPTION_ID_COUNT && option_rows[option].letter != *letters)
			option++;
		if (option == OPTION_ID_COUNT) {
			buffer_printf(reader->error, "unknown option -%c", *letters);
			return -EINVAL;
		}
		int error = take_value(reader, (enum option_id)option, "");
		if (error)
			return error;
	}
	return 0;
}

/* ---- operands ---- */

static int take_verb(struct reader *reader, const char *name)
{
	reader->arguments->verb = verb_find(span_string(name));
	if (reader->arguments->verb != VERB_ID_COUNT)
		return 0;
	const char *near = verb_suggest(name);
	buffer_printf(reader->error, "unknown verb \"%s\"", name);
	if (near)
		buffer_printf(reader->error, "; did you mean %s?", near);
	return -EINVAL;
}

static int take_operand(struct reader *reader, const char *operand)
{
	struct arguments *arguments = reader->arguments;
	if (arguments->verb == VERB_ID_COUNT)
		return take_verb(reader, operand);
	if (arguments->operand_count == verb_rows[arguments->verb].operands_max) {
		buffer_printf(reader->error, "%s: unexpected argument \"%s\"",
			      verb_rows[arguments->verb].name, operand);
		return -EINVAL;
	}
	arguments->operands[arguments->operand_count++] = operand;
	return 0;
}

static int take_argument(struct reader *reader, bool options_ended)
{
	const char *argument = reader->argv[reader->at];
	if (options_ended || argument[0] != '-' || !argument[1])
		return take_operand(reader, argument);
	if (argument[1] != '-')
		return take_letters(reader, argument + 1);
	const char *equals = strchr(argument, '=');
	size_t len = equals ? (size_t)(equals - argument) : strlen(argument);
	return take_option(reader, span_of(argument + 2, len - 2), equals ? equals + 1 : NULL);
}

static int check_whole(struct reader *reader)
{
	const struct arguments *arguments = reader->arguments;
	if (arguments_has(arguments, OPTION_HELP) || arguments_has(arguments, OPTION_VERSION))
		return 0;
	if (arguments->verb == VERB_ID_COUNT) {
		buffer_append_string(reader->error, "no verb given");
		return -EINVAL;
	}
	const struct verb *verb = &verb_rows[arguments->verb];
	for (unsigned i = 0; i < OPTION_ID_COUNT; i++)
		if (arguments->values[i] && !verb_takes_option(arguments->verb, (enum option_id)i))
			return refuse_option(reader, span_string(option_rows[i].name));
	if (arguments->operand_count < verb->operands_min) {
		buffer_printf(reader->error, "%s needs %s", verb->name, verb->operands);
		return -EINVAL;
	}
	return 0;
}

int arguments_parse(int argc, const char *const *argv, struct arguments *ret,
		    struct buffer *ret_error)
{
	*ret = (struct arguments){.verb = VERB_ID_COUNT};
	struct reader reader = {ret, ret_error, argc, argv, 1};
	bool options_ended = false;
	for (; reader.at < argc; reader.at++) {
		if (!options_ended && strcmp(argv[reader.at], "--") == 0) {
			options_ended = true;
			continue;
		}
		int error = take_argument(&reader, options_ended);
		if (error)
			return error;
	}
	return check_whole(&reader);
}

bool arguments_want_json(int argc, const char *const *argv)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (strcmp(argv[i], "--json") == 0)
			return true;
	return false;
}

int64_t arguments_number(const struct arguments *arguments, enum option_id option,
			 int64_t otherwise)
{
	return arguments->values[option] ? arguments->numbers[option] : otherwise;
}
