/* handlers.h — handlers of the routes; see router.c. Each answers its request exactly once, now or
 * later. */
#ifndef SYNCDOC_HANDLERS_H
#define SYNCDOC_HANDLERS_H

struct request;

void health_handle_root(struct request *request);
void health_handle_live(struct request *request);
void health_handle_ready(struct request *request);

void metrics_handle(struct request *request);

void services_handle(struct request *request);

/* …/documents, …/documents:batchGet, …/documents/{id}, and its …/history and …/restore */
void documents_handle_collection(struct request *request);
void documents_handle_batch_get(struct request *request);
void documents_handle_document(struct request *request);
void documents_handle_history(struct request *request);
void documents_handle_restore(struct request *request);

/* …/documents/{id}/presence, …/presence/{member} */
void presence_handle_list(struct request *request);
void presence_handle_member(struct request *request);

/* /v1/connections, /v1/connections/{id} */
void connections_handle(struct request *request);
void connections_handle_one(struct request *request);

/* /v1/auth/revoke */
void revoke_handle(struct request *request);

#endif
