/* config_value.c — texts into fields and back; numbers are in config_number.c. */
#include "config_table.h"

#define ECHO_MAX 80

static char *string_copy(const char *text)
{
	char *copy = strdup(text);
	MUST(copy != NULL);
	return copy;
}

void config_reason_quote(const char *text, struct buffer *ret_reason)
{
	size_t len = strnlen(text, ECHO_MAX + 1);

	buffer_append_char(ret_reason, '"');
	for (size_t i = 0; i < len && i < ECHO_MAX; i++) {
		unsigned char c = (unsigned char)text[i];
		buffer_append_char(ret_reason, c < 0x20 || c == 0x7f ? '?' : text[i]);
	}
	buffer_append_string(ret_reason, len > ECHO_MAX ? "…\"" : "\"");
}

/* ---- words ---- */

static int flag_set(struct config *config, const struct config_key *key, const char *text,
		    struct buffer *ret_reason)
{
	static const char *const words[] = {"no", "yes", "false", "true", "off", "on"};

	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (strcmp(text, words[i]) == 0) {
			*(bool *)config_field(config, key) = i & 1;
			return 0;
		}
	}
	config_reason_quote(text, ret_reason);
	buffer_append_string(ret_reason, " is neither yes nor no");
	return -EINVAL;
}

/* All enums of struct config are without negative values: unsigned to gcc and clang. */
_Static_assert(sizeof(enum config_auth_mode) == sizeof(unsigned) &&
		       sizeof(enum config_encoding) == sizeof(unsigned) &&
		       sizeof(enum log_level) == sizeof(unsigned) &&
		       sizeof(enum log_format) == sizeof(unsigned),
	       "choices are stored through unsigned");

static int choice_set(struct config *config, const struct config_key *key, const char *text,
		      struct buffer *ret_reason)
{
	const char *comma = "";

	for (unsigned i = 0; key->choices[i]; i++) {
		if (strcmp(text, key->choices[i]) == 0) {
			*(unsigned *)config_field(config, key) = i;
			return 0;
		}
	}
	config_reason_quote(text, ret_reason);
	buffer_append_string(ret_reason, " is not one of ");
	for (unsigned i = 0; key->choices[i]; i++) {
		if (key->choices[i][0] == '\0')
			continue;
		buffer_printf(ret_reason, "%s%s", comma, key->choices[i]);
		comma = ", ";
	}
	return -EINVAL;
}

/* ---- strings ---- */

static int text_check(const struct config_key *key, const char *text, struct buffer *ret_reason)
{
	for (const char *at = text; *at; at++) {
		if ((unsigned char)*at < 0x20 || *at == 0x7f) {
			buffer_append_string(ret_reason, "must not have control characters");
			return -EINVAL;
		}
	}
	return key->check ? key->check(text, ret_reason) : 0;
}

static int string_set(struct config *config, const struct config_key *key, const char *text,
		      struct buffer *ret_reason)
{
	char **field = config_field(config, key);
	int error = text_check(key, text, ret_reason);

	if (error < 0)
		return error;
	free(*field);
	*field = string_copy(text);
	return 0;
}

static void list_free(struct config_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->items[i]);
	free(list->items);
	*list = (struct config_list){0};
}

static struct config_list list_copy(const char *const *texts, size_t count)
{
	struct config_list list = {.count = count};

	if (count == 0)
		return list;
	list.items = calloc(count, sizeof(*list.items));
	MUST(list.items != NULL);
	for (size_t i = 0; i < count; i++)
		list.items[i] = string_copy(texts[i]);
	return list;
}

static int list_set(struct config *config, const struct config_key *key, const char *const *texts,
		    size_t count, struct buffer *ret_reason)
{
	if (count > key->items_max) {
		buffer_printf(ret_reason, "must have at most %zu entries, not %zu", key->items_max,
			      count);
		return -EINVAL;
	}
	for (size_t i = 0; i < count; i++) {
		if (texts[i][0] == '\0') {
			buffer_append_string(ret_reason, "has an empty entry");
			return -EINVAL;
		}
		int error = text_check(key, texts[i], ret_reason);
		if (error < 0)
			return error;
	}
	list_free(config_field(config, key));
	*(struct config_list *)config_field(config, key) = list_copy(texts, count);
	return 0;
}

/* `$` too: libconfuse would expand ${…}. */
void config_string_print(const char *text, struct buffer *ret)
{
	buffer_append_char(ret, '"');
	for (; *text; text++) {
		if (*text == '"' || *text == '\\' || *text == '$')
			buffer_append_char(ret, '\\');
		buffer_append_char(ret, *text);
	}
	buffer_append_char(ret, '"');
}

static void list_print(const struct config_list *list, struct buffer *ret)
{
	buffer_append_char(ret, '{');
	for (size_t i = 0; i < list->count; i++) {
		if (i > 0)
			buffer_append_string(ret, ", ");
		config_string_print(list->items[i], ret);
	}
	buffer_append_char(ret, '}');
}

/* ---- any type ---- */

int config_value_set(struct config *config, const struct config_key *key, const char *const *texts,
		     size_t count, struct buffer *ret_reason)
{
	if (key->type == CONFIG_TYPE_LIST)
		return list_set(config, key, texts, count, ret_reason);
	MUST(count == 1);
	switch (key->type) {
	case CONFIG_TYPE_FLAG:
		return flag_set(config, key, texts[0], ret_reason);
	case CONFIG_TYPE_CHOICE:
		return choice_set(config, key, texts[0], ret_reason);
	case CONFIG_TYPE_STRING:
		return string_set(config, key, texts[0], ret_reason);
	default:
		return config_number_set(config, key, texts[0], ret_reason);
	}
}

void config_value_print(const struct config *config, const struct config_key *key,
			struct buffer *ret)
{
	const void *field = config_field(config, key);

	switch (key->type) {
	case CONFIG_TYPE_COUNT:
		config_number_print(key, *(const unsigned *)field, ret);
		break;
	case CONFIG_TYPE_SIZE:
		config_number_print(key, *(const size_t *)field, ret);
		break;
	case CONFIG_TYPE_TIME:
		config_number_print(key, (uint64_t) * (const int64_t *)field, ret);
		break;
	case CONFIG_TYPE_FLAG:
		buffer_append_string(ret, *(const bool *)field ? "yes" : "no");
		break;
	case CONFIG_TYPE_CHOICE:
		config_string_print(key->choices[*(const unsigned *)field], ret);
		break;
	case CONFIG_TYPE_STRING:
		config_string_print(*(char *const *)field, ret);
		break;
	case CONFIG_TYPE_LIST:
		list_print(field, ret);
		break;
	}
}

/* By what would be printed: two values are the same exactly when a file would say the same. */
bool config_value_equals(const struct config *a, const struct config *b,
			 const struct config_key *key)
{
	struct buffer text_a = {0}, text_b = {0};

	config_value_print(a, key, &text_a);
	config_value_print(b, key, &text_b);
	bool equal = span_equals(buffer_span(&text_a), buffer_span(&text_b));
	buffer_fini(&text_a);
	buffer_fini(&text_b);
	return equal;
}

void config_value_copy(struct config *to, const struct config *from, const struct config_key *key)
{
	const void *field = config_field(from, key);

	switch (key->type) {
	case CONFIG_TYPE_COUNT:
	case CONFIG_TYPE_CHOICE:
		*(unsigned *)config_field(to, key) = *(const unsigned *)field;
		break;
	case CONFIG_TYPE_SIZE:
		*(size_t *)config_field(to, key) = *(const size_t *)field;
		break;
	case CONFIG_TYPE_TIME:
		*(int64_t *)config_field(to, key) = *(const int64_t *)field;
		break;
	case CONFIG_TYPE_FLAG:
		*(bool *)config_field(to, key) = *(const bool *)field;
		break;
	case CONFIG_TYPE_STRING:
		config_value_free(to, key);
		*(char **)config_field(to, key) = string_copy(*(char *const *)field);
		break;
	case CONFIG_TYPE_LIST: {
		const struct config_list *list = field;
		config_value_free(to, key);
		*(struct config_list *)config_field(to, key) =
			list_copy((const char *const *)list->items, list->count);
		break;
	}
	}
}

void config_value_free(struct config *config, const struct config_key *key)
{
	if (key->type == CONFIG_TYPE_LIST) {
		list_free(config_field(config, key));
	} else if (key->type == CONFIG_TYPE_STRING) {
		char **field = config_field(config, key);
		free(*field);
		*field = NULL;
	}
}
