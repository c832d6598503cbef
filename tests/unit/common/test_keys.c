#include "keys.h"
#include "document.h"

#include <criterion/criterion.h>

TestSuite(keys, .timeout = 100);

#define KEY_IS(call, text)                                                                         \
	do {                                                                                       \
		size_t len = call;                                                                 \
		cr_assert_str_eq(key, text);                                                       \
		cr_assert_eq(len, strlen(text));                                                   \
	} while (0)

Test(keys, keys_of_a_document_name_its_service_and_id)
{
	char key[KEY_MAX];
	struct span service = SPAN("session"), id = SPAN("doc_1");
	KEY_IS(key_data(key, service, id), "syncdoc:data:session:doc_1");
	KEY_IS(key_channel(key, service, id), "syncdoc:channel:session:doc_1");
	KEY_IS(key_presence(key, service, id), "syncdoc:presence:session:doc_1");
}

Test(keys, history_has_the_data_key_as_its_hash_tag)
{
	char key[KEY_MAX];
	KEY_IS(key_history(key, SPAN("session"), SPAN("doc_1")),
	       "syncdoc:history:{syncdoc:data:session:doc_1}");
}

Test(keys, keys_of_a_service)
{
	char key[KEY_MAX];
	KEY_IS(key_index(key, SPAN("session")), "syncdoc:index:session");
	KEY_IS(key_names(key, SPAN("session")), "syncdoc:names:session");
	KEY_IS(key_deleted(key, SPAN("session")), "syncdoc:deleted:session");
}

Test(keys, keys_of_a_supervisor_run)
{
	char key[KEY_MAX];
	KEY_IS(key_mark(key, "host.example", 18446744073709551615U),
	       "syncdoc:mark:host.example.18446744073709551615");
	KEY_IS(key_node_lease(key, "host", 3), "syncdoc:node:host.3");
}

Test(keys, the_longest_names_fit)
{
	char key[KEY_MAX], service[DOCUMENT_SERVICE_MAX], id[DOCUMENT_ID_MAX];
	memset(service, 's', sizeof(service));
	memset(id, 'i', sizeof(id));
	size_t len = key_history(key, span_of(service, sizeof(service)), span_of(id, sizeof(id)));
	cr_assert_eq(len, strlen(key));
	cr_assert_eq(key[len - 1], '}');
}

Test(keys, a_key_replaces_what_was_there)
{
	char key[KEY_MAX];
	key_history(key, SPAN("a-long-service"), SPAN("a-long-id"));
	KEY_IS(key_index(key, SPAN("s")), "syncdoc:index:s");
}
