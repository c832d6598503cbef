#include "kept_record.h"

struct kept_record *kept_record_create(struct span record)
{
	struct kept_record *kept = calloc(1, sizeof(*kept));

	MUST(kept);
	kept->references = 1;
	kept->text = text_create(record);
	MUST(!event_record_parse(text_span(kept->text), &kept->event));
	return kept;
}

struct kept_record *kept_record_get(struct kept_record *kept)
{
	kept->references++;
	return kept;
}

void kept_record_put(struct kept_record *kept)
{
	if (!kept || --kept->references)
		return;
	text_put(kept->text);
	free(kept);
}
