/* What goes to the writer, and who waits for it.
 *
 * - A write is accepted: it gets its number, and joins the pending map or the commit lane.
 * - At the end of an iteration the loop hands over what is due: closed groups, and a sync if somebody waits for one.
 * - Waiters are told in the same place, in the order of their numbers.
 *
 * Failures: once the order is latched, metadata is refused with the failure, and nothing is handed over any more. */
#include <assert.h>
#include <stdlib.h>

#include "daemon/order/order_internal.h"
#include "daemon/runtime/memory.h"
#include "daemon/runtime/thread.h"
#include "daemon/writer/schedule.h"

enum { NAMES_LOOKED_UP_MAX = 8192 }; /* of one job: a millisecond; chosen */

/* ---- accepting ---- */

/* Hands the closed groups to the writer. */
static void post_closed(struct order *order)
{
    struct metadata_group *groups = pending_take_closed(order->pending);
    for (const struct metadata_group *group = groups; group != NULL; group = group->next) {
        /* what the counters take off when it is written */
        assert(group->count > 0 && group->operations >= group->count);
        order->groups_posted++;
    }
    if (groups != NULL) {
        writer_submit_groups(order->writer, groups);
    }
}

bool order_takes_number(const struct chain *chain, uint64_t number, struct failure *failure)
{
    return chain_claim_may_have_applied(&chain->claim, number) || order_takes_writes(chain, failure);
}

bool order_takes_writes(const struct chain *chain, struct failure *failure)
{
    assert(thread_is(THREAD_LOOP));
    if (chain->is_dropping) {
        failure_set_conflict(failure, REASON_DROPPED,
                             "the chain %.*s is being dropped: its name is free once that is answered",
                             (int)chain->name_bytes, (const char *)chain->name);
    }
    return !chain->is_dropping;
}

/* Whether metadata that an earlier run accepted is refused since its chain has changed: by a write with a greater number the chain was
 * rolled back, made anew, claimed or released. Not so under the claim that stands: nobody but its writer has rolled back since, and each
 * rollback carries what was accepted before it. So what is lost was sent after the rollback, even if it has the lower number: then the
 * rollback was lost with it, and got a new number when it was sent again. */
static bool is_cut_off(const struct chain *chain, uint64_t resend_of, struct failure *failure)
{
    const struct claim_record *claim = &chain->claim.last;
    uint64_t claimed = claim->released != 0 ? claim->released : claim->epoch.sequence;
    bool is_of_claim = chain_claim_stands(&chain->claim) && resend_of >= claimed;
    if (resend_of == 0 || is_of_claim || (resend_of >= chain->marks.cut_sequence && resend_of >= claimed)) {
        return false;
    }
    if (resend_of < chain->marks.cut_sequence) {
        bool was_made = resend_of < chain->made_sequence;
        failure_set_conflict(
            failure, was_made ? REASON_DROPPED : REASON_ROLLED_BACK,
            "write %lu was re-sent, but the chain was rolled back, or dropped and made again, by write %lu",
            resend_of, chain->marks.cut_sequence);
    } else {
        failure_set_conflict(failure, REASON_CLAIMED,
                             "write %lu was re-sent, but the chain was claimed, or released, by write %lu",
                             resend_of, claimed);
    }
    return true;
}

enum order_acceptance order_metadata(struct order *order, struct chain *chain,
                                     const struct metadata_operation *operations, size_t count,
                                     uint64_t resend_of, uint64_t now_us, uint64_t *ret_sequence,
                                     struct failure *failure)
{
    assert(thread_is(THREAD_LOOP));
    /* the number is theirs, and a chain is made before it is written to */
    assert(count > 0 && chain->visible);
    if (order->failed) {
        *failure = order->failure;
        return ORDER_REFUSED;
    }
    const struct pending_request request = pending_request_of(chain->id, operations, count);
    if (!pending_could_hold(order->pending, request)) {
        failure_set(failure, STATUS_TOO_LARGE,
                    "%zu operations are more than an empty queue holds (%lu operations, %lu bytes): send "
                    "fewer at once, or a commit",
                    count, order->config.queue_operations_max, order->config.queue_bytes_max);
        return ORDER_REFUSED;
    }
    bool is_undecided = resend_of != 0 && (chain->rollbacks_queued > 0 || chain->is_dropping);
    if (is_cut_off(chain, resend_of, failure) || (!is_undecided && !order_takes_writes(chain, failure)) ||
        !order_has_space_for(order, request, resend_of, failure)) {
        return ORDER_REFUSED;
    }
    if (is_undecided || !pending_has_room(order->pending, request)) {
        return ORDER_NOT_YET;
    }
    if (!pending_prepare(order->pending, request)) {
        failure_set(failure, STATUS_BUSY, "there is no memory for so much metadata: try again later");
        return ORDER_REFUSED;
    }
    *ret_sequence = order_next_sequence(order);
    pending_add(order->pending, request, *ret_sequence, now_us);
    order_count_metadata(order, request);
    order->counters.metadata_accepted += count;
    order->unwritten += count;
    return ORDER_ACCEPTED;
}

/* Whether metadata is queued for a name that the job changes, so that the job has to carry. For a job with very many names any queued
 * metadata counts, since to look up each name would hold up the loop. */
static bool touches_queued(const struct order *order, const struct job *job)
{
    bool touches = false;
    if (job->metadata_count > NAMES_LOOKED_UP_MAX) {
        return pending_operations(order->pending) > 0;
    }
    for (size_t i = 0; i < job->metadata_count && !touches; i++) {
        touches = pending_holds(order->pending, job->chain, job->metadata[i].name);
    }
    return touches;
}

/* Notes on the chain that the job is in the commit lane, until leave_lane in order_publish.c. */
static void join_lane(struct chain *chain, struct job *job)
{
    assert(job->sequence > 0);
    if (job->is_behind_drop) {
        return;
    }
    chain->rollbacks_queued += job->kind == JOB_ROLLBACK;
    chain->creations_queued += job->kind == JOB_CREATE_CHAIN;
    chain->is_dropping = job->kind == JOB_DROP_CHAIN;
    chain_claim_note_number(&chain->claim, job->number);
    if (job->kind == JOB_CLAIM) {
        job->claim.epoch.sequence = job->sequence;
        chain->claim.changes_queued++;
    } else if (job->kind == JOB_RELEASE) {
        job->claim.released = job->sequence;
        chain->claim.changes_queued++;
    }
}

void order_submit(struct order *order, struct job *job, bool carry, uint64_t now_ns)
{
    assert(thread_is(THREAD_LOOP));
    assert(job->level == LEVEL_WRITTEN || job->level == LEVEL_DURABLE); /* accepted is no level of a job */
    assert(!job_is_own(job->kind));                                     /* those have no number */
    assert(job->done != NULL); /* called when it comes back, much later */
    assert((order->oldest_job == NULL) == (order->youngest_job == NULL));
    struct chain *chain = chain_by_id(order->chains, job->chain);
    assert(chain != NULL);
    bool may_be_repeated = chain_claim_may_have_applied(&chain->claim, job->number);
    job->is_behind_drop = chain->is_dropping;
    assert(may_be_repeated || !chain->is_dropping); /* or it would be applied behind the drop */
    if (job_always_carries(job) || carry || may_be_repeated || touches_queued(order, job)) {
        pending_close_group(order->pending);
        post_closed(order);
        job->carry_through = order->sequence;
    }
    job->sequence = order_next_sequence(order);
    assert(job->carry_through < job->sequence);
    join_lane(chain, job);
    order->accepted_bytes += job->bytes;
    order->job_bytes += job->bytes;
    job->submitted_ns = now_ns;
    order->committed_us = now_ns / 1000;
    job->younger = NULL;
    if (order->youngest_job == NULL) {
        order->oldest_job = job;
    } else {
        assert(order->youngest_job->sequence < job->sequence); /* the oldest has the lowest number */
        order->youngest_job->younger = job;
    }
    order->youngest_job = job;
    writer_submit(order->writer, job);
}

static void forgotten(struct job *job)
{
    assert(job->kind == JOB_FORGET_DROPS);
    free(job); /* if it failed, the next start finds the records */
}

/* Whether the record of that number is, or will be, of a later drop. */
static bool is_dropped_again(const struct order *order, uint32_t id)
{
    const struct chain *chain = chain_by_id(order->chains, id);
    return gone_has(chain_gone(order->chains), id) || (chain != NULL && chain->is_dropping);
}

void order_forget_drops(struct order *order, uint32_t first, uint32_t last)
{
    assert(thread_is(THREAD_LOOP) && first >= 1 && first <= last);
    for (uint32_t id = first; id <= last && !order->failed; id++) {
        if (is_dropped_again(order, id)) {
            continue;
        }
        struct job *job = memory_new(sizeof *job);
        *job = (struct job){.kind = JOB_FORGET_DROPS, .level = LEVEL_WRITTEN, .done = forgotten};
        job->forget.first = id;
        while (id < last && !is_dropped_again(order, id + 1)) {
            id++;
        }
        job->forget.last = id;
        writer_submit(order->writer, job);
    }
}

void order_wait(struct order *order, struct order_waiter *waiter)
{
    assert(thread_is(THREAD_LOOP));
    assert(waiter->level == LEVEL_WRITTEN || waiter->level == LEVEL_DURABLE);
    assert(waiter->sequence <= order->sequence);
    assert(waiter->sequence >= order->waited_through); /* each list stays in the order of its numbers */
    assert(waiter->done != NULL);                      /* called later */
    struct waiter_list *list = &order->waiters[waiter->level];
    assert(*list->last == NULL); /* the end of the list */
    waiter->next = NULL;
    *list->last = waiter;
    list->last = &waiter->next;
    order->waited_through = waiter->sequence;
}

/* ---- handing over ---- */

static void tell_waiters(struct order *order, enum level level, uint64_t through)
{
    struct waiter_list *list = &order->waiters[level];
    while (list->first != NULL && (order->failed || list->first->sequence <= through)) {
        struct order_waiter *waiter = list->first;
        assert(waiter->level == level);
        list->first = waiter->next;
        if (list->first == NULL) {
            list->last = &list->first;
        }
        bool is_written = waiter->sequence <= through;
        waiter->status = !is_written ? STATUS_IO_ERROR : waiter->is_left_out ? STATUS_DAMAGED : STATUS_OK;
        waiter->done(waiter);
    }
}

/* Hands over metadata that is due. The open group goes only when the writer has none: until then it can still take more.
 * Returns in how many microseconds some is due. */
static uint64_t post_due(struct order *order, uint64_t now_us)
{
    if (order->failed) {
        return SCHEDULE_NEVER_US;
    }
    struct schedule_queue queue = {
        .oldest_us = pending_oldest_us(order->pending),
        .operations = pending_operations(order->pending),
        .operations_max = order->config.queue_operations_max,
        .bytes = pending_bytes(order->pending),
        .bytes_max = order->config.queue_bytes_max,
        .flush_delay_us = order->config.flush_delay_us,
        .is_waited_for = order->waited_through >= pending_oldest_untaken(order->pending),
        .is_stopping = order->stopping,
    };
    uint64_t in_us = schedule_flush_in_us(&queue, now_us);
    if (in_us > 0) {
        return in_us;
    }
    post_closed(order);
    if (schedule_closes_open_group(order->groups_posted)) {
        pending_close_group(order->pending);
        post_closed(order);
    }
    assert(order->groups_posted > 0);
    return SCHEDULE_NEVER_US; /* what is left goes when the writer hands a group back */
}

static void ask_sync(struct order *order)
{
    const struct order_waiter *waiter = order->waiters[LEVEL_DURABLE].first;
    assert(waiter == NULL || waiter->level == LEVEL_DURABLE);
    struct schedule_sync sync = {
        .waited_for = waiter == NULL ? 0 : waiter->sequence,
        .written_through = order_written_through(order),
        .durable_through = order->durable_through,
        .last_sequence = order->sequence,
        .is_stopping = order->stopping,
        .is_asked = order->sync_asked,
    };
    if (!order->failed && !order->is_in_doubt && schedule_asks_sync(&sync)) {
        order->sync_asked = true;
        writer_submit_sync(order->writer);
    }
}

uint64_t order_hand_over(struct order *order, uint64_t now_us)
{
    assert(thread_is(THREAD_LOOP));
    tell_waiters(order, LEVEL_WRITTEN, order_written_through(order));
    tell_waiters(order, LEVEL_DURABLE, order->durable_through);
    ask_sync(order);
    return post_due(order, now_us);
}
