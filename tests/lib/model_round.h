/* Whether the answers of a round, all of whose requests were in flight together, fit one another and a model of what was
 * before, by contract 2 and 4. Pure.
 *
 * - Writes that were carried out take effect in the order of their sequence numbers.
 * - A refused write must have been refusable at some place in that order between its connection's other writes.
 * - A read saw some of the metadata, in order, and some of the commits, in order; with a commit all metadata accepted
 *   before it. What was answered before the round it saw, for that is in the model already; where it is known when calls were
 *   sent and answered, also what was answered before it was sent, and nothing that was sent after its answer. */
#ifndef TESTS_LIB_MODEL_ROUND_H
#define TESTS_LIB_MODEL_ROUND_H

#include "tests/lib/model.h"

enum { ROUND_CALLS_MAX = 512 };

struct call {
    const struct operation *operation;
    bool answered;
    uint64_t sequence; /* of a write that was carried out, and of a barrier */
    uint32_t level;
    const struct answer *answer;
    bool is_partial;               /* a stream that failed: what came before has to fit */
    bool may_be_refused;           /* not answered: by a fault, though the model would carry it out */
    bool may_lose_raises;          /* carried out, but for raises over what could not be read */
    uint64_t sent_at, answered_at; /* on a clock that rises with each event; 0: not known */
    bool was_beside_drop;          /* of a drop that is not in the round any more */
};

struct round {
    struct call calls[ROUND_CALLS_MAX]; /* each connection's in the order they were sent */
    size_t n;
};

/* Why something does not fit; empty: it does. */
struct complaint {
    char text[20000];
};
void complain(struct complaint *complaint, const struct call *call, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

bool call_is_applied(const struct call *call);

/* Whether the write was in flight beside a drop of its chain: from its acceptance to its answer a drop refuses every other write to the
 * chain as a conflict, whatever becomes of it. */
bool call_is_beside_drop(const struct round *round, const struct call *call);

/* All calls of the round but unanswered ones fit `model`; then it becomes the model with all writes carried out. Unanswered
 * writes are left to model_states: with some, reads are not looked at. */
bool round_check(const struct round *round, struct model *model, struct complaint *ret_complaint);

/* The calls that were applied, by rising sequence number; returns how many. */
size_t round_applied(const struct round *round, const struct call **ret_calls);

#endif
