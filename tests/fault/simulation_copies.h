/* A second store beside the one that clients of a simulation meet, made as a copy of it while no daemon runs. Later the two change places,
 * once or several times: a copy is put back, or two daemons on two copies are met in turn (contract 3 and 12). Each store has runs,
 * numbers, epochs and writes of its own since the copy was made, and is judged by what was known of it when it was put aside. */
#ifndef TESTS_FAULT_SIMULATION_COPIES_H
#define TESTS_FAULT_SIMULATION_COPIES_H

#include "tests/fault/simulation_oracle.h"

void copies_begin(void);
/* The store that is put aside; NULL: there is none. */
const struct oracle_store *copies_other(void);
/* No daemon runs, the crash of the last one is judged, nothing was in flight and all is durable: a copy is made, or the two change
 * places. False: the oracle's complaint says what does not fit. */
bool copies_change(void);

#endif
