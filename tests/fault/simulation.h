/* A simulation: a daemon from `serve` inwards, its disk, its clients and the time, all moved by one scheduler from one seed. Rounds
 * of requests of several clients are in flight together, things go wrong, and every reply, and what is there after each crash, is
 * compared with the contract (simulation_oracle.h). The same seed gives the same run to the byte. */
#ifndef TESTS_FAULT_SIMULATION_H
#define TESTS_FAULT_SIMULATION_H

#include "tests/fault/simulation_engine.h"

struct simulation_config {
    uint64_t seed;
    size_t operations;
    enum simulation_plant plant;
};

struct simulation_result {
    bool is_good;
    char text[20000]; /* what does not fit */
    uint64_t trace;   /* a digest of all that happened */
    uint64_t steps, simulated_us;
    uint64_t requests, claim_requests, rounds, excused, resent, ended;
    uint64_t kills, cuts, stops, failed_writes, hang_ups, damages, starts, copies, swaps;
};

void simulation_run(const struct simulation_config *config, struct simulation_result *ret_result);

#endif
