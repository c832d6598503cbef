/* operations_names.c — what services and ids may be called. Pure. */
#include "operations_private.h"

int operations_check_service(struct span service, struct outcome *ret)
{
	if (document_service_is_valid(service))
		return 0;
	*ret = outcome_refusal(400, "invalid_service", "a service name is 1 to %d of [A-Za-z0-9_-]",
			       DOCUMENT_SERVICE_MAX);
	return -EINVAL;
}

int operations_check_id(struct span id, struct outcome *ret)
{
	if (document_id_is_valid(id))
		return 0;
	*ret = outcome_refusal(400, "invalid_id", "a document id is 1 to %d of [A-Za-z0-9_.:@-]",
			       DOCUMENT_ID_MAX);
	return -EINVAL;
}

int operations_check_member(struct span member, struct outcome *ret)
{
	if (document_id_is_valid(member))
		return 0;
	*ret = outcome_refusal(400, "invalid_member", "a member is 1 to %d of [A-Za-z0-9_.:@-]",
			       DOCUMENT_ID_MAX);
	return -EINVAL;
}

int operations_check_names(struct span service, struct span id, struct outcome *ret_refusal)
{
	if (operations_check_service(service, ret_refusal))
		return -EINVAL;
	return id.len ? operations_check_id(id, ret_refusal) : 0;
}
