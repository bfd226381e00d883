/* The claims of the model test, beside the model: the epochs that the daemon gave, which the model does not know, and the numbers of the
 * writes under them. Life:
 *
 * - A claim or release is alone in its round, so that which one stands is known; a drop takes it with its chain.
 * - Before a round its numbered writes get their numbers, by what is there.
 * - Behind a start the holders present their epochs, which says of each state that a crash may have left whether it is the one. */
#ifndef TESTS_LIB_MODEL_CLAIMS_H
#define TESTS_LIB_MODEL_CLAIMS_H

#include "tests/lib/model_states.h"
#include "tests/lib/operation_wire.h"

/* Zeroed: there is no claim. */
struct model_claims {
    struct model_claim {
        uint32_t holder; /* one more than its connection; 0: none */
        uint64_t sequence, random;
    } chains[CHAINS_KNOWN];
};

void model_claims_number(const struct model *now, struct operation *operations, size_t n);
/* All of the round is answered. */
void model_claims_note(struct model_claims *claims, const struct round *round,
                       const struct outcome *outcomes);
/* On the connections of a run that has begun, one for each of the model's. Leaves of the states those that fit. */
void model_claims_present(struct model_claims *claims, struct wire *wires, struct states *states);

#endif
