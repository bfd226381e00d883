/* How a daemon of a simulation starts, its clients come back, and what they look at first. False of any: the oracle's complaint says what
 * does not fit. */
#ifndef TESTS_FAULT_SIMULATION_START_H
#define TESTS_FAULT_SIMULATION_START_H

#include <stdbool.h>

bool simulation_start(void);
/* Those that are not connected. `is_start`: to a run that has just begun. */
bool simulation_connect_all(bool is_start);
bool simulation_narrow(void);
bool simulation_resend(void);

#endif
