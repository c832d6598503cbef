#include "access.h"

/* On some of the documents that the subscription names. */
static bool allows_some(const struct principal *principal, const struct subscription_spec *spec,
			unsigned right)
{
	struct span service = spec->topic.service;

	if (!principal)
		return false;
	if (spec->id.len && service.len)
		return rights_allow(principal->rights, service, spec->id, right);
	return rights_allow_some(principal->rights, service, spec->id.len ? spec->id : spec->prefix,
				 right);
}

static bool allows_all(const struct principal *principal, const struct subscription_spec *spec,
		       unsigned right)
{
	struct span service = spec->topic.service;

	if (spec->id.len && service.len)
		return rights_allow(principal->rights, service, spec->id, right);
	return rights_allow_all(principal->rights, service, spec->id.len ? spec->id : spec->prefix,
				right);
}

/* It would bring presence if the principal may have that. */
static bool wants_presence(const struct subscription_spec *spec)
{
	if (spec->presence != -1)
		return spec->presence == 1;
	return spec->id.len || spec->topic.event == TOPIC_PRESENCE ||
	       spec->topic.event == TOPIC_ANY;
}

int access_narrow(const struct principal *principal, struct subscription_spec *spec,
		  bool with_document, struct outcome *ret_refusal)
{
	bool is_presence = spec->topic.event == TOPIC_PRESENCE;
	bool may_see_presence = allows_some(principal, spec, RIGHT_PRESENCE);
	unsigned missing = 0;

	if (spec->presence == SUBSCRIPTION_PRESENCE_WITHHELD)
		spec->presence = -1;
	if ((!is_presence || with_document) && !allows_some(principal, spec, RIGHT_READ))
		missing = RIGHT_READ;
	else if ((is_presence || spec->presence == 1) && !may_see_presence)
		missing = RIGHT_PRESENCE;
	if (missing) {
		*ret_refusal = principal_refusal(spec->topic.service, spec->id, missing);
		return -EACCES;
	}
	if (wants_presence(spec) && !may_see_presence)
		spec->presence = SUBSCRIPTION_PRESENCE_WITHHELD;
	bool is_whole = (is_presence || allows_all(principal, spec, RIGHT_READ)) &&
			(!wants_presence(spec) || allows_all(principal, spec, RIGHT_PRESENCE));
	spec->filter = is_whole ? NULL : principal->rights;
	return 0;
}
