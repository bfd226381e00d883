/* The values lie in one array, each a relaxed atomic: a counter has many writers, and no other memory is read by its value. */
#include "daemon/observe/metrics.h"

#include <assert.h>
#include <stdatomic.h>

static const struct metric catalogue[METRICS] = {
#define METRIC_ENTRY(id, name, kind, unit, help) [METRIC_##id] = {name, METRIC_##kind, unit, help},
    METRIC_LIST(METRIC_ENTRY)
#undef METRIC_ENTRY
};

static _Atomic(uint64_t) values[METRICS];

void metrics_add(enum metric_id id, uint64_t n)
{
    assert(id < METRICS && catalogue[id].kind == METRIC_COUNTER); /* what may fall is set by its owner */
    atomic_fetch_add_explicit(&values[id], n, memory_order_relaxed);
}

void metrics_set(enum metric_id id, uint64_t value)
{
    assert(id < METRICS);
    atomic_store_explicit(&values[id], value, memory_order_relaxed);
}

uint64_t metrics_get(enum metric_id id)
{
    assert(id < METRICS);
    return atomic_load_explicit(&values[id], memory_order_relaxed);
}

void metrics_each(metrics_fn *each, void *context)
{
    for (int id = 0; id < METRICS; id++) {
        each(context, &catalogue[id], metrics_get((enum metric_id)id));
    }
}
