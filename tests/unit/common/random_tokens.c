/* random_tokens.c — see random_tokens.h. */
#include "random_tokens.h"

#include "random.h"

uint64_t random_tokens_word(struct random_tokens *g)
{
	return random_split(&g->state);
}

uint32_t random_tokens_below(struct random_tokens *g, uint32_t limit)
{
	return (uint32_t)(random_tokens_word(g) % limit);
}

static void put_space(struct random_tokens *g)
{
	static const char spaces[] = " \n\r\t";

	while (random_tokens_below(g, 5) == 0)
		buffer_append_char(&g->text, spaces[random_tokens_below(g, 4)]);
}

static uint32_t put_token(struct random_tokens *g, enum json_type type)
{
	struct json_token *token = &g->tokens[g->count];

	*token = (struct json_token){.at = (uint32_t)g->text.len, .type = (uint8_t)type};
	return g->count++;
}

static void end_token(struct random_tokens *g, uint32_t index)
{
	g->tokens[index].len = (uint32_t)g->text.len - g->tokens[index].at;
	g->tokens[index].next = g->count;
}

/* `number` makes names differ however their random part falls. */
static void put_string(struct random_tokens *g, int number)
{
	static const char *const pieces[] = {
		"a",
		"key",
		" ",
		"é",
		"日本",
		"😀",
		"\x7f",
		"\\n",
		"\\\"",
		"\\\\",
		"\\/",
		"\\u00e9",
		"\\u20AC",
		"\\t",
		"0",
		"{}",
		"longer piece of plain text",
		"\\ud83d\\ude00",
		"\\u0001",
		"]",
	};
	uint32_t index = put_token(g, JSON_STRING);
	uint32_t count = random_tokens_below(g, 6);

	buffer_append_char(&g->text, '"');
	if (number >= 0)
		buffer_printf(&g->text, "%d:", number);
	while (count-- > 0) {
		const char *piece = pieces[random_tokens_below(g, ARRAY_LEN(pieces))];
		g->tokens[index].escaped |= piece[0] == '\\';
		buffer_append_string(&g->text, piece);
	}
	buffer_append_char(&g->text, '"');
	end_token(g, index);
}

static void put_number(struct random_tokens *g)
{
	static const char *const doubles[] = {
		"0.5", "-0.0", "1e21", "1E-7", "-12.25e+3", "0e0", "1.7976931348623157e308"};
	uint32_t kind = random_tokens_below(g, 4);
	uint32_t index = put_token(g, kind < 3 ? JSON_INTEGER : JSON_DOUBLE);
	uint64_t word = random_tokens_word(g) >> random_tokens_below(g, 64);

	if (kind == 0)
		buffer_append_u64(&g->text, word);
	else if (kind < 3)
		buffer_append_i64(&g->text, (int64_t)word);
	else if (random_tokens_below(g, 2))
		buffer_append_string(&g->text, doubles[random_tokens_below(g, ARRAY_LEN(doubles))]);
	else
		buffer_printf(&g->text, "%.*e", (int)random_tokens_below(g, 25),
			      (double)word / 1e9);
	end_token(g, index);
	/* "%.0e" prints no point, but always an exponent: still a double. */
}

static void put_word(struct random_tokens *g)
{
	static const char *const words[] = {"null", "false", "true"};
	uint32_t which = random_tokens_below(g, 3);
	uint32_t index = put_token(g, (enum json_type)(JSON_NULL + which));

	buffer_append_string(&g->text, words[which]);
	end_token(g, index);
}

static void put_value(struct random_tokens *g, unsigned depth);

static void put_container(struct random_tokens *g, bool is_object, unsigned depth)
{
	uint32_t index = put_token(g, is_object ? JSON_OBJECT : JSON_ARRAY);
	uint32_t count = random_tokens_below(g, random_tokens_below(g, 8) ? 6 : 90);

	buffer_append_char(&g->text, is_object ? '{' : '[');
	put_space(g);
	for (uint32_t i = 0; i < count && g->count < RANDOM_TOKENS_MAX - 2 * RANDOM_TOKENS_DEPTH;
	     i++) {
		if (i > 0)
			buffer_append_char(&g->text, ',');
		put_space(g);
		if (is_object) {
			put_string(g, (int)i);
			put_space(g);
			buffer_append_char(&g->text, ':');
		}
		put_value(g, depth + 1);
		g->tokens[index].count++;
	}
	buffer_append_char(&g->text, is_object ? '}' : ']');
	end_token(g, index);
}

static void put_value(struct random_tokens *g, unsigned depth)
{
	uint32_t kind = random_tokens_below(g, depth < RANDOM_TOKENS_DEPTH ? 8 : 5);

	put_space(g);
	if (kind < 2)
		put_string(g, -1);
	else if (kind < 4)
		put_number(g);
	else if (kind < 5)
		put_word(g);
	else
		put_container(g, kind < 7, depth);
	put_space(g);
}

void random_tokens_generate(struct random_tokens *g, uint64_t seed)
{
	g->seed = g->state = seed;
	g->text.len = 0;
	g->count = 0;
	put_container(g, random_tokens_below(g, 2), 1);
}
