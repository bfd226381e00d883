/* From a frame to its handler. Loop only. */
#ifndef DAEMON_DISPATCH_H
#define DAEMON_DISPATCH_H

#include "daemon/request.h"

/* Makes a request of a frame; the body is copied as far as it is needed. */
struct request *request_new(struct session *session, const struct frame_request *header, uint64_t now_us);

/* Looks at the body and has the type's handler start. The body may go when this returns. */
enum request_progress request_start(struct request *request, const uint8_t *body, size_t body_bytes);

/* Starts a request again that had to wait. */
enum request_progress request_start_again(struct request *request, uint64_t now_us);

#endif
