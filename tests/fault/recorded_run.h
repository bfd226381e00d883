/* A daemon under the recorder, over any number of runs, and what the test was told by them. Life:
 *
 * - history_begin takes a daemon that does not run, on data that is on the device, or on none.
 * - history_run has it do one run: it starts, is written to, and ends in one of the ways of enum ending.
 * - history_floor says what has to be there behind a cut at any operation; disk_history.h makes the image.
 * - history_end removes all of it.
 *
 * What is written: commits of one block, state and mark each, with heights that rise by one; queued marks that rise by one, and say which
 * commit was sent before them; and the steps of a second chain, recorded_chain.h. So three numbers and the blocks of the second chain tell
 * all that is there. Each run claims both chains, and numbers its commits, which leave epoch and number under names: what the store says
 * of an epoch's numbers has to be the same. */
#ifndef TESTS_FAULT_RECORDED_RUN_H
#define TESTS_FAULT_RECORDED_RUN_H

#include "tests/fault/disk_history.h"
#include "tests/fault/recorded_chain.h"
#include "tests/fault/recorder.h"
#include "tests/lib/claims.h"
#include "tests/lib/random.h"
#include "tests/lib/rig.h"

enum { JOURNAL_MAX = 4096 };

/* Behind `operations` operations of the history the test was told that ... */
struct told {
    uint64_t operations;
    uint64_t run;
    uint64_t durable_through; /* all of that run up to this number is durable; */
    /* what was written up to this height, or this mark, is, and so many steps of the second chain. 0: says nothing of it */
    uint64_t height, mark, steps;
};

/* A write that was answered. */
struct wrote {
    uint64_t run;
    uint64_t sequence;
    uint64_t height, mark, steps; /* as above: two are 0 */
};

struct journal {
    struct told told[JOURNAL_MAX];
    size_t told_count;
    struct wrote wrote[JOURNAL_MAX];
    size_t wrote_count;
    struct chain_journal chain;
    /* on the device when the history began */
    uint64_t base_height, base_mark, base_steps, base_sequence, base_run;
};

/* What has to be there behind a cut. */
struct floor {
    uint64_t height, mark, steps, sequence, run;
    const struct chain_row *row; /* of which at least `steps` are there; kept. NULL: none was sent */
    bool has_store;              /* a daemon had said hello */
};

/* What a run's commits to one chain are numbered by. */
struct numbering {
    const char *chain;  /* NULL: the default one */
    Cairn__Epoch epoch; /* of the run */
    uint64_t number;    /* of its last commit */
};

struct history {
    struct daemon daemon;
    struct directory place; /* the recorder's */
    struct recorder_control *control;
    struct disk_history *disk;
    struct journal *journal;
    struct random_source random;
    struct wire wire;
    uint64_t run;
    uint64_t height, mark; /* the last that were sent */
    struct numbering of_default, of_chain;
    char preload[160], record[100], root[100];
};

enum ending { KILLED, STOPPED, SYNC_FAILED, ENDINGS };

/* `base`: what the data has, durable; NULL: there is no store. */
void history_begin(struct history *history, struct daemon daemon, uint64_t seed, const struct floor *base);
void history_end(struct history *history);

void history_run(struct history *history);

/* Operations recorded so far, by all processes. */
uint64_t history_recorded(const struct history *history);
struct floor history_floor(const struct history *history, uint64_t operations);

/* What all of a daemon's data says, read through a connection. */
uint64_t history_mark(struct wire *wire);
/* What is wrong with the second chain and with the numbers of both, in a store that has to have what the floor says and whose default chain
 * has that height; kept. NULL: nothing, and *ret_steps is how many steps are there. Claims both chains. */
const char *history_numbers_fault(struct wire *wire, const struct floor *floor, uint64_t height,
                                  size_t *ret_steps);
char *history_header(uint64_t height); /* of the block at that height; kept */

#endif
