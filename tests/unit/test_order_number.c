/* Numbers: each is one above the last, none is given twice over any row of runs, and more are reserved in time. */
#include <check.h>
#include <stdlib.h>

#include "tests/lib/order_fixture.h"
#include "tests/lib/random.h"
#include "tests/lib/suite.h"

/* As if so many numbers had been given by now. Nothing is under way. */
static void skip_to_half_of_the_reserve(void)
{
    order_fixture.order->sequence = order_fixture.order->reserved_through - ORDER_RESERVE / 2;
    order_fixture.order->durable_through = order_fixture.order->sequence;
}

static uint64_t reserved_on_disk(void)
{
    struct failure failure;
    struct key key = key_of_kind(0, KEY_SEQUENCE);
    struct engine_value value = {0};
    ck_assert_int_eq(
        engine_get(order_fixture.engine, NULL, ENGINE_MAY_BLOCK, key_slice(&key), &value, &failure),
        ENGINE_OK);
    uint64_t number = record_get_u64(value.bytes.data);
    engine_value_release(&value);
    return number;
}

START_TEST(both_lanes_take_their_numbers_from_one_row)
{
    struct order_commit commit;
    uint64_t first = order_fixture_set('a', "value");
    order_commit_init(&commit, LEVEL_DURABLE, 1);
    order_commit_submit(&commit, false);
    ck_assert_uint_eq(commit.job.sequence, first + 1);
    ck_assert_uint_eq(order_fixture_set('a', "value"), first + 2);
    ck_assert_uint_eq(order_sequence(order_fixture.order), first + 2);
    order_fixture_settle();
}
END_TEST

START_TEST(what_is_written_ends_before_the_oldest_that_is_under_way_in_either_lane)
{
    struct order_commit commit;
    uint64_t first = order_fixture_set('a', "value");
    order_commit_init(&commit, LEVEL_DURABLE, 1);
    order_commit_submit(&commit, false);
    ck_assert_uint_eq(order_written_through(order_fixture.order), first - 1);
    order_fixture_step_until_idle(); /* the commit goes first */
    (void)order_fixture_iterate();
    ck_assert(commit.is_done);
    ck_assert_uint_eq(order_written_through(order_fixture.order), first - 1);
    order_fixture_settle();
    ck_assert_uint_eq(order_written_through(order_fixture.order), commit.job.sequence);
}
END_TEST

START_TEST(more_numbers_are_reserved_when_half_are_given_and_none_waits_for_them)
{
    uint64_t before = order_fixture.order->reserved_through;
    skip_to_half_of_the_reserve();
    (void)order_fixture_set('a', "value");
    ck_assert(!order_fixture.order->reserving);
    uint64_t last = order_fixture_set('b', "value");
    ck_assert_uint_eq(last, order_sequence(order_fixture.order));
    ck_assert(order_fixture.order->reserving);
    order_fixture_settle();
    ck_assert(!order_fixture.order->reserving);
    ck_assert_uint_eq(order_fixture.order->reserved_through, before + ORDER_RESERVE);
    ck_assert_uint_eq(reserved_on_disk(), before + ORDER_RESERVE);
    ck_assert_uint_eq(fake_disk_unsynced(order_fixture.disk) > 0,
                      order_durable_through(order_fixture.order) < last);
}
END_TEST

START_TEST(a_reservation_that_was_not_applied_is_asked_for_again)
{
    uint64_t before = order_fixture.order->reserved_through;
    skip_to_half_of_the_reserve();
    (void)order_fixture_set('a', "value");
    fake_disk_fault(order_fixture.disk, FAKE_WRITE, FAKE_FAILS, 1);
    (void)order_fixture_set('b', "value");
    order_fixture_settle();
    ck_assert(!order_fixture.order->reserving);
    ck_assert_uint_eq(order_fixture.order->reserved_through, before);
    (void)order_fixture_set('c', "value");
    ck_assert(order_fixture.order->reserving);
    order_fixture_settle();
    ck_assert_uint_eq(order_fixture.order->reserved_through, before + ORDER_RESERVE);
}
END_TEST

enum { RUNS = 40 };

START_TEST(no_number_is_given_twice_over_kills_cuts_and_stops)
{
    struct random_source random = random_from(random_seed("order_number"));
    uint64_t last = 0, last_run = 0;
    for (int run = 0; run < RUNS; run++) {
        ck_assert_uint_gt(order_run(order_fixture.order), last_run);
        last_run = order_run(order_fixture.order);
        if (random_chance(&random, 30)) {
            skip_to_half_of_the_reserve();
        }
        for (uint64_t i = random_below(&random, 10); i > 0; i--) {
            uint64_t sequence = order_fixture_set((char)('a' + (char)i), "value");
            ck_assert_uint_gt(sequence, last);
            last = sequence;
        }
        if (random_chance(&random, 70)) {
            (void)order_fixture_iterate();
            (void)order_fixture_step();
        }
        uint64_t end = random_below(&random, 3);
        if (end == 0) {
            fake_disk_kill(order_fixture.disk);
        } else if (end == 1) {
            fake_disk_cut(order_fixture.disk);
        }
        order_fixture_end_run();
        order_fixture_start_run();
    }
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("order_number", 20, &tests);
    tcase_add_checked_fixture(tests, order_fixture_open, order_fixture_close);
    tcase_add_test(tests, both_lanes_take_their_numbers_from_one_row);
    tcase_add_test(tests, what_is_written_ends_before_the_oldest_that_is_under_way_in_either_lane);
    tcase_add_test(tests, more_numbers_are_reserved_when_half_are_given_and_none_waits_for_them);
    tcase_add_test(tests, a_reservation_that_was_not_applied_is_asked_for_again);
    tcase_add_test(tests, no_number_is_given_twice_over_kills_cuts_and_stops);
    return suite_run(suite, true);
}
