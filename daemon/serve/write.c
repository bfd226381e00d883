/* Requests that write, and the barrier. The life of one:
 *
 * - It is decoded once, into the request's arena.
 * - It joins its lane through the order. Queued metadata that finds no room says REQUEST_WAITS and tries again later.
 * - It is answered once, when it has reached its level: queued metadata asked for at `accepted` at once, other metadata and the
 *   barrier from order_hand_over, jobs of the commit lane from order_drain_completions.
 *
 * What cannot be decoded is refused before the order has seen it, and uses no number. A queued raise over what cannot be read is
 * left out: who waits for it, and each session's next barrier, is told `damaged`, and every reply counts it. A failure of the log is
 * latched in the order: it refuses further writes, and those that wait are told `io error`. */
#include <assert.h>

#include "daemon/order/order_space.h"
#include "daemon/runtime/thread.h"
#include "daemon/serve/decode.h"
#include "daemon/serve/dry_run.h"
#include "daemon/serve/epochs.h"
#include "daemon/serve/handlers.h"
#include "daemon/serve/request.h"
#include "proto/cairn.pb-c.h"
#include "proto/wire.h"

struct write_metadata {
    bool is_started; /* its deadline is set */
    enum level level;
    uint64_t resend_of;
    struct order_waiter waiter;
    size_t count;
    struct metadata_operation operations[];
};

static void reply_as(struct request *request, uint64_t sequence, enum level level, bool is_repeated)
{
    /* a WriteReply's sequence, level, raises_left_out and repeated */
    uint8_t body[4 * (1 + VARINT_BYTES_MAX)];
    uint64_t left_out = order_left_out(request->service->order)->raises;

    assert(level >= LEVEL_ACCEPTED && level <= LEVEL_DURABLE); /* as on the wire */
    uint8_t *end = number_field_put(number_field_put(body, 1, sequence), 2, level);
    if (left_out > 0) {
        end = number_field_put(end, 8, left_out);
    }
    if (is_repeated) {
        end = number_field_put(end, 9, true);
    }
    assert(end <= body + sizeof body);
    request_reply_body(request, STATUS_OK, body, (size_t)(end - body));
}

static void reply_written(struct request *request, uint64_t sequence, enum level level)
{
    reply_as(request, sequence, level, false);
}

static void refuse_left_out(struct request *request, const char *what)
{
    const struct order_left_out *left_out = order_left_out(request->service->order);
    assert(left_out->raises > 0); /* the failure has a text */
    request_refuse(request, STATUS_DAMAGED, "%s: %s", what, left_out->failure.text);
}

static void waited(struct order_waiter *waiter)
{
    struct request *request = waiter->owner;
    assert(thread_is(THREAD_LOOP) && !request->is_ended); /* from order_hand_over, once */
    if (waiter->status == STATUS_DAMAGED) {
        refuse_left_out(request, "what it raises was left out; what else it changes was applied");
        return;
    }
    if (waiter->status != STATUS_OK) {
        const struct failure *failure = order_failure(request->service->order);
        assert(failure != NULL); /* nothing else ends a wait early */
        request_refuse(request, waiter->status,
                       "%s: the daemon ends, and recovery at its next start decides what was applied",
                       failure->text);
        return;
    }
    reply_written(request, waiter->sequence, waiter->level);
}

/* Begins to wait. The caller has set the waiter's `chain` and `operations`; the other fields are filled in here. */
static void wait_for(struct request *request, struct order_waiter *waiter, uint64_t sequence,
                     enum level level, void (*done)(struct order_waiter *waiter))
{
    /* the wait ends: a write of that number was accepted */
    assert(level > LEVEL_ACCEPTED && sequence <= order_sequence(request->service->order));
    assert(waiter->owner == NULL && waiter->next == NULL); /* it is in no list: a request waits once */
    waiter->sequence = sequence;
    waiter->level = level;
    waiter->done = done;
    waiter->owner = request;
    order_wait(request->service->order, waiter);
}

/* ---- queued metadata ---- */

enum status write_decode_metadata(struct request *request, struct failure *failure)
{
    const Cairn__WriteMetadata *message = (const Cairn__WriteMetadata *)request->message;
    assert(message->base.descriptor == &cairn__write_metadata__descriptor);
    assert(request->prepared == NULL); /* it is decoded once */
    if (message->n_operations == 0) {
        return failure_set(failure, STATUS_INVALID,
                           "a metadata write without an operation: give at least one");
    }
    size_t range_count;
    struct write_metadata *write =
        request_memory(request, sizeof *write + message->n_operations * sizeof write->operations[0], failure);
    if (write == NULL || decode_operations(request, message->operations, message->n_operations, DECODE_QUEUED,
                                           write->operations, &range_count, failure) != STATUS_OK) {
        return failure->status;
    }
    assert(range_count == 0); /* the queue has no place for one */
    write->count = message->n_operations;
    write->resend_of = message->has_resend_of ? message->resend_of : 0;
    write->level = message->has_level ? (enum level)message->level : LEVEL_ACCEPTED;
    request->prepared = write;
    return STATUS_OK;
}

/* The chain, each time: it may have been dropped while the write waited. NULL: *failure says why. A write that is re-sent was accepted once,
 * so its chain was there, and was dropped since. */
static struct chain *find_chain(struct request *request, struct write_metadata *write,
                                struct failure *failure)
{
    const Cairn__WriteMetadata *message = (const Cairn__WriteMetadata *)request->message;
    if (!write->is_started) {
        write->is_started = true;
        request_set_deadline(request, message->has_deadline_us ? message->deadline_us : 0);
    }
    struct chain *chain = request_chain(request, message->has_chain, message->chain, failure);
    if (chain == NULL && write->resend_of != 0 && chain_name_is_valid(request_slice(message->chain))) {
        failure_set_conflict(failure, REASON_DROPPED, "write %lu was re-sent, but its chain has been dropped",
                             write->resend_of);
    }
    return chain;
}

enum request_progress write_metadata(struct request *request)
{
    struct failure failure;
    struct write_metadata *write = request->prepared;
    assert(write != NULL && write->count > 0); /* as it was decoded */
    struct chain *chain = find_chain(request, write, &failure);
    if (chain == NULL) {
        request_refuse_for(request, &failure);
        return REQUEST_TAKEN;
    }
    enum epochs_verdict verdict = epochs_judge(request->session, chain, 0, false, &failure);
    if (verdict == EPOCHS_REFUSE) {
        request_refuse_for(request, &failure);
        return REQUEST_TAKEN;
    }
    if (verdict == EPOCHS_UNDECIDED) {
        return REQUEST_WAITS_CLAIM;
    }
    if (request->service->is_contended) {
        return REQUEST_WAITS;
    }
    uint64_t sequence;
    enum order_acceptance acceptance =
        order_metadata(request->service->order, chain, write->operations, write->count, write->resend_of,
                       request->received_us, &sequence, &failure);
    if (acceptance == ORDER_NOT_YET) {
        return REQUEST_WAITS;
    }
    if (acceptance == ORDER_REFUSED) {
        request_refuse_for(request, &failure);
    } else if (write->level == LEVEL_ACCEPTED) {
        request->session->accepted_replies++;
        reply_written(request, sequence, LEVEL_ACCEPTED);
    } else {
        write->waiter.chain = chain->id;
        write->waiter.operations = write->operations;
        write->waiter.operation_count = write->count;
        wait_for(request, &write->waiter, sequence, write->level, waited);
    }
    return REQUEST_TAKEN;
}

/* Tells each session once of the raises that were left out since its last barrier, of all clients: a barrier answers for all
 * that was accepted before it. */
static void barrier_reply(struct request *request, uint64_t sequence, enum level level)
{
    uint64_t left_out = order_left_out(request->service->order)->raises;
    assert(left_out >= request->session->left_out_told);
    if (left_out > request->session->left_out_told) {
        request->session->left_out_told = left_out;
        refuse_left_out(request, "all is as far as asked, but raises were left out");
        return;
    }
    reply_written(request, sequence, level);
}

static void barrier_waited(struct order_waiter *waiter)
{
    assert(waiter->operations == NULL); /* it waits for no one write, so none of its raises is left out */
    if (waiter->status == STATUS_OK) {
        barrier_reply(waiter->owner, waiter->sequence, waiter->level);
    } else {
        waited(waiter);
    }
}

enum request_progress write_barrier(struct request *request)
{
    const Cairn__Barrier *message = (const Cairn__Barrier *)request->message;
    assert(message->base.descriptor == &cairn__barrier__descriptor);
    const struct failure *latched = order_failure(request->service->order);
    uint64_t sequence = order_sequence(request->service->order);
    enum level level = message->has_level ? (enum level)message->level : LEVEL_DURABLE;
    if (latched != NULL) {
        request_refuse(request, STATUS_IO_ERROR, "%s", latched->text);
        return REQUEST_TAKEN;
    }
    if (level == LEVEL_ACCEPTED) {
        barrier_reply(request, sequence, level);
        return REQUEST_TAKEN;
    }
    if (level == LEVEL_DURABLE && order_is_in_doubt(request->service->order)) {
        request_refuse(
            request, STATUS_NO_SPACE,
            "what was written before is not known to be on the device: there is no space to write it "
            "anew, which a failed sync takes; free some");
        return REQUEST_TAKEN;
    }
    if (order_queue_lacks_room(request->service->order)) {
        request_refuse(
            request, STATUS_NO_SPACE,
            "metadata that was accepted before finds no room on the file system of the data directory; it is "
            "written once there is some: free some");
        return REQUEST_TAKEN;
    }
    struct failure failure;
    struct order_waiter *waiter = request_memory(request, sizeof *waiter, &failure);
    if (waiter == NULL) {
        request_refuse_for(request, &failure);
    } else {
        wait_for(request, waiter, sequence, level, barrier_waited);
    }
    return REQUEST_TAKEN;
}

/* ---- the commit lane ---- */

static void job_done(struct job *job)
{
    struct request *request = job->owner;
    assert(thread_is(THREAD_LOOP) && job->sequence > 0 && !request->is_ended); /* from the order, once */
    assert(request->prepared == job); /* it lies in the arena until the reply below */
    if (job->status != STATUS_OK) {
        assert(job->failure.status == job->status); /* one came with the other */
        request_refuse_for(request, &job->failure);
        return;
    }
    /* the counts of the first time are not known any more */
    if (job->kind != JOB_ROLLBACK || job->is_repeated) {
        reply_as(request, job->sequence, job->level, job->is_repeated);
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
    reply.raises_left_out = order_left_out(request->service->order)->raises;
    reply.has_raises_left_out = reply.raises_left_out > 0;
    request_reply(request, STATUS_OK, &reply.base);
}

/* A job in the request's arena, to be decoded into; the handler has it then. NULL: *failure says why. */
static struct job *new_job(struct request *request, struct failure *failure)
{
    assert(request->prepared == NULL); /* it is decoded once */
    struct job *job = request_memory(request, sizeof *job, failure);
    /* fresh from the arena: no lane has it */
    assert(job == NULL || (job->sequence == 0 && job->next == NULL));
    request->prepared = job;
    return job;
}

enum status write_decode_commit(struct request *request, struct failure *failure)
{
    struct job *job = new_job(request, failure);
    return job == NULL ? failure->status
                       : decode_commit(request, (const Cairn__Commit *)request->message, job, failure);
}

enum status write_decode_prune(struct request *request, struct failure *failure)
{
    struct job *job = new_job(request, failure);
    return job == NULL ? failure->status
                       : decode_prune(request, (const Cairn__Prune *)request->message, job, failure);
}

enum status write_decode_rollback(struct request *request, struct failure *failure)
{
    struct job *job = new_job(request, failure);
    return job == NULL ? failure->status
                       : decode_rollback(request, (const Cairn__Rollback *)request->message, job, failure);
}

/* Hands the decoded job to the order, for that chain, or refuses it. It waits while a claim or release of the chain is in the lane. */
static enum request_progress submit(struct request *request, bool has_chain, ProtobufCBinaryData name,
                                    bool is_carrying)
{
    struct job *job = request->prepared;
    struct failure failure;
    const struct failure *latched = order_failure(request->service->order);
    if (latched != NULL) {
        request_refuse(request, STATUS_IO_ERROR, "%s", latched->text);
        return REQUEST_TAKEN;
    }
    const struct chain *chain = request_chain(request, has_chain, name, &failure);
    enum epochs_verdict verdict = EPOCHS_REFUSE;
    if (chain != NULL && order_takes_number(chain, job->number, &failure)) {
        verdict = epochs_judge(request->session, chain, job->number, job->kind != JOB_COMMIT, &failure);
    }
    if (verdict == EPOCHS_UNDECIDED) {
        return REQUEST_WAITS_CLAIM;
    }
    if (verdict == EPOCHS_REFUSE) {
        request_refuse_for(request, &failure);
        return REQUEST_TAKEN;
    }
    assert(job != NULL && job->level != LEVEL_ACCEPTED); /* it is answered once it is written */
    job->chain = chain->id;
    job->done = job_done;
    job->owner = request;
    if (!order_admits(request->service->order, job, &failure)) {
        request_refuse_for(request, &failure);
        return REQUEST_TAKEN;
    }
    order_submit(request->service->order, job, is_carrying, thread_now_ns());
    return REQUEST_TAKEN;
}

enum request_progress write_commit(struct request *request)
{
    const Cairn__Commit *message = (const Cairn__Commit *)request->message;
    const struct job *decoded = request->prepared;
    assert(decoded->kind == JOB_COMMIT); /* the row of the type decodes what it starts */
    request_set_deadline(request, message->has_deadline_us ? message->deadline_us : 0);
    return submit(request, message->has_chain, message->chain, message->has_carry && message->carry);
}

/* A dry run is a read: it joins no lane, and goes on where nothing can be written. */
static enum request_progress dry_run(struct request *request, bool has_chain, ProtobufCBinaryData name)
{
    struct failure failure;
    assert(request->prepared != NULL); /* the decoded job, which says what would be dropped */
    if (request_chain(request, has_chain, name, &failure) == NULL) {
        request_refuse_for(request, &failure);
    } else {
        dry_run_start(request, has_chain, name, request->prepared);
    }
    return REQUEST_TAKEN;
}

enum request_progress write_prune(struct request *request)
{
    const Cairn__Prune *message = (const Cairn__Prune *)request->message;
    const struct job *decoded = request->prepared;
    assert(decoded->kind == JOB_PRUNE); /* as decoded */
    if (message->has_dry_run && message->dry_run) {
        return dry_run(request, message->has_chain, message->chain);
    }
    request_set_deadline(request, message->has_deadline_us ? message->deadline_us : 0);
    return submit(request, message->has_chain, message->chain, true);
}

enum request_progress write_rollback(struct request *request)
{
    const Cairn__Rollback *message = (const Cairn__Rollback *)request->message;
    const struct job *decoded = request->prepared;
    assert(decoded->kind == JOB_ROLLBACK); /* a dry run reads the same part of it */
    if (message->has_dry_run && message->dry_run) {
        return dry_run(request, message->has_chain, message->chain);
    }
    request_set_deadline(request, message->has_deadline_us ? message->deadline_us : 0);
    return submit(request, message->has_chain, message->chain, true);
}
