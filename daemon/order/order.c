/* A number's life: given on acceptance; written when its group or job comes back from the writer; durable when a later
 * or the same completion says that all was synced. `written_through` and `durable_through` follow, and wake who waits.
 *
 * Failure: a completion that says `failed` latches. Nothing becomes visible any more, whoever waits is told, and every new
 * write is answered by the failure. */
#include "daemon/order/order_internal.h"

#include <assert.h>
#include <stdlib.h>

#include "daemon/runtime/memory.h"
#include "daemon/runtime/thread.h"

/* ---- start and end ---- */

enum status order_open(const struct order_config *config, struct order **ret_order, struct failure *failure)
{
    struct order *order = memory_new(sizeof *order);
    order->config = *config;
    order->chains = chain_set_new(config->chains_max);
    order->apply = apply_new(config->engine, config->chains_max);
    enum status status = order_start(config->engine, order->chains, order->apply, &order->start, failure);
    if (status != STATUS_OK) {
        order_close(order);
        return status;
    }
    order->pending = pending_new(config->queue_operations_max, config->queue_bytes_max);
    order->cache = record_cache_new(config->cache_bytes);
    order->point = engine_point_take(config->engine);
    order->spin.spin_ns_max = ORDER_PATIENCE_NS;
    order->sequence = order->start.first_sequence - 1;
    order->durable_through = order->sequence;
    order->reserved_through = order->start.reserved_through;
    for (size_t level = 0; level <= LEVEL_DURABLE; level++) {
        order->waiters[level].last = &order->waiters[level].first;
    }
    order->writer = writer_start(&(struct writer_config){
        .engine = config->engine,
        .apply = order->apply,
        .flush_delay_us = config->flush_delay_us,
        .sync_interval_us = config->sync_interval_us,
        .wake = config->wake,
        .wake_context = config->wake_context,
    });
    for (struct chain *chain = chain_first(order->chains); chain != NULL; chain = chain_next(chain)) {
        order_sweep_chain(order, chain);
    }
    *ret_order = order;
    return STATUS_OK;
}

static void free_completions(struct order *order)
{
    for (struct completion *completion = writer_drain_completions(order->writer); completion != NULL;) {
        struct completion *next = completion->next;
        engine_point_release(completion->point);
        free(completion);
        completion = next;
    }
}

void order_close(struct order *order)
{
    if (order == NULL) {
        return;
    }
    if (order->writer != NULL) {
        writer_stop(order->writer);
        free_completions(order);
        writer_free(order->writer);
    }
    engine_point_release(order->point);
    pending_free(order->pending);
    record_cache_free(order->cache);
    apply_free(order->apply);
    chain_set_free(order->chains);
    free(order);
}

/* ---- numbers ---- */

static void reserve_done(struct job *job)
{
    struct order *order = job->owner;
    order->reserving = false;
    if (job->status == STATUS_OK) {
        order->reserved_through = job->reserve_through;
    }
}

/* Numbers are reserved long before they are needed, so giving one never waits. */
static uint64_t next_sequence(struct order *order)
{
    if (!order->reserving && order->reserved_through - order->sequence < ORDER_RESERVE / 2) {
        order->reserving = true;
        order->reserve = (struct job){
            .kind = JOB_RESERVE,
            .level = LEVEL_DURABLE,
            .reserve_through = order->reserved_through + ORDER_RESERVE,
            .done = reserve_done,
            .owner = order,
        };
        writer_submit(order->writer, &order->reserve);
    }
    assert(order->sequence < order->reserved_through);
    return ++order->sequence;
}

uint64_t order_written_through(const struct order *order)
{
    if (order->failed) {
        return order->written_before_failure;
    }
    uint64_t oldest_job = order->oldest_job == NULL ? UINT64_MAX : order->oldest_job->sequence;
    uint64_t oldest_operation = pending_oldest_sequence(order->pending);
    if (oldest_operation != 0 && oldest_operation < oldest_job) {
        oldest_job = oldest_operation;
    }
    return oldest_job == UINT64_MAX ? order->sequence : oldest_job - 1;
}

/* ---- accepting ---- */

/* Hands the closed groups to the writer. */
static void post_closed(struct order *order)
{
    struct metadata_group *groups = pending_take_closed(order->pending);
    for (const struct metadata_group *group = groups; group != NULL; group = group->next) {
        order->groups_posted++;
    }
    if (groups != NULL) {
        writer_submit_groups(order->writer, groups);
    }
}

enum status order_metadata(struct order *order, struct chain *chain,
                           const struct metadata_operation *operations, size_t count, uint64_t resend_of,
                           uint64_t now_us, uint64_t *ret_sequence, struct failure *failure)
{
    if (order->failed) {
        *failure = order->failure;
        return order->failure.status;
    }
    if (!pending_could_hold(order->pending, operations, count)) {
        return failure_set(
            failure, STATUS_TOO_LARGE,
            "%zu operations are more than an empty queue holds (%lu operations, %lu bytes): send "
            "fewer at once, or a commit",
            count, order->config.queue_operations_max, order->config.queue_bytes_max);
    }
    if (resend_of != 0 && resend_of < chain->marks.rollback_sequence) {
        return failure_set(failure, STATUS_CONFLICT,
                           "write %lu was re-sent, but the chain was rolled back by write %lu", resend_of,
                           chain->marks.rollback_sequence);
    }
    if ((resend_of != 0 && chain->rollbacks_queued > 0) ||
        !pending_has_room(order->pending, chain->id, operations, count)) {
        return STATUS_BUSY;
    }
    *ret_sequence = next_sequence(order);
    pending_add(order->pending, chain->id, operations, count, *ret_sequence, now_us);
    order->counters.metadata_accepted += count;
    order->unwritten += count;
    return STATUS_OK;
}

static bool touches_queued(const struct order *order, const struct job *job)
{
    bool touches = false;
    for (size_t i = 0; i < job->metadata_count && !touches; i++) {
        touches = pending_holds(order->pending, job->chain, job->metadata[i].name);
    }
    return touches;
}

void order_submit(struct order *order, struct job *job, bool carry)
{
    bool always = job->kind == JOB_PRUNE || job->kind == JOB_ROLLBACK;
    if (always || carry || touches_queued(order, job)) {
        pending_close_group(order->pending);
        post_closed(order);
        job->carry_through = order->sequence;
    }
    job->sequence = next_sequence(order);
    if (job->kind == JOB_ROLLBACK) {
        chain_by_id(order->chains, job->chain)->rollbacks_queued++;
    }
    job->submitted_ns = thread_now_ns();
    order->committed_us = job->submitted_ns / 1000;
    job->younger = NULL;
    if (order->youngest_job == NULL) {
        order->oldest_job = job;
    } else {
        order->youngest_job->younger = job;
    }
    order->youngest_job = job;
    writer_submit(order->writer, job);
}

void order_wait(struct order *order, struct order_waiter *waiter)
{
    assert(waiter->level == LEVEL_WRITTEN || waiter->level == LEVEL_DURABLE);
    struct waiter_list *list = &order->waiters[waiter->level];
    waiter->next = NULL;
    *list->last = waiter;
    list->last = &waiter->next;
    if (waiter->sequence > order->waited_through) {
        order->waited_through = waiter->sequence;
    }
}

/* ---- a turn ---- */

static void tell_waiters(struct order *order, enum level level, uint64_t through)
{
    struct waiter_list *list = &order->waiters[level];
    while (list->first != NULL && (order->failed || list->first->sequence <= through)) {
        struct order_waiter *waiter = list->first;
        list->first = waiter->next;
        if (list->first == NULL) {
            list->last = &list->first;
        }
        waiter->status = waiter->sequence <= through ? STATUS_OK : STATUS_IO_ERROR;
        waiter->done(waiter);
    }
}

/* Hands over metadata that is due: somebody waits, it is old enough, or the queue is a quarter full. The open group
 * goes only when the writer has none: until then it can still take more. */
static uint64_t post_due(struct order *order, uint64_t now_us)
{
    uint64_t oldest_us = pending_oldest_us(order->pending);
    if (oldest_us == UINT64_MAX || order->failed) {
        return UINT64_MAX;
    }
    uint64_t due_us = oldest_us + order->config.flush_delay_us;
    bool is_quarter_full = pending_operations(order->pending) >= order->config.queue_operations_max / 4 ||
                           pending_bytes(order->pending) >= order->config.queue_bytes_max / 4;
    bool is_waited_for = order->waited_through >= pending_oldest_untaken(order->pending);
    if (now_us < due_us && !order->draining && !is_waited_for && !is_quarter_full) {
        return due_us - now_us;
    }
    post_closed(order);
    if (order->groups_posted == 0) {
        pending_close_group(order->pending);
        post_closed(order);
    }
    return UINT64_MAX;
}

/* Somebody waits for the device, and everything they wait for is written: ask for the sync. Who stops waits for all. */
static void ask_sync(struct order *order)
{
    const struct order_waiter *waiter = order->waiters[LEVEL_DURABLE].first;
    uint64_t written = order_written_through(order);
    bool waits =
        (waiter != NULL && waiter->sequence <= written) || (order->draining && written == order->sequence);
    if (waits && !order->sync_asked && !order->failed && order->durable_through < written) {
        order->sync_asked = true;
        writer_submit_sync(order->writer);
    }
}

void order_drain_completions(struct order *order)
{
    for (struct completion *completion = writer_drain_completions(order->writer); completion != NULL;) {
        struct completion *next = completion->next;
        order_publish_completion(order, completion);
        free(completion);
        completion = next;
    }
}

uint64_t order_hand_over(struct order *order, uint64_t now_us)
{
    tell_waiters(order, LEVEL_WRITTEN, order_written_through(order));
    tell_waiters(order, LEVEL_DURABLE, order->durable_through);
    ask_sync(order);
    return post_due(order, now_us);
}

bool order_has_completions(const struct order *order)
{
    return writer_has_completions(order->writer);
}

bool order_expects_completions(const struct order *order, uint64_t *ret_nap_ns)
{
    const struct job *oldest = order->oldest_job;
    *ret_nap_ns = 0;
    return oldest != NULL &&
           spin_holds_when_due(&order->spin, thread_now_ns() - oldest->submitted_ns, ret_nap_ns);
}

bool order_is_committing(const struct order *order, uint64_t now_us)
{
    return order->oldest_job != NULL || now_us < order->committed_us + ORDER_COMMITTING_US;
}

bool order_shares_groups(const struct order *order, uint64_t now_us)
{
    return order_is_committing(order, now_us) && order->jobs_of_eight > 8 * 2;
}

bool order_has_jobs(const struct order *order)
{
    return order->oldest_job != NULL;
}

void order_begin_stop(struct order *order)
{
    order->draining = true;
}

bool order_is_idle(const struct order *order)
{
    return order->oldest_job == NULL && pending_operations(order->pending) == 0 &&
           order->durable_through == order->sequence;
}

uint64_t order_unwritten(const struct order *order)
{
    return order->unwritten;
}

const struct failure *order_failure(const struct order *order)
{
    return order->failed ? &order->failure : NULL;
}

/* ---- what is visible ---- */

struct engine_point *order_view(struct order *order)
{
    return engine_point_hold(order->point);
}

struct chain_set *order_chains(struct order *order)
{
    return order->chains;
}

struct pending *order_pending(const struct order *order)
{
    return order->pending;
}

struct record_cache *order_record_cache(const struct order *order)
{
    return order->cache;
}

const struct order_counters *order_counters(const struct order *order)
{
    return &order->counters;
}

uint64_t order_sequence(const struct order *order)
{
    return order->sequence;
}

uint64_t order_durable_through(const struct order *order)
{
    return order->durable_through;
}

uint64_t order_run(const struct order *order)
{
    return order->start.run;
}

uint64_t order_metadata_on_disk(const struct order *order, uint64_t run)
{
    bool is_this_run = run == 0 || run == order->start.run;
    return is_this_run ? order->start.metadata_on_disk : order_start_run_end(&order->start, run);
}
