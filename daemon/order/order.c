/* A number's life:
 *
 * - It is given when a write is accepted.
 * - It is written once its group or job came back from the writer, and everything below it too: order_written_through.
 * - It is durable once that or a later completion says that all was synced: order_durable_through.
 * - Waiters are told of either at the end of the iteration.
 *
 * Failures: a completion that says `failed` latches the order. Nothing is published any more, waiters behind what was written
 * are told `io error`, and every new write is refused with the failure. */
#include "daemon/order/order_internal.h"

#include <assert.h>
#include <stdlib.h>

#include "daemon/runtime/memory.h"
#include "daemon/runtime/thread.h"
#include "daemon/writer/schedule.h"

/* ---- start and end ---- */

static struct writer *make_writer(struct order *order)
{
    const struct order_config *config = &order->config;
    assert(order->apply != NULL); /* it is the writer's from here on */
    return writer_new(&(struct writer_config){
        .engine = config->engine,
        .apply = order->apply,
        .numbers = config->numbers,
        .flush_delay_us = config->flush_delay_us,
        .sync_interval_us = config->sync_interval_us,
        .wake = config->wake,
        .wake_context = config->wake_context,
        .heartbeat = config->writer_heartbeat,
    });
}

enum status order_open(const struct order_config *config, struct order **ret_order, struct failure *failure)
{
    assert(thread_is(THREAD_LOOP));
    /* the first completion calls the one and writes to the other */
    assert(config->wake != NULL && config->stages != NULL);
    struct order *order = memory_new(sizeof *order);
    order->config = *config;
    order->damage = damage_new();
    order->chains = chain_set_new(config->chains_max);
    order->apply = apply_new(config->engine, config->chains_max);
    if (order->apply == NULL) {
        order_close(order);
        return failure_set(failure, STATUS_INVALID,
                           "SHA-256 is not available: the configuration of OpenSSL (OPENSSL_CONF) activates "
                           "no provider that has it");
    }
    enum status status = order_start(config->engine, config->numbers, order->chains, order->apply,
                                     order->damage, config->now_us, &order->start, failure);
    if (status != STATUS_OK) {
        order_close(order);
        return status;
    }
    order->space.free_bytes = UINT64_MAX; /* until somebody has looked */
    order->pending = pending_new(config->queue_operations_max, config->queue_bytes_max);
    order->cache = record_cache_new(config->cache_bytes);
    order->point = engine_point_take(config->engine);
    order->spin.spin_ns_max = SCHEDULE_COMMIT_SPIN_NS_MAX;
    order->sequence = order->start.first_sequence - 1;
    order->is_in_doubt = engine_found(config->engine)->access == ENGINE_DOUBTS;
    order->durable_through = order->is_in_doubt ? 0 : order->sequence;
    order->reserved_through = order->start.reserved_through;
    assert(order->reserved_through > order->sequence); /* numbers are given from here on */
    for (size_t level = 0; level <= LEVEL_DURABLE; level++) {
        order->waiters[level].last = &order->waiters[level].first;
    }
    order->writer = make_writer(order);
    for (struct chain *chain = chain_first(order->chains); chain != NULL; chain = chain_next(chain)) {
        order_sweep_chain(order, chain);
    }
    *ret_order = order;
    return STATUS_OK;
}

void order_set(struct order *order, const struct order_settings *settings)
{
    assert(thread_is(THREAD_LOOP));
    order->config.queue_operations_max = settings->queue_operations_max;
    order->config.queue_bytes_max = settings->queue_bytes_max;
    order->config.flush_delay_us = settings->flush_delay_us;
    order->config.sync_interval_us = settings->sync_interval_us;
    pending_set_bounds(order->pending, settings->queue_operations_max, settings->queue_bytes_max);
    writer_set_delays(order->writer, settings->flush_delay_us, settings->sync_interval_us);
}

bool order_start_writer(struct order *order, struct failure *failure)
{
    assert(thread_is(THREAD_LOOP) && order->writer != NULL); /* it was opened */
    return writer_start(order->writer, failure);
}

void order_close(struct order *order)
{
    if (order == NULL) {
        return;
    }
    assert(thread_is(THREAD_LOOP));
    if (order->writer != NULL) {
        writer_stop(order->writer);
        order_drop_completions(order);
        writer_free(order->writer);
    }
    engine_point_release(order->point);
    pending_free(order->pending);
    record_cache_free(order->cache);
    apply_free(order->apply);
    chain_set_free(order->chains);
    damage_free(order->damage);
    free(order);
}

/* ---- what the loop wants to know ---- */

bool order_has_completions(const struct order *order)
{
    assert(thread_is(THREAD_LOOP));
    return writer_has_completions(order->writer);
}

bool order_expects_completions(const struct order *order, uint64_t now_ns, uint64_t *ret_sleep_ns)
{
    assert(thread_is(THREAD_LOOP));
    const struct job *oldest = order->oldest_job;
    *ret_sleep_ns = 0;
    return oldest != NULL &&
           spin_holds_when_due(&order->spin, schedule_elapsed(oldest->submitted_ns, now_ns), ret_sleep_ns);
}

bool order_is_committing(const struct order *order, uint64_t now_us)
{
    assert((order->oldest_job == NULL) == (order->youngest_job == NULL));
    return order->oldest_job != NULL || schedule_expects_commit(order->committed_us, now_us);
}

bool order_shares_groups(const struct order *order, uint64_t now_us)
{
    return order_is_committing(order, now_us) && schedule_shares_groups(order->jobs_mean_8);
}

bool order_has_jobs(const struct order *order)
{
    assert((order->oldest_job == NULL) == (order->youngest_job == NULL));
    return order->oldest_job != NULL;
}

void order_begin_stop(struct order *order)
{
    assert(thread_is(THREAD_LOOP));
    order->stopping = true;
}

bool order_is_idle(const struct order *order)
{
    assert(order->durable_through <= order->sequence);
    return order->oldest_job == NULL && pending_operations(order->pending) == 0 &&
           (order->durable_through == order->sequence || order->is_in_doubt);
}

bool order_is_in_doubt(const struct order *order)
{
    assert(!order->is_in_doubt || order->durable_through == 0);
    return order->is_in_doubt;
}

uint64_t order_unwritten(const struct order *order)
{
    /* operations count here before they are folded, and in the queue behind that */
    assert(order->unwritten >= pending_operations(order->pending));
    return order->unwritten;
}

const struct failure *order_failure(const struct order *order)
{
    assert(!order->failed || order->failure.status == STATUS_IO_ERROR); /* replies give this status */
    return order->failed ? &order->failure : NULL;
}

/* ---- what is visible ---- */

struct engine_point *order_view(struct order *order)
{
    assert(thread_is(THREAD_LOOP));
    return engine_point_hold(order->point);
}

struct chain_set *order_chains(struct order *order)
{
    assert(thread_is(THREAD_LOOP));
    return order->chains;
}

struct pending *order_pending(const struct order *order)
{
    assert(thread_is(THREAD_LOOP));
    return order->pending;
}

struct record_cache *order_record_cache(const struct order *order)
{
    assert(thread_is(THREAD_LOOP));
    return order->cache;
}

const struct order_counters *order_counters(const struct order *order)
{
    assert(thread_is(THREAD_LOOP));
    return &order->counters;
}

const struct order_left_out *order_left_out(const struct order *order)
{
    assert((order->left_out.raises > 0) == (order->left_out.last_sequence > 0));
    return &order->left_out;
}

struct damage *order_damage(const struct order *order)
{
    assert(thread_is(THREAD_LOOP));
    return order->damage;
}

uint64_t order_sequence(const struct order *order)
{
    assert(order->sequence <= order->reserved_through); /* a start behind a cut begins above it */
    return order->sequence;
}

uint64_t order_durable_through(const struct order *order)
{
    assert(order->durable_through <= order->sequence);
    return order->durable_through;
}

uint64_t order_run(const struct order *order)
{
    assert(order->start.run > 0); /* 0 says that a client knows of none */
    return order->start.run;
}

uint64_t order_run_random(const struct order *order)
{
    return order->start.random;
}

bool order_knows_run(const struct order *order, uint64_t run, uint64_t random)
{
    assert(thread_is(THREAD_LOOP));
    return numbers_knows_run(order->config.numbers, run, random);
}

uint64_t order_metadata_on_disk(const struct order *order, uint64_t run)
{
    assert(order->start.run > 0); /* so run 0 is free to mean this one */
    if (run == 0 || run == order->start.run) {
        return order->start.metadata_on_disk;
    }
    /* What the start behind it found; a run that is not remembered may have ended anywhere. */
    const struct numbers *numbers = order->config.numbers;
    return run < order->start.run && numbers_run(numbers, run) != NULL
               ? numbers_run(numbers, run + 1)->metadata_on_disk
               : 0;
}
