/* The order and its writer on the fake engine, stepped from one thread, over any number of runs. Life of a test:
 *
 * - order_fixture_open makes a disk and starts the first run; order_fixture_close ends the last one and frees the disk.
 * - Loop and writer take turns: order_fixture_iterate is what an iteration of the loop does, order_fixture_step a step of the
 *   writer. Time stands still unless the test changes `now_us`.
 * - order_fixture_end_run takes down the run, whatever became of its disk; order_fixture_start_run starts the next one. */
#ifndef TESTS_LIB_ORDER_FIXTURE_H
#define TESTS_LIB_ORDER_FIXTURE_H

#include "daemon/order/order_internal.h"
#include "tests/fake_engine/fake_engine.h"
#include "tests/lib/numbers_fixture.h"

enum {
    ORDER_FIXTURE_FLUSH_DELAY_US = 20000,
    ORDER_FIXTURE_SYNC_INTERVAL_US = 1000000,
    ORDER_FIXTURE_QUEUE_MAX = 64,
    ORDER_FIXTURE_QUEUE_BYTES_MAX = 1 << 16,
    ORDER_FIXTURE_CHAINS_MAX = 4,
};

struct order_fixture {
    struct fake_disk *disk;
    struct numbers_fixture numbers;
    struct engine *engine;
    struct order *order; /* NULL between runs */
    struct chain *chain; /* "default" */
    uint64_t now_us;
    struct stages stages;
};

extern struct order_fixture order_fixture;

void order_fixture_open(void);
void order_fixture_open_seeded(uint64_t seed);
void order_fixture_close(void);

void order_fixture_end_run(void);
void order_fixture_start_run(void);
/* Opens the engine, and tries to start the order. */
enum status order_fixture_try_run(struct failure *failure);

uint64_t order_fixture_iterate(void);
enum writer_progress order_fixture_step(void);
void order_fixture_step_until_idle(void);
/* Both, until nothing is under way, or a write failed. */
void order_fixture_settle(void);

/* ---- what is submitted ---- */

/* A commit of one block at a height, which rises to it. */
struct order_commit {
    struct job job;
    struct job_block block;
    struct metadata_operation operation; /* its own, if metadata_count is 1 */
    bool is_done;
};

void order_commit_init(struct order_commit *commit, enum level level, uint64_t height);
void order_commit_submit(struct order_commit *commit, bool carry);

/* Sets a name of one letter to a value; the order has to accept it. Returns its number. */
uint64_t order_fixture_set(char name, const char *value);
enum order_acceptance order_fixture_try_set(char name, const char *value, uint64_t resend_of,
                                            uint64_t *ret_sequence, struct failure *failure);

struct order_wait {
    struct order_waiter waiter;
    bool is_told;
};

void order_wait_begin(struct order_wait *wait, uint64_t sequence, enum level level);

/* ---- what the disk holds, as of the newest state ---- */

bool order_fixture_has_block(uint64_t height);
/* The value's first byte; '\0': the name is absent, or its value is empty. */
char order_fixture_disk_value(char name);

#endif
