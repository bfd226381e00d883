/* Numbers: each is one above the last, none is given twice over any row of runs, and more are reserved in time. */
#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/lib/order_fixture.h"
#include "tests/lib/random.h"
#include "tests/lib/suite.h"

/* As if so many numbers had been given by now. Nothing is under way. */
static void skip_to_half_of_the_reserve(void)
{
    order_fixture.order->sequence = order_fixture.order->reserved_through - NUMBERS_RESERVE / 2;
    order_fixture.order->durable_through = order_fixture.order->sequence;
}

static uint64_t reserved_on_disk(void)
{
    static struct numbers read;
    struct failure failure;
    const struct numbers_fixture *fixture = &order_fixture.numbers;
    ck_assert_int_eq(numbers_open(fixture->directory_fd, fixture->numbers.store_id, &read, &failure),
                     NUMBERS_OK);
    numbers_close(&read);
    return read.reserved_through;
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
    ck_assert_uint_eq(order_fixture.order->reserved_through, before + NUMBERS_RESERVE);
    ck_assert_uint_eq(reserved_on_disk(), before + NUMBERS_RESERVE);
}
END_TEST

/* A file that cannot be written is a disk that fails. */
START_TEST(a_reservation_that_fails_ends_writing)
{
    uint64_t before = order_fixture.order->reserved_through;
    skip_to_half_of_the_reserve();
    (void)order_fixture_set('a', "value");
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    ck_assert_int_ge(dup2(fd, order_fixture.numbers.numbers.file.fd), 0);
    close(fd);
    (void)order_fixture_set('b', "value");
    order_fixture_settle();
    ck_assert_ptr_nonnull(order_failure(order_fixture.order));
    ck_assert_ptr_nonnull(strstr(order_failure(order_fixture.order)->text, NUMBERS_NAME));
    ck_assert_uint_eq(order_fixture.order->reserved_through, before);
    ck_assert_uint_eq(reserved_on_disk(), before);
    ck_assert_int_eq(order_fixture_disk_value('b'), '\0');
}
END_TEST

/* What the database holds may be lost; what was given out stays given out, and the clients of the runs that are lost are told. */
START_TEST(no_number_and_no_run_is_given_twice_when_the_database_is_lost)
{
    for (uint64_t run = 1; run < 5; run++) {
        uint64_t last = order_fixture_set('a', "value");
        uint64_t random = order_run_random(order_fixture.order);
        order_fixture_settle();
        order_fixture_end_run();
        fake_disk_free(order_fixture.disk);
        order_fixture.disk = fake_disk_new("order-fixture", run);
        order_fixture_start_run();
        ck_assert_uint_eq(order_run(order_fixture.order), run + 1);
        ck_assert_uint_gt(order_fixture_set('a', "value"), last);
        ck_assert(!order_knows_run(order_fixture.order, run, random));
    }
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
    tcase_add_test(tests, a_reservation_that_fails_ends_writing);
    tcase_add_test(tests, no_number_and_no_run_is_given_twice_when_the_database_is_lost);
    tcase_add_test(tests, no_number_is_given_twice_over_kills_cuts_and_stops);
    return suite_run(suite, true);
}
