/* What the order refuses for want of space: metadata below the soft mark, commits below the hard one, never what deletes, prunes or
 * was accepted before; and a burst that is faster than the looks. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "daemon/observe/metrics.h"
#include "daemon/writer/schedule.h"
#include "tests/lib/order_fixture.h"
#include "tests/lib/suite.h"

#define MIB (UINT64_C(1) << 20)

static const struct space_look ample = {
    .free_bytes = 1000 * MIB, .log_bytes = 8 * MIB, .queue_bytes_max = 8 * MIB, .reserve_bytes = 8 * MIB};

static void note(enum space_state state)
{
    struct space_look look = ample;
    uint64_t hard = space_hard_mark(&look, 0), soft = space_soft_mark(&look, 0);
    look.held_bytes = look.reserve_bytes;
    look.free_bytes = state == SPACE_ENOUGH ? 1000 * MIB
                      : state == SPACE_SOFT ? (hard + soft) / 2 + 2 * MIB
                                            : hard / 2;
    order_note_space(order_fixture.order, &look, order_space_counted(order_fixture.order));
    ck_assert_int_eq(order_space_state(order_fixture.order), state);
}

static bool metadata_is_taken(enum metadata_kind kind, uint64_t resend_of)
{
    struct metadata_operation operation = {.kind = kind, .name = slice_of("n", 1)};
    struct failure failure = {.status = STATUS_OK};
    uint64_t sequence;
    enum order_acceptance acceptance = order_metadata(order_fixture.order, order_fixture.chain, &operation, 1,
                                                      resend_of, order_fixture.now_us, &sequence, &failure);
    ck_assert_int_ne(acceptance, ORDER_NOT_YET);
    ck_assert(acceptance == ORDER_ACCEPTED || failure.status == STATUS_NO_SPACE);
    return acceptance == ORDER_ACCEPTED;
}

static bool job_is_taken(struct job *job)
{
    struct failure failure = {.status = STATUS_OK};
    bool is_taken = order_admits(order_fixture.order, job, &failure);
    ck_assert(is_taken || failure.status == STATUS_NO_SPACE);
    return is_taken;
}

START_TEST(nothing_is_refused_before_the_first_look)
{
    struct order_commit commit;
    order_commit_init(&commit, LEVEL_DURABLE, 1);
    ck_assert(metadata_is_taken(METADATA_SET, 0));
    ck_assert(job_is_taken(&commit.job));
}
END_TEST

START_TEST(below_the_soft_mark_metadata_is_refused_and_commits_are_taken)
{
    struct order_commit commit;
    order_commit_init(&commit, LEVEL_DURABLE, 1);
    note(SPACE_SOFT);
    ck_assert(!metadata_is_taken(METADATA_SET, 0));
    ck_assert(!metadata_is_taken(METADATA_RAISE, 0));
    ck_assert(metadata_is_taken(METADATA_DELETE, 0));
    ck_assert(metadata_is_taken(METADATA_SET, 7)); /* an earlier run took it */
    ck_assert(job_is_taken(&commit.job));
    ck_assert_uint_eq(metrics_get(METRIC_SPACE_REFUSED), 2);
    note(SPACE_ENOUGH);
    ck_assert(metadata_is_taken(METADATA_SET, 0));
}
END_TEST

START_TEST(below_the_hard_mark_only_what_deletes_is_taken)
{
    struct metadata_operation operations[] = {{.kind = METADATA_DELETE, .name = slice_of("n", 1)},
                                              {.kind = METADATA_SET, .name = slice_of("n", 1)}};
    struct order_commit commit;
    order_commit_init(&commit, LEVEL_DURABLE, 1);
    note(SPACE_HARD);
    ck_assert(!metadata_is_taken(METADATA_SET, 0));
    ck_assert(metadata_is_taken(METADATA_SET, 7));
    ck_assert(!job_is_taken(&commit.job));
    ck_assert(!job_is_taken(&(struct job){.kind = JOB_CREATE_CHAIN}));
    ck_assert(job_is_taken(&(struct job){.kind = JOB_PRUNE}));
    ck_assert(job_is_taken(&(struct job){.kind = JOB_ROLLBACK}));
    struct job deletes = {.kind = JOB_COMMIT, .metadata = operations, .metadata_count = 1};
    ck_assert(job_is_taken(&deletes));
    struct job sets = {.kind = JOB_COMMIT, .metadata = operations, .metadata_count = 2};
    ck_assert(!job_is_taken(&sets));
    note(SPACE_ENOUGH);
    ck_assert(job_is_taken(&commit.job));
}
END_TEST

/* The number that the refusal names, in MiB: so much free and it is taken again, and what was enough before the refusal is not. */
START_TEST(a_refusal_says_from_when_on_it_is_taken_again)
{
    enum space_state state = _i == 0 ? SPACE_SOFT : SPACE_HARD;
    struct metadata_operation operation = {.kind = METADATA_SET, .name = slice_of("n", 1)};
    struct failure failure = {.status = STATUS_OK};
    struct order_commit commit;
    uint64_t sequence, wanted_mib = 0, has_mib = 0;
    order_commit_init(&commit, LEVEL_DURABLE, 1);
    note(state);
    bool is_refused = state == SPACE_HARD
                          ? !order_admits(order_fixture.order, &commit.job, &failure)
                          : order_metadata(order_fixture.order, order_fixture.chain, &operation, 1, 0,
                                           order_fixture.now_us, &sequence, &failure) == ORDER_REFUSED;
    ck_assert(is_refused);
    const char *text = strstr(failure.text, ": ");
    ck_assert_msg(text != NULL && sscanf(text,
                                         ": %lu MiB are free for it on the file system of the data "
                                         "directory, and it is taken again from %lu on",
                                         &has_mib, &wanted_mib) == 2,
                  "%s", failure.text);
    struct space_look look = ample;
    look.held_bytes = look.reserve_bytes;
    look.free_bytes = (wanted_mib - 2) * MIB;
    order_note_space(order_fixture.order, &look, order_space_counted(order_fixture.order));
    ck_assert_int_ge(order_space_state(order_fixture.order), state);
    look.free_bytes = wanted_mib * MIB;
    order_note_space(order_fixture.order, &look, order_space_counted(order_fixture.order));
    ck_assert_int_lt(order_space_state(order_fixture.order), state);
}
END_TEST

/* What is free lies at the mark, where a write is refused that the look had not seen: health says it, and what gives space back hurries. */
START_TEST(what_was_refused_at_the_mark_is_a_state_until_more_is_free)
{
    static const uint8_t data[4096];
    struct space_look look = ample;
    struct order_commit commit;
    order_commit_init(&commit, LEVEL_DURABLE, 1);
    commit.block.data = slice_of(data, sizeof data);
    look.held_bytes = look.reserve_bytes;
    for (int state = SPACE_SOFT; state <= SPACE_HARD; state++) {
        uint64_t mark = state == SPACE_SOFT ? space_soft_mark(&look, 0) : space_hard_mark(&look, 0);
        look.free_bytes = mark;
        order_note_space(order_fixture.order, &look, order_space_counted(order_fixture.order));
        ck_assert_int_eq(order_space_state(order_fixture.order), state - 1);
        ck_assert(state == SPACE_SOFT ? !metadata_is_taken(METADATA_SET, 0) : !job_is_taken(&commit.job));
        for (int looks = 0; looks < 2; looks++) {
            order_note_space(order_fixture.order, &look, order_space_counted(order_fixture.order));
            ck_assert_int_eq(order_space_state(order_fixture.order), state);
        }
        look.free_bytes = mark + look.log_bytes;
        order_note_space(order_fixture.order, &look, order_space_counted(order_fixture.order));
        ck_assert_int_eq(order_space_state(order_fixture.order), state - 1);
    }
}
END_TEST

START_TEST(an_engine_that_only_reads_is_given_nothing)
{
    struct order_commit commit;
    struct space_look look = ample;
    order_commit_init(&commit, LEVEL_DURABLE, 1);
    look.is_read_only = true;
    order_note_space(order_fixture.order, &look, order_space_counted(order_fixture.order));
    ck_assert_int_eq(order_space_state(order_fixture.order), SPACE_NONE);
    ck_assert(!metadata_is_taken(METADATA_SET, 0));
    ck_assert(!metadata_is_taken(METADATA_DELETE, 0));
    ck_assert(!metadata_is_taken(METADATA_SET, 7));
    ck_assert(!job_is_taken(&commit.job));
    ck_assert(!job_is_taken(&(struct job){.kind = JOB_PRUNE}));
    ck_assert(!job_is_taken(&(struct job){.kind = JOB_ROLLBACK}));
}
END_TEST

START_TEST(a_burst_between_two_looks_is_refused_in_time_and_taken_again_behind_the_next)
{
    static const uint8_t data[MIB];
    struct space_look look = ample;
    look.held_bytes = look.reserve_bytes;
    look.free_bytes = 40 * MIB;
    order_note_space(order_fixture.order, &look, order_space_counted(order_fixture.order));
    struct order_commit commits[40];
    unsigned taken = 0;
    for (; taken < 40; taken++) {
        order_commit_init(&commits[taken], LEVEL_WRITTEN, taken + 1);
        commits[taken].block.data = slice_of(data, sizeof data);
        if (!job_is_taken(&commits[taken].job)) {
            break;
        }
        order_commit_submit(&commits[taken], false);
    }
    ck_assert_uint_gt(taken, 0);
    ck_assert_uint_le(2 * taken * MIB + look.log_bytes,
                      look.free_bytes); /* the log and a table have them all */
    uint64_t in_flight = order_space_counted(order_fixture.order);
    ck_assert_uint_eq(in_flight, 0); /* none of it is written: a look now has seen none */
    order_fixture_settle();
    ck_assert_uint_gt(order_space_counted(order_fixture.order), taken * MIB);
    look.unflushed_bytes = taken * MIB;
    look.free_bytes = 100 * MIB;
    order_note_space(order_fixture.order, &look, order_space_counted(order_fixture.order));
    ck_assert(job_is_taken(&commits[taken].job));
}
END_TEST

/* Once what is queued finds no room, whatever else is queued would only wait, for as long as the disk is full. */
START_TEST(while_what_is_queued_finds_no_room_nothing_joins_it)
{
    struct order_commit commit;
    order_commit_init(&commit, LEVEL_WRITTEN, 1);
    note(SPACE_HARD);
    ck_assert(metadata_is_taken(METADATA_DELETE, 0));
    ck_assert(!order_queue_lacks_room(order_fixture.order));
    for (int i = 0; i < 2; i++) { /* it stays so while it is tried again in vain */
        fake_disk_fault(order_fixture.disk, FAKE_WRITE, FAKE_FAILS, 1);
        order_fixture.now_us += 2 * SCHEDULE_REFUSED_GROUP_PAUSE_US;
        (void)order_fixture_iterate();
        order_fixture_step_until_idle();
        (void)order_fixture_iterate();
        ck_assert(order_queue_lacks_room(order_fixture.order));
        uint64_t refused = metrics_get(METRIC_SPACE_REFUSED);
        ck_assert(!metadata_is_taken(METADATA_DELETE, 0));
        ck_assert(!metadata_is_taken(METADATA_SET, 1)); /* re-sent */
        ck_assert_uint_eq(metrics_get(METRIC_SPACE_REFUSED), refused + 2);
        note(SPACE_ENOUGH); /* which is not what the writer finds */
        ck_assert(!metadata_is_taken(METADATA_SET, 0));
    }
    note(SPACE_HARD);
    commit.job.commit = (struct job_commit){0};
    ck_assert(job_is_taken(&commit.job)); /* the writer answers for it */
    order_fixture_settle();
    ck_assert(!order_queue_lacks_room(order_fixture.order));
    ck_assert(metadata_is_taken(METADATA_DELETE, 0));
}
END_TEST

/* A job that finds no room says nothing of what is queued: it may be larger. */
START_TEST(a_job_that_finds_no_room_keeps_no_metadata_out)
{
    struct order_commit commit;
    order_commit_init(&commit, LEVEL_WRITTEN, 1);
    fake_disk_fault(order_fixture.disk, FAKE_WRITE, FAKE_FAILS, 1);
    order_commit_submit(&commit, false);
    order_fixture_settle();
    ck_assert(commit.is_done && commit.job.status == STATUS_NO_SPACE);
    ck_assert(metadata_is_taken(METADATA_SET, 0));
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("order_space", 60, &tests);
    tcase_add_checked_fixture(tests, order_fixture_open, order_fixture_close);
    tcase_add_test(tests, nothing_is_refused_before_the_first_look);
    tcase_add_test(tests, below_the_soft_mark_metadata_is_refused_and_commits_are_taken);
    tcase_add_test(tests, below_the_hard_mark_only_what_deletes_is_taken);
    tcase_add_loop_test(tests, a_refusal_says_from_when_on_it_is_taken_again, 0, 2);
    tcase_add_test(tests, what_was_refused_at_the_mark_is_a_state_until_more_is_free);
    tcase_add_test(tests, an_engine_that_only_reads_is_given_nothing);
    tcase_add_test(tests, a_burst_between_two_looks_is_refused_in_time_and_taken_again_behind_the_next);
    tcase_add_test(tests, while_what_is_queued_finds_no_room_nothing_joins_it);
    tcase_add_test(tests, a_job_that_finds_no_room_keeps_no_metadata_out);
    return suite_run(suite, false);
}
