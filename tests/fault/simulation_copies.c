#include "tests/fault/simulation_copies.h"

#include <string.h>

#include "tests/fault/simulation_claims.h"
#include "tests/fault/simulation_scheduler.h"
#include "tests/fault/simulation_steps.h"

static struct {
    bool is_there;
    struct oracle_store store;
} other;

void copies_begin(void)
{
    memset(&other, 0, sizeof other);
}

const struct oracle_store *copies_other(void)
{
    return other.is_there ? &other.store : NULL;
}

static void copy(void)
{
    simulated_copy_store(scheduler_next());
    claims_copy_chain();
    other.store = simulation.oracle.store;
    other.is_there = true;
    simulation.result->copies++;
}

static bool swap(void)
{
    simulated_swap_stores();
    claims_swap_chains();
    simulation.result->swaps++;
    return oracle_change_store(&simulation.oracle, &other.store);
}

bool copies_change(void)
{
    if (!other.is_there || scheduler_chance(30)) {
        copy();
        return true;
    }
    return swap();
}
