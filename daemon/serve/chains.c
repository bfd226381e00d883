/* Requests about chains: their list, which the loop has in memory, and the making and dropping of one, which are jobs.
 *
 * A chain's making:
 * - The chain gets its id and its place among the chains, and is not visible yet. One that exists keeps both.
 * - A job makes it durable. Its completion publishes it, and the request is answered.
 *
 * Its drop:
 * - From the acceptance of the job on the order takes no write to the chain; reads see it as it is.
 * - The completion takes it out of the chains, or renews "default", and the request is answered.
 *
 * If the job fails, a chain that was to be made is not there, and one that was to be dropped is as it was. Where the failure is latched, the
 * request is told `io error`, and recovery decides. */
#include <assert.h>
#include <stdlib.h>

#include "daemon/order/order_space.h"
#include "daemon/runtime/memory.h"
#include "daemon/runtime/thread.h"
#include "daemon/serve/epochs.h"
#include "daemon/serve/handlers.h"
#include "proto/cairn.pb-c.h"

static void fill_claim(const struct service *service, const struct chain_claim *claim,
                       Cairn__ChainEntry *entry)
{
    if (!chain_claim_stands(claim)) {
        return;
    }
    entry->has_claim_sequence = entry->has_claim_name = entry->has_claim_uid = entry->has_claim_pid = true;
    entry->claim_sequence = claim->last.epoch.sequence;
    entry->claim_name = request_binary(claim->last.name.data, claim->last.name.bytes);
    entry->claim_uid = claim->last.uid;
    entry->claim_pid = claim->last.pid;
    entry->has_claim_held = true;
    entry->claim_held = chain_claim_is_held(claim, service->claim_grace_us, thread_now_us());
}

static void fill_chain(const struct chain *chain, Cairn__ChainEntry *ret_entry)
{
    assert(chain->visible); /* before that its marks say nothing */
    cairn__chain_entry__init(ret_entry);
    ret_entry->has_name = true;
    ret_entry->name = request_binary(chain->name, chain->name_bytes);
    ret_entry->has_height = true;
    ret_entry->height = chain->marks.height;
    ret_entry->has_blocks_pruned_through = chain->marks.blocks_pruned > 0;
    ret_entry->blocks_pruned_through = chain->marks.blocks_pruned;
    ret_entry->has_states_pruned_through = chain->marks.states_from > 0;
    ret_entry->states_pruned_through = chain->marks.states_from - 1;
}

enum { CHAIN_BYTES_MAX = sizeof(Cairn__ChainEntry) + sizeof(void *) + 256 }; /* of one, packed once more */

enum request_progress chains_list(struct request *request)
{
    struct chain_set *chains = order_chains(request->service->order);
    uint32_t count = chain_count(chains);
    if (!memory_has((count + 1) * CHAIN_BYTES_MAX)) {
        request_refuse(request, STATUS_BUSY, "there is no memory for %u chains: try again later", count);
        return REQUEST_TAKEN;
    }
    Cairn__ChainEntry *entries = memory_new((count + 1) * sizeof entries[0]);
    Cairn__ChainEntry **pointers = memory_new((count + 1) * sizeof pointers[0]);
    Cairn__ChainsReply reply = CAIRN__CHAINS_REPLY__INIT;
    for (const struct chain *chain = chain_first(chains); chain != NULL; chain = chain_next(chain)) {
        if (chain->visible) {
            assert(reply.n_chains < count); /* chain_count counts all of them */
            fill_chain(chain, &entries[reply.n_chains]);
            fill_claim(request->service, &chain->claim, &entries[reply.n_chains]);
            pointers[reply.n_chains] = &entries[reply.n_chains];
            reply.n_chains++;
        }
    }
    reply.chains = pointers;
    size_t body_bytes;
    uint8_t *frame = request_pack(&reply.base, &body_bytes);
    free(pointers);
    free(entries);
    request_reply_packed(request, frame, body_bytes);
    return REQUEST_TAKEN;
}

/* ---- making ---- */

/* What the replies to both have; the caller adds what differs and sends it. False: the request was refused. */
static bool begin_reply(const struct job *job, Cairn__WriteReply *ret_reply)
{
    struct request *request = job->owner;
    assert(thread_is(THREAD_LOOP));
    assert(job->sequence > 0 && !request->is_ended); /* from the order, once */
    if (job->status != STATUS_OK) {
        request_refuse_for(request, &job->failure);
        return false;
    }
    cairn__write_reply__init(ret_reply);
    ret_reply->has_sequence = ret_reply->has_level = true;
    ret_reply->sequence = job->sequence;
    ret_reply->level = CAIRN__LEVEL__LEVEL_DURABLE;
    return true;
}

static void create_done(struct job *job)
{
    struct request *request = job->owner;
    assert(request->prepared == job);
    Cairn__WriteReply reply;
    if (begin_reply(job, &reply)) { /* else the request is freed, and the job with it */
        reply.has_created = true;
        reply.created = job->marks.cut_sequence == job->sequence; /* of several at once one has made it */
        request_reply(request, STATUS_OK, &reply.base);
    }
}

/* Whether there is space for another chain. One that exists takes none, but must not be on its way out. */
static bool admits_chain(struct request *request, struct slice name, struct failure *failure)
{
    struct order *order = request->service->order;
    struct job job = {.kind = JOB_CREATE_CHAIN};
    const struct chain *chain = chain_find(order_chains(order), name);
    return chain != NULL ? order_takes_writes(chain, failure) : order_admits(order, &job, failure);
}

/* A job that makes the chain of that name, which is added unless it is there. NULL: *failure says why. */
static struct job *prepare_chain(struct request *request, struct slice name, struct failure *failure)
{
    struct chain_set *chains = order_chains(request->service->order);
    if (!chain_name_is_valid(name)) {
        failure_set(failure, STATUS_INVALID, "a chain's name of %zu bytes: it is 1 to %d of a-z 0-9 . _ -",
                    name.bytes, CHAIN_NAME_BYTES_MAX);
        return NULL;
    }
    struct job *job = request_memory(request, sizeof *job, failure);
    if (job == NULL) {
        return NULL;
    }
    struct chain *chain = chain_find(chains, name);
    if (chain == NULL) {
        chain = chain_add(chains, name, 0);
    }
    if (chain == NULL) {
        failure_set(failure, STATUS_TOO_LARGE, "there are %u chains already: chains_max allows no more",
                    chain_count(chains));
        return NULL;
    }
    assert(chain->id > 0); /* the job's records are keyed by it */
    *job = (struct job){
        .kind = JOB_CREATE_CHAIN,
        .level = LEVEL_DURABLE,
        .chain = chain->id,
        .chain_name = chain_name(chain),
        .done = create_done,
        .owner = request,
    };
    return job;
}

/* For a chain that exists the job makes sure that its creation is durable. */
enum request_progress chains_create(struct request *request)
{
    const Cairn__CreateChain *message = (const Cairn__CreateChain *)request->message;
    struct failure failure;
    struct job *job = admits_chain(request, request_slice(message->chain), &failure)
                          ? prepare_chain(request, request_slice(message->chain), &failure)
                          : NULL;
    if (job == NULL) {
        request_refuse_for(request, &failure);
        return REQUEST_TAKEN;
    }
    assert(request->prepared == NULL); /* it never waits, so it is started once */
    request->prepared = job;
    order_submit(request->service->order, job, false, thread_now_ns());
    return REQUEST_TAKEN;
}

/* ---- dropping ---- */

static void drop_done(struct job *job)
{
    struct request *request = job->owner;
    const Cairn__DropChain *message = (const Cairn__DropChain *)request->message;
    Cairn__WriteReply reply;
    if (begin_reply(job, &reply)) {
        epochs_end_sessions(request->service, request->session, request_slice(message->chain));
        request_reply(request, STATUS_OK, &reply.base);
    }
}

/* What of the message stays the same while the request waits. NULL: *failure says why. */
static struct job *prepare_drop(struct request *request, const Cairn__DropChain *message,
                                struct failure *failure)
{
    if (!message->has_chain) {
        failure_set(failure, STATUS_INVALID, "a drop without the name of the chain");
        return NULL;
    }
    struct job *job = request_memory(request, sizeof *job, failure);
    request->prepared = job;
    return job;
}

/* Whether this session may drop the chain; for NULL *failure has the refusal already. */
static enum epochs_verdict judge_drop(const struct request *request, struct chain *chain,
                                      struct failure *failure)
{
    if (chain == NULL || !order_takes_writes(chain, failure)) {
        return EPOCHS_REFUSE;
    }
    return epochs_judge(request->session, chain, 0, true, failure);
}

/* Waits while a claim or release of the chain is in the lane. */
enum request_progress chains_drop(struct request *request)
{
    const Cairn__DropChain *message = (const Cairn__DropChain *)request->message;
    struct order *order = request->service->order;
    struct failure failure;
    struct job *job =
        request->prepared != NULL ? request->prepared : prepare_drop(request, message, &failure);
    struct chain *chain = job != NULL ? request_chain(request, true, message->chain, &failure) : NULL;
    assert(job == NULL || job->sequence == 0); /* the order has not had it */
    enum epochs_verdict verdict = judge_drop(request, chain, &failure);
    if (verdict == EPOCHS_UNDECIDED) {
        return REQUEST_WAITS_CLAIM;
    }
    if (verdict == EPOCHS_REFUSE) {
        request_refuse_for(request, &failure);
        return REQUEST_TAKEN;
    }
    *job = (struct job){
        .kind = JOB_DROP_CHAIN,
        .level = LEVEL_DURABLE,
        .chain = chain->id,
        .drop = {.name = chain_name(chain),
                 .makes_anew = slice_equal(chain_name(chain), slice_of("default", 7))},
        .done = drop_done,
        .owner = request,
    };
    if (!order_admits(order, job, &failure)) {
        request_refuse_for(request, &failure);
        return REQUEST_TAKEN;
    }
    order_submit(order, job, true, thread_now_ns());
    return REQUEST_TAKEN;
}
