/* The states a store may be in after its daemon died, by contract 2 and 3: the effect of a prefix of the commits and a prefix
 * of the metadata, with every commit accepted before any of that metadata, and of all that was known to be on disk. Pure.
 *
 * What was sent and not answered may be there, whole, or not, anywhere in the order between its connection's other
 * writes. */
#ifndef TESTS_LIB_MODEL_STATES_H
#define TESTS_LIB_MODEL_STATES_H

#include "tests/lib/model_round.h"

enum { POSSIBLE_MAX = 20000 };

struct possible {
    struct model model;
    /* number of the last metadata write that is in it, of those whose number is known; 0: none */
    uint64_t last_metadata;
    uint64_t first_lost; /* of the first that is not; UINT64_MAX: none */
};

struct states {
    struct possible *list; /* kept by states_free */
    size_t n, room;
    bool overflow; /* there were more than POSSIBLE_MAX: the set says nothing */
};

/* What happened since a model that was on disk whole. */
struct history {
    const struct call *const *written; /* applied, all answered, by number; older than the round */
    size_t n;
    const struct round *round; /* the last; with unanswered calls */
    uint64_t on_disk_through;  /* everything up to this number is known to be on disk */
    uint32_t level_kept;       /* what was answered at this level is there: 3 after a power cut; 0: 2 */
};

/* All of them, or none where the answers contradict one another. */
struct states states_after(const struct model *before, const struct history *history);
/* Leaves out those that don't fit the number the daemon's hello gave. */
void states_narrow_hello(struct states *states, uint64_t metadata_on_disk);
/* Leaves out those that don't fit an answer. */
void states_narrow_read(struct states *states, const struct operation *read, const struct answer *answer);
/* Leaves one of each model, whatever is said of numbers. */
void states_merge(struct states *states);
void states_free(struct states *states);

#endif
