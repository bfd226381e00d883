/* Clients of a simulation that claim a chain of their own and write to it under numbers (contract 12), beside its other clients: in the same
 * lanes, through the same kills and power cuts. What they are answered is judged by simulation_claim_model.h. Life:
 *
 * - claims_begin_round draws how many requests they send in it, which end with the round.
 * - A round that everybody survives is judged by claims_end_round.
 * - Otherwise claims_hang_up ends their connections, by a power cut or not; claims_came_back connects one again, reads all that is there
 *   and goes on from it.
 *
 * False of any: the oracle's complaint says what does not fit. */
#ifndef TESTS_FAULT_SIMULATION_CLAIMS_H
#define TESTS_FAULT_SIMULATION_CLAIMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

void claims_begin(void);
void claims_begin_round(void);
/* One of them moves. */
bool claims_step(void);
/* Whether none is about to; and whether all that was sent is answered, and nothing more is to be. */
bool claims_are_quiet(void);
bool claims_have_ended(void);
bool claims_end_round(void);

/* The daemon is about to be closed, or their connections were; what was sent before that has arrived. */
bool claims_take_what_was_sent(void);
void claims_hang_up(bool is_cut);
/* `is_restarted`: to another run, begun since. */
bool claims_came_back(bool is_restarted);

/* No daemon runs, and nothing was in flight: what is known of the chain is put aside, or changes places with what was, as its store. */
void claims_copy_chain(void);
void claims_swap_chains(void);

#endif
