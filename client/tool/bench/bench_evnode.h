/* The mix of calls that a node makes, in the proportions and sizes of the two recordings in tests/data. */
#ifndef TOOL_BENCH_EVNODE_H
#define TOOL_BENCH_EVNODE_H

#include <stdint.h>

#include "client/cairn.h"

enum {
    EVNODE_RECENT = 64,  /* how many of the last heights are read; chosen */
    EVNODE_NAMES = 64,   /* how many names are set and read repeatedly; chosen */
    EVNODE_DRAWS = 4096, /* proportions are multiples of 1/4096; chosen */
    EVNODE_HEADER_BYTES = 303,
    EVNODE_STATE_BYTES = 134,
    EVNODE_DATA_BYTES_MAX = 12091,
    EVNODE_NAME_BYTES = 24,
};

enum evnode_call {
    EVNODE_HEIGHT,
    EVNODE_READ_HEADER,
    EVNODE_READ_HEADER_ABSENT,
    EVNODE_READ_BLOCK,
    EVNODE_READ_BLOCK_ABSENT,
    EVNODE_GET,
    EVNODE_GET_ABSENT,
    EVNODE_SET,        /* a name that stays */
    EVNODE_SET_BOUND,  /* a name of one height */
    EVNODE_SET_BATCH,  /* a batch of transactions, written */
    EVNODE_DROP_BATCH, /* an atomic batch that deletes it, written */
    EVNODE_COMMIT,     /* a block and its state */
    EVNODE_COMMIT_PENDING,
    EVNODE_CALLS,
};

struct bench_evnode {
    uint8_t draws[EVNODE_DRAWS];
    uint64_t recent[EVNODE_RECENT]; /* heights committed and acknowledged last, as a ring */
    unsigned recent_count;
    uint64_t recent_next;
    uint64_t calls; /* calls whose sizes take turns */
};

struct bench_maker;
struct bench_request;

/* Prepares the mix for a chain that has the blocks from `first` to `last`; 0: none. */
void evnode_init(struct bench_evnode *evnode, uint64_t first, uint64_t last);

/* Submits a call drawn from the mix. */
enum cairn_status evnode_submit(struct bench_maker *maker, struct cairn_connection *connection,
                                struct bench_request *request, cairn_completion completion,
                                void *context) CAIRN_MUST_CHECK;

/* Takes note that a commit was answered: its height is read from now on. */
void evnode_committed(struct bench_evnode *evnode, uint64_t height);

/* How many bytes the block of a commit has as data; `number` counts the commits. */
uint64_t evnode_data_bytes(uint64_t number);

#endif
