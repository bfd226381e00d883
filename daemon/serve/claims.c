/* Requests about a chain's claim. All are jobs of the commit lane:
 *
 * - Claim and Release are judged here, and wait while another of their chain is in the lane. Their records are written as any commit's. When
 *   they are published the claim is what they say; a claim's session has presented the epoch then, for numbers too.
 * - Present is judged here too, and the session writes under the epoch from then on. Its job changes nothing: at its place the writer says
 *   how far the numbers have come, and all before it is durable when it is answered.
 *
 * If the job of a claim or release fails, the claim is what it was. What is refused has changed nothing; a refused Present still goes
 * through the lane, for the last number. A failure of the log is latched: the request is told `io error`, and recovery decides. */
#include <assert.h>
#include <sys/random.h>

#include "daemon/observe/event.h"
#include "daemon/observe/metrics.h"
#include "daemon/order/order_space.h"
#include "daemon/runtime/thread.h"
#include "daemon/serve/epochs.h"
#include "daemon/serve/handlers.h"
#include "proto/cairn.pb-c.h"

struct claim_request {
    struct job job; /* first */
    bool is_taken_over;
};

struct present_request {
    struct job job; /* first */
    bool is_refused;
    struct failure refusal; /* if is_refused */
};

/* The chain that the request may change the claim of. NULL: *failure says why. */
static struct chain *find_chain(struct request *request, bool has_chain, ProtobufCBinaryData name,
                                struct failure *failure)
{
    const struct failure *latched = order_failure(request->service->order);
    if (latched != NULL) {
        *failure = *latched;
        return NULL;
    }
    struct chain *chain = request_chain(request, has_chain, name, failure);
    return chain != NULL && order_takes_writes(chain, failure) ? chain : NULL;
}

static struct chain *chain_of(const struct job *job)
{
    const struct request *request = job->owner;
    assert(thread_is(THREAD_LOOP) && job->sequence > 0 && !request->is_ended); /* from the order, once */
    struct chain *chain = chain_by_id(order_chains(request->service->order), job->chain);
    assert(chain != NULL); /* what drops it waited for the job */
    return chain;
}

/* A job in the arena with `bytes` of what begins with it; the deadline runs from the request's arrival. NULL: *failure says why. */
static void *new_job(struct request *request, size_t bytes, uint64_t deadline_us, struct failure *failure)
{
    assert(request->prepared == NULL && bytes >= sizeof(struct job));
    request->prepared = request_memory(request, bytes, failure);
    if (request->prepared != NULL) {
        request_set_deadline(request, deadline_us);
    }
    return request->prepared;
}

/* Hands the job to the order. False: the request is refused. */
static bool submit(struct request *request, struct job *job, const struct chain *chain,
                   void (*done)(struct job *job))
{
    struct failure failure;
    assert(job->sequence == 0 && chain->claim.changes_queued == 0);
    job->level = LEVEL_DURABLE;
    job->chain = chain->id;
    job->done = done;
    job->owner = request;
    if (!order_admits(request->service->order, job, &failure)) {
        request_refuse_for(request, &failure);
        return false;
    }
    order_submit(request->service->order, job, false, thread_now_ns());
    return true;
}

static enum request_progress refuse(struct request *request, const struct failure *failure)
{
    request_refuse_for(request, failure);
    return REQUEST_TAKEN;
}

static struct event_claim event_of(const struct chain *chain, const struct claim_record *claim)
{
    return (struct event_claim){chain_name(chain), claim->name, claim->uid, claim->pid,
                                claim->epoch.sequence};
}

/* ---- claim ---- */

/* What of the message stays the same while the request waits. NULL: *failure says why. */
static struct claim_request *prepare_claim(struct request *request, const Cairn__Claim *message,
                                           struct failure *failure)
{
    size_t name_bytes = message->has_writer_name ? message->writer_name.len : 0;
    if (name_bytes < 1 || name_bytes > WRITER_NAME_BYTES_MAX) {
        failure_set(failure, STATUS_INVALID, "a claim with a writer's name of %zu bytes: it has 1 to %d",
                    name_bytes, WRITER_NAME_BYTES_MAX);
        return NULL;
    }
    struct claim_request *claim =
        new_job(request, sizeof *claim, message->has_deadline_us ? message->deadline_us : 0, failure);
    if (claim == NULL) {
        return NULL;
    }
    const struct session *session = request->session;
    claim->job.kind = JOB_CLAIM;
    claim->job.claim = (struct claim_record){
        .uid = session->peer_uid,
        .pid = (uint32_t)session->peer_pid,
        .name = request_slice(message->writer_name),
    };
    while (claim->job.claim.epoch.random == 0) { /* 0 says that there is none */
        uint64_t *random = &claim->job.claim.epoch.random;
        if (getrandom(random, sizeof *random, GRND_NONBLOCK) != (ssize_t)sizeof *random) {
            failure_set(failure, STATUS_BUSY, "the machine has no random bits for an epoch: try again later");
            return NULL;
        }
    }
    return claim;
}

static void claim_done(struct job *job)
{
    const struct claim_request *claim = (const struct claim_request *)job; /* its first member */
    struct request *request = job->owner;
    struct chain *chain = chain_of(job);
    if (job->status != STATUS_OK) {
        request_refuse_for(request, &job->failure);
        return;
    }
    epochs_present(request->session, chain, job->claim.epoch, true);
    epochs_end_sessions(request->service, request->session, chain_name(chain));
    metrics_add(claim->is_taken_over ? METRIC_CLAIMS_TAKEN_OVER : METRIC_CLAIMS, 1);
    struct event_claim event = event_of(chain, &job->claim);
    (claim->is_taken_over ? event_claim_taken_over : event_claimed)(&event);
    Cairn__Epoch epoch = CAIRN__EPOCH__INIT;
    epoch.has_sequence = epoch.has_random = true;
    epoch.sequence = job->claim.epoch.sequence;
    epoch.random = job->claim.epoch.random;
    Cairn__ClaimReply reply = CAIRN__CLAIM_REPLY__INIT;
    reply.has_sequence = reply.has_level = true;
    reply.sequence = job->sequence;
    reply.level = CAIRN__LEVEL__LEVEL_DURABLE;
    reply.epoch = &epoch;
    request_reply(request, STATUS_OK, &reply.base);
}

enum request_progress claims_take(struct request *request)
{
    const Cairn__Claim *message = (const Cairn__Claim *)request->message;
    const struct session *session = request->session;
    struct failure failure;
    struct claim_request *claim =
        request->prepared != NULL ? request->prepared : prepare_claim(request, message, &failure);
    struct chain *chain =
        claim != NULL ? find_chain(request, message->has_chain, message->chain, &failure) : NULL;
    if (chain == NULL) {
        return refuse(request, &failure);
    }
    assert(claim->job.kind == JOB_CLAIM && claim->job.sequence == 0); /* the order has not had it */
    if (chain->claim.changes_queued > 0) {
        return REQUEST_WAITS_CLAIM;
    }
    uint64_t now_us = thread_now_us(), grace_us = request->service->claim_grace_us;
    struct chain_claim_wish wish = {
        .presented = epochs_of(session, chain_name(chain)),
        .takes_over = message->has_take_over && message->take_over,
        .uid = session->peer_uid,
        .is_admin = session->role == ROLE_ADMIN,
    };
    if (!chain_claim_admits_claim(&chain->claim, &wish, grace_us, now_us)) {
        epochs_say_claimed(chain, &failure);
        return refuse(request, &failure);
    }
    if (!epochs_have_room(session, chain, &failure)) {
        return refuse(request, &failure);
    }
    claim->is_taken_over = chain_claim_is_held(&chain->claim, grace_us, now_us) &&
                           !chain_claim_is_of(&chain->claim, wish.presented);
    (void)submit(request, &claim->job, chain, claim_done);
    return REQUEST_TAKEN;
}

/* ---- present ---- */

static struct present_request *prepare_present(struct request *request, const Cairn__Present *message,
                                               struct failure *failure)
{
    const Cairn__Epoch *epoch = message->epoch;
    if (epoch == NULL || epoch->sequence == 0 || epoch->random == 0) {
        failure_set(
            failure, STATUS_INVALID,
            "an epoch is to be presented, with its sequence number and its random bits: claim the chain");
        return NULL;
    }
    struct present_request *present =
        new_job(request, sizeof *present, message->has_deadline_us ? message->deadline_us : 0, failure);
    if (present != NULL) {
        present->job.kind = JOB_PRESENT;
        present->job.present.epoch = (struct epoch){epoch->sequence, epoch->random};
    }
    return present;
}

static void present_done(struct job *job)
{
    const struct present_request *present = (const struct present_request *)job; /* its first member */
    struct request *request = job->owner;
    assert(thread_is(THREAD_LOOP) && job->sequence > 0 && !request->is_ended); /* from the order, once */
    if (job->status != STATUS_OK) {
        request_refuse_for(request, &job->failure);
        return;
    }
    /* also a writer that is refused is told how many of its writes were applied */
    if (present->is_refused && job->present.is_known) {
        request_refuse_numbered(request, &present->refusal, job->present.last_number);
        return;
    }
    if (present->is_refused) {
        request_refuse_for(request, &present->refusal);
        return;
    }
    Cairn__PresentReply reply = CAIRN__PRESENT_REPLY__INIT;
    reply.has_sequence = reply.has_level = reply.has_last_number = true;
    reply.sequence = job->sequence;
    reply.level = CAIRN__LEVEL__LEVEL_DURABLE;
    reply.last_number = job->present.last_number;
    request_reply(request, STATUS_OK, &reply.base);
}

enum request_progress claims_present(struct request *request)
{
    const Cairn__Present *message = (const Cairn__Present *)request->message;
    struct failure failure;
    struct present_request *present =
        request->prepared != NULL ? request->prepared : prepare_present(request, message, &failure);
    struct chain *chain =
        present != NULL ? find_chain(request, message->has_chain, message->chain, &failure) : NULL;
    if (chain == NULL) {
        return refuse(request, &failure);
    }
    assert(present->job.kind == JOB_PRESENT && present->job.sequence == 0); /* as above */
    if (chain->claim.changes_queued > 0) {
        return REQUEST_WAITS_CLAIM;
    }
    present->is_refused = !chain_claim_admits_write(&chain->claim, present->job.present.epoch);
    if (present->is_refused) {
        epochs_say_claimed(chain, &present->refusal);
    } else if (!epochs_have_room(request->session, chain, &failure)) {
        return refuse(request, &failure);
    }
    struct session *session = request->session;
    bool is_accepted = submit(request, &present->job, chain, present_done);
    if (is_accepted && !present->is_refused) { /* one that is refused changes nothing of the session */
        epochs_present(session, chain, present->job.present.epoch,
                       message->has_for_numbers && message->for_numbers);
        if (message->has_ends_with_epoch && message->ends_with_epoch) {
            epochs_end_session_with(session, chain);
        }
    }
    return REQUEST_TAKEN;
}

/* ---- release ---- */

static struct job *prepare_release(struct request *request, const Cairn__Release *message,
                                   struct failure *failure)
{
    if (message->has_any && message->any && request->session->role < ROLE_ADMIN) {
        failure_set(failure, STATUS_PERMISSION,
                    "this user is a writer, who may release a claim of its own only: ask as an admin");
        return NULL;
    }
    struct job *job =
        new_job(request, sizeof *job, message->has_deadline_us ? message->deadline_us : 0, failure);
    if (job != NULL) {
        job->kind = JOB_RELEASE;
    }
    return job;
}

static void release_done(struct job *job)
{
    struct request *request = job->owner;
    const struct chain *chain = chain_of(job);
    if (job->status != STATUS_OK) {
        request_refuse_for(request, &job->failure);
        return;
    }
    if (job->claim.epoch.sequence != 0) {
        metrics_add(METRIC_CLAIMS_RELEASED, 1);
        struct event_claim event = event_of(chain, &job->claim);
        event_claim_released(&event);
        epochs_end_sessions(request->service, request->session, chain_name(chain));
    }
    Cairn__WriteReply reply = CAIRN__WRITE_REPLY__INIT;
    reply.has_sequence = reply.has_level = true;
    reply.sequence = job->sequence;
    reply.level = CAIRN__LEVEL__LEVEL_DURABLE;
    request_reply(request, STATUS_OK, &reply.base);
}

enum request_progress claims_release(struct request *request)
{
    const Cairn__Release *message = (const Cairn__Release *)request->message;
    struct failure failure;
    struct job *job =
        request->prepared != NULL ? request->prepared : prepare_release(request, message, &failure);
    struct chain *chain =
        job != NULL ? find_chain(request, message->has_chain, message->chain, &failure) : NULL;
    if (chain == NULL) {
        return refuse(request, &failure);
    }
    const struct chain_claim *claim = &chain->claim;
    assert(job->kind == JOB_RELEASE && job->sequence == 0); /* as above */
    if (claim->changes_queued > 0) {
        return REQUEST_WAITS_CLAIM;
    }
    struct epoch epoch = epochs_of(request->session, chain_name(chain));
    bool is_own = epoch.sequence != 0 && chain_claim_admits_write(claim, epoch);
    bool is_any = message->has_any && message->any;
    if (!is_own && !is_any) {
        epochs_say_claimed(chain, &failure);
        return refuse(request, &failure);
    }
    /* if there is no claim, a release of whichever there is does nothing */
    job->claim = chain_claim_stands(claim) ? claim->last : (struct claim_record){0};
    (void)submit(request, job, chain, release_done);
    return REQUEST_TAKEN;
}
