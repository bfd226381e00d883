/* What the order needs to know of the store before the first write: chains, numbers, runs. Start-up, then read only. */
#ifndef DAEMON_ORDER_START_H
#define DAEMON_ORDER_START_H

#include "daemon/observe/damage.h"
#include "daemon/order/chain.h"
#include "daemon/writer/apply.h"

/* Numbers reserved at once. Each start takes fresh ones: 64 bits last for four billion starts. */
#define ORDER_RESERVE (UINT64_C(1) << 32)

enum {
    ORDER_RUNS_KEPT = 4096
}; /* how many runs back a client may come from without sending again what is there */

struct order_start {
    uint64_t run;            /* of this start, from 1 */
    uint64_t first_sequence; /* of this run */
    uint64_t reserved_through;
    uint64_t metadata_on_disk; /* highest metadata number found */
    /* highest metadata number at the end of earlier runs, by run modulo ORDER_RUNS_KEPT; 0: not known */
    uint64_t run_ends[ORDER_RUNS_KEPT];
};

/* Loads the chains into `chains` and `apply`, and durably takes the next run and its numbers. Makes "default". What cannot be
 * read and can be done without is noted in `damage`. STATUS_OK, STATUS_IO_ERROR. */
enum status order_start(struct engine *engine, struct chain_set *chains, struct apply *apply,
                        struct damage *damage, struct order_start *ret_start,
                        struct failure *failure) MUST_CHECK;

/* Highest metadata number on disk at the end of that earlier run; 0 if it is not known. */
uint64_t order_start_run_end(const struct order_start *start, uint64_t run);

#endif
