/* From a frame to its handler. Loop only. */
#ifndef DAEMON_DISPATCH_H
#define DAEMON_DISPATCH_H

#include "daemon/serve/request.h"

/* Makes a request of a frame whose body is whole. `memory` is what was set aside for it: copied, and the request's account from
 * here on. The session outlives the request; session->ended says when that ends. */
struct request *request_new(struct session *session, const struct frame_request *header,
                            const struct budget_request *memory, uint64_t now_us);

/* Each of the following may free the request before it returns REQUEST_TAKEN; after REQUEST_UNPACKS it is to be gone on with, else to be
 * started again. */

/* Unpacks header->body_bytes of body, which are copied, and has the type's handler start. */
enum request_progress request_start(struct request *request, const uint8_t *body);

/* The same, and the body, malloc'ed and not empty, is taken: it is freed with the request. */
enum request_progress request_start_taken(struct request *request, uint8_t *body);

/* Asks for the memory of a request that said REQUEST_WAITS_MEMORY. BUDGET_GRANTED: start it again at once. */
enum budget_answer request_ask_memory(struct request *request) MUST_CHECK;
/* Goes on with a request that said REQUEST_UNPACKS, when session->unpacked asks for it. */
enum request_progress request_start_unpacked(struct request *request);

/* Starts a request that had to wait, or refuses it since its deadline is over or the daemon stops. */
enum request_progress request_start_again(struct request *request, uint64_t now_us);

#endif
