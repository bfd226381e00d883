/* From messages to plain values: what a write asks for, judged as far as it can be without looking at the store. What is
 * wrong refuses the request. All results lie in the request's arena and borrow from its message. */
#ifndef DAEMON_DECODE_H
#define DAEMON_DECODE_H

#include "daemon/lanes/job.h"
#include "daemon/serve/request.h"
#include "proto/cairn.pb-c.h"

struct decoded_metadata {
    const struct metadata_operation *operations;
    size_t count;
};

/* False: the request was refused and is gone. `queued` also bounds each value. */
bool decode_metadata(struct request *request, Cairn__MetadataOperation *const *messages, size_t count,
                     bool queued, struct decoded_metadata *ret_metadata) MUST_CHECK;
bool decode_commit(struct request *request, const Cairn__Commit *message, struct job *job) MUST_CHECK;
bool decode_prune(struct request *request, const Cairn__Prune *message, struct job *job) MUST_CHECK;
bool decode_rollback(struct request *request, const Cairn__Rollback *message, struct job *job) MUST_CHECK;

/* A metadata name of 1 to 1,024 bytes. */
bool decode_name(struct request *request, ProtobufCBinaryData name) MUST_CHECK;

#endif
