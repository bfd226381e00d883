/* The daemon from `serve` inwards in a deterministic simulation (contract 2 to 9, 12): order, writer, pool, streams and clients moved by
 * one seeded scheduler with its own clock, on a disk that is slow, refuses, fails, is killed and loses power.
 *
 * CAIRN_SIMULATION_SECONDS says how long (real seconds); CAIRN_SEED is the seed of the first run, and those of the others are drawn
 * from it.
 *
 * The functions of the C library and of libuv that would bring in the real clock, chance and threads are defined here: the program's own
 * calls come here, those of other libraries do not. */
#include <check.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#include "daemon/runtime/log.h"
#include "daemon/runtime/memory.h"
#include "daemon/runtime/name_hash.h"
#include "tests/fault/simulation.h"
#include "tests/fault/simulation_daemon.h"
#include "tests/fault/simulation_scheduler.h"
#include "tests/lib/random.h"
#include "tests/lib/suite.h"

enum {
    SECONDS = 40,
    SECONDS_LONG = 300,
    OPERATIONS = 4000,         /* of a run */
    PLANT_OPERATIONS = 300000, /* within so many a planted fault is found, most within a tenth */
    PLANT_RUN_OPERATIONS = 2000,
};

/* ---- what the program is not to ask the machine for ---- */

int clock_gettime(clockid_t clock, struct timespec *ret_now)
{
    if (!scheduler_is_on()) {
        return (int)syscall(SYS_clock_gettime, clock, ret_now);
    }
    uint64_t now_ns = scheduler_read_clock_ns();
    *ret_now = (struct timespec){(time_t)(now_ns / 1000000000), (long)(now_ns % 1000000000)};
    return 0;
}

/* What is drawn once a process is drawn by setup, before any run. */
ssize_t getrandom(void *buffer, size_t length, unsigned flags)
{
    static struct random_source fixed;
    (void)flags;
    if (!scheduler_is_on()) {
        random_fill(&fixed, buffer, length);
        return (ssize_t)length;
    }
    uint64_t seed = scheduler_next();
    struct random_source drawn = random_from(simulated_plan.plant == PLANT_BITS_REPEAT ? 1 : seed);
    random_fill(&drawn, buffer, length);
    return (ssize_t)length;
}

struct queued {
    uv_work_t *work;
    uv_work_cb run;
    uv_after_work_cb done;
};

static void run_queued(void *argument)
{
    struct queued *queued = argument;
    queued->run(queued->work);
}

static void finish_queued(void *argument)
{
    struct queued queued = *(struct queued *)argument;
    free(argument);
    queued.done(queued.work, 0);
}

int uv_queue_work(uv_loop_t *loop, uv_work_t *work, uv_work_cb run, uv_after_work_cb done)
{
    struct queued *queued = memory_new(sizeof *queued);
    (void)loop;
    *queued = (struct queued){work, run, done};
    simulated_queue_work(queued, run_queued, finish_queued);
    return 0;
}

/* ---- runs ---- */

static struct simulation_result result;

/* The same in each short run, so that what fails there fails again; `make soak-simulation` goes on with others. */
static uint64_t seed_wanted(const char *what)
{
    const char *given = getenv("CAIRN_SEED");
    uint64_t seed = given != NULL && *given != '\0' ? strtoull(given, NULL, 0) : 1;
    printf("%s: CAIRN_SEED=%" PRIu64 "\n", what, seed);
    fflush(stdout);
    return seed;
}

static uint64_t seconds_wanted(void)
{
    const char *given = getenv("CAIRN_SIMULATION_SECONDS");
    uint64_t otherwise = getenv("CAIRN_LONG_FORM") != NULL ? SECONDS_LONG : SECONDS;
    return given != NULL ? strtoull(given, NULL, 10) : otherwise;
}

static void setup(void)
{
    thread_set_role(THREAD_LOOP);
    log_level_set(LOG_LEVEL_ERROR); /* claims are told otherwise */
    (void)name_hash("any", 3);      /* draws the seed of all hash tables */
}

static void teardown(void)
{
    thread_set_role(THREAD_OTHER);
}

START_TEST(every_answer_is_one_that_the_contract_allows)
{
    uint64_t seed = seed_wanted("simulation");
    uint64_t until_ms = clock_ms() + seconds_wanted() * 1000, simulated_us = 0;
    struct simulation_result all = {0};
    uint64_t runs = 0;
    struct random_source seeds = random_from(seed);
    do {
        const struct simulation_config config = {.seed = seed, .operations = OPERATIONS};
        simulation_run(&config, &result);
        ck_assert_msg(result.is_good, "CAIRN_SEED=%" PRIu64 " after %" PRIu64 " steps: %s", config.seed,
                      result.steps, result.text);
        seed = random_next(&seeds) >> 16;
        runs++;
        simulated_us += result.simulated_us;
        all.steps += result.steps;
        all.requests += result.requests;
        all.claim_requests += result.claim_requests;
        all.rounds += result.rounds;
        all.resent += result.resent;
        all.ended += result.ended;
        all.excused += result.excused;
        all.kills += result.kills;
        all.cuts += result.cuts;
        all.stops += result.stops;
        all.failed_writes += result.failed_writes;
        all.hang_ups += result.hang_ups;
        all.damages += result.damages;
        all.starts += result.starts;
        all.copies += result.copies;
        all.swaps += result.swaps;
    } while (clock_ms() < until_ms);
    printf("simulation: %" PRIu64 " runs, %" PRIu64 " steps, %" PRIu64 " requests and %" PRIu64
           " of claimants, %" PRIu64 " connections ended with their epoch, in %" PRIu64 " rounds, %" PRIu64
           " kills, %" PRIu64 " power cuts, %" PRIu64 " stops, %" PRIu64 " failed writes, %" PRIu64
           " lost connections, %" PRIu64 " times of damage, %" PRIu64 " starts, %" PRIu64 " copies, %" PRIu64
           " times the other copy, %" PRIu64 " writes sent again, %" PRIu64
           " answers excused by faults; %.1f simulated hours\n",
           runs, all.steps, all.requests, all.claim_requests, all.ended, all.rounds, all.kills, all.cuts,
           all.stops, all.failed_writes, all.hang_ups, all.damages, all.starts, all.copies, all.swaps,
           all.resent, all.excused, (double)simulated_us / 3600e6);
    printf("points %" PRIu64 "\n", simulated_us / 60000000); /* simulated minutes */
}
END_TEST

START_TEST(a_seed_repeats_a_run_to_the_byte)
{
    const struct simulation_config config = {.seed = seed_wanted("simulation, repeated") + (uint64_t)_i,
                                             .operations = 500};
    simulation_run(&config, &result);
    ck_assert_msg(result.is_good, "%s", result.text);
    static struct simulation_result again;
    free(malloc(1000)); /* addresses differ from here on */
    void *kept = malloc(12345);
    simulation_run(&config, &again);
    free(kept);
    ck_assert_uint_eq(again.trace, result.trace);
    ck_assert_uint_eq(again.steps, result.steps);
    ck_assert_uint_eq(again.simulated_us, result.simulated_us);
    const struct simulation_config other = {.seed = config.seed + 1000, .operations = 500};
    simulation_run(&other, &again);
    ck_assert_uint_ne(again.trace, result.trace);
}
END_TEST

START_TEST(planted_fault_is_found)
{
    uint64_t seed = seed_wanted("simulation, planted"), operations = 0;
    result.is_good = true;
    while (result.is_good && operations < PLANT_OPERATIONS) {
        const struct simulation_config config = {.seed = seed++,
                                                 .operations = PLANT_RUN_OPERATIONS,
                                                 .plant = (enum simulation_plant)(PLANT_NONE + 1 + _i)};
        simulation_run(&config, &result);
        operations += config.operations;
    }
    ck_assert_msg(!result.is_good, "plant %d is not found", _i);
    printf("simulation: found after %" PRIu64 " requests: %.300s\n",
           operations - PLANT_RUN_OPERATIONS + result.requests, result.text);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("simulation", 600 + (double)seconds_wanted(), &tests);
    TCase *calibration = tcase_create("calibration");
    tcase_set_timeout(calibration, 600);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_checked_fixture(calibration, setup, teardown);
    tcase_add_test(tests, every_answer_is_one_that_the_contract_allows);
    tcase_add_loop_test(calibration, a_seed_repeats_a_run_to_the_byte, 0, 4);
    tcase_add_loop_test(calibration, planted_fault_is_found, 0, PLANTS - 1);
    suite_add_tcase(suite, calibration);
    return suite_run(suite, true);
}
