/* Pages of connections: the first ones by id behind some id, whatever order they come in. */
#include <criterion/criterion.h>

#include "connections.h"
#include "principal.h"

TestSuite(connections, .timeout = 100);

#define ALL 500

static struct connection_view view_of(unsigned number)
{
	struct connection_view view = {.protocol = "websocket"};
	char id[CONNECTION_ID_LEN + 1];

	snprintf(id, sizeof(id), "%016u", number);
	memcpy(view.id, id, CONNECTION_ID_LEN);
	return view;
}

/* 7 and ALL have no common divisor, so all come, in a mixed order. */
static void fill(struct connection_page *page)
{
	for (unsigned i = 0; i < ALL; i++) {
		struct connection_view view = view_of(i * 7 % ALL);

		connection_page_add(page, &view);
	}
}

Test(connections, pages_give_each_one_once_and_in_order)
{
	const unsigned sizes[] = {1, 3, 100, ALL - 1, ALL, ALL + 5};

	for (size_t s = 0; s < ARRAY_LEN(sizes); s++) {
		struct connection_view views[ALL + 5], last;
		struct span after = SPAN_NONE;
		unsigned seen = 0;
		bool more = true;

		while (more) {
			struct connection_page page = {
				.after = after, .views = views, .max = sizes[s]};

			fill(&page);
			cr_assert_eq(page.total, ALL);
			cr_assert_leq(page.count, sizes[s]);
			for (size_t i = 0; i < page.count; i++) {
				struct connection_view expected = view_of(seen++);
				cr_assert_arr_eq(views[i].id, expected.id, CONNECTION_ID_LEN);
			}
			more = page.is_cut;
			last = views[page.count - 1];
			after = span_of(last.id, CONNECTION_ID_LEN);
		}
		cr_assert_eq(seen, ALL);
	}
}

Test(connections, behind_the_last_there_is_nothing)
{
	struct connection_view views[4], last = view_of(ALL - 1);
	struct connection_page page = {
		.after = span_of(last.id, CONNECTION_ID_LEN), .views = views, .max = 4};

	fill(&page);
	cr_assert_eq(page.count, 0);
	cr_assert_not(page.is_cut);
	cr_assert_eq(page.total, ALL);
}

Test(connections, of_one_user_only_those)
{
	struct connection_view views[4], view = view_of(1);
	struct connection_page page = {.user = SPAN("ann"), .views = views, .max = 4};
	struct principal ann = {.references = 1, .user = text_create(SPAN("ann"))};
	struct principal bob = {.references = 1, .user = text_create(SPAN("bob"))};

	connection_page_add(&page, &view); /* nobody in particular */
	view.principal = &bob;
	connection_page_add(&page, &view);
	cr_assert_eq(page.total, 0);
	view.principal = &ann;
	connection_page_add(&page, &view);
	cr_assert_eq(page.total, 1);
	cr_assert_eq(page.count, 1);
	text_put(ann.user);
	text_put(bob.user);
}
