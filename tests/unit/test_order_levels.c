/* What the levels promise, over runs that end by a kill, a cut or a write in doubt, for many seeds:
 *
 * - what was told durable survives every end, and what was told written survives a kill;
 * - the disk holds a prefix of the commits and a prefix of the metadata, and with any metadata every commit that was accepted
 *   before it (contract, section 2);
 * - behind a failure nothing more is told.
 *
 * The model is the row of all that a run accepted; what the next run finds is replayed from it. */
#include <check.h>
#include <stdlib.h>

#include "tests/lib/order_fixture.h"
#include "tests/lib/random.h"
#include "tests/lib/suite.h"

enum { SEEDS = 300, RUNS = 4, STEPS = 120, NAMES = 5, WAITS_MAX = STEPS };

struct accepted {
    uint64_t sequence;
    struct order_commit *commit; /* NULL: queued metadata */
    char name;                   /* '\0': a commit without metadata */
    char value;
};

struct run {
    struct accepted accepted[STEPS];
    size_t count;
    struct order_wait waits[WAITS_MAX];
    size_t wait_count;
    uint64_t written_through; /* as replies said them last */
    uint64_t durable_through;
};

static struct random_source random_choices;
static uint64_t height;    /* of the last commit, over all runs */
static char values[NAMES]; /* what the disk held when the run began */
static struct run run;

static char random_name(void)
{
    return (char)('a' + (char)random_below(&random_choices, NAMES));
}

static char random_value(void)
{
    return (char)('A' + (char)random_below(&random_choices, 26));
}

/* ---- a run ---- */

static void accept_metadata(void)
{
    struct failure failure;
    struct accepted accepted = {.name = random_name(), .value = random_value()};
    char value[2] = {accepted.value, '\0'};
    if (order_fixture_try_set(accepted.name, value, 0, &accepted.sequence, &failure) == ORDER_ACCEPTED) {
        run.accepted[run.count++] = accepted;
    }
}

static void accept_commit(void)
{
    struct order_commit *commit = malloc(sizeof *commit);
    struct accepted *accepted = &run.accepted[run.count++];
    ck_assert_ptr_nonnull(commit);
    *accepted = (struct accepted){.commit = commit};
    order_commit_init(commit, random_chance(&random_choices, 50) ? LEVEL_DURABLE : LEVEL_WRITTEN, ++height);
    if (random_chance(&random_choices, 30)) {
        accepted->name = random_name();
        accepted->value = random_value();
        commit->operation = (struct metadata_operation){.kind = METADATA_SET,
                                                        .name = slice_of(&accepted->name, 1),
                                                        .value = slice_of(&accepted->value, 1)};
        commit->job.metadata_count = 1;
    }
    order_commit_submit(commit, random_chance(&random_choices, 20));
    accepted->sequence = commit->job.sequence;
}

static void step_once(void)
{
    order_fixture.now_us += random_below(&random_choices, ORDER_FIXTURE_FLUSH_DELAY_US);
    bool is_latched = order_failure(order_fixture.order) != NULL;
    switch (is_latched ? 4 + random_below(&random_choices, 6) : random_below(&random_choices, 10)) {
    case 0:
    case 1:
        accept_metadata();
        return;
    case 2:
        accept_commit();
        return;
    case 3:
        order_wait_begin(&run.waits[run.wait_count++], order_sequence(order_fixture.order),
                         random_chance(&random_choices, 50) ? LEVEL_DURABLE : LEVEL_WRITTEN);
        return;
    case 4:
    case 5:
    case 6:
        (void)order_fixture_iterate();
        run.written_through = order_written_through(order_fixture.order);
        run.durable_through = order_durable_through(order_fixture.order);
        ck_assert_uint_le(run.durable_through, run.written_through);
        return;
    default:
        (void)order_fixture_step();
    }
}

/* ---- what the next run finds ---- */

static bool is_refused(const struct accepted *accepted)
{
    return accepted->commit != NULL && accepted->commit->job.status == STATUS_NO_SPACE;
}

static bool is_on_disk(const struct accepted *accepted, uint64_t metadata_on_disk)
{
    return accepted->commit != NULL ? order_fixture_has_block(accepted->commit->block.height)
                                    : accepted->sequence <= metadata_on_disk;
}

/* The commits are a prefix, and none is missing that was accepted before metadata that is there. */
static void check_prefix(uint64_t metadata_on_disk)
{
    uint64_t missing = 0;
    for (size_t i = 0; i < run.count; i++) {
        const struct accepted *accepted = &run.accepted[i];
        bool is_there = is_on_disk(accepted, metadata_on_disk);
        if (accepted->commit == NULL) {
            continue;
        }
        ck_assert_msg(!is_there || !is_refused(accepted), "refused commit %lu is there", accepted->sequence);
        ck_assert_msg(!is_there || missing == 0, "commit %lu is there without commit %lu", accepted->sequence,
                      missing);
        if (!is_there && !is_refused(accepted)) {
            missing = accepted->sequence;
            ck_assert_msg(accepted->sequence > metadata_on_disk, "metadata %lu is there without commit %lu",
                          metadata_on_disk, missing);
        }
    }
}

static void check_values(uint64_t metadata_on_disk)
{
    for (size_t i = 0; i < run.count; i++) {
        const struct accepted *accepted = &run.accepted[i];
        if (accepted->name != '\0' && is_on_disk(accepted, metadata_on_disk)) {
            values[accepted->name - 'a'] = accepted->value;
        }
    }
    for (int i = 0; i < NAMES; i++) {
        ck_assert_int_eq(order_fixture_disk_value((char)('a' + i)), values[i]);
    }
}

/* Everything up to that number is there, but what was refused. */
static void check_through(uint64_t through, uint64_t metadata_on_disk)
{
    for (size_t i = 0; i < run.count && run.accepted[i].sequence <= through; i++) {
        const struct accepted *accepted = &run.accepted[i];
        ck_assert_msg(is_refused(accepted) || is_on_disk(accepted, metadata_on_disk),
                      "%lu is lost, though all up to %lu was said to be there", accepted->sequence, through);
    }
}

static void check_levels(enum level survives, uint64_t metadata_on_disk)
{
    check_through(survives == LEVEL_WRITTEN ? run.written_through : run.durable_through, metadata_on_disk);
    for (size_t i = 0; i < run.count; i++) {
        const struct order_commit *commit = run.accepted[i].commit;
        if (commit != NULL && commit->is_done && commit->job.status == STATUS_OK &&
            commit->job.level >= survives) {
            ck_assert(is_on_disk(&run.accepted[i], metadata_on_disk));
        }
    }
    for (size_t i = 0; i < run.wait_count; i++) {
        const struct order_waiter *waiter = &run.waits[i].waiter;
        if (run.waits[i].is_told && waiter->status == STATUS_OK && waiter->level >= survives) {
            check_through(waiter->sequence, metadata_on_disk);
        }
    }
}

/* In so many of 100 cases from now on. */
static void set_faults(unsigned not_applied, unsigned writes_in_doubt, unsigned syncs_in_doubt)
{
    fake_disk_chance(order_fixture.disk, FAKE_WRITE, FAKE_FAILS, not_applied);
    fake_disk_chance(order_fixture.disk, FAKE_WRITE, FAKE_IN_DOUBT, writes_in_doubt);
    fake_disk_chance(order_fixture.disk, FAKE_SYNC, FAKE_IN_DOUBT, syncs_in_doubt);
}

/* Ends the run and starts the next. Returns the lowest level that has to survive. */
static enum level end_run(void)
{
    enum level survives = random_chance(&random_choices, 50) ? LEVEL_DURABLE : LEVEL_WRITTEN;
    if (survives == LEVEL_DURABLE) {
        fake_disk_cut(order_fixture.disk);
    } else {
        fake_disk_kill(order_fixture.disk);
    }
    for (uint64_t i = random_below(&random_choices, 8); i > 0 && run.count < STEPS; i--) {
        step_once(); /* what the daemon still does before it notices */
    }
    order_fixture_end_run();
    set_faults(0, 0, 0);
    order_fixture_start_run();
    return survives;
}

static void run_once(void)
{
    run = (struct run){0};
    set_faults(random_chance(&random_choices, 30) ? 20 : 0, random_chance(&random_choices, 30) ? 5 : 0,
               random_chance(&random_choices, 30) ? 10 : 0);
    for (uint64_t i = random_below(&random_choices, STEPS - 8); i > 0; i--) {
        step_once();
    }
    enum level survives = end_run();
    uint64_t metadata_on_disk = order_metadata_on_disk(order_fixture.order, 0);
    check_prefix(metadata_on_disk);
    check_values(metadata_on_disk);
    check_levels(survives, metadata_on_disk);
    for (size_t i = 0; i < run.count; i++) {
        free(run.accepted[i].commit);
    }
}

START_TEST(what_was_told_survives_and_the_disk_holds_a_prefix_of_each_lane)
{
    struct random_source seeds = random_from(random_seed("order_levels"));
    for (int i = 0; i < SEEDS; i++) {
        uint64_t seed = random_next(&seeds);
        random_choices = random_from(seed);
        height = 0;
        memset(values, 0, sizeof values);
        order_fixture_open_seeded(seed);
        for (int j = 0; j < RUNS; j++) {
            run_once();
        }
        order_fixture_close();
    }
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("order_levels", 120, &tests);
    tcase_add_test(tests, what_was_told_survives_and_the_disk_holds_a_prefix_of_each_lane);
    return suite_run(suite, true);
}
