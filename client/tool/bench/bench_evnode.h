/* The mix of calls that a node makes of its store, in the proportions and sizes of the two recordings in tests/data. */
#ifndef TOOL_BENCH_EVNODE_H
#define TOOL_BENCH_EVNODE_H

#include <stdint.h>

#include "client/cairn.h"

enum {
    EVNODE_RECENT = 64,  /* heights that are read */
    EVNODE_NAMES = 64,   /* that are set and read again and again */
    EVNODE_DRAWS = 4096, /* the proportions' grain */
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
    uint64_t recent[EVNODE_RECENT]; /* committed and acknowledged; grows to its full number */
    unsigned recent_count;
    uint64_t recent_next;
    uint64_t calls; /* those whose sizes go by turns */
};

struct bench_maker;
struct bench_request;

void evnode_init(struct bench_evnode *evnode, uint64_t first, uint64_t last);

enum cairn_status evnode_submit(struct bench_maker *maker, struct cairn_connection *connection,
                                struct bench_request *request, cairn_completion completion,
                                void *context) CAIRN_MUST_CHECK;

/* The height can be read now. */
void evnode_committed(struct bench_evnode *evnode, uint64_t height);

/* The bytes of a block's data, of the so-manieth commit. */
uint64_t evnode_data_bytes(uint64_t number);

#endif
