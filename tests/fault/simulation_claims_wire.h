/* What a claimant of a simulation sends, each its frame on its connection, kept; and what it is answered. */
#ifndef TESTS_FAULT_SIMULATION_CLAIMS_WIRE_H
#define TESTS_FAULT_SIMULATION_CLAIMS_WIRE_H

#include "tests/fault/simulation_claim_model.h"
#include "tests/lib/operation_wire.h"

enum {
    CLAIMANT_FIRST = CONNECTIONS_MAX, /* of the simulation's clients; the others are the oracle's */
    CLAIMS_HELLO_ID = 1,
};

void claims_send_hello(int session);
void claims_send_call(const struct claim_call *call, const struct claim_epoch *epochs, uint64_t id);
void claims_send_chains(int session, uint64_t id);
void claims_send_barrier(int session, uint64_t id); /* durable */
void claims_send_read_header(int session, uint64_t height, uint64_t id);
void claims_send_get_name(int session, uint64_t id); /* that their metadata sets */

/* Into the call, and of a claim its epoch. */
void claims_read_answer(struct claim_call *call, const struct wire_frame *frame, struct claim_epoch *epochs);

#endif
