/* Sixty-four clients of one daemon, all of libcairn, with a few requests each under way, on few names of three chains, so that they
 * collide; and the daemon's death under them. All that they ask and are told goes into a history. One thread: what happens at once happens
 * in the daemon. Life:
 *
 * - fleet_begin makes the store; fleet_run has them work until so many actions have been answered, and may stop the daemon's process or its
 *   syncs for a while.
 * - fleet_end_run ends the daemon, starts it again, has the clients come back, and takes the images; then the history is whole.
 * - fleet_next begins the next one where that ended. */
#ifndef TESTS_FAULT_HISTORY_LOAD_H
#define TESTS_FAULT_HISTORY_LOAD_H

#include "client/cairn.h"
#include "tests/fault/claimed_load.h"
#include "tests/fault/history.h"
#include "tests/lib/daemon.h"
#include "tests/lib/random.h"

enum {
    FLEET_NAMES = 6,  /* of each chain; set and deleted */
    FLEET_RAISED = 4, /* of each chain */
    FLEET_IN_FLIGHT = 4,
};

struct fleet;

struct fleet_client {
    struct fleet *fleet;
    unsigned number;
    struct cairn_client *library;
    struct cairn_connection *connection;
    unsigned in_flight;
};

struct fleet {
    struct daemon daemon;
    char hang[96], variables[2][256]; /* of preload_hang */
    struct random_source random;
    uint64_t tick;
    struct fleet_client clients[HISTORY_CLIENTS];
    uint64_t heights[HISTORY_CHAINS]; /* the last that was told of each */
    uint64_t pruned[HISTORY_CHAINS];
    bool all_carry; /* metadata is only accepted, and commits carry it because they ask to */
    struct history history;
    struct claimed_load claimed; /* a chain apart */
    /* for the report */
    uint64_t answered, kills, stops, stalls, lost, resent, dropped;
};

extern const char *const fleet_chains[HISTORY_CHAINS];

void fleet_begin(struct fleet *fleet, uint64_t seed);
void fleet_close(struct fleet *fleet);
void fleet_run(struct fleet *fleet, uint64_t actions);
void fleet_end_run(struct fleet *fleet);
void fleet_next(struct fleet *fleet);

/* One more action of that client; false: it is not sent. */
bool fleet_ask(struct fleet_client *client);
/* What a reply says becomes part of the history. */
void fleet_note(struct fleet *fleet, size_t action, const struct cairn_reply *reply);

/* ---- what registers are called ---- */

/* Kept. */
const char *register_name(uint64_t name);
/* 0: it is none of a chain's names. */
uint64_t register_named(unsigned chain, struct cairn_slice name);
/* The id in a value; UINT64_MAX: it is none. */
uint64_t value_in(struct cairn_slice value, enum register_kind kind);
/* The id in a block all of whose parts are of one write; else UINT64_MAX. */
uint64_t value_of_block(const struct cairn_block *block);

/* All that is there, while nobody writes. */
void fleet_take_image(struct fleet *fleet, struct image *ret_image);

#endif
