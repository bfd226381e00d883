/* From a frame to its handler. Loop only. */
#ifndef DAEMON_DISPATCH_H
#define DAEMON_DISPATCH_H

#include "daemon/serve/request.h"

/* Makes a request of a frame. `memory` is what was set aside for it: the request's from here on. */
struct request *request_new(struct session *session, const struct frame_request *header,
                            const struct budget_request *memory, uint64_t now_us);

/* Looks at the body and has the type's handler start. The body is copied; or it is taken, and freed with the request. */
enum request_progress request_start(struct request *request, const uint8_t *body);
enum request_progress request_start_taken(struct request *request, uint8_t *body);

/* Starts a request again that had to wait. */
enum request_progress request_start_again(struct request *request, uint64_t now_us);

#endif
