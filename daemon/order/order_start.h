/* What the order needs to know of the store before the first write: chains, numbers, runs. Start-up. */
#ifndef DAEMON_ORDER_START_H
#define DAEMON_ORDER_START_H

#include "daemon/host/numbers.h"
#include "daemon/observe/damage.h"
#include "daemon/order/chain.h"
#include "daemon/writer/apply.h"

struct order_start {
    uint64_t run;    /* of this start, from 1 */
    uint64_t random; /* its bits, never 0 */
    uint64_t first_sequence;
    uint64_t reserved_through;
    uint64_t metadata_on_disk; /* highest metadata number found */
};

/* Whether the numbers are at least as new as the store, so that none is given twice. STATUS_OK; STATUS_DAMAGED: they are older, as where
 * they alone were put back from a copy; STATUS_IO_ERROR. */
enum status order_check_numbers(struct engine *engine, const struct numbers *numbers,
                                uint64_t *ret_metadata_on_disk, struct failure *failure) MUST_CHECK;

/* Loads the chains into `chains` and `apply`, and durably begins the next run. Makes "default". What cannot be
 * read and can be done without is noted in `damage`. Claims are held from now_us on.
 * STATUS_OK, STATUS_IO_ERROR; STATUS_DAMAGED: what it has to read is damaged, or older than it may be; STATUS_INVALID: it has more chains
 * than chains_max. */
enum status order_start(struct engine *engine, struct numbers *numbers, struct chain_set *chains,
                        struct apply *apply, struct damage *damage, uint64_t now_us,
                        struct order_start *ret_start, struct failure *failure) MUST_CHECK;

#endif
