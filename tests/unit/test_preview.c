/* Preview: it says of a prune or a rollback what that then does, over what is stored and queued, and what it meets that is damaged. That it
 * agrees with the writer on whatever comes is test_apply_model's. */
#include <check.h>
#include <stdio.h>

#include "daemon/read/preview.h"
#include "tests/lib/applied.h"
#include "tests/lib/failing/failing.h"
#include "tests/lib/suite.h"

static struct slice text(const char *string)
{
    return applied_text(string);
}

START_TEST(it_says_what_the_rollback_then_does_and_changes_nothing)
{
    applied_ten();
    applied_queue(2, applied_set("m9", text("other chain"), 9));
    applied_queue(1, applied_set("queued", text("v"), 9));
    applied_queue(1, applied_set("m10", text("free"), 0));
    applied_queue(1, applied_delete("m9"));
    applied_queue(1, applied_raise("m8", 5)); /* which unbinds it */
    applied_queue(1, applied_set("final", applied_number(9), 8));
    uint64_t before = applied_digest(), queued = applied_queued();
    struct job_guard guards[] = {
        {text("final"), true, false}, {text("final"), true, false}, {text("absent"), false, false}};
    struct job job = applied_rollback_to(6);
    job.rollback.guards = guards;
    job.rollback.guard_count = 3;
    ck_assert_int_eq(applied_preview(&job), STATUS_OK);
    applied_assert_rolled_back(&job, 4, 4, 2, 1); /* "m7" and "queued" */
    ck_assert_uint_eq(applied_digest(), before);
    ck_assert_uint_eq(applied_queued(), queued);
    job.carry_through = applied_carry();
    ck_assert_int_eq(applied_job(&job), STATUS_OK);
    applied_assert_rolled_back(&job, 4, 4, 2, 1);
}
END_TEST

START_TEST(it_says_what_a_prune_drops_and_changes_nothing)
{
    applied_ten();
    applied_queue(1, applied_set("queued", text("v"), 4));
    applied_queue(1, applied_set("m3", text("free"), 0));
    applied_queue(1, applied_set("m9", text("v"), 2));
    uint64_t before = applied_digest(), queued = applied_queued();
    struct job job = {
        .kind = JOB_PRUNE,
        .chain = 1,
        .prune = {.has_blocks = true, .blocks_through = 4, .has_states = true, .states_through = 6},
    };
    ck_assert_int_eq(applied_preview(&job), STATUS_OK);
    applied_assert_rolled_back(&job, 4, 6, 5, 0); /* "m1", "m2", "m4", "queued" and "m9" */
    ck_assert_uint_eq(applied_digest(), before);
    ck_assert_uint_eq(applied_queued(), queued);
    job.carry_through = applied_carry();
    ck_assert_int_eq(applied_job(&job), STATUS_OK);
    ck_assert_int_eq(applied_preview(&job), STATUS_OK); /* swept or not, it has gone */
    applied_assert_rolled_back(&job, 0, 0, 0, 0);
    job.prune.has_blocks = false;
    job.prune.states_through = 7;
    ck_assert_int_eq(applied_preview(&job), STATUS_OK);
    applied_assert_rolled_back(&job, 0, 1, 0, 0);
}
END_TEST

START_TEST(a_prune_is_refused_as_the_writer_refuses_it)
{
    applied_ten();
    struct job_prune prunes[] = {{.has_blocks = true, .blocks_through = 11},
                                 {.has_states = true, .states_through = 10}};
    for (size_t i = 0; i < 2; i++) {
        struct job dry = {.kind = JOB_PRUNE, .chain = 1, .prune = prunes[i]}, real = dry;
        ck_assert_int_eq(applied_preview(&dry), STATUS_CONFLICT);
        ck_assert_int_eq(applied_job(&real), STATUS_CONFLICT);
        ck_assert_str_eq(dry.failure.text, real.failure.text);
    }
}
END_TEST

START_TEST(a_name_that_was_bound_again_counts_once)
{
    applied_ten();
    for (uint64_t height = 7; height <= 10; height++) {
        applied_queue(1, applied_set("moves", text("v"), height));
        applied_groups();
    }
    applied_queue(1, applied_set("came down", text("v"), 9));
    applied_groups();
    applied_queue(1, applied_set("came down", text("v"), 3));
    applied_groups();
    struct job job = applied_rollback_to(6);
    ck_assert_int_eq(applied_preview(&job), STATUS_OK);
    applied_assert_rolled_back(&job, 4, 4, 5, 0);
    ck_assert_int_eq(applied_job(&job), STATUS_OK);
    applied_assert_rolled_back(&job, 4, 4, 5, 0);
}
END_TEST

START_TEST(what_stands_against_it_is_said_as_the_writer_says_it)
{
    applied_ten();
    struct job_guard guard = {text("final"), false, false};
    applied_queue(1, applied_set("final", applied_number(8), 0)); /* queued, it counts all the same */
    for (uint64_t to = 0; to <= 12; to++) {
        struct job dry = applied_rollback_to(to), real = applied_rollback_to(to);
        dry.rollback.guards = real.rollback.guards = &guard;
        dry.rollback.guard_count = real.rollback.guard_count = 1;
        real.carry_through = applied_carry();
        enum status status = applied_preview(&dry);
        ck_assert_int_eq(status == STATUS_OK, to >= 8 && to <= 10);
        if (status != STATUS_OK) {
            ck_assert_int_eq(applied_job(&real), status);
            ck_assert_str_eq(dry.failure.text, real.failure.text);
        }
    }
    applied_queue(1, applied_set("final", text("7 bytes"), 0));
    struct job job = applied_rollback_to(9);
    job.rollback.guards = &guard;
    job.rollback.guard_count = 1;
    ck_assert_int_eq(applied_preview(&job), STATUS_INVALID);
}
END_TEST

START_TEST(more_than_a_step_reads_is_counted_whole)
{
    enum { HEIGHTS = 5000 };
    static struct job_block blocks[HEIGHTS];
    static struct job_state states[HEIGHTS];
    for (uint64_t i = 0; i < HEIGHTS; i++) {
        blocks[i] = (struct job_block){.height = i + 1, .header = text("header")};
        states[i] = (struct job_state){i + 1, text("state")};
    }
    applied_commit((struct job_commit){.blocks = blocks,
                                       .block_count = HEIGHTS,
                                       .states = states,
                                       .state_count = HEIGHTS,
                                       .rise_to = HEIGHTS});
    struct job job = applied_rollback_to(1);
    ck_assert_int_eq(applied_preview(&job), STATUS_OK);
    applied_assert_rolled_back(&job, HEIGHTS - 1, HEIGHTS - 1, 0, 0);
    preview_free(NULL);
}
END_TEST

static const struct {
    enum key_kind kind;
    size_t key_bytes; /* 0: a key as it is to be */
    const char *says;
} damages[] = {
    {KEY_BOUND, KEY_BYTES_MAX + 1, "bound name's key"},
    {KEY_HEADER, KEY_BYTES_MAX + 1, "header record"},
    {KEY_HEADER, 0, "header record"},
};

static void expect_damaged(struct job *job, const char *says)
{
    ck_assert_int_eq(applied_preview(job), STATUS_DAMAGED);
    ck_assert_msg(strstr(job->failure.text, says) != NULL, "%s", job->failure.text);
}

START_TEST(what_cannot_be_understood_is_damage_and_no_count)
{
    applied_ten();
    struct job job = applied_rollback_to(6);
    applied_put_bad(key_of_height(1, damages[_i].kind, 8), damages[_i].key_bytes);
    expect_damaged(&job, damages[_i].says);
}
END_TEST

/* Of a guard, of a name that is bound, and of one that the queue raises. */
START_TEST(metadata_that_cannot_be_understood_is_damage_and_no_count)
{
    struct job_guard guard = {text("m8"), false, false};
    applied_ten();
    applied_put_bad(key_of_name(1, KEY_METADATA, text(_i == 2 ? "m2" : "m8")), 0);
    struct job job = applied_rollback_to(6);
    if (_i == 0) {
        job.rollback.guards = &guard;
        job.rollback.guard_count = 1;
    } else if (_i == 2) {
        applied_queue(1, applied_raise("m2", 5));
    }
    expect_damaged(&job, "metadata record");
}
END_TEST

/* At each place where a copy of names, or the room for guards, is allocated. Names are longer than what else is. */
START_TEST(without_memory_for_its_names_it_is_busy)
{
    enum { NAMES = 40, GUARDS = 100, NAME_BYTES = 1000 };
    static char names[NAMES][NAME_BYTES + 1];
    static struct job_guard guards[GUARDS];
    applied_ten();
    for (unsigned i = 0; i < NAMES; i++) {
        snprintf(names[i], sizeof names[i], "%0*u", NAME_BYTES, i);
        applied_queue(1, applied_set(names[i], text("v"), 9));
    }
    for (unsigned i = 0; i < GUARDS; i++) {
        guards[i] = (struct job_guard){.name = text("absent")};
    }
    struct job job = applied_rollback_to(6);
    job.rollback.guards = guards;
    job.rollback.guard_count = GUARDS;
    unsigned points = 0;
    enum status status;
    do {
        failing_plan_malloc(++points, NAME_BYTES);
        status = applied_preview(&job); /* it asserts that no value is held behind it */
        ck_assert_int_eq(status, failing_end() ? STATUS_BUSY : STATUS_OK);
    } while (status != STATUS_OK);
    ck_assert_uint_gt(points, NAMES + 1);
    applied_assert_rolled_back(&job, 4, 4, 4 + NAMES, 0);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("preview", 60, &tests);
    tcase_add_checked_fixture(tests, applied_open, applied_close);
    tcase_add_test(tests, it_says_what_the_rollback_then_does_and_changes_nothing);
    tcase_add_test(tests, it_says_what_a_prune_drops_and_changes_nothing);
    tcase_add_test(tests, a_prune_is_refused_as_the_writer_refuses_it);
    tcase_add_test(tests, a_name_that_was_bound_again_counts_once);
    tcase_add_test(tests, what_stands_against_it_is_said_as_the_writer_says_it);
    tcase_add_test(tests, without_memory_for_its_names_it_is_busy);
    tcase_add_test(tests, more_than_a_step_reads_is_counted_whole);
    tcase_add_loop_test(tests, what_cannot_be_understood_is_damage_and_no_count, 0,
                        sizeof damages / sizeof damages[0]);
    tcase_add_loop_test(tests, metadata_that_cannot_be_understood_is_damage_and_no_count, 0, 3);
    return suite_run(suite, true);
}
