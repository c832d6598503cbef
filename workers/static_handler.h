/* static_handler.h — what the router and the handler of `/` ask the static files. */
#ifndef SYNCDOC_STATIC_HANDLER_H
#define SYNCDOC_STATIC_HANDLER_H

#include "config.h"
#include "target.h"

struct outcome;
struct request;

/* Is there such a file, and may it be had? (admin.enabled) */
bool static_is_served(const struct config *config, const struct target *target);
/* Answers with the file. */
void static_handle(struct request *request);
/* Answers a browser that looks for a page among those of the Admin UI with one that leads back to
 * them. False: no browser, or elsewhere: the refusal is still to be answered. */
bool static_answer_not_found(struct request *request, const struct outcome *refusal);
/* Answers 302 to the first page of the Admin UI. */
void static_redirect_to_admin(struct request *request);

#endif
