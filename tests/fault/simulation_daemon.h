/* A daemon from `serve` inwards, on the simulated disk: order, writer, pool, streams, reclaim, and a session for each client. Net and
 * libuv are left out. Life:
 *
 * - simulated_open starts it on what the disk kept; simulated_connect has a client say hello.
 * - Clients send frames and take replies; the simulation chooses who moves next: an iteration of the loop, a step of the writer, a
 *   piece of the pool's work.
 * - simulated_close takes it down, whatever state it is in. A crash is simulated_kill or simulated_cut before that: from then on nothing
 *   reaches the disk.
 *
 * One a process. Frames and bodies are kept (tests/lib/kept). */
#ifndef TESTS_FAULT_SIMULATION_DAEMON_H
#define TESTS_FAULT_SIMULATION_DAEMON_H

#include "daemon/runtime/failure.h"
#include "tests/lib/wire.h"

enum {
    SIMULATED_CLAIMANTS = 3, /* the last clients */
    SIMULATED_CLIENTS = 4 + SIMULATED_CLAIMANTS,
    SIMULATED_CHAINS = 4, /* that the store may have; one is the claimants' */
};

struct simulated_limits {
    uint64_t queue_operations_max;
    uint64_t queue_bytes_max;
    uint64_t flush_delay_us;
    uint64_t sync_interval_us;
};

/* An empty disk, and no daemon on it. */
void simulated_begin(uint64_t seed);
void simulated_end(void);

/* No daemon is open: a copy of the store is put aside, in place of the one before; the one put aside changes places with the store. */
void simulated_copy_store(uint64_t seed);
void simulated_swap_stores(void);

/* False: it does not start, and `failure` says why. */
bool simulated_open(const struct simulated_limits *limits, struct failure *failure) MUST_CHECK;
void simulated_close(void);
bool simulated_is_open(void);

/* The client's first reply is the answer to the hello, a whole frame; kept. The connection before is closed, and all of its requests
 * have ended. */
void simulated_connect(unsigned client, const uint8_t *hello, size_t bytes);
void simulated_hang_up(unsigned client);
/* A whole frame; kept. */
void simulated_send(unsigned client, const uint8_t *frame, size_t bytes);
bool simulated_is_connected(unsigned client);
/* Whether the daemon has requests of its last connection. */
bool simulated_has_requests(unsigned client);
bool simulated_has_replies(unsigned client);
/* Whether the daemon has started all that was sent. */
bool simulated_has_all(void);
/* A plant: the client's session counts as one that presented the chain's last epoch, if it presented another. */
void simulated_revive_epoch(unsigned client, const char *chain);
/* The oldest reply; NULL: there is none. It is no longer among the replies waiting. */
struct wire_frame *simulated_take(unsigned client);

/* ---- who moves ---- */

/* Rises with all that happens: what moves next matters only if it did. */
uint64_t simulated_progress(void);
void simulated_iterate(void);
void simulated_step_writer(void);
/* A piece of the pool's work, one of them by chance. */
void simulated_step_pool(void);
/* When the next paused task goes on, or the loop has something to do; UINT64_MAX: nothing is known. */
uint64_t simulated_due_us(void);

/* From the loop library's uv_queue_work. */
void simulated_queue_work(void *work, void (*run)(void *work), void (*done)(void *work));

/* ---- ends ---- */

void simulated_kill(void);
void simulated_cut(void);
/* As SIGTERM: new requests are refused. */
void simulated_begin_stop(void);
/* Whether all that was accepted is written and synced, and no request waits. */
bool simulated_has_stopped(void);
/* How many raises were left out in this run. */
uint64_t simulated_left_out(void);
/* Whether metadata that the engine refused waits, so that none is taken. */
bool simulated_queue_lacks_room(void);
/* The failure that ended all writing; NULL: none. */
const struct failure *simulated_failure(void);
/* Whether every request has ended and the pool is idle. */
bool simulated_is_idle(void);

#endif
