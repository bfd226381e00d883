/* Clients of a daemon that is killed again and again: each writes to a chain of its own and keeps a journal. Some speak the protocol by
 * hand and die with the daemon, and drop their chains at times and make them anew; some use libcairn, live on, and send again what was
 * accepted and lost. The first of these holds a claim of its chain: its commits, prunes and rollbacks go on, too. Life:
 *
 * - load_begin makes the store and the chains; load_pump sends and receives for a while; load_kill ends the daemon in the middle
 *   of that, and takes what answers had still arrived.
 * - load_restart starts it, perhaps killing it a few times while it starts.
 * - load_judge compares what is there with the journals, and has the clients connect anew. */
#ifndef TESTS_FAULT_KILL_LOAD_H
#define TESTS_FAULT_KILL_LOAD_H

#include "client/cairn.h"
#include "tests/fault/kill_journal.h"
#include "tests/lib/rig.h"

enum {
    LOAD_CLIENTS = 6,
    LOAD_LIVING = 2,    /* of them use libcairn */
    LOAD_IN_FLIGHT = 8, /* of each */
};

struct load;

/* A chain is dropped and made anew: first what is under way is answered. */
enum remake { REMAKE_NONE, REMAKE_WAITS, REMAKE_DROPS, REMAKE_CREATES };

struct client {
    struct load *load;
    char chain[8];
    struct journal journal;
    unsigned in_flight;
    /* by hand */
    struct wire wire;
    struct {
        uint64_t id; /* 0: free */
        struct entry *entry;
    } waiting[LOAD_IN_FLIGHT];
    enum remake remake;
    uint64_t remake_id; /* of the drop, or of the making */
    /* with libcairn */
    struct cairn_client *library;
    struct cairn_connection *connection;
    bool has_claim;
};

struct load {
    struct daemon daemon;
    struct random_source random;
    struct client clients[LOAD_CLIENTS];
    uint64_t through; /* the highest that any reply of this run said to be written */
    struct complaint_text complaint;
    /* for the report */
    uint64_t answered, lost, kills, outlived, remade;
};

void load_begin(struct load *load, uint64_t seed);
void load_end(struct load *load);
void load_pump(struct load *load, unsigned milliseconds);
void load_kill(struct load *load);
/* False: the daemon does not start. */
bool load_restart(struct load *load);
/* False: something is there that may not be, or is not; load->complaint says what. */
bool load_judge(struct load *load);

#endif
