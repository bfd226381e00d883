/* What simulation_daemon.c and simulation_session.c share. Nobody else includes this. */
#ifndef TESTS_FAULT_SIMULATION_DAEMON_INTERNAL_H
#define TESTS_FAULT_SIMULATION_DAEMON_INTERNAL_H

#include "daemon/maintain/reclaim.h"
#include "daemon/serve/dispatch.h"
#include "tests/fake_engine/fake_disk.h"
#include "tests/fault/simulation_daemon.h"
#include "tests/fault/simulation_scheduler.h"
#include "tests/lib/numbers_fixture.h"

enum { SIMULATED_FRAMES_MAX = 1024 }; /* of a client, sent and not started */

struct sent_frame {
    const uint8_t *bytes;
    size_t count;
};

/* A client's connection, as `net` has one. */
struct simulated_client {
    struct session session; /* first */
    bool is_open;
    bool ends_late;     /* a plant */
    uint64_t in_flight; /* requests */
    struct request *waiting;
    bool waits_for_memory;
    bool waits_for_claim;
    bool is_unpacking;
    struct turn for_room;
    struct sent_frame frames[SIMULATED_FRAMES_MAX]; /* sent; those before `started` are taken */
    size_t sent, started;
    struct wire_frame *replies, **last_reply; /* sent by the daemon and not taken by the client */
};

/* One piece of work that the loop library was given. */
struct simulated_work {
    void *work;
    void (*run)(void *work);
    void (*done)(void *work);
    struct task *task; /* NULL: it has not begun, or has ended */
    bool has_run;
    struct simulated_work *next;
};

/* What outlives a daemon. */
struct simulated_store {
    const char *path;
    struct fake_disk *disk; /* NULL: there is none */
    struct numbers_fixture numbers;
    bool has_numbers;
};

struct simulated {
    struct simulated_store store, other; /* the one that is served, and one put aside */
    struct stages stages;
    struct service service;
    struct reclaim *reclaim;
    struct simulated_client clients[SIMULATED_CLIENTS];
    struct task *writer;
    bool writer_leaves;
    struct simulated_work *works;
    uint64_t progress;
    uint64_t due_us; /* when the loop has something to do though nothing happens */
};

extern struct simulated simulated;

/* ---- simulation_session.c ---- */

/* Each client has a share of what it sent started. */
void simulated_start_frames(void);
/* Requests that wait for room, by turns, and those that wait for memory. */
void simulated_start_waiting(uint64_t now_us);

#endif
