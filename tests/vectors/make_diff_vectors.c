/* make_diff_vectors.c — writes diff.json: documents and their diffs, for the JavaScript client and
 * for test_diff.
 *
 *     make_diff_vectors > tests/vectors/diff.json
 *
 * Always the same from the same seed. No -0, which JavaScript tells from 0 and we do not. Integers
 * beyond 2^53 are in it: JavaScript loses their last digits on both sides of the law alike. */
#include "diff.h"
#include "random_json.h"

#define SEED 20240607
#define RANDOM_VECTORS 180

static const char *const hard[][2] = {
	{"{}", "{}"},
	{"{}", "{\"a\":1}"},
	{"{\"a\":1}", "{}"},
	{"{\"a\":1}", "{\"a\":1.0}"},
	{"{\"a\":{}}", "{\"a\":[]}"},
	{"{\"a\":[]}", "{\"a\":{}}"},
	{"{\"a\":null}", "{}"},
	{"{\"a\":null}", "{\"a\":false}"},
	{"{\"a\":1}", "{\"a\":\"1\"}"},
	{"{\"\":{\"\":{\"\":1}}}", "{\"\":{\"\":{\"\":2,\"a\":3}}}"},
	{"{\"a.b\":1,\"a\":{\"b\":1}}", "{\"a.b\":2,\"a\":{\"b\":3}}"},
	{"{\"a\\\\\":{\".\":1},\"a\\\\.\":1}", "{\"a\\\\\":{\".\":2},\"a\\\\.\":3}"},
	{"{\"__proto__\":{\"a\":1},\"constructor\":1}",
	 "{\"__proto__\":{\"a\":2},\"constructor\":2}"},
	{"{}", "{\"__proto__\":{\"toString\":1},\"hasOwnProperty\":true,\"length\":0}"},
	{"{\"__proto__\":1,\"b\":{\"__proto__\":2}}", "{\"b\":{}}"},
	{"{\"10\":1,\"9\":1,\"x\":[0,0,0,0,0,0,0,0,0,9,10,11]}",
	 "{\"9\":2,\"x\":[0,0,0,0,0,0,0,0,1]}"},
	{"{\"x\":[0,0,0,0,0,0,0,0,0]}", "{\"x\":[0,0,0,0,0,0,0,0,0,9,10,[11]],\"2\":1,\"1\":2}"},
	{"{\"x\":[[1,2,3],[4,5],{\"y\":[6]}]}", "{\"x\":[[1],[4,5,6,7],{\"y\":[],\"z\":0}]}"},
	{"{\"x\":[{\"a\":1},{\"a\":2},{\"a\":3}]}", "{\"x\":[{\"a\":2},{\"a\":3}]}"},
	{"{\"x\":{\"0\":1,\"-\":2,\"length\":3}}",
	 "{\"x\":{\"0\":2,\"-\":3,\"length\":4,\"01\":5}}"},
	{"{\"\\u00e9\":\"\\ud83d\\ude00\",\"\\n\\\"\":1}",
	 "{\"\xc3\xa9\":\"\xf0\x9f\x98\x80\",\"\\n\\\"\":2}"},
	{"{\"a\":{\"b\":{\"c\":{\"d\":1}}}}", "{\"a\":{\"b\":{\"c\":{\"d\":{\"e\":2}}}}}"},
};

static void append_vector(struct buffer *ret, struct span old, struct span new)
{
	struct json CLEANUP(json_fini) old_doc = random_json_parse(old);
	struct json CLEANUP(json_fini) new_doc = random_json_parse(new);

	buffer_append_string(ret, ret->len > 1 ? ",\n{\"old\":" : "\n{\"old\":");
	buffer_append_span(ret, old);
	buffer_append_string(ret, ",\n \"new\":");
	buffer_append_span(ret, new);
	buffer_append_string(ret, ",\n \"diff\":");
	diff_format(&old_doc, &new_doc, ret, NULL);
	buffer_append_string(ret, "}");
}

static void append_random_vector(struct random_json *random, struct buffer *ret)
{
	struct buffer CLEANUP(buffer_fini) old = {0}, CLEANUP(buffer_fini) new = {0};

	random_json_object(random, &old);
	struct json CLEANUP(json_fini) doc = random_json_parse(buffer_span(&old));
	random_json_changed(random, &doc, &new);
	append_vector(ret, buffer_span(&old), buffer_span(&new));
}

int main(void)
{
	struct random_json random = random_json_create(SEED);
	struct buffer CLEANUP(buffer_fini) ret = {0};

	random.depth_max = 3;
	random.only_one_zero = true;
	random.only_one_spelling = true;
	buffer_append_char(&ret, '[');
	for (size_t i = 0; i < ARRAY_LEN(hard); i++)
		append_vector(&ret, span_string(hard[i][0]), span_string(hard[i][1]));
	for (unsigned i = 0; i < RANDOM_VECTORS; i++)
		append_random_vector(&random, &ret);
	buffer_append_string(&ret, "\n]\n");
	if (fwrite(ret.at, 1, ret.len, stdout) != ret.len || fflush(stdout)) {
		perror("make_diff_vectors");
		return 1;
	}
	return 0;
}
