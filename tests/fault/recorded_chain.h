/* The chain that recorded runs drop and make anew. What is sent for it is a row of steps: it is made, gets blocks, is dropped. What is
 * there behind a power cut is a beginning of that row, and fits the height of the default chain: commits of all chains reach the disk
 * in one order. */
#ifndef TESTS_FAULT_RECORDED_CHAIN_H
#define TESTS_FAULT_RECORDED_CHAIN_H

#include "tests/lib/messages.h"

#define RECORDED_CHAIN "again"

enum { CHAIN_STEPS_MAX = 1024 };

enum step_kind { STEP_NONE, STEP_MADE, STEP_BLOCK, STEP_DROPPED };

struct step {
    enum step_kind kind;
    uint64_t id;     /* what the block says; no two steps of the process have the same */
    uint64_t height; /* up to which blocks of the default chain had been sent before */
};

struct chain_row {
    struct step steps[CHAIN_STEPS_MAX];
    size_t count;
};

/* Each step that was sent, and behind it the row ends; STEP_NONE: a run found the row so long. */
struct chain_journal {
    struct {
        struct step step;
        size_t place;        /* in the row */
        uint64_t operations; /* recorded by then */
    } sent[CHAIN_STEPS_MAX];
    size_t count;
};

/* The row goes on behind so many steps, with one more unless that is STEP_NONE. */
void recorded_chain_note(struct chain_journal *journal, size_t place, struct step step, uint64_t operations);
/* The row as it had been sent by then; kept. */
struct chain_row *recorded_chain_row(const struct chain_journal *journal, uint64_t operations);

/* Whether the chain is there behind the whole row. */
bool recorded_chain_is_there(const struct chain_row *row);
/* Of the chain's last life. */
size_t recorded_chain_blocks(const struct chain_row *row);
uint64_t recorded_chain_next_id(void);
char *recorded_chain_header(uint64_t id); /* kept */

/* What is wrong with what is there, if at least so many steps of the row have to be, and the default chain has that height; kept. NULL:
 * nothing, and *ret_place is how many steps are there. */
const char *recorded_chain_fault(struct wire *wire, const struct chain_row *row, size_t durable,
                                 uint64_t height, size_t *ret_place);

/* The name's value, a number; 0: there is none. A chain of NULL is the default one. */
uint64_t recorded_number(struct wire *wire, const char *chain, const char *name);

#endif
