/* Requests that write, and the barrier. Each is decoded once, joins its lane through the order, and is answered when it has
 * reached its level: queued metadata at `accepted` at once, everything else from order_drain_completions or order_hand_over. */
#include <assert.h>

#include "daemon/runtime/thread.h"
#include "daemon/serve/decode.h"
#include "daemon/serve/handlers.h"
#include "daemon/serve/request.h"
#include "proto/cairn.pb-c.h"
#include "proto/wire.h"

struct write_metadata {
    struct chain *chain;
    struct decoded_metadata metadata;
    uint64_t resend_of;
    enum level level;
    struct order_waiter waiter;
};

static void reply_written(struct request *request, uint64_t sequence, enum level level)
{
    uint8_t body[2 * (1 + VARINT_BYTES_MAX)]; /* a WriteReply's sequence and level */
    uint8_t *end = number_field_put(number_field_put(body, 1, sequence), 2, level);
    request_reply_body(request, STATUS_OK, body, (size_t)(end - body));
}

static void waited(struct order_waiter *waiter)
{
    struct request *request = waiter->owner;
    if (waiter->status != STATUS_OK) {
        request_refuse(request, waiter->status,
                       "%s: the daemon ends, and its next start decides what is there",
                       order_failure(request->service->order)->text);
        return;
    }
    reply_written(request, waiter->sequence, waiter->level);
}

static void wait_for(struct request *request, struct order_waiter *waiter, uint64_t sequence,
                     enum level level)
{
    *waiter = (struct order_waiter){
        .sequence = sequence,
        .level = level,
        .done = waited,
        .owner = request,
    };
    order_wait(request->service->order, waiter);
}

/* ---- queued metadata ---- */

static struct write_metadata *prepare_metadata(struct request *request)
{
    const Cairn__WriteMetadata *message = (const Cairn__WriteMetadata *)request->message;
    struct chain *chain = request_chain(request, message->has_chain, message->chain);
    if (chain == NULL) {
        return NULL;
    }
    if (message->n_operations == 0) {
        request_refuse(request, STATUS_INVALID, "a metadata write without an operation");
        return NULL;
    }
    struct write_metadata *write = request_memory(request, sizeof *write);
    if (write == NULL ||
        !decode_metadata(request, message->operations, message->n_operations, true, &write->metadata)) {
        return NULL;
    }
    write->chain = chain;
    write->resend_of = message->has_resend_of ? message->resend_of : 0;
    write->level = message->has_level ? (enum level)message->level : LEVEL_ACCEPTED;
    request_set_deadline(request, message->has_deadline_us ? message->deadline_us : 0);
    return write;
}

enum request_progress write_metadata(struct request *request)
{
    struct write_metadata *write = request->prepared != NULL ? request->prepared : prepare_metadata(request);
    if (write == NULL) {
        return REQUEST_TAKEN; /* refused, and gone */
    }
    request->prepared = write;
    if (request->service->is_contended) {
        return REQUEST_WAITS;
    }
    struct failure failure;
    uint64_t sequence;
    enum order_acceptance acceptance =
        order_metadata(request->service->order, write->chain, write->metadata.operations,
                       write->metadata.count, write->resend_of, request->received_us, &sequence, &failure);
    if (acceptance == ORDER_NOT_YET) {
        return REQUEST_WAITS;
    }
    if (acceptance == ORDER_REFUSED) {
        request_refuse(request, failure.status, "%s", failure.text);
    } else if (write->level == LEVEL_ACCEPTED) {
        reply_written(request, sequence, LEVEL_ACCEPTED);
    } else {
        wait_for(request, &write->waiter, sequence, write->level);
    }
    return REQUEST_TAKEN;
}

enum request_progress write_barrier(struct request *request)
{
    const Cairn__Barrier *message = (const Cairn__Barrier *)request->message;
    const struct failure *failure = order_failure(request->service->order);
    uint64_t sequence = order_sequence(request->service->order);
    enum level level = message->has_level ? (enum level)message->level : LEVEL_DURABLE;
    if (failure != NULL) {
        request_refuse(request, STATUS_IO_ERROR, "%s", failure->text);
        return REQUEST_TAKEN;
    }
    if (level == LEVEL_ACCEPTED) {
        reply_written(request, sequence, level);
        return REQUEST_TAKEN;
    }
    struct order_waiter *waiter = request_memory(request, sizeof *waiter);
    if (waiter != NULL) {
        wait_for(request, waiter, sequence, level);
    }
    return REQUEST_TAKEN;
}

/* ---- the commit lane ---- */

static void job_done(struct job *job)
{
    struct request *request = job->owner;
    if (job->status != STATUS_OK) {
        request_refuse(request, job->status, "%s", job->failure.text);
        return;
    }
    if (job->kind != JOB_ROLLBACK) {
        reply_written(request, job->sequence, job->level);
        return;
    }
    Cairn__WriteReply reply = CAIRN__WRITE_REPLY__INIT;
    reply.has_sequence = true;
    reply.sequence = job->sequence;
    reply.has_level = true;
    reply.level = (Cairn__Level)job->level;
    reply.has_blocks = reply.has_states = reply.has_metadata = reply.has_lowered = true;
    reply.blocks = job->counts.blocks;
    reply.states = job->counts.states;
    reply.metadata = job->counts.metadata;
    reply.lowered = job->counts.lowered;
    request_reply(request, STATUS_OK, &reply.base);
}

/* A job in the request's arena, for that chain; NULL once the request was refused. */
static struct job *new_job(struct request *request, bool has_chain, ProtobufCBinaryData name)
{
    const struct failure *failure = order_failure(request->service->order);
    if (failure != NULL) {
        request_refuse(request, STATUS_IO_ERROR, "%s", failure->text);
        return NULL;
    }
    const struct chain *chain = request_chain(request, has_chain, name);
    if (chain == NULL) {
        return NULL;
    }
    struct job *job = request_memory(request, sizeof *job);
    if (job != NULL) {
        job->chain = chain->id;
        job->done = job_done;
        job->owner = request;
    }
    return job;
}

enum request_progress write_commit(struct request *request)
{
    const Cairn__Commit *message = (const Cairn__Commit *)request->message;
    struct job *job = new_job(request, message->has_chain, message->chain);
    if (job != NULL && decode_commit(request, message, job)) {
        order_submit(request->service->order, job, message->has_carry && message->carry, thread_now_ns());
    }
    return REQUEST_TAKEN;
}

enum request_progress write_prune(struct request *request)
{
    const Cairn__Prune *message = (const Cairn__Prune *)request->message;
    struct job *job = new_job(request, message->has_chain, message->chain);
    if (job != NULL && decode_prune(request, message, job)) {
        order_submit(request->service->order, job, true, thread_now_ns());
    }
    return REQUEST_TAKEN;
}

enum request_progress write_rollback(struct request *request)
{
    const Cairn__Rollback *message = (const Cairn__Rollback *)request->message;
    struct job *job = new_job(request, message->has_chain, message->chain);
    if (job != NULL && decode_rollback(request, message, job)) {
        order_submit(request->service->order, job, true, thread_now_ns());
    }
    return REQUEST_TAKEN;
}
