/* config_print() against config_load(): what is printed reads back the same. */
#include "config_fixture.h"

#include <inttypes.h>

#include "config_table.h"
#include "random.h"

TestSuite(config_print, .timeout = 100);

static uint64_t random_state;

static uint64_t random_between(uint64_t min, uint64_t max)
{
	return min + random_next(&random_state) % (max - min + 1);
}

static const char *pick(const char *const *texts, size_t count)
{
	return texts[random_next(&random_state) % count];
}

#define PICK(...)                                                                                  \
	pick((const char *const[]){__VA_ARGS__}, ARRAY_LEN(((const char *const[]){__VA_ARGS__})))

static void append_path(struct buffer *ret)
{
	static const char *const parts[] = {"a", "Z",  "0",  "/",       "\"", "\\",       "'",
					    "#", "//", "/*", "${HOME}", "$",  "{",        "}",
					    "=", " ",  "(",  "*",       "+",  "\303\274", "%"};
	size_t count = random_between(0, 20);

	buffer_append_char(ret, '/');
	for (size_t i = 0; i < count; i++)
		buffer_append_string(ret, pick(parts, ARRAY_LEN(parts)));
}

static void append_entries(const struct config_key *key, struct buffer *ret)
{
	size_t count = random_between(key->check == config_check_listen ? 1 : 0, 8);

	for (size_t i = 0; i < count; i++) {
		unsigned n = (unsigned)(i * 30 + random_between(1, 30));
		buffer_append_string(ret, i ? "," : "");
		if (key->check == config_check_listen)
			buffer_printf(ret, PICK("127.0.0.1:%u", "[::1]:%u", "unix:/run/${x} \"%u"),
				      n);
		else if (key->check == config_check_proxy)
			buffer_printf(ret, PICK("10.0.0.%u", "10.1.%u.0/24", "fd00::%u/64"), n);
		else if (key->check == config_check_origin)
			buffer_printf(ret, PICK("https://a%u.example", "http://h:%u", "*"), n);
		else
			buffer_printf(ret, PICK("h%u.example", "[::%u]", "10.0.0.%u"), n);
	}
}

static void append_string(const struct config_key *key, struct buffer *ret)
{
	if (key->check == config_check_state_dir)
		append_path(ret);
	else if (key->check == config_check_path_or_none && random_next(&random_state) % 2)
		append_path(ret);
	else if (key->check == config_check_log_target)
		buffer_append_string(ret, PICK("stderr", "syslog", "/var/log/x y", "/\"\\${A}"));
	else if (key->check == config_check_redis_url)
		buffer_append_string(ret,
				     PICK("sentinel://h/m", "sentinel://a\"b\\c@h:1,[::1]:2/m/9"));
	else if (key->check == config_check_node || key->check == config_check_user)
		buffer_append_string(ret, PICK("a", "node-1.x", "Z_9"));
}

static uint64_t random_number(const struct config_key *key)
{
	if (key->zero && random_next(&random_state) % 4 == 0)
		return 0;
	switch (random_next(&random_state) % 4) {
	case 0:
		return key->min;
	case 1:
		return key->max;
	case 2:
		return random_between(key->min,
				      key->max < key->min + 5000 ? key->max : key->min + 5000);
	default:
		return random_between(key->min, key->max);
	}
}

static void append_value(const struct config_key *key, struct buffer *ret)
{
	unsigned choices = 0;

	switch (key->type) {
	case CONFIG_TYPE_COUNT:
	case CONFIG_TYPE_SIZE:
		buffer_append_u64(ret, random_number(key));
		break;
	case CONFIG_TYPE_TIME: {
		uint64_t ms = random_number(key);
		buffer_printf(ret, "%" PRIu64 ".%03u", ms / 1000, (unsigned)(ms % 1000));
		break;
	}
	case CONFIG_TYPE_FLAG:
		buffer_append_string(ret, PICK("yes", "no"));
		break;
	case CONFIG_TYPE_CHOICE:
		while (key->choices[choices])
			choices++;
		buffer_append_string(ret, pick(key->choices, choices));
		break;
	case CONFIG_TYPE_STRING:
		append_string(key, ret);
		break;
	case CONFIG_TYPE_LIST:
		append_entries(key, ret);
		break;
	}
}

/* Keys whose values must go together get such values; those that this version refuses keep their
 * default. */
static bool append_bound(const struct config_key *key, struct buffer *ret)
{
	if (strcmp(key->name, "tls.cert") == 0 || strcmp(key->name, "tls.key") == 0)
		buffer_append_string(ret, "/tls.pem");
	else if (strcmp(key->name, "redis.cluster") == 0)
		buffer_append_string(ret, "no");
	else if (strcmp(key->name, "auth.mode") == 0)
		buffer_append_string(ret, PICK("", "none"));
	else if (strcmp(key->name, "auth.key") == 0)
		buffer_append_string(ret, PICK("/k", "a.b-1=/k,/l=m", ""));
	else if (strcmp(key->name, "auth.algorithm") == 0)
		buffer_append_string(ret, PICK("", "HS256", "RS256", "ES256"));
	else if (strcmp(key->name, "ring.size") == 0)
		buffer_append_string(ret, PICK("2GiB", "4GiB", "2147483648"));
	else if (strcmp(key->name, "ws.queue") == 0)
		buffer_append_u64(ret, random_between(4096, 65536));
	else
		return false;
	return true;
}

static struct outcome load_random(void)
{
	char *texts[128];
	struct outcome outcome;

	cr_assert(config_key_count <= ARRAY_LEN(texts));
	for (size_t i = 0; i < config_key_count; i++) {
		struct buffer text = {0};
		buffer_printf(&text, "%s=", config_keys[i].name);
		if (!append_bound(&config_keys[i], &text))
			append_value(&config_keys[i], &text);
		buffer_append_char(&text, '\0');
		texts[i] = text.at;
	}
	outcome = load_bytes("", 0, (const char *const *)texts, config_key_count);
	for (size_t i = 0; i < config_key_count; i++)
		free(texts[i]);
	return outcome;
}

Test(config_print, what_is_printed_reads_back_to_the_same)
{
	uint64_t seed = random_state = random_seed("config_print");

	for (int round = 0; round < 500; round++) {
		struct outcome outcome = load_random();
		cr_assert(outcome.error == 0, "seed %" PRIu64 ": %s", seed, outcome.text);
		char *first = printed(outcome.config);
		struct outcome again = load_text(first);
		cr_assert(again.error == 0, "seed %" PRIu64 ": %s\n%s", seed, again.text, first);
		for (size_t i = 0; i < config_key_count; i++)
			cr_assert(
				config_value_equals(outcome.config, again.config, &config_keys[i]),
				"seed %" PRIu64 ": %s\n%s", seed, config_keys[i].name, first);
		free(first);
		config_destroy(outcome.config);
		config_destroy(again.config);
	}
}

Test(config_print, the_printed_form_is_that_of_the_file)
{
	struct config *config = must_load(
		"workers = 2 node = n ws { max_message = 5000 stall_timeout = 1.25 }\n"
		"state_dir = \"/a\\\"\\\\\\${b}\" hosts = {\"x\", \"y\"} worker_timeout = 1.005\n");
	char *text = printed(config);

	cr_expect(strstr(text, "\nworkers = 2\n") != NULL);
	cr_expect(strstr(text, "\nstate_dir = \"/a\\\"\\\\\\${b}\"\n") != NULL);
	cr_expect(strstr(text, "\nhosts = {\"x\", \"y\"}\n") != NULL);
	cr_expect(strstr(text, "\nworker_timeout = 1.005\n") != NULL);
	cr_expect(strstr(text, "\nring {\n\tsize = 64MiB\n}\nfanout {\n\tio_uring = no\n}\nredis "
			       "{\n\turl = \"embedded\"\n") != NULL);
	cr_expect(strstr(text, "\tmax_message = 5000\n") != NULL);
	cr_expect(strstr(text, "\tstall_timeout = 1.25\n") != NULL);
	cr_expect(strstr(text, "\nadmin {\n\tenabled = yes\n}\n") != NULL);
	free(text);
	config_destroy(config);
}

static void expect_shown_url(const char *url, const char *shown)
{
	char text[256];

	snprintf(text, sizeof(text), "redis { url = \"%s\" }\n", url);
	struct config *config = must_load(text);
	char *out = printed(config);
	snprintf(text, sizeof(text), "\turl = \"%s\"\n", shown);
	cr_expect(strstr(out, text) != NULL, "%s", out);
	free(out);
	config_destroy(config);
}

Test(config_print, passwords_in_urls_are_hidden_and_nothing_else_is)
{
	expect_shown_url("redis://user:secret@h:1/2", "redis://user:***@h:1/2");
	expect_shown_url("redis://:s@cr/et@h", "redis://:***@h");
	expect_shown_url("sentinel://u:s@cr/et@a:1,b/m/2", "sentinel://u:***@a:1,b/m/2");
	expect_shown_url("sentinel://a:1,b/m", "sentinel://a:1,b/m");
	expect_shown_url("redis://user@h:6379", "redis://user@h:6379");
	expect_shown_url("redis://h:6379", "redis://h:6379");
	expect_shown_url("unix:///a:b@c", "unix:///a:b@c");
}
