/* Numbers: each write has its own, one more than the last. They are reserved durably by the billion, long before they are
 * needed, so that giving one never waits. What is written follows from the oldest number that is still under way. */
#include <assert.h>

#include "daemon/order/order_internal.h"
#include "daemon/runtime/thread.h"

static void reserve_done(struct job *job)
{
    struct order *order = job->owner;
    assert(thread_is(THREAD_LOOP));
    assert(order->reserving && job == &order->reserve);
    order->reserving = false;
    if (job->status == STATUS_OK) {
        assert(job->reserve_through > order->reserved_through);
        order->reserved_through = job->reserve_through;
    }
}

uint64_t order_next_sequence(struct order *order)
{
    assert(thread_is(THREAD_LOOP));
    if (!order->reserving && order->reserved_through - order->sequence < NUMBERS_RESERVE / 2) {
        order->reserving = true;
        order->reserve = (struct job){
            .kind = JOB_RESERVE,
            .level = LEVEL_WRITTEN, /* its file is synced by itself */
            .reserve_through = order->reserved_through + NUMBERS_RESERVE,
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
        assert(order->written_before_failure >= order->durable_through);
        return order->written_before_failure;
    }
    uint64_t oldest_job = order->oldest_job == NULL ? UINT64_MAX : order->oldest_job->sequence;
    uint64_t oldest_operation = pending_oldest_sequence(order->pending);
    if (oldest_operation != 0 && oldest_operation < oldest_job) {
        oldest_job = oldest_operation;
    }
    uint64_t through = oldest_job == UINT64_MAX ? order->sequence : oldest_job - 1;
    assert(through >= order->durable_through); /* what is under way is not durable yet */
    return through;
}
