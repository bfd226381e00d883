/* From messages to plain values: what a write asks for, checked as far as that takes no look at the store.
 *
 * Each call answers nobody. If the request cannot be carried out, it returns that status and *failure has the status and text
 * of the one reply, which the handler sends; what was filled in until then is not to be used. STATUS_OK leaves *failure alone.
 *
 *   STATUS_INVALID    the message is malformed, or contradicts itself
 *   STATUS_TOO_LARGE  a name or a queued value is above its bound, or the request takes more memory than its length allows
 *   STATUS_BUSY       there is no memory for it beside the other requests
 *
 * Arrays lie in the request's arena; names and values borrow from its message. Both last until the request ends. Loop, or
 * pool while a large body is unpacked. */
#ifndef DAEMON_DECODE_H
#define DAEMON_DECODE_H

#include "daemon/lanes/job.h"
#include "daemon/serve/request.h"
#include "proto/cairn.pb-c.h"

struct decoded_metadata {
    const struct metadata_operation *operations;
    size_t count;
    size_t range_count; /* of these: that delete a range */
};

/* How long a queued value may be: one frame has to carry it with the longest names, and the empty queue has to hold it. */
uint64_t decode_value_bytes_max(uint64_t frame_bytes_max, uint64_t queue_bytes_max);

enum decode_place {
    DECODE_QUEUED, /* each value is bounded to the service's value_bytes_max */
    DECODE_COMMIT, /* ranges may be deleted */
    DECODE_OTHER,  /* a prune or a rollback */
};

/* Operations in the order they were sent, into zeroed memory of the caller's; and how many of them delete a range. */
enum status decode_operations(const struct request *request, Cairn__MetadataOperation *const *messages,
                              size_t count, enum decode_place place,
                              struct metadata_operation *ret_operations, size_t *ret_range_count,
                              struct failure *failure) MUST_CHECK;

/* The same, into memory of the request. */
enum status decode_metadata(struct request *request, Cairn__MetadataOperation *const *messages, size_t count,
                            enum decode_place place, struct decoded_metadata *ret_metadata,
                            struct failure *failure) MUST_CHECK;

/* They fill in kind, level and what the kind is about, metadata included; chain, done and owner stay as they are. */
enum status decode_commit(struct request *request, const Cairn__Commit *message, struct job *ret_job,
                          struct failure *failure) MUST_CHECK;
enum status decode_prune(struct request *request, const Cairn__Prune *message, struct job *ret_job,
                         struct failure *failure) MUST_CHECK;
enum status decode_rollback(struct request *request, const Cairn__Rollback *message, struct job *ret_job,
                            struct failure *failure) MUST_CHECK;

/* Which parts of a name's metadata are asked for: the mask, or the default if there is none. STATUS_OK, STATUS_INVALID. */
enum status decode_parts(bool has_parts, uint32_t parts, uint32_t *ret_parts,
                         struct failure *failure) MUST_CHECK;

/* Whether it can be a name of metadata, of 1 to METADATA_NAME_BYTES_MAX bytes. */
enum status decode_name(ProtobufCBinaryData name, struct failure *failure) MUST_CHECK;

#endif
