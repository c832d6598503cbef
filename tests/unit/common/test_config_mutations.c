/* Files as no one would write them: an answer each time, never a crash, a leak, a word on stderr,
 * or a trace in the next load. */
#include "config_fixture.h"
#include "random.h"

#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>

TestSuite(config_mutations, .timeout = 100);

static const char seed_file[] = "# x\nlisten = {\"127.0.0.1:80\", '[::1]:81'} // y\nworkers = 2 /* "
				"z\n */\nredis {\n\turl = \"unix:///a_b\\\"\"\n"
				"\ttimeout = 0.5\n}\nring { size = \"128MiB\" }\nhosts = {a, "
				"b,}\nlog { level = debug target = '/x\\'y' }\n";

static const char *const pieces[] = {
	"{", "}",  "=",    "+=",   ",", "\"",     "'",  "\\",  "/*", "*/",  "//",
	"#", "\n", "${A}", "(",    ")", "redis",  "ws", "url", "|",  "a",   "workers",
	"0", "\t", "\1",   "\200", " ", "listen", "*",  "+",   "$",  "\\0", "redis|url"};

static uint64_t random_state;

static size_t random_below(size_t bound)
{
	return (size_t)(random_next(&random_state) % bound);
}

static void replace(struct buffer *text, size_t at, size_t len, struct span by)
{
	struct buffer changed = {0};

	if (text->len == 0) { /* at is NULL then */
		buffer_append_span(text, by);
		return;
	}
	buffer_append(&changed, text->at, at);
	buffer_append_span(&changed, by);
	buffer_append(&changed, text->at + at + len, text->len - at - len);
	buffer_fini(text);
	*text = changed;
}

static void mutate(struct buffer *text)
{
	size_t at = random_below(text->len + 1);
	size_t rest = text->len - at;

	switch (random_below(4)) {
	case 0:
		replace(text, at, rest ? random_below(rest < 12 ? rest : 12) : 0, SPAN_NONE);
		break;
	case 1:
		replace(text, at, rest, SPAN_NONE);
		break;
	default:
		replace(text, at, random_below(2) && rest ? 1 : 0,
			span_string(pieces[random_below(ARRAY_LEN(pieces))]));
	}
}

static int stderr_to_file(char *path)
{
	int fd = mkstemp(path);

	cr_assert(fd >= 0);
	fflush(stderr);
	int kept = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	cr_assert(kept >= 0 && dup2(fd, STDERR_FILENO) == STDERR_FILENO);
	close(fd);
	return kept;
}

static off_t stderr_back(int kept, const char *path)
{
	struct stat status;

	fflush(stderr);
	cr_assert_eq(fstat(STDERR_FILENO, &status), 0);
	dup2(kept, STDERR_FILENO);
	close(kept);
	unlink(path);
	return status.st_size;
}

/* What must hold after any load; returns what is wrong, or NULL. */
static const char *judge(const struct outcome *outcome)
{
	if (outcome->error == 0)
		return outcome->config && !outcome->text[0]
			       ? NULL
			       : "taken, but no configuration or a fault";
	if (outcome->error != -EINVAL || outcome->config)
		return "neither taken nor -EINVAL";
	if (strncmp(outcome->text, "FILE:", 5) != 0 || outcome->text[5] < '1' ||
	    outcome->text[5] > '9')
		return "the fault names no line";
	return NULL;
}

Test(config_mutations, any_bytes_get_an_answer_with_a_line_and_leave_nothing_behind)
{
	uint64_t seed = random_state = random_seed("config_mutations");
	char path[] = "/tmp/syncdoc-test-stderr-XXXXXX";
	const char *wrong = NULL;
	struct buffer text = {0};
	struct outcome outcome = {0};
	size_t taken = 0;
	int kept = stderr_to_file(path);

	for (int round = 0; round < 4000 && !wrong; round++) {
		text.len = 0;
		buffer_append(&text, seed_file, sizeof(seed_file) - 1);
		for (size_t changes = random_below(4); changes > 0; changes--)
			mutate(&text);
		outcome = load_bytes(text.at, text.len, NULL, 0);
		taken += outcome.error == 0;
		wrong = judge(&outcome);
		config_destroy(outcome.config);
	}
	struct outcome after = load_text(seed_file);
	cr_expect_eq(stderr_back(kept, path), 0, "something was printed; seed %" PRIu64, seed);
	cr_expect_null(wrong, "seed %" PRIu64 ": %s: %s\n%.*s", seed, wrong, outcome.text,
		       (int)text.len, text.at);
	cr_expect(after.error == 0 && after.config->workers == 2, "seed %" PRIu64 ": %s", seed,
		  after.text);
	cr_expect(taken > 1000, "seed %" PRIu64 ": only %zu taken, the mutations test nothing",
		  seed, taken);
	config_destroy(after.config);
	buffer_fini(&text);
}
