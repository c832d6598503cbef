/* config_number.c — counts, sizes and times as the configuration writes them. */
#include "config_table.h"

struct unit {
	const char *name;
	uint64_t bytes;
};

static const struct unit units[] = {{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}};

/* The digits at the front; *text moves behind them. -EINVAL: none, or too many. */
static int digits_parse(const char **text, uint64_t *ret)
{
	const char *at = *text;
	uint64_t number = 0;

	for (; *at >= '0' && *at <= '9'; at++) {
		if (__builtin_mul_overflow(number, 10, &number) ||
		    __builtin_add_overflow(number, (uint64_t)(*at - '0'), &number))
			return -EINVAL;
	}
	if (at == *text)
		return -EINVAL;
	*text = at;
	*ret = number;
	return 0;
}

static int count_parse(const char *text, uint64_t *ret)
{
	return digits_parse(&text, ret) < 0 || *text ? -EINVAL : 0;
}

static int size_parse(const char *text, uint64_t *ret)
{
	uint64_t number;

	if (digits_parse(&text, &number) < 0)
		return -EINVAL;
	for (size_t i = 0; *text && i < ARRAY_LEN(units); i++) {
		if (strcmp(text, units[i].name) == 0)
			return __builtin_mul_overflow(number, units[i].bytes, ret) ? -EINVAL : 0;
	}
	if (*text)
		return -EINVAL;
	*ret = number;
	return 0;
}

static int time_parse(const char *text, uint64_t *ret)
{
	uint64_t ms;

	if (digits_parse(&text, &ms) < 0 || __builtin_mul_overflow(ms, 1000, &ms))
		return -EINVAL;
	if (*text == '.') {
		uint64_t fraction, scale = 1000;
		const char *start = ++text;
		if (digits_parse(&text, &fraction) < 0 || text - start > 3)
			return -EINVAL;
		for (const char *digit = start; digit < text; digit++)
			scale /= 10;
		if (__builtin_add_overflow(ms, fraction * scale, &ms))
			return -EINVAL;
	}
	*ret = ms;
	return *text ? -EINVAL : 0;
}

static void size_print(uint64_t bytes, struct buffer *ret)
{
	for (size_t i = 0; bytes && i < ARRAY_LEN(units); i++) {
		if (bytes % units[i].bytes == 0) {
			buffer_append_u64(ret, bytes / units[i].bytes);
			buffer_append_string(ret, units[i].name);
			return;
		}
	}
	buffer_append_u64(ret, bytes);
}

static void time_print(uint64_t ms, struct buffer *ret)
{
	unsigned fraction = (unsigned)(ms % 1000), width = 3;

	buffer_append_u64(ret, ms / 1000);
	if (fraction == 0)
		return;
	while (fraction % 10 == 0) {
		fraction /= 10;
		width--;
	}
	buffer_printf(ret, ".%0*u", (int)width, fraction);
}

void config_number_print(const struct config_key *key, uint64_t number, struct buffer *ret)
{
	switch (key->type) {
	case CONFIG_TYPE_SIZE:
		size_print(number, ret);
		break;
	case CONFIG_TYPE_TIME:
		time_print(number, ret);
		break;
	default:
		buffer_append_u64(ret, number);
	}
}

static int number_refuse(const struct config_key *key, struct buffer *ret_reason)
{
	buffer_append_string(ret_reason, "must be ");
	if (key->zero)
		buffer_printf(ret_reason, "0 (%s) or ", key->zero);
	config_number_print(key, key->min, ret_reason);
	buffer_append_string(ret_reason, " to ");
	config_number_print(key, key->max, ret_reason);
	if (key->type == CONFIG_TYPE_TIME)
		buffer_append_string(ret_reason, " seconds");
	return -EINVAL;
}

int config_number_set(struct config *config, const struct config_key *key, const char *text,
		      struct buffer *ret_reason)
{
	static const struct {
		int (*parse)(const char *text, uint64_t *ret);
		const char *not_one;
	} kinds[] = {
		[CONFIG_TYPE_COUNT] = {count_parse, " is not a whole number"},
		[CONFIG_TYPE_SIZE] = {size_parse,
				      " is not a size: write bytes, or a number with KiB, MiB "
				      "or GiB behind it"},
		[CONFIG_TYPE_TIME] = {time_parse,
				      " is not a time: write seconds, with at most three decimals"},
	};
	uint64_t number;

	if (kinds[key->type].parse(text, &number) < 0) {
		config_reason_quote(text, ret_reason);
		buffer_append_string(ret_reason, kinds[key->type].not_one);
		return -EINVAL;
	}
	if (!(number == 0 && key->zero) && (number < key->min || number > key->max))
		return number_refuse(key, ret_reason);
	if (key->type == CONFIG_TYPE_COUNT)
		*(unsigned *)config_field(config, key) = (unsigned)number;
	else if (key->type == CONFIG_TYPE_SIZE)
		*(size_t *)config_field(config, key) = (size_t)number;
	else
		*(int64_t *)config_field(config, key) = (int64_t)number;
	return 0;
}
