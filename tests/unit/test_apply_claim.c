/* Claims and numbers in the writer: what lies on disk, what an epoch's number does over batches and restarts, and that what is refused
 * leaves no trace. */
#include <check.h>

#include "tests/lib/applied.h"
#include "tests/lib/suite.h"

static struct job numbered(uint64_t number)
{
    struct job job = {.kind = JOB_COMMIT, .chain = 1, .number = number, .commit = {.rise_to = number}};
    return job;
}

static uint64_t last_number(struct epoch epoch)
{
    struct epoch_record record;
    ck_assert(applied_epoch(1, epoch.sequence, &record));
    ck_assert_uint_eq(record.random, epoch.random);
    return record.last_number;
}

static void assert_applied(uint64_t number)
{
    struct job job = numbered(number);
    ck_assert_msg(applied_job(&job) == STATUS_OK && !job.is_repeated, "%s", job.failure.text);
}

static void assert_repeated(struct job job)
{
    uint64_t before = applied_digest();
    ck_assert_int_eq(applied_job(&job), STATUS_OK);
    ck_assert(job.is_repeated);
    ck_assert_uint_eq(applied_digest(), before);
}

static void assert_refused(struct job job, enum conflict_reason reason)
{
    uint64_t before = applied_digest();
    ck_assert_int_eq(applied_job(&job), STATUS_CONFLICT);
    ck_assert_int_eq(job.failure.reason, reason);
    ck_assert_uint_eq(applied_digest(), before);
}

static struct job_present present(struct epoch epoch)
{
    struct job job = {.kind = JOB_PRESENT, .chain = 1, .present = {.epoch = epoch}};
    ck_assert_int_eq(applied_job(&job), STATUS_OK);
    return job.present;
}

START_TEST(a_claim_replaces_the_one_before_and_each_keeps_its_epoch)
{
    struct claim_record claim;
    struct epoch first = applied_claim(1, 11);
    assert_applied(1);
    assert_applied(2);
    struct epoch second = applied_claim(1, 22);
    assert_applied(1);
    for (int i = 0; i < 2; i++) {
        ck_assert(applied_last_claim(1, &claim) && epoch_equal(claim.epoch, second));
        ck_assert(claim.released == 0 && claim.uid == 1 && claim.pid == 2);
        ck_assert(slice_equal(claim.name, applied_text("node")));
        ck_assert_uint_eq(last_number(first), 2);
        ck_assert_uint_eq(last_number(second), 1);
        ck_assert(!applied_last_claim(2, &claim));
        applied_restart();
    }
}
END_TEST

START_TEST(a_release_is_noted_and_releasing_nothing_writes_nothing)
{
    struct epoch epoch = applied_claim(1, 11);
    struct claim_record claim;
    struct job release = {.kind = JOB_RELEASE, .chain = 1};
    ck_assert(applied_last_claim(1, &release.claim));
    release.claim.name = applied_text("node");
    release.claim.released = 99;
    ck_assert_int_eq(applied_job(&release), STATUS_OK);
    ck_assert(applied_last_claim(1, &claim) && epoch_equal(claim.epoch, epoch) && claim.released == 99);
    uint64_t before = applied_digest();
    struct job none = {.kind = JOB_RELEASE, .chain = 2};
    ck_assert_int_eq(applied_job(&none), STATUS_OK);
    ck_assert_uint_eq(applied_digest(), before);
}
END_TEST

START_TEST(a_number_is_applied_once_in_its_place_and_over_restarts)
{
    struct epoch epoch = applied_claim(1, 11);
    assert_refused(numbered(2), REASON_NUMBER);
    for (uint64_t number = 1; number <= 4; number++) {
        assert_applied(number);
        if (number == 2) {
            applied_restart();
        }
        for (uint64_t before = 1; before <= number; before++) {
            assert_repeated(numbered(before));
        }
        assert_refused(numbered(number + 2), REASON_NUMBER);
        ck_assert_uint_eq(last_number(epoch), number);
    }
    ck_assert_uint_eq(applied_marks(1).height, 4);
}
END_TEST

START_TEST(a_repeated_one_is_judged_by_nothing_else)
{
    (void)applied_claim(1, 11);
    assert_applied(1);
    struct job job = numbered(1);
    job.commit.has_expected_height = true;
    job.commit.expected_height = 77;
    assert_repeated(job);
    job = (struct job){.kind = JOB_ROLLBACK, .chain = 1, .number = 1, .rollback = {.to = 99}};
    assert_repeated(job);
    job = (struct job){
        .kind = JOB_PRUNE, .chain = 1, .number = 1, .prune = {.has_blocks = true, .blocks_through = 99}};
    assert_repeated(job);
}
END_TEST

START_TEST(a_refused_one_leaves_its_number_to_nobody_behind_it)
{
    (void)applied_claim(1, 11);
    struct job refused = numbered(1);
    refused.commit.has_expected_height = true;
    refused.commit.expected_height = 77;
    assert_refused(refused, REASON_HEIGHT);
    assert_refused(numbered(2), REASON_NUMBER);
    assert_applied(1);
    struct job prune = {
        .kind = JOB_PRUNE, .chain = 1, .number = 2, .prune = {.has_blocks = true, .blocks_through = 9}};
    assert_refused(prune, REASON_HEIGHT);
    prune.prune.blocks_through = 1;
    ck_assert_int_eq(applied_job(&prune), STATUS_OK);
    assert_applied(3);
}
END_TEST

START_TEST(numbers_of_one_batch_are_judged_one_after_the_other)
{
    struct epoch epoch = applied_claim(1, 11);
    struct job jobs[] = {numbered(1), numbered(3), numbered(2), numbered(2), numbered(3)};
    applied_begin_batch();
    for (size_t i = 0; i < sizeof jobs / sizeof jobs[0]; i++) {
        ck_assert_int_eq(applied_job(&jobs[i]), i == 1 ? STATUS_CONFLICT : STATUS_OK);
        ck_assert(jobs[i].is_repeated == (i == 3));
    }
    struct job asked = {.kind = JOB_PRESENT, .chain = 1, .present = {.epoch = epoch}};
    ck_assert_int_eq(applied_job(&asked), STATUS_OK);
    ck_assert_uint_eq(asked.present.last_number, 3); /* as of its place, though nothing is written */
    applied_write_batch();
    ck_assert_uint_eq(last_number(epoch), 3);
}
END_TEST

START_TEST(a_repeated_one_still_takes_along_what_it_carries)
{
    (void)applied_claim(1, 11);
    assert_applied(1);
    applied_queue(1, applied_set("queued", applied_text("v"), 0));
    struct job job = numbered(1);
    job.carry_through = applied_carry();
    ck_assert_int_eq(applied_job(&job), STATUS_OK);
    ck_assert(job.is_repeated);
    applied_assert_metadata(1, "queued", applied_text("v"), 0);
    ck_assert_uint_eq(applied_queued(), 0);
}
END_TEST

START_TEST(who_presents_is_told_how_far_each_epoch_has_come)
{
    struct epoch first = applied_claim(1, 11);
    assert_applied(1);
    struct epoch second = applied_claim(1, 22);
    applied_restart();
    ck_assert(present(first).is_known && present(first).last_number == 1);
    ck_assert(present(second).is_known && present(second).last_number == 0);
    first.random++; /* that of another store, whose claim has the same number */
    ck_assert(!present(first).is_known);
    first.sequence = UINT64_MAX;
    ck_assert(!present(first).is_known);
}
END_TEST

START_TEST(an_epochs_record_that_cannot_be_understood_fails_the_one_that_needs_it)
{
    struct epoch epoch = {77, 11};
    applied_put_bad(key_of_height(1, KEY_EPOCH, epoch.sequence), 0);
    struct job job = {.kind = JOB_PRESENT, .present = {.epoch = epoch}};
    applied_assert_damaged(&job, "epoch");
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("apply_claim", 60, &tests);
    tcase_add_checked_fixture(tests, applied_open, applied_close);
    tcase_add_test(tests, a_claim_replaces_the_one_before_and_each_keeps_its_epoch);
    tcase_add_test(tests, a_release_is_noted_and_releasing_nothing_writes_nothing);
    tcase_add_test(tests, a_number_is_applied_once_in_its_place_and_over_restarts);
    tcase_add_test(tests, a_repeated_one_is_judged_by_nothing_else);
    tcase_add_test(tests, a_refused_one_leaves_its_number_to_nobody_behind_it);
    tcase_add_test(tests, numbers_of_one_batch_are_judged_one_after_the_other);
    tcase_add_test(tests, a_repeated_one_still_takes_along_what_it_carries);
    tcase_add_test(tests, who_presents_is_told_how_far_each_epoch_has_come);
    tcase_add_test(tests, an_epochs_record_that_cannot_be_understood_fails_the_one_that_needs_it);
    return suite_run(suite, true);
}
