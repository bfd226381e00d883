/* Carries an episode out against a daemon of its own and checks every answer; and makes a failing episode shorter. */
#ifndef TESTS_LIB_RUNNER_H
#define TESTS_LIB_RUNNER_H

#include "tests/lib/generator.h"
#include "tests/lib/model_round.h"

struct run_counts {
    uint64_t requests, rounds, stops, kills, conflicts, claims, repeated;
};

/* Runs on a fresh store. False: something did not fit, and the complaint says what. */
bool run_episode(const struct episode *episode, struct run_counts *counts, struct complaint *ret_complaint);

/* Leaves operations out as long as it still fails and there is time; the list is shortened in place, the complaint is that
 * of the shortest failing one. Returns how many runs it took. */
unsigned run_shrink(struct episode *episode, unsigned seconds, struct complaint *complaint);

#endif
