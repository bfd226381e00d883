/* A client that connects to a run that has just begun mostly names a run that it comes from: the one before, an earlier one, one of the store
 * that was put aside, or one that no store had. */
#include "tests/fault/simulation_start.h"

#include "proto/cairn.pb-c.h"
#include "tests/fault/simulation_copies.h"
#include "tests/fault/simulation_scheduler.h"
#include "tests/fault/simulation_steps.h"
#include "tests/lib/kept.h"

enum {
    START_TRIES_MAX = 50,
    RESENT_ROUND = 1 << 30, /* none of the episode's */
    RUNS_BACK = 4,
};

static struct oracle *const oracle = &simulation.oracle;

/* ---- hello ---- */

static struct oracle_run choose_run(void)
{
    const struct oracle_store *other = copies_other();
    const struct oracle_store *of = other != NULL && scheduler_chance(40) ? other : &oracle->store;
    uint64_t back = scheduler_chance(60) ? 0 : scheduler_below(RUNS_BACK);
    back += of == &oracle->store; /* the last one has just begun */
    if (back >= of->run_count || scheduler_chance(30)) {
        return (struct oracle_run){0};
    }
    struct oracle_run run = of->runs[of->run_count - 1 - back];
    if (scheduler_chance(20)) {
        run.random ^= 1;
        run.began_at = 0;
    }
    return run;
}

static void send_hello(unsigned client, const struct oracle_run *said)
{
    Cairn__Hello hello = CAIRN__HELLO__INIT;
    hello.has_resume_run = hello.has_resume_random = said->run != 0;
    hello.resume_run = said->run;
    hello.resume_random = said->random;
    const struct frame_request header = {
        .type = FRAME_HELLO, .id = 1, .body_bytes = (uint32_t)cairn__hello__get_packed_size(&hello)};
    uint8_t *frame = kept_alloc(FRAME_REQUEST_BYTES + header.body_bytes + 1);
    frame_request_encode(&header, frame);
    cairn__hello__pack(&hello, frame + FRAME_REQUEST_BYTES);
    simulated_connect(client, frame, FRAME_REQUEST_BYTES + header.body_bytes);
}

static bool await_hello(unsigned client, bool is_first, const struct oracle_run *said)
{
    struct wire_frame *frame;
    for (unsigned steps = 0; (frame = simulated_take(client)) == NULL; steps++) {
        if (steps == SIMULATION_STEPS_MAX) {
            complain(&oracle->complaint, NULL, "no answer to hello");
            return false;
        }
        simulated_iterate();
    }
    return oracle_take_hello(oracle, frame, client, is_first, said);
}

bool simulation_connect_all(bool is_start)
{
    for (unsigned i = 0; i < CONNECTIONS_MAX; i++) {
        struct oracle_run said = {0};
        if (simulated_is_connected(i)) {
            continue;
        }
        if (is_start && i > 0) {
            said = choose_run();
        }
        send_hello(i, &said);
        if (!await_hello(i, is_start && i == 0, &said)) {
            return false;
        }
    }
    return true;
}

/* ---- starts ---- */

/* Also by way of starts that fail, or that end at once. */
bool simulation_start(void)
{
    struct failure failure;
    for (unsigned tries = 0; tries < START_TRIES_MAX; tries++) {
        simulation.result->starts++;
        simulated_plan = (struct simulated_plan){.plant = simulation.config->plant,
                                                 .reads_fail_percent = scheduler_chance(10) ? 20 : 0,
                                                 .dies_at_start = scheduler_chance(10)};
        bool may_fail = simulated_plan.reads_fail_percent > 0 || simulated_plan.dies_at_start;
        simulated_faults.died = false;
        bool is_open = simulated_open(&simulation.limits, &failure);
        simulated_plan = simulation.plan;
        if (!is_open && !may_fail) {
            complain(&oracle->complaint, NULL, "it does not start: %s", failure.text);
            return false;
        }
        if (is_open && !simulated_faults.died && !scheduler_chance(10)) {
            return simulation_connect_all(true);
        }
        if (is_open) {
            scheduler_chance(50) ? simulated_cut() : simulated_kill();
            simulated_close();
        }
    }
    complain(&oracle->complaint, NULL, "it does not start in %d tries: %s", START_TRIES_MAX, failure.text);
    return false;
}

/* Reads everything, and leaves of the possible states those that fit. */
bool simulation_narrow(void)
{
    static struct operation dump[DUMP_OPERATIONS];
    size_t n = dump_operations(dump);
    unsigned sleeps = simulation.sleeps_of_1000;
    bool space_changes = simulation.space_changes;
    simulation_begin_round(dump, n);
    simulation.sleeps_of_1000 = 0;
    simulation.space_changes = false;
    simulated_plan = simulation.plan;
    simulated_plan.reads_fail_percent = 0;
    simulated_plan.hangs_of_1000 = 0;
    bool is_good = simulation_step_until(n) && simulation_step_until_started() && oracle_came_back(oracle);
    simulation.sleeps_of_1000 = sleeps;
    simulation.space_changes = space_changes;
    return is_good;
}

/* What clients were told is accepted and is not there any more is sent again, in order, over one connection. Want of space does not
 * refuse it. */
bool simulation_resend(void)
{
    static struct operation operations[ROUND_CALLS_MAX];
    size_t n;
    const struct call *lost = oracle_lost(oracle, &n);
    for (size_t i = 0; i < n; i++) {
        operations[i] = *lost[i].operation;
        operations[i].connection = 0;
        operations[i].round = RESENT_ROUND;
        simulation.resend_of[i] = lost[i].sequence;
    }
    if (n == 0) {
        return true;
    }
    simulation_begin_round(operations, n);
    oracle->resends = true;
    simulation.result->resent += n;
    simulated_plan = simulation.plan;
    simulated_plan.space = (unsigned)scheduler_below(3);
    return simulation_step_until(n) && simulation_step_until_started() && oracle_end_round(oracle);
}
