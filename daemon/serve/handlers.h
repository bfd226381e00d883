/* One function a request type. dispatch.c calls it with the unpacked message, which is of that type, and request->prepared
 * NULL, or what the type's decoding left there. After REQUEST_WAITS or REQUEST_WAITS_CLAIM it is called again, with request->prepared as it
 * left it, until it returns REQUEST_TAKEN: then it has answered, or answers later, once. Loop only. */
#ifndef DAEMON_HANDLERS_H
#define DAEMON_HANDLERS_H

#include "daemon/serve/request.h"

/* admin.c */
enum request_progress admin_hello(struct request *request);
enum request_progress admin_ping(struct request *request);
enum request_progress admin_status(struct request *request);
/* chains.c */
enum request_progress chains_list(struct request *request);
enum request_progress chains_create(struct request *request);
enum request_progress chains_drop(struct request *request);
/* claims.c */
enum request_progress claims_take(struct request *request);
enum request_progress claims_present(struct request *request);
enum request_progress claims_release(struct request *request);
/* drain.c */
enum request_progress drain_start(struct request *request);
/* read.c */
enum request_progress read_height(struct request *request);
enum request_progress read_block(struct request *request);
enum request_progress read_state(struct request *request);
enum request_progress read_metadata(struct request *request);
/* stream_request.c */
enum request_progress stream_blocks(struct request *request);
enum request_progress stream_metadata(struct request *request);
enum request_progress stream_list(struct request *request);
enum request_progress stream_credit(struct request *request);
enum request_progress stream_cancel(struct request *request);
/* usage.c */
enum request_progress usage_read(struct request *request);
/* write.c. What a message says is decoded first, into request->prepared: on the loop, or, where it is large, on the pool, so that it looks
 * at nothing but the request. STATUS_OK; or that of the reply, and *failure has it. */
enum status write_decode_metadata(struct request *request, struct failure *failure) MUST_CHECK;
enum status write_decode_commit(struct request *request, struct failure *failure) MUST_CHECK;
enum status write_decode_prune(struct request *request, struct failure *failure) MUST_CHECK;
enum status write_decode_rollback(struct request *request, struct failure *failure) MUST_CHECK;
enum request_progress write_metadata(struct request *request);
enum request_progress write_commit(struct request *request);
enum request_progress write_prune(struct request *request);
enum request_progress write_rollback(struct request *request);
enum request_progress write_barrier(struct request *request);

#endif
