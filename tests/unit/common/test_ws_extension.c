#include "ws_extension.h"

#include <criterion/criterion.h>

TestSuite(ws_extension, .timeout = 100);

#define PD "permessage-deflate"

static const struct {
	const char *offers;
	enum ws_deflate_answer wanted;
} rows[] = {
	{"", WS_DEFLATE_NONE},
	{" , ,", WS_DEFLATE_NONE},
	{PD, WS_DEFLATE_PLAIN},
	{" \t" PD " ", WS_DEFLATE_PLAIN},
	{",," PD ",", WS_DEFLATE_PLAIN},
	{"x-webkit-deflate-frame", WS_DEFLATE_NONE},
	{"x-webkit-deflate-frame, " PD, WS_DEFLATE_PLAIN},
	{"foo; a=b; c=\"d\"; e," PD, WS_DEFLATE_PLAIN},
	{"permessage-deflate2", WS_DEFLATE_NONE},
	/* what browsers and ws send */
	{PD "; client_max_window_bits", WS_DEFLATE_PLAIN},
	{PD "; server_no_context_takeover; client_no_context_takeover; client_max_window_bits",
	 WS_DEFLATE_PLAIN},
	/* the peer's window: any that may be said */
	{PD "; client_max_window_bits=8", WS_DEFLATE_PLAIN},
	{PD ";client_max_window_bits = 15", WS_DEFLATE_PLAIN},
	{PD "; client_max_window_bits=\"10\"", WS_DEFLATE_PLAIN},
	{PD "; client_max_window_bits=7", WS_DEFLATE_NONE},
	{PD "; client_max_window_bits=16", WS_DEFLATE_NONE},
	{PD "; client_max_window_bits=08", WS_DEFLATE_NONE},
	{PD "; client_max_window_bits=1e", WS_DEFLATE_NONE},
	{PD "; client_max_window_bits=100", WS_DEFLATE_NONE},
	/* ours: all or nothing */
	{PD "; server_max_window_bits=15", WS_DEFLATE_WITH_WINDOW},
	{PD "; server_max_window_bits=\"15\"", WS_DEFLATE_WITH_WINDOW},
	{PD "; server_max_window_bits=14", WS_DEFLATE_NONE},
	{PD "; server_max_window_bits=8", WS_DEFLATE_NONE},
	{PD "; server_max_window_bits=16", WS_DEFLATE_NONE},
	{PD "; server_max_window_bits", WS_DEFLATE_NONE},
	{PD "; server_max_window_bits=10, " PD, WS_DEFLATE_PLAIN},
	{PD "; server_max_window_bits=10, " PD "; server_max_window_bits=15",
	 WS_DEFLATE_WITH_WINDOW},
	{PD ", " PD "; server_max_window_bits=15", WS_DEFLATE_PLAIN},
	/* declined, but well formed */
	{PD "; server_no_context_takeover=1", WS_DEFLATE_NONE},
	{PD "; client_no_context_takeover=\"x\"", WS_DEFLATE_NONE},
	{PD "; unknown", WS_DEFLATE_NONE},
	{PD "; unknown=1, " PD, WS_DEFLATE_PLAIN},
	{PD "; client_max_window_bits; client_max_window_bits", WS_DEFLATE_NONE},
	{PD "; server_no_context_takeover; server_no_context_takeover", WS_DEFLATE_NONE},
	{PD "; client_max_window_bits=\"1\\5\"", WS_DEFLATE_NONE},
	{PD "; x=\"a\\b\", " PD, WS_DEFLATE_PLAIN},
	/* malformed, so nothing of it counts */
	{PD ";", WS_DEFLATE_NONE},
	{PD "; =15", WS_DEFLATE_NONE},
	{PD "; client_max_window_bits=", WS_DEFLATE_NONE},
	{PD "; client_max_window_bits=\"", WS_DEFLATE_NONE},
	{PD "; client_max_window_bits=\"\"", WS_DEFLATE_NONE},
	{PD "; client_max_window_bits=\"15", WS_DEFLATE_NONE},
	{PD "; client_max_window_bits=\"1 5\"", WS_DEFLATE_NONE},
	{PD "; client_max_window_bits=\"15\\", WS_DEFLATE_NONE},
	{PD "; client_max_window_bits=\"15\"x", WS_DEFLATE_NONE},
	{PD " client_max_window_bits", WS_DEFLATE_NONE},
	{PD "=1", WS_DEFLATE_NONE},
	{PD ", ;", WS_DEFLATE_NONE},
	{PD ", foo bar", WS_DEFLATE_NONE},
	{PD ", f\xc3\xb6o", WS_DEFLATE_NONE},
	{PD ", \"quoted\"", WS_DEFLATE_NONE},
	{PD "\x7f", WS_DEFLATE_NONE},
	{"/" PD, WS_DEFLATE_NONE},
};

Test(ws_extension, the_first_offer_that_can_be_met_is_chosen)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		/* Memory of its own, so that a sanitizer sees a step behind the end. */
		struct span text = span_string(rows[i].offers);
		char *copy = malloc(text.len ? text.len : 1);
		if (text.len)
			memcpy(copy, text.at, text.len);
		cr_expect_eq(ws_extension_choose(span_of(copy, text.len)), rows[i].wanted, "%s",
			     rows[i].offers);
		free(copy);
	}
}

Test(ws_extension, no_header_is_no_offer)
{
	cr_assert_eq(ws_extension_choose(SPAN_NONE), WS_DEFLATE_NONE);
}

Test(ws_extension, an_answer_says_that_nothing_is_kept_between_messages)
{
	cr_assert_null(ws_extension_answer(WS_DEFLATE_NONE));
	cr_assert_str_eq(ws_extension_answer(WS_DEFLATE_PLAIN),
			 PD "; server_no_context_takeover; client_no_context_takeover");
	cr_assert_str_eq(ws_extension_answer(WS_DEFLATE_WITH_WINDOW),
			 PD "; server_no_context_takeover; client_no_context_takeover; "
			    "server_max_window_bits=15");
}
