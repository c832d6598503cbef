#include "position.h"

#define RUN_LEN 8
#define NUMBER_LEN_MAX 19

/* Decimal digits, at least one. */
static int parse_number(struct span text, uint64_t *ret)
{
	uint64_t number = 0;

	if (!text.len || text.len > NUMBER_LEN_MAX)
		return -EINVAL;
	for (size_t i = 0; i < text.len; i++) {
		if (text.at[i] < '0' || text.at[i] > '9')
			return -EINVAL;
		number = number * 10 + (uint64_t)(text.at[i] - '0');
	}
	*ret = number;
	return 0;
}

int position_parse(struct span text, struct position *ret)
{
	struct position position = {.run = ""};

	if (text.len <= RUN_LEN || text.at[RUN_LEN] != '-')
		return -EINVAL;
	for (size_t i = 0; i < RUN_LEN; i++)
		if (!(text.at[i] >= '0' && text.at[i] <= '9') &&
		    !(text.at[i] >= 'a' && text.at[i] <= 'f'))
			return -EINVAL;
	memcpy(position.run, text.at, RUN_LEN);
	if (parse_number(span_of(text.at + RUN_LEN + 1, text.len - RUN_LEN - 1),
			 &position.sequence))
		return -EINVAL;
	*ret = position;
	return 0;
}

int progress_parse(struct span text, struct progress *ret)
{
	struct progress progress = {.told = 0};
	const char *dot = text.len ? memchr(text.at, '.', text.len) : NULL;
	struct span position = dot ? span_of(text.at, (size_t)(dot - text.at)) : text;

	if (position_parse(position, &progress.position))
		return -EINVAL;
	if (dot && (parse_number(span_of(dot + 1, text.len - position.len - 1), &progress.told) ||
		    progress.told <= progress.position.sequence))
		return -EINVAL;
	*ret = progress;
	return 0;
}

void progress_append(struct buffer *ret, const struct progress *progress)
{
	buffer_printf(ret, "%s-%llu", progress->position.run,
		      (unsigned long long)progress->position.sequence);
	if (progress->told)
		buffer_printf(ret, ".%llu", (unsigned long long)progress->told);
}
