/* mutation_judge.c — may a write be done to a document in this state? Its existence, then its
 * conditions, in the order of DESIGN.md section 6. */
#include "mutation.h"

static int refuse(struct outcome *ret, struct outcome refusal, uint64_t current_revision)
{
	*ret = refusal;
	ret->has_current_revision = true;
	ret->current_revision = current_revision;
	return -EPERM;
}

static bool tags_hold(const struct tag_condition *condition, const struct revision *base)
{
	for (unsigned i = 0; i < condition->count; i++)
		if (condition->tags[i].revision == base->number &&
		    condition->tags[i].updated_at_ms == base->updated_at_ms)
			return true;
	return false;
}

/* RFC 9110 section 13.1: `*` asks for a current representation, which a tombstone is not; a tag of
 * the tombstone may be named. */
static int judge_tags(const struct revision *base, bool living, const struct write_request *request,
		      struct outcome *ret)
{
	const struct tag_condition *match = &request->if_match, *none = &request->if_none_match;

	if (match->present && !(match->any ? living : base->number && tags_hold(match, base)))
		return refuse(
			ret,
			outcome_refusal(412, "precondition_failed",
					"If-Match does not hold: the document is at revision %llu",
					(unsigned long long)base->number),
			base->number);
	if (none->present && (none->any ? living : base->number && tags_hold(none, base)))
		return refuse(
			ret,
			outcome_refusal(
				412, "precondition_failed",
				"If-None-Match does not hold: the document is at revision %llu",
				(unsigned long long)base->number),
			base->number);
	return 0;
}

/* 0 means "no living document"; anything else is compared, also with a tombstone's revision. */
static int judge_expected_revision(const struct revision *base, bool living,
				   const struct write_request *request, struct outcome *ret)
{
	if (!request->has_expected_revision)
		return 0;
	if (request->expected_revision == 0 ? !living
					    : (uint64_t)request->expected_revision == base->number)
		return 0;
	return refuse(ret,
		      outcome_refusal(409, "revision_conflict",
				      "expectedRevision is %lld, the document is at revision %llu",
				      (long long)request->expected_revision,
				      (unsigned long long)base->number),
		      base->number);
}

static int judge_existence(const struct revision *base, bool living, struct outcome *ret)
{
	if (living)
		return 0;
	if (!base->number) {
		*ret = outcome_refusal(404, "document_not_found", "there is no such document");
		return -EPERM;
	}
	/* A tombstone keeps its expiresAt only when it was its time that ended it. */
	return refuse(
		ret,
		base->expires_at_ms
			? outcome_refusal(410, "document_expired", "the document has expired")
			: outcome_refusal(410, "document_deleted", "the document was deleted"),
		base->number);
}

int mutation_judge(const struct revision *base, const struct write_request *request,
		   struct outcome *ret_refusal)
{
	bool living = base->number && !base->deleted;
	int error = 0;

	if (request->kind == WRITE_CREATE && living)
		return refuse(ret_refusal,
			      outcome_refusal(409, "document_exists",
					      "a document with this id lives, at revision %llu",
					      (unsigned long long)base->number),
			      base->number);
	bool revives = request->kind == WRITE_RESTORE && base->number;
	if (request->kind != WRITE_CREATE && request->kind != WRITE_REPLACE && !revives)
		error = judge_existence(base, living, ret_refusal);
	if (!error)
		error = judge_tags(base, living, request, ret_refusal);
	if (!error)
		error = judge_expected_revision(base, living, request, ret_refusal);
	return error;
}
