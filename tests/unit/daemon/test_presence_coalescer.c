#define _GNU_SOURCE
#include "presence_coalescer.h"

#include <criterion/criterion.h>

static struct presence_coalescer coalescer;
static struct json scratch;
static struct buffer texts; /* what came out, one a line, cut to the lists and the count */
static unsigned flushed;

static void begin(void)
{
	presence_coalescer_init(&coalescer, 7);
}

static void end(void)
{
	presence_coalescer_fini(&coalescer);
	json_fini(&scratch);
	buffer_fini(&texts);
}

TestSuite(presence_coalescer, .init = begin, .fini = end, .timeout = 100);

static int add_to(const char *id, const char *joined, const char *updated, const char *left,
		  unsigned count)
{
	CLEANUP(buffer_fini) struct buffer text = {0};
	struct event_segments segments;
	struct event_presence presence = {span_string(joined), span_string(updated),
					  span_string(left), count};
	event_format_presence(&text, SPAN("s"), span_string(id), 5, &presence);
	cr_assert_eq(event_parse(buffer_span(&text), &scratch, &segments), 0, "%.*s",
		     SPAN_ARGS(buffer_span(&text)));
	return presence_coalescer_add(&coalescer, &segments);
}

/* `who` is user and connection, one letter each, and a mode: "a1v", or "a1" for one that left,
 * "a1-" for a connection that has gone while its user stays. Several, separated by blanks. */
static void append_members(struct buffer *ret, const char *who)
{
	buffer_append_char(ret, '[');
	for (; *who; who += strcspn(who, " "), who += *who == ' ') {
		if (ret->at[ret->len - 1] != '[')
			buffer_append_char(ret, ',');
		buffer_printf(ret, "{\"userId\":\"%c\",\"connectionId\":\"%c%c\"", who[0], who[0],
			      who[1]);
		if (who[2] == '-')
			buffer_append_string(ret, ",\"mode\":null");
		else if (who[2] && who[2] != ' ')
			buffer_printf(ret, ",\"mode\":\"%c\"", who[2]);
		buffer_append_char(ret, '}');
	}
	buffer_append_char(ret, ']');
	buffer_append_char(ret, '\0');
}

static void add(const char *joined, const char *updated, const char *left, unsigned count)
{
	struct buffer lists[3] = {0};
	append_members(&lists[0], joined);
	append_members(&lists[1], updated);
	append_members(&lists[2], left);
	cr_assert_eq(add_to("d", lists[0].at, lists[1].at, lists[2].at, count), 0);
	for (int i = 0; i < 3; i++)
		buffer_fini(&lists[i]);
}

static void keep(struct span text, void *arg)
{
	(void)arg;
	flushed++;
	const char *lists = memmem(text.at, text.len, "\"joined\"", 8);
	cr_assert(lists);
	buffer_append(&texts, lists, (size_t)(text.at + text.len - lists));
}

static void expect(const char *joined, const char *updated, const char *left, unsigned count)
{
	CLEANUP(buffer_fini) struct buffer wanted = {0};
	texts.len = 0;
	presence_coalescer_flush(&coalescer, keep, NULL);
	buffer_append_string(&wanted, "\"joined\":");
	append_members(&wanted, joined);
	wanted.len--;
	buffer_append_string(&wanted, ",\"updated\":");
	append_members(&wanted, updated);
	wanted.len--;
	buffer_append_string(&wanted, ",\"left\":");
	append_members(&wanted, left);
	wanted.len--;
	buffer_printf(&wanted, ",\"count\":%u}}", count);
	cr_assert(span_equals(buffer_span(&texts), buffer_span(&wanted)), "got %.*s\nnot %.*s",
		  SPAN_ARGS(buffer_span(&texts)), SPAN_ARGS(buffer_span(&wanted)));
	cr_assert(presence_coalescer_is_empty(&coalescer));
	cr_assert_eq(coalescer.items, 0);
}

static void expect_nothing(void)
{
	flushed = 0;
	presence_coalescer_flush(&coalescer, keep, NULL);
	cr_assert_eq(flushed, 0);
	cr_assert(presence_coalescer_is_empty(&coalescer));
}

Test(presence_coalescer, many_joins_are_one_event_with_the_last_count)
{
	add("a1v", "", "", 1);
	add("b1e", "", "", 2);
	add("", "", "z1", 1);
	expect("a1v b1e", "", "z1", 1);
	expect_nothing();
}

Test(presence_coalescer, who_came_and_went_is_not_told_of)
{
	add("a1v", "", "", 1);
	add("", "a1e", "", 1);
	add("", "", "a1", 0);
	expect_nothing();
}

Test(presence_coalescer, a_change_after_a_join_is_part_of_the_join)
{
	add("a1v", "", "", 1);
	add("", "a1e", "", 1);
	expect("a1e", "", "", 1);
}

Test(presence_coalescer, of_several_changes_the_last_one_counts)
{
	add("", "a1v", "", 1);
	add("", "a2v", "", 1);
	add("", "a1e", "", 1);
	expect("", "a2v a1e", "", 1);
}

Test(presence_coalescer, who_left_and_came_back_has_only_changed)
{
	add("", "", "a1", 0);
	add("a1e", "", "", 1);
	expect("", "a1e", "", 1);
	/* On another connection: the former one has gone. */
	add("", "", "a1", 0);
	add("a2e", "", "", 1);
	expect("", "a1- a2e", "", 1);
	add("", "", "a2", 0);
	add("a3e", "", "", 1);
	add("", "", "a3", 0);
	expect("", "", "a3", 0);
}

Test(presence_coalescer, a_second_connection_joins_when_the_first_has_gone_before_it_was_told_of)
{
	add("a1v", "", "", 1);
	add("", "a2e", "", 1);
	add("", "a1-", "", 1);
	expect("a2e", "", "", 1);
}

Test(presence_coalescer, a_user_who_leaves_takes_all_that_was_to_be_told_along)
{
	add("", "a1v a2v", "", 1);
	add("", "a1-", "a2", 0);
	expect("", "", "a2", 0);
}

Test(presence_coalescer, documents_are_kept_apart)
{
	const char *member = "[{\"userId\":\"a\",\"connectionId\":\"a1\"}]";
	for (int i = 0; i < 3; i++) {
		char id[8];
		snprintf(id, sizeof(id), "d%d", i);
		cr_assert_eq(add_to(id, i == 1 ? "[]" : member, "[]", i == 1 ? member : "[]", 1),
			     0);
	}
	flushed = 0;
	presence_coalescer_flush(&coalescer, keep, NULL);
	cr_assert_eq(flushed, 3);
}

Test(presence_coalescer, what_is_no_member_is_refused_whole)
{
	static const char *const rows[] = {
		"[1]",
		"[[]]",
		"[null]",
		"[{}]",
		"[{\"userId\":\"a\"}]",
		"[{\"connectionId\":\"a\"}]",
		"[{\"userId\":1,\"connectionId\":\"a\"}]",
		"[{\"userId\":\"a\",\"connectionId\":null}]",
		"[{\"userId\":\"a\",\"connectionId\":\"a1\"},7]",
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		cr_expect_eq(add_to("d", rows[i], "[]", "[]", 1), -EBADMSG, "%s", rows[i]);
		cr_expect_eq(add_to("d", "[]", rows[i], "[]", 1), -EBADMSG, "%s", rows[i]);
		cr_expect_eq(add_to("d", "[]", "[]", rows[i], 1), -EBADMSG, "%s", rows[i]);
	}
	expect_nothing();
}

Test(presence_coalescer, too_much_asks_to_be_flushed_early)
{
	char member[100];
	unsigned count = 0;
	while (!coalescer.full) {
		snprintf(member, sizeof(member), "[{\"userId\":\"u%u\",\"connectionId\":\"c\"}]",
			 count);
		cr_assert_eq(add_to("d", member, "[]", "[]", ++count), 0);
		cr_assert_leq(count, PRESENCE_DOCUMENT_BYTES_MAX);
	}
	cr_assert_gt(count, 1000);
	flushed = 0;
	presence_coalescer_flush(&coalescer, keep, NULL);
	cr_assert_eq(flushed, 1);
	cr_assert_eq(coalescer.early_flushes, 1);
	cr_assert(!coalescer.full);
}
