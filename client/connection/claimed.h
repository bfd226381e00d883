/* What the client knows of its claim of one chain (claim.h). */
#ifndef CLIENT_CLAIMED_H
#define CLIENT_CLAIMED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/limits.h"

struct cairn_connection;

enum {
    CLAIM_TEXT_BYTES_MAX = 256, /* of why a claim ended; chosen: longer ones are cut */

    FIELD_NUMBER = 8, /* of Prune and Rollback */
    FIELD_COMMIT_NUMBER = 12,
};

enum claim_state {
    CLAIM_NONE, /* asked for, not answered with OK yet */
    CLAIM_HELD, /* this client is the chain's one writer, as far as it knows */
    CLAIM_ENDED, /* released, or lost to another writer: the client writes to the chain only once it claims anew */
};

struct claim {
    struct claim *next;
    uint8_t chain[CHAIN_NAME_BYTES_MAX]; /* fixed */
    size_t chain_bytes;                  /* fixed */
    enum claim_state state;
    uint64_t epoch_sequence, epoch_random;
    /* The connection that numbers writes; NULL: it was freed, and the next one used for such a write does. */
    struct cairn_connection *connection;
    /* Used while its connection is being lost (aside.c): metadata that may have been applied is not sent again. */
    bool has_unknown;
    bool presenting; /* no number is given until the answer to its Present has said which was applied last */
    uint64_t next_number;
    /* Claims of the chain that are under way: numbers are given under the epoch that they leave */
    size_t claiming;
    char why[CLAIM_TEXT_BYTES_MAX]; /* CLAIM_ENDED: why it ended */
};

#endif
