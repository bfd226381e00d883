/* The marks: what is refused begins in time, ends with a little margin, and does not depend on whether the reserve is set aside. */
#include <check.h>

#include "daemon/order/space.h"
#include "tests/lib/random.h"
#include "tests/lib/suite.h"

#define MIB (UINT64_C(1) << 20)

enum { ROUNDS = 20000 };

static struct space_look look_of(uint64_t free_mib)
{
    return (struct space_look){
        .free_bytes = free_mib * MIB,
        .held_bytes = 200 * MIB,
        .reserve_bytes = 200 * MIB,
        .unflushed_bytes = 60 * MIB,
        .log_bytes = 70 * MIB,
        .compaction_bytes = 100 * MIB,
        .queue_bytes_max = 32 * MIB,
    };
}

static struct space_look random_look(struct random_source *random)
{
    struct space_look look = look_of(random_below(random, 2000));
    look.reserve_bytes = random_below(random, 300) * MIB;
    look.held_bytes = random_below(random, look.reserve_bytes + 1);
    look.unflushed_bytes = random_below(random, 300) * MIB;
    look.compaction_bytes = random_below(random, 1000) * MIB;
    return look;
}

START_TEST(less_space_never_takes_more)
{
    struct random_source random = random_from(random_seed("space"));
    for (int i = 0; i < ROUNDS; i++) {
        struct space_look look = random_look(&random), less = look;
        uint64_t pending = random_below(&random, 200 * MIB);
        enum space_state before = (enum space_state)random_below(&random, 3);
        less.free_bytes -= random_below(&random, less.free_bytes + 1);
        ck_assert_int_ge(space_judge(&less, pending, before), space_judge(&look, pending, before));
        ck_assert_int_ge(space_judge(&look, pending + MIB, before), space_judge(&look, pending, before));
        ck_assert_int_ge(space_judge(&look, pending, SPACE_HARD), space_judge(&look, pending, SPACE_ENOUGH));
    }
}
END_TEST

START_TEST(a_compaction_finds_room_while_metadata_is_taken_and_does_not_where_commits_are_refused)
{
    struct random_source random = random_from(random_seed("space"));
    for (int i = 0; i < ROUNDS; i++) {
        struct space_look look = random_look(&random), less = look;
        bool before = random_chance(&random, 50);
        enum space_state state = space_judge(&look, 0, SPACE_ENOUGH);
        less.free_bytes -= random_below(&random, less.free_bytes + 1);
        ck_assert(state != SPACE_ENOUGH || !space_is_tight(&look, false));
        ck_assert(state != SPACE_HARD || space_is_tight(&look, false));
        ck_assert(space_is_tight(&less, before) || !space_is_tight(&look, before));
        ck_assert(space_is_tight(&look, true) || !space_is_tight(&look, false)); /* it ends with a margin */
    }
    struct space_look unknown = {.free_bytes = UINT64_MAX};
    ck_assert(!space_is_tight(&unknown, true));
}
END_TEST

START_TEST(within_what_is_spare_it_stays_enough)
{
    struct random_source random = random_from(random_seed("space"));
    uint64_t spare_looks = 0;
    for (int i = 0; i < ROUNDS; i++) {
        struct space_look look = random_look(&random);
        uint64_t spare = space_spare(&look);
        spare_looks += spare > 0;
        if (spare > 0) {
            uint64_t pending = random_below(&random, spare);
            ck_assert_int_eq(space_judge(&look, pending, SPACE_ENOUGH), SPACE_ENOUGH);
        }
        look.is_read_only = true;
        ck_assert_uint_eq(space_spare(&look), 0);
    }
    ck_assert_uint_gt(spare_looks, ROUNDS / 10);
}
END_TEST

START_TEST(what_is_taken_finds_room_beside_the_reserve)
{
    struct random_source random = random_from(random_seed("space"));
    for (int i = 0; i < ROUNDS; i++) {
        struct space_look look = random_look(&random);
        uint64_t pending = random_below(&random, 200 * MIB);
        enum space_state state = space_judge(&look, pending, SPACE_ENOUGH);
        uint64_t all = look.free_bytes + look.held_bytes;
        uint64_t taken = look.unflushed_bytes + 2 * pending + look.log_bytes;
        if (state != SPACE_HARD) {
            ck_assert_uint_ge(all, look.reserve_bytes + taken);
        }
        if (state == SPACE_ENOUGH) {
            ck_assert_uint_ge(all, look.reserve_bytes + taken + look.compaction_bytes);
        }
    }
}
END_TEST

START_TEST(setting_the_reserve_aside_changes_nothing)
{
    struct random_source random = random_from(random_seed("space"));
    for (int i = 0; i < ROUNDS; i++) {
        struct space_look before = random_look(&random), after = before;
        uint64_t lacking = before.reserve_bytes - before.held_bytes;
        uint64_t moved = lacking < before.free_bytes ? lacking : before.free_bytes;
        after.free_bytes -= moved;
        after.held_bytes += moved;
        ck_assert_int_eq(space_judge(&before, 0, SPACE_ENOUGH), space_judge(&after, 0, SPACE_ENOUGH));
    }
}
END_TEST

START_TEST(a_state_is_left_by_half_a_log_more_than_it_was_entered)
{
    struct space_look look = look_of(0);
    look.free_bytes = space_hard_mark(&look, 0);
    ck_assert_int_eq(space_judge(&look, 0, SPACE_SOFT), SPACE_SOFT);
    ck_assert_int_eq(space_judge(&look, 0, SPACE_HARD), SPACE_HARD);
    look.free_bytes += look.log_bytes / 2;
    ck_assert_int_eq(space_judge(&look, 0, SPACE_HARD), SPACE_SOFT);
    look.free_bytes = space_soft_mark(&look, 0);
    ck_assert_int_eq(space_judge(&look, 0, SPACE_ENOUGH), SPACE_ENOUGH);
    ck_assert_int_eq(space_judge(&look, 0, SPACE_SOFT), SPACE_SOFT);
    look.free_bytes += look.log_bytes / 2;
    ck_assert_int_eq(space_judge(&look, 0, SPACE_SOFT), SPACE_ENOUGH);
}
END_TEST

START_TEST(without_files_nothing_is_free)
{
    struct space_look look = {.free_bytes = 1000 * MIB, .held_bytes = 10 * MIB, .log_bytes = MIB};
    ck_assert_int_eq(space_judge(&look, 0, SPACE_ENOUGH), SPACE_ENOUGH);
    look.lacks_files = true;
    ck_assert_uint_eq(space_free(&look), 0);
    ck_assert_uint_eq(space_spare(&look), 0);
    ck_assert_int_eq(space_judge(&look, 0, SPACE_ENOUGH), SPACE_HARD);
}
END_TEST

START_TEST(what_a_quota_leaves_is_judged_by_the_marks_too)
{
    struct space_look look = look_of(0);
    look.is_refused = true;
    ck_assert_int_eq(space_judge(&look, 0, SPACE_ENOUGH), SPACE_HARD);
    look.free_bytes = space_wanted(&look, 0, SPACE_HARD);
    ck_assert_int_eq(space_judge(&look, 0, SPACE_HARD), SPACE_SOFT);
    look.free_bytes = space_wanted(&look, 0, SPACE_SOFT);
    ck_assert_int_eq(space_judge(&look, 0, SPACE_SOFT), SPACE_ENOUGH);
}
END_TEST

START_TEST(what_is_not_known_refuses_nothing_and_sums_do_not_wrap)
{
    struct space_look look = look_of(0);
    look.free_bytes = UINT64_MAX;
    ck_assert_int_eq(space_judge(&look, UINT64_MAX, SPACE_HARD), SPACE_ENOUGH);
    look = look_of(100);
    ck_assert_int_eq(space_judge(&look, UINT64_MAX - 1, SPACE_ENOUGH), SPACE_HARD);
    look.held_bytes = UINT64_MAX;
    ck_assert_uint_eq(space_free(&look), UINT64_MAX - 200 * MIB);
    look.held_bytes = 0;
    ck_assert_uint_eq(space_free(&look), 0);
}
END_TEST

START_TEST(the_reserve_holds_a_queue_a_frame_and_two_logs_but_spares_small_disks)
{
    ck_assert_uint_eq(space_reserve_bytes(32 * MIB, 64 * MIB, 70 * MIB, 1000000 * MIB), 236 * MIB);
    ck_assert_uint_eq(space_reserve_bytes(32 * MIB, 64 * MIB, 70 * MIB, 0), 236 * MIB);
    ck_assert_uint_eq(space_reserve_bytes(32 * MIB, 64 * MIB, 4 * MIB, 256 * MIB), 32 * MIB);
    ck_assert_uint_eq(space_reserve_bytes(UINT64_MAX, 1, 1, 256 * MIB), 32 * MIB);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("space", 60, &tests);
    tcase_add_test(tests, less_space_never_takes_more);
    tcase_add_test(tests,
                   a_compaction_finds_room_while_metadata_is_taken_and_does_not_where_commits_are_refused);
    tcase_add_test(tests, within_what_is_spare_it_stays_enough);
    tcase_add_test(tests, what_is_taken_finds_room_beside_the_reserve);
    tcase_add_test(tests, setting_the_reserve_aside_changes_nothing);
    tcase_add_test(tests, a_state_is_left_by_half_a_log_more_than_it_was_entered);
    tcase_add_test(tests, without_files_nothing_is_free);
    tcase_add_test(tests, what_a_quota_leaves_is_judged_by_the_marks_too);
    tcase_add_test(tests, what_is_not_known_refuses_nothing_and_sums_do_not_wrap);
    tcase_add_test(tests, the_reserve_holds_a_queue_a_frame_and_two_logs_but_spares_small_disks);
    return suite_run(suite, false);
}
