/* A run's life: the store is made, then one round after the other, each judged before the next. Some rounds end in a crash, a stop,
 * a failed write or a lost connection; then a dump of all that is there says which of the allowed states it is. */
#include "tests/fault/simulation.h"

#include <assert.h>
#include <check.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/cairn.pb-c.h"
#include "tests/fault/simulation_claims.h"
#include "tests/fault/simulation_copies.h"
#include "tests/fault/simulation_scheduler.h"
#include "tests/fault/simulation_start.h"
#include "tests/fault/simulation_steps.h"
#include "tests/lib/kept.h"

enum {
    ROUND_MAX = 64,     /* operations */
    HISTORY_MUCH = 200, /* writes that are not durable; then time passes until they are */
    /* the same before a crash, at most: what it may leave is worked out state by state */
    HISTORY_AT_END = 20,
    RESTS_MAX = 50,
    CHANGES_PERCENT = 3, /* of the rounds: another copy of the store before them */
};

struct simulation simulation;
static struct oracle *const oracle = &simulation.oracle;

/* ---- rounds ---- */

static bool run_round(const struct operation *operations, size_t n)
{
    simulation_begin_round(operations, n);
    claims_begin_round();
    simulated_plan = simulation.plan;
    return simulation_step_until(n) && simulation_step_until_started() && oracle_end_round(oracle) &&
           claims_end_round();
}

/* Nothing is asked for; what is due by time is done. */
static bool rest(uint64_t us)
{
    simulation_begin_round(NULL, 0);
    uint64_t until_us = scheduler_now_us() + us;
    while (scheduler_now_us() < until_us) {
        if (!simulation_step()) {
            return false;
        }
    }
    return true;
}

/* Rests until at most so many writes are not known to be durable. */
static bool rest_until_durable(size_t history_max)
{
    static const struct operation look = {.kind = OPERATION_HEIGHT};
    for (unsigned tries = 0; oracle->n_history > history_max; tries++) {
        if (tries == RESTS_MAX) {
            complain(&oracle->complaint, NULL, "what was written does not become durable");
            return false;
        }
        if (!rest(2 * simulation.limits.sync_interval_us) || !run_round(&look, 1)) {
            return false;
        }
    }
    return true;
}

/* ---- ends ---- */

/* What the daemon sent before it died arrives. */
static bool take_what_was_sent(void)
{
    for (unsigned i = 0; i < CONNECTIONS_MAX; i++) {
        for (struct wire_frame *frame; (frame = simulated_take(i)) != NULL;) {
            if (!simulation_take_reply(i, frame)) {
                return false;
            }
        }
    }
    return claims_take_what_was_sent();
}

static bool start_again(enum oracle_end end)
{
    return oracle_crashed(oracle, end) && simulation_start() && simulation_narrow();
}

/* Kill -9, or a power cut, now. */
static bool end_now(bool is_cut)
{
    is_cut ? simulated_cut() : simulated_kill();
    *(is_cut ? &simulation.result->cuts : &simulation.result->kills) += 1;
    if (!take_what_was_sent()) {
        return false;
    }
    simulation_note_excuses();
    claims_hang_up(is_cut);
    simulated_close();
    return start_again(is_cut ? ORACLE_CUT : ORACLE_KILLED) && simulation_resend() && claims_came_back(true);
}

/* A write or a sync ends in doubt, and the daemon within a second. */
static bool end_by_failed_write(void)
{
    bool is_sync = scheduler_chance(50);
    simulated_plan.write_in_doubt = !is_sync;
    simulated_plan.sync_in_doubt = is_sync;
    simulation.result->failed_writes++;
    return simulation_step_some(scheduler_below(600)) && end_now(scheduler_chance(50));
}

static bool end_by_stop(void)
{
    simulation.result->stops++;
    simulated_begin_stop();
    oracle->excuses.is_stopping = true;
    for (uint64_t steps = 0; !simulated_has_stopped() || !simulated_is_idle(); steps++) {
        if (steps == SIMULATION_STEPS_MAX) {
            complain(&oracle->complaint, NULL, "it does not stop");
            return false;
        }
        if (!simulation_step()) {
            return false;
        }
    }
    if (!take_what_was_sent()) {
        return false;
    }
    if (simulated_failure() != NULL) {
        complain(&oracle->complaint, NULL, "a stop without a fault failed: %s", simulated_failure()->text);
        return false;
    }
    claims_hang_up(false);
    simulated_close();
    if (scheduler_chance(50)) {
        simulated_cut();
    }
    return start_again(ORACLE_STOPPED) && claims_came_back(true);
}

/* Whether those who are still there have sent all and been answered, and all is written and synced. */
static bool has_ended_for_all(void)
{
    bool is_sent = claims_have_ended();
    for (unsigned i = 0; i < CONNECTIONS_MAX; i++) {
        const struct sender *sender = &simulation.senders[i];
        is_sent &= !simulated_is_connected(i) || (sender->sent == sender->count && !simulated_has_replies(i));
    }
    return is_sent && simulated_has_all() && simulated_is_idle() && simulated_has_stopped();
}

/* Steps until that. */
static bool end_for_all(void)
{
    for (uint64_t steps = 0; !has_ended_for_all(); steps++) {
        if (steps == SIMULATION_STEPS_MAX) {
            complain(&oracle->complaint, NULL, "requests do not end");
            return false;
        }
        if (!simulation_step()) {
            return false;
        }
    }
    return take_what_was_sent();
}

/* Clients go, and their requests are carried out or not; the others are answered. */
static bool end_by_hang_up(void)
{
    simulation.result->hang_ups++;
    for (unsigned i = 0; i < CONNECTIONS_MAX; i++) {
        if (scheduler_chance(50)) {
            simulated_hang_up(i);
        }
    }
    claims_hang_up(false);
    simulated_plan.refuses_percent = 0;
    return end_for_all() && oracle_crashed(oracle, ORACLE_HUNG_UP) && simulation_connect_all(false) &&
           simulation_narrow() && claims_came_back(false);
}

/* Between two rounds the daemon dies, and a copy of its store is made, or the next one starts on the other copy. What was written is durable
 * by then, so that it is known what either holds without a look at it. */
static bool change_store(void)
{
    if (!rest_until_durable(0)) {
        return false;
    }
    simulation_begin_round(NULL, 0);
    simulated_kill();
    claims_hang_up(false);
    simulated_close();
    return oracle_crashed(oracle, ORACLE_KILLED) && copies_change() && simulation_start() &&
           simulation_narrow() && claims_came_back(true);
}

/* Each connection that was not told by a barrier of the round is told by its next one. */
static bool check_told(uint64_t left_out, const bool *was_told)
{
    static struct operation barriers[CONNECTIONS_MAX];
    for (unsigned i = 0; i < CONNECTIONS_MAX; i++) {
        barriers[i] = (struct operation){.kind = OPERATION_BARRIER, .connection = i, .level = 2};
    }
    simulation_begin_round(barriers, CONNECTIONS_MAX);
    if (!simulation_step_until(CONNECTIONS_MAX) || !simulation_step_until_started()) {
        return false;
    }
    for (unsigned i = 0; i < CONNECTIONS_MAX; i++) {
        const struct call *call = &oracle->round.calls[i];
        bool is_told = call->answer->status == STATUS_DAMAGED;
        if (is_told ? left_out == 0 : left_out > 0 && !was_told[i]) {
            complain(&oracle->complaint, call, "%" PRIu64 " raises were left out", left_out);
            return false;
        }
    }
    return true;
}

/* Names that a raise reads cannot be read: it is left out. */
static bool end_by_damage(uint64_t left_out_before)
{
    bool was_told[CONNECTIONS_MAX] = {false};
    simulation.result->damages++;
    if (!end_for_all() || !claims_end_round()) {
        return false;
    }
    for (size_t i = 0; i < oracle->round.n; i++) {
        const struct call *call = &oracle->round.calls[i];
        bool is_barrier = call->operation->kind == OPERATION_BARRIER;
        was_told[call->operation->connection] |= is_barrier && call->answer->status == STATUS_DAMAGED;
    }
    uint64_t left_out = simulated_left_out() - left_out_before;
    return oracle_crashed(oracle, ORACLE_DAMAGED) && simulation_narrow() && check_told(left_out, was_told);
}

static bool run_end(const struct operation *operations, size_t n, bool is_damage)
{
    const struct operation *end = &operations[n - 1];
    size_t wanted = end->height < n - 1 ? end->height : n - 1;
    simulation_begin_round(operations, n - 1);
    claims_begin_round();
    simulated_plan = simulation.plan;
    simulated_plan.names_fail_percent = is_damage ? 30 : 0;
    uint64_t left_out = simulated_left_out();
    if (!simulation_step_until(wanted) || !simulation_step_some(scheduler_below(100))) {
        return false;
    }
    if (is_damage) {
        return end_by_damage(left_out);
    }
    if (end->kind == OPERATION_STOP) {
        return end_by_stop();
    }
    switch (scheduler_below(4)) {
    case 0:
        return end_by_failed_write();
    case 1:
        return end_by_hang_up();
    default:
        return end_now(scheduler_chance(60));
    }
}

/* ---- a run ---- */

static uint64_t one_of(const uint64_t *values, size_t count)
{
    return values[scheduler_below(count)];
}

#define ONE_OF(...)                                                                                          \
    one_of((const uint64_t[]){__VA_ARGS__}, sizeof((const uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t))

/* What the run is like: how fast each part is, what goes wrong, and the settings. */
static void choose_world(void)
{
    static const uint64_t weights[] = {1, 3, 10};
    simulation.weight = 0;
    for (int actor = 0; actor < ACTORS; actor++) {
        simulation.weights[actor] = one_of(weights, sizeof weights / sizeof weights[0]);
        simulation.weight += simulation.weights[actor];
    }
    simulation.limits = (struct simulated_limits){
        .queue_operations_max = ONE_OF(8192, 64, 16),
        .queue_bytes_max = 1 << 20,
        .flush_delay_us = ONE_OF(1000, 20000, 200000, 5000000),
        .sync_interval_us = ONE_OF(10000, 1000000, 1000000),
    };
    simulation.space_changes = scheduler_chance(20);
    simulation.large_percent = (unsigned)ONE_OF(0, 0, 5);
    simulation.deadlines_percent = (unsigned)ONE_OF(0, 30);
    simulation.sleeps_of_1000 = (unsigned)ONE_OF(0, 0, 1, 20);
    simulation.plan = (struct simulated_plan){
        .plant = simulation.config->plant,
        .pause_us_max = ONE_OF(10, 200, 20000),
        .hangs_of_1000 = (unsigned)ONE_OF(0, 0, 0, 2),
        .blocks_percent = (unsigned)ONE_OF(0, 10, 60),
        .reads_fail_percent = (unsigned)ONE_OF(0, 0, 0, 3),
        .writer_fails_percent = (unsigned)ONE_OF(0, 0, 0, 5),
        .background_fails_of_1000 = (unsigned)ONE_OF(0, 0, 10),
        .refuses_percent = (unsigned)ONE_OF(0, 0, 0, 10),
    };
    if (simulation.config->plant == PLANT_FAILED_IS_ABSENT) {
        simulation.plan.reads_fail_percent = 3;
    } else if (simulation.config->plant == PLANT_REFUSED_IS_APPLIED) {
        simulation.plan.refuses_percent = 10;
    }
    oracle->swaps_numbers = simulation.config->plant == PLANT_NUMBERS_SWAPPED;
}

/* Chains are made by several at once, while nobody uses them in the round: whether a write sent behind the making of its chain finds
 * it is not said. */
static void make_chains(struct operation *operations, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct operation *operation = &operations[i];
        if (scheduler_chance(30)) {
            *operation = (struct operation){.kind = OPERATION_CREATE_CHAIN,
                                            .round = operation->round,
                                            .connection = operation->connection,
                                            .chain = 1 + (uint32_t)scheduler_below(CHAINS_KNOWN - 1)};
        } else if (operation->kind != OPERATION_CREATE_CHAIN) {
            operation->chain = 0;
        }
    }
}

static bool run_next(const struct episode *episode, size_t *at)
{
    size_t n = 1;
    struct operation *operations = episode->operations + *at;
    while (*at + n < episode->n && n < ROUND_MAX && operations[n].round == operations[0].round) {
        n++;
    }
    *at += n;
    if (scheduler_chance(5) && !rest(scheduler_below(60000000))) {
        return false;
    }
    if (scheduler_chance(CHANGES_PERCENT) && !change_store()) {
        return false;
    }
    bool is_end = operation_is_end(&operations[n - 1]);
    bool is_damage = is_end && scheduler_chance(10); /* only what the round itself raises may be left out */
    size_t history_max = is_damage ? 0 : is_end ? scheduler_below(HISTORY_AT_END) : HISTORY_MUCH;
    if (!rest_until_durable(history_max)) {
        return false;
    }
    if (!is_end && n > 1 && scheduler_chance(3)) {
        make_chains(operations, n);
    }
    return is_end ? run_end(operations, n, is_damage) : run_round(operations, n);
}

void simulation_run(const struct simulation_config *config, struct simulation_result *ret_result)
{
    memset(&simulation, 0, sizeof simulation);
    memset(ret_result, 0, sizeof *ret_result);
    simulation.config = config;
    simulation.result = ret_result;
    scheduler_begin(config->seed);
    oracle_begin(oracle);
    claims_begin();
    copies_begin();
    struct episode episode = episode_new(scheduler_next(), config->operations);
    choose_world();
    simulated_begin(scheduler_next());
    bool is_good = simulation_start();
    for (size_t at = 0; is_good && at < episode.n;) {
        is_good = run_next(&episode, &at);
    }
    if (simulated_is_open()) {
        simulated_close();
    }
    ret_result->is_good = is_good || oracle->is_beyond;
    memcpy(ret_result->text, oracle->complaint.text, sizeof oracle->complaint.text);
    ret_result->trace = scheduler_trace();
    ret_result->simulated_us = scheduler_elapsed_us();
    ret_result->excused = oracle->excused;
    simulated_end();
    oracle_end(oracle);
    episode_free(&episode);
    kept_clear();
    scheduler_end();
}
