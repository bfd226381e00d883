/* The naive store: contract 1, 2 (inside one request), 5 and 6, one operation after the other, all in memory. Pure: no
 * clock, no order but the one it is called in. A model is plain data: copied by assignment, compared with model_equal. Equal
 * are exactly those that every read answers alike, so it keeps of each value its value_place. */
#ifndef TESTS_LIB_MODEL_H
#define TESTS_LIB_MODEL_H

#include "tests/lib/operation.h"

struct model_block {
    uint32_t there; /* 0 or 1 */
    uint32_t header, data, signature, hash;
};

struct model_entry { /* of metadata */
    uint32_t there;
    uint32_t number; /* 1: value is a number, 0: a value_place */
    uint64_t value;
    uint32_t of_height;
    uint32_t unused; /* no gaps: entries are compared as bytes */
};

struct model_chain {
    uint32_t exists;
    uint32_t height;
    uint32_t blocks_pruned; /* 0: none */
    uint32_t states_pruned; /* one more than the height; 0: none */
    uint32_t holder;        /* of the claim that stands: one more than its connection; 0: none */
    uint32_t last_number;   /* that was applied under it */
    uint32_t stale;         /* connections that presented an epoch that does not stand any more, as bits */
    uint32_t unused;        /* no gaps */
    struct model_block blocks[HEIGHTS_KNOWN];
    uint32_t states[HEIGHTS_KNOWN]; /* one more than the value_place; 0: none */
    uint32_t hashes[HASHES_KNOWN];  /* the height last committed with it; 0: no entry */
    struct model_entry metadata[NAMES_KNOWN];
};

struct model {
    struct model_chain chains[CHAINS_KNOWN];
};

struct model_result {
    enum status status;
    enum status or_status; /* where the contract leaves it open which; else the same */
    uint32_t created;
    uint32_t blocks, states, metadata, lowered;
    uint32_t repeated;
};

struct model model_new(void);
bool model_equal(const struct model *left, const struct model *right);
uint64_t model_digest(const struct model *model);

/* What a write would be answered; changes nothing. Also for a dry run. */
struct model_result model_judge(const struct model *model, const struct operation *operation);
/* Carries out a write whose answer was ok, whatever model_judge thinks of it. */
void model_apply(struct model *model, const struct operation *operation);
/* All connections are new; who held a claim has presented its epoch again. */
void model_reconnect(struct model *model);
/* What a read, a dry run included, is answered. */
void model_read(const struct model *model, const struct operation *operation, struct answer *ret_answer);
/* A write's reply in the words of an answer. */
void model_result_text(const struct model_result *result, struct answer *ret_answer);

#endif
