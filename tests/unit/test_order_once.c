/* Numbered writes happen once (contract 12), over runs that end by a kill, a cut or a write in doubt, and writes that are not applied, for
 * many seeds. The client does as a library does: it keeps what was not answered, sends it again in order, some of it once more than is
 * needed, and what was refused too. Each number commits a block at its own height, on the condition that the one before is there. */
#include <check.h>
#include <stdlib.h>

#include "tests/lib/order_fixture.h"
#include "tests/lib/random.h"
#include "tests/lib/suite.h"

enum { SEEDS = 200, RUNS = 5, STEPS = 100 };

static struct random_source choices;
static struct order_commit *sent[STEPS + 8]; /* of this run, in their order */
static size_t sent_count;
static size_t looked_at; /* of them */
static uint64_t next;    /* the number to send next */
static uint64_t highest; /* that was ever sent */
/* the highest that was answered OK at least at that level, over all runs */
static uint64_t told[LEVEL_DURABLE + 1];

static void claim(void)
{
    struct job job = {.kind = JOB_CLAIM, .level = LEVEL_DURABLE, .chain = order_fixture.chain->id};
    struct order_commit done = {.is_done = false}; /* for its `done` alone */
    order_commit_init(&done, LEVEL_DURABLE, 1);
    job.claim = (struct claim_record){.epoch.random = 77, .name = slice_of("node", 4)};
    job.done = done.job.done;
    job.owner = &done;
    order_submit(order_fixture.order, &job, true, order_fixture.now_us * 1000);
    order_fixture_settle();
    ck_assert(done.is_done && job.status == STATUS_OK);
}

static void send(uint64_t number)
{
    struct order_commit *commit = malloc(sizeof *commit);
    ck_assert_ptr_nonnull(commit);
    order_commit_init(commit, random_chance(&choices, 50) ? LEVEL_DURABLE : LEVEL_WRITTEN, number);
    commit->job.number = number;
    commit->job.commit.has_expected_height = true;
    commit->job.commit.expected_height = number - 1;
    order_commit_submit(commit, random_chance(&choices, 20));
    sent[sent_count++] = commit;
    highest = number > highest ? number : highest;
}

/* What was answered: OK notes how far the writes have come; what was not applied is sent again, with all behind it. */
static void look_at_answers(void)
{
    for (; looked_at < sent_count && sent[looked_at]->is_done; looked_at++) {
        const struct job *job = &sent[looked_at]->job;
        if (job->status == STATUS_OK) {
            ck_assert(!job->is_repeated || job->number <= highest);
            for (int level = LEVEL_WRITTEN; level <= (int)job->level; level++) {
                told[level] = job->number > told[level] ? job->number : told[level];
            }
        } else if (job->status != STATUS_IO_ERROR) {
            ck_assert_msg(job->status == STATUS_NO_SPACE || job->failure.reason == REASON_NUMBER, "%lu: %s",
                          job->number, job->failure.text);
            ck_assert_msg(job->number > told[LEVEL_WRITTEN], "%lu was applied, and is said not to be: %s",
                          job->number, job->failure.text);
            next = job->number < next ? job->number : next;
        }
    }
}

static void step_once(void)
{
    order_fixture.now_us += random_below(&choices, ORDER_FIXTURE_FLUSH_DELAY_US);
    switch (random_below(&choices, 8)) {
    case 0:
    case 1:
    case 2:
        if (order_failure(order_fixture.order) == NULL) {
            send(next++);
        }
        return;
    case 3:
        if (next > 1 && order_failure(order_fixture.order) == NULL) { /* once more than is needed */
            send(1 + random_below(&choices, next - 1));
        }
        return;
    case 4:
    case 5:
        (void)order_fixture_iterate();
        look_at_answers();
        return;
    default:
        (void)order_fixture_step();
    }
}

static void set_faults(unsigned not_applied, unsigned writes_in_doubt, unsigned syncs_in_doubt)
{
    fake_disk_chance(order_fixture.disk, FAKE_WRITE, FAKE_FAILS, not_applied);
    fake_disk_chance(order_fixture.disk, FAKE_WRITE, FAKE_IN_DOUBT, writes_in_doubt);
    fake_disk_chance(order_fixture.disk, FAKE_SYNC, FAKE_IN_DOUBT, syncs_in_doubt);
}

/* The disk holds the numbers up to the last one that the chain knows, each once, and all that was said to survive. */
static void check_found(enum level survives)
{
    const struct chain_claim *claim = &order_fixture.chain->claim;
    uint64_t last = claim->number_max;
    ck_assert(chain_claim_stands(claim) && claim->last.epoch.random == 77);
    ck_assert_msg(last >= told[survives], "%lu were said to be there, %lu are", told[survives], last);
    ck_assert_uint_eq(order_fixture.chain->marks.height, last);
    for (uint64_t number = 1; number <= highest; number++) {
        ck_assert(order_fixture_has_block(number) == (number <= last));
    }
    told[LEVEL_WRITTEN] = last; /* a cut may have taken more of them than a kill would */
    told[LEVEL_DURABLE] = last; /* a start makes durable what it finds */
}

static void run_once(void)
{
    sent_count = looked_at = 0;
    next = 1 + random_below(&choices, told[LEVEL_DURABLE] + 1); /* some of what is there is sent again */
    set_faults(random_chance(&choices, 40) ? 20 : 0, random_chance(&choices, 30) ? 5 : 0,
               random_chance(&choices, 30) ? 10 : 0);
    for (uint64_t i = random_below(&choices, STEPS); i > 0; i--) {
        step_once();
    }
    enum level survives = random_chance(&choices, 50) ? LEVEL_DURABLE : LEVEL_WRITTEN;
    if (survives == LEVEL_DURABLE) {
        fake_disk_cut(order_fixture.disk);
    } else {
        fake_disk_kill(order_fixture.disk);
    }
    for (uint64_t i = random_below(&choices, 8); i > 0; i--) {
        step_once(); /* what the daemon still does before it notices */
    }
    order_fixture_end_run();
    set_faults(0, 0, 0);
    order_fixture_start_run();
    check_found(survives);
    while (sent_count > 0) {
        free(sent[--sent_count]);
    }
}

START_TEST(each_number_is_applied_once_whatever_ends_the_runs)
{
    struct random_source seeds = random_from(random_seed("order_once"));
    for (int i = 0; i < SEEDS; i++) {
        uint64_t seed = random_next(&seeds);
        choices = random_from(seed);
        highest = 0;
        told[LEVEL_WRITTEN] = told[LEVEL_DURABLE] = 0;
        order_fixture_open_seeded(seed);
        claim();
        for (int k = 0; k < RUNS; k++) {
            run_once();
        }
        order_fixture_close();
    }
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("order_once", 120, &tests);
    tcase_add_test(tests, each_number_is_applied_once_whatever_ends_the_runs);
    return suite_run(suite, true);
}
