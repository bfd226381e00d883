/* What the first claimant of a simulation asks once all have come back: see simulation_claims.h. False of any: the oracle's complaint says
 * what does not fit. */
#ifndef TESTS_FAULT_SIMULATION_CLAIMS_DUMP_H
#define TESTS_FAULT_SIMULATION_CLAIMS_DUMP_H

#include "tests/fault/simulation_claim_model.h"

struct wire_frame;

/* Its next reply; NULL: none comes. */
struct wire_frame *claims_await(int session);
/* All that is there, behind a durable barrier; and each epoch that may be the last is presented. */
bool claims_dump(struct claim_model *model, const struct claim_round *round, struct claim_dump *ret_dump);
/* Metadata that was answered under those numbers is sent again, oldest first, with ids from first_id on: it is taken only if the chain is
 * what it was, and what was taken last is there. */
bool claims_send_again(const struct claim_model *model, const uint64_t *sequences, size_t n,
                       uint32_t first_id);

#endif
