/* The model test's operations as messages, and replies as answers. */
#ifndef TESTS_LIB_OPERATION_WIRE_H
#define TESTS_LIB_OPERATION_WIRE_H

#include "tests/lib/operation.h"
#include "tests/lib/wire.h"

#define CHAIN_APART "apart" /* none of the model's: it is left out of lists */

/* Kept: the frame of the request. */
struct bytes operation_frame(const struct operation *operation, uint64_t id);

/* Everything a reply said. */
struct outcome {
    bool complete;
    bool malformed; /* a body that is no such message, a name or height nobody wrote */
    struct answer answer;
    char error[200]; /* text of a status that is an error */
    uint64_t sequence;
    uint32_t level;
    uint64_t epoch_sequence, epoch_random; /* of a claim */
    struct bytes open;                     /* of a message that goes on in the next frame */
};
/* Takes one more frame of the reply. */
void outcome_take(struct outcome *outcome, const struct operation *operation, const struct wire_frame *frame);

#endif
