/* The numbers of a store: they only rise, outlive any one damage, and a file that is not the store's own is refused untouched. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/runtime/thread.h"
#include "daemon/schema/record.h"
#include "tests/lib/failing/failing.h"
#include "tests/lib/numbers_fixture.h"
#include "tests/lib/random.h"
#include "tests/lib/suite.h"

static struct numbers_fixture fixture;
static struct failure failure;

static void setup(void)
{
    numbers_fixture_open(&fixture, NULL);
}

static void teardown(void)
{
    numbers_fixture_close(&fixture);
}

static void begin_run(uint64_t metadata_on_disk, bool only_reads)
{
    ck_assert_msg(numbers_begin_run(&fixture.numbers, metadata_on_disk, only_reads, &failure), "%s",
                  failure.text);
}

static void begin(uint64_t metadata_on_disk)
{
    begin_run(metadata_on_disk, false);
}

static void reserve(uint64_t through)
{
    thread_set_role(THREAD_WRITER);
    ck_assert(numbers_reserve(&fixture.numbers, through, &failure));
}

START_TEST(runs_follow_on_one_another_behind_all_reserved_numbers_with_bits_of_their_own)
{
    uint64_t randoms[5] = {0};
    for (uint64_t run = 1; run < 5; run++) {
        uint64_t reserved = fixture.numbers.reserved_through;
        begin(run * 10);
        ck_assert_uint_eq(fixture.numbers.run, run);
        const struct numbers_run *begun = numbers_run(&fixture.numbers, run);
        ck_assert_uint_eq(begun->first_sequence, reserved + 1);
        ck_assert_uint_eq(begun->metadata_on_disk, run * 10);
        ck_assert_uint_gt(fixture.numbers.reserved_through, begun->first_sequence);
        randoms[run] = begun->random;
        for (uint64_t before = 0; before < run; before++) {
            ck_assert_uint_ne(randoms[before], randoms[run]);
        }
        if (run % 2 == 0) {
            reserve(fixture.numbers.reserved_through + 7);
        }
        static struct numbers held;
        held = fixture.numbers;
        numbers_fixture_reopen(&fixture);
        ck_assert_uint_eq(fixture.numbers.reserved_through, held.reserved_through);
        ck_assert_uint_eq(fixture.numbers.run, held.run);
        ck_assert_mem_eq(fixture.numbers.runs, held.runs, sizeof held.runs);
    }
    for (uint64_t run = 1; run < 5; run++) {
        ck_assert(numbers_knows_run(&fixture.numbers, run, randoms[run]));
        ck_assert(!numbers_knows_run(&fixture.numbers, run, randoms[run] ^ 1));
        ck_assert(!numbers_knows_run(&fixture.numbers, run + 1, randoms[run]));
    }
    ck_assert(!numbers_knows_run(&fixture.numbers, 0, 0));
}
END_TEST

START_TEST(runs_without_bits_are_remembered_and_known_to_nobody)
{
    static struct numbers old = {
        .run = 2, .reserved_through = 100, .runs = {[1] = {0, 1, 0}, [2] = {0, 50, 7}}};
    numbers_fixture_close(&fixture);
    numbers_fixture_open(&fixture, &old);
    ck_assert_uint_eq(numbers_run(&fixture.numbers, 2)->metadata_on_disk, 7);
    ck_assert(!numbers_knows_run(&fixture.numbers, 2, 0));
    begin(8);
    ck_assert_uint_eq(numbers_run(&fixture.numbers, 3)->first_sequence, 101);
}
END_TEST

START_TEST(runs_that_are_forgotten_are_known_to_nobody_from_the_next_run_on)
{
    uint64_t randoms[4] = {0};
    for (uint64_t run = 1; run < 4; run++) {
        begin(run);
        randoms[run] = numbers_run(&fixture.numbers, run)->random;
    }
    ck_assert(!numbers_forget_runs(&fixture.numbers, 3, true));
    ck_assert(numbers_knows_run(&fixture.numbers, 3, randoms[3]));
    ck_assert(numbers_forget_runs(&fixture.numbers, 1, true));
    ck_assert(!numbers_forget_runs(&fixture.numbers, 1, true));
    begin(4);
    numbers_fixture_reopen(&fixture);
    ck_assert(numbers_knows_run(&fixture.numbers, 1, randoms[1]));
    ck_assert(!numbers_knows_run(&fixture.numbers, 2, randoms[2]));
    ck_assert(!numbers_knows_run(&fixture.numbers, 3, randoms[3]));
    ck_assert(numbers_knows_run(&fixture.numbers, 4, numbers_run(&fixture.numbers, 4)->random));
    ck_assert_uint_eq(numbers_run(&fixture.numbers, 3)->metadata_on_disk, 3);
    ck_assert(numbers_forget_runs(&fixture.numbers, 0, true));
    ck_assert(!numbers_knows_run(&fixture.numbers, 1, randoms[1]));
}
END_TEST

/* As of a start on a full disk that finds nothing of what was synced, and of the next one that finds as little. */
START_TEST(a_run_that_only_read_is_remembered_if_its_clients_know_of_what_was_forgotten)
{
    uint64_t randoms[6] = {0};
    for (uint64_t run = 1; run < 6; run++) {
        if (run == 2) {
            ck_assert(numbers_forget_runs(&fixture.numbers, 0, true));
        }
        begin_run(run, run != 1 && run != 4);
        randoms[run] = numbers_run(&fixture.numbers, run)->random;
        numbers_fixture_reopen(&fixture);
        ck_assert_uint_eq(numbers_run(&fixture.numbers, run)->first_sequence,
                          (run - 1) * NUMBERS_RESERVE + 1);
    }
    ck_assert(numbers_forget_runs(&fixture.numbers, 0, true));
    static const bool are_known[] = {false, false, true, true, false, false}; /* 5 may have what 4 was told */
    for (uint64_t run = 1; run < 6; run++) {
        ck_assert_int_eq(numbers_knows_run(&fixture.numbers, run, randoms[run]), are_known[run]);
    }
    ck_assert(!numbers_forget_runs(&fixture.numbers, 0, true));
    ck_assert(!numbers_knows_run(&fixture.numbers, 5, randoms[5]));
    ck_assert(numbers_forget_runs(&fixture.numbers, 0,
                                  false)); /* what they were told as they read may be gone, too */
    ck_assert(!numbers_knows_run(&fixture.numbers, 2, randoms[2]));
    ck_assert(!numbers_knows_run(&fixture.numbers, 3, randoms[3]));
}
END_TEST

/* As of a client that came from the run that wrote by all of those that only read, and of the store's older copy that is put back then. */
START_TEST(runs_that_only_read_are_forgotten_also_if_the_run_that_wrote_is_too_long_ago)
{
    begin_run(1, false);
    for (int run = 0; run < NUMBERS_RUNS + 1; run++) {
        begin_run(1, true);
    }
    uint64_t last = fixture.numbers.run, random = numbers_run(&fixture.numbers, last)->random;
    ck_assert_ptr_null(numbers_run(&fixture.numbers, 1));
    numbers_fixture_reopen(&fixture);
    ck_assert(numbers_knows_run(&fixture.numbers, last, random));
    ck_assert(numbers_forget_runs(&fixture.numbers, 0, true));
    ck_assert(!numbers_knows_run(&fixture.numbers, last, random));
    begin_run(1, true); /* its clients know */
    random = numbers_run(&fixture.numbers, last + 1)->random;
    ck_assert(!numbers_forget_runs(&fixture.numbers, 0, true));
    ck_assert(numbers_knows_run(&fixture.numbers, last + 1, random));
}
END_TEST

START_TEST(a_run_that_is_too_long_ago_is_not_remembered)
{
    for (uint64_t run = 1; run <= NUMBERS_RUNS + 1; run++) {
        begin(run);
    }
    ck_assert_ptr_null(numbers_run(&fixture.numbers, 1));
    ck_assert_uint_eq(numbers_run(&fixture.numbers, 2)->metadata_on_disk, 2);
    ck_assert_ptr_null(numbers_run(&fixture.numbers, NUMBERS_RUNS + 2));
    ck_assert_ptr_null(numbers_run(&fixture.numbers, 0));
    ck_assert_ptr_null(numbers_run(&fixture.numbers, UINT64_MAX));
}
END_TEST

/* Any number of bytes of one copy. */
START_TEST(whatever_becomes_of_one_copy_the_numbers_are_whole)
{
    struct random_source random = random_from(random_seed("numbers"));
    const char *path = directory_path(&fixture.home, NUMBERS_NAME);
    struct stat status;
    ck_assert_int_eq(stat(path, &status), 0);
    size_t half = (size_t)status.st_size / 2;
    uint8_t *bytes = malloc(half);
    uint64_t reserved = 0;
    for (int i = 0; i < 100; i++) {
        begin(0);
        ck_assert_uint_gt(fixture.numbers.reserved_through, reserved);
        reserved = fixture.numbers.reserved_through;
        size_t n = 1 + random_below(&random, half);
        size_t at = random_below(&random, half - n + 1) + (random_chance(&random, 50) ? half : 0);
        random_fill(&random, bytes, n);
        int fd = open(path, O_WRONLY | O_CLOEXEC);
        ck_assert_int_eq(pwrite(fd, bytes, n, (off_t)at), (ssize_t)n);
        close(fd);
        numbers_fixture_reopen(&fixture);
        ck_assert_uint_eq(fixture.numbers.reserved_through, reserved);
        ck_assert_uint_eq(fixture.numbers.run, (uint64_t)i + 1);
    }
    free(bytes);
}
END_TEST

static void expect(enum numbers_result result, const char *text)
{
    static struct numbers read;
    unsigned long before = directory_digest(fixture.home.path);
    failure.text[0] = '\0';
    ck_assert_int_eq(numbers_open(fixture.directory_fd, fixture.numbers.store_id, &read, &failure), result);
    ck_assert_msg(strstr(failure.text, text) != NULL, "%s", failure.text);
    ck_assert_ptr_nonnull(strstr(failure.text, NUMBERS_NAME));
    ck_assert_int_eq(read.file.fd, -1);
    ck_assert_uint_eq(directory_digest(fixture.home.path), before);
}

START_TEST(what_is_not_the_stores_own_is_refused_untouched)
{
    const char *path = directory_path(&fixture.home, NUMBERS_NAME);
    fixture.numbers.store_id[0] ^= 1;
    expect(NUMBERS_DAMAGED, "it is of another store");
    ck_assert_int_eq(truncate(path, 100), 0);
    expect(NUMBERS_DAMAGED, "both of its copies are damaged");
    ck_assert_int_eq(unlink(path), 0);
    expect(NUMBERS_DAMAGED, "the file is gone");
    ck_assert_int_eq(symlink("elsewhere", path), 0);
    expect(NUMBERS_IO_ERROR, "cannot be opened and read");
}
END_TEST

START_TEST(numbers_that_were_never_given_are_refused)
{
    struct numbers *numbers = &fixture.numbers;
    begin(0);
    *(_i == 0 ? &numbers->run : &numbers->reserved_through) = NUMBERS_MAX + 1;
    record_put_u64(NUMBERS_MAX + 1, numbers->record + STORE_ID_BYTES + (_i == 0 ? 0 : 8));
    ck_assert_int_eq(mirrored_file_write(&numbers->file, numbers->record), MIRRORED_OK);
    expect(NUMBERS_DAMAGED, "its numbers were never given");
}
END_TEST

/* A file that the stamp does not know of is taken if a run has begun in it, and its numbers are as high as those that would be made. */
START_TEST(a_file_that_is_no_older_than_the_stamp_is_taken)
{
    static struct numbers made;
    static const struct {
        bool has_run, is_taken;
        uint64_t more; /* numbers that would be made, than the file has */
    } cases[] = {{false, false, 0}, {true, true, 0}, {true, false, 1}};
    for (size_t i = 0; i < 3; i++) {
        if (cases[i].has_run && fixture.numbers.run == 0) {
            begin(7);
        }
        uint64_t reserved = fixture.numbers.reserved_through + cases[i].more;
        made = (struct numbers){.file.fd = -1, .reserved_through = reserved};
        memcpy(made.store_id, fixture.numbers.store_id, STORE_ID_BYTES);
        ck_assert_int_eq(numbers_open_newer(fixture.directory_fd, &made), cases[i].is_taken);
        ck_assert_int_eq(made.file.fd >= 0, cases[i].is_taken);
        ck_assert_uint_eq(made.run, cases[i].is_taken ? 1 : 0);
        ck_assert_uint_eq(made.reserved_through, reserved);
        numbers_close(&made);
    }
}
END_TEST

START_TEST(a_run_without_random_bits_does_not_begin)
{
    failing_plan(FAILING_GETRANDOM, 1, ENOSYS);
    ck_assert(!numbers_begin_run(&fixture.numbers, 0, false, &failure));
    ck_assert(failing_end());
    ck_assert_ptr_nonnull(strstr(failure.text, "no random bits"));
    ck_assert_uint_eq(fixture.numbers.run, 0);
    begin(0);
    ck_assert_uint_eq(fixture.numbers.run, 1);
}
END_TEST

START_TEST(a_file_that_cannot_be_made_is_told)
{
    numbers_close(&fixture.numbers);
    failing_plan(FAILING_FSYNC, 1, ENOSPC);
    ck_assert_int_eq(numbers_make(fixture.directory_fd, &fixture.numbers, &failure), NUMBERS_IO_ERROR);
    ck_assert(failing_end());
    ck_assert_ptr_nonnull(strstr(failure.text, "cannot be made: "));
    ck_assert_int_eq(fixture.numbers.file.fd, -1);
}
END_TEST

START_TEST(a_write_that_fails_is_told)
{
    int fd = open("/dev/full", O_RDWR | O_CLOEXEC);
    ck_assert_int_ge(dup2(fd, fixture.numbers.file.fd), 0);
    close(fd);
    ck_assert(!numbers_begin_run(&fixture.numbers, 0, false, &failure));
    ck_assert_int_eq(failure.status, STATUS_IO_ERROR);
    ck_assert_ptr_nonnull(strstr(failure.text, strerror(ENOSPC)));
    ck_assert_ptr_nonnull(strstr(failure.text, "free some space")); /* nothing else starts it */
    numbers_fixture_reopen(&fixture);
    ck_assert_uint_eq(fixture.numbers.run, 0);
}
END_TEST

/* As where the file shares its blocks with a copy. */
START_TEST(an_overwrite_that_lacks_space_takes_that_of_the_reserve)
{
    struct reserve *reserve = reserve_open(fixture.directory_fd);
    ck_assert(reserve_set_aside(reserve, 1 << 20, 0));
    fixture.numbers.reserve = reserve;
    failing_plan(FAILING_PWRITE, 1, ENOSPC);
    begin(0);
    ck_assert(failing_end());
    ck_assert_uint_eq(reserve_held_bytes(reserve), 0);
    failing_plan(FAILING_PWRITE, 1, ENOSPC); /* nothing is left of it */
    ck_assert(!numbers_begin_run(&fixture.numbers, 0, false, &failure));
    ck_assert(failing_end());
    numbers_fixture_reopen(&fixture);
    ck_assert_uint_eq(fixture.numbers.run, 1);
    reserve_close(reserve);
}
END_TEST

/* A store whose numbers are lost behind a hundred starts, and again five minutes and a hundred starts later. */
START_TEST(renewed_numbers_are_higher_than_those_that_were_lost)
{
    static struct numbers renewed;
    const uint64_t now_s = 1800000000;
    for (uint64_t i = 0; i < 2; i++) {
        for (int starts = 0; starts < 100; starts++) {
            begin(0);
        }
        uint64_t run = fixture.numbers.run, reserved = fixture.numbers.reserved_through;
        uint64_t random = numbers_run(&fixture.numbers, run)->random;
        ck_assert(numbers_renew(now_s + 300 * i, &renewed));
        numbers_fixture_close(&fixture);
        numbers_fixture_open(&fixture, &renewed);
        ck_assert_uint_gt(fixture.numbers.run, run);
        ck_assert_uint_gt(fixture.numbers.reserved_through, reserved);
        ck_assert(!numbers_knows_run(&fixture.numbers, run, random));
    }
    ck_assert(numbers_renew(4000000000, &renewed)); /* in 2096 */
    ck_assert_uint_lt(renewed.reserved_through, NUMBERS_MAX);
}
END_TEST

START_TEST(a_clock_that_leaves_no_numbers_renews_none)
{
    static struct numbers renewed;
    const uint64_t clocks[] = {UINT64_C(1) << 32, (uint64_t)-1, UINT64_MAX / 2};
    for (size_t i = 0; i < sizeof clocks / sizeof clocks[0]; i++) {
        ck_assert(!numbers_renew(clocks[i], &renewed));
        ck_assert_uint_eq(renewed.run, 0);
    }
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("numbers", 60, &tests);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, runs_follow_on_one_another_behind_all_reserved_numbers_with_bits_of_their_own);
    tcase_add_test(tests, runs_without_bits_are_remembered_and_known_to_nobody);
    tcase_add_test(tests, runs_that_are_forgotten_are_known_to_nobody_from_the_next_run_on);
    tcase_add_test(tests, a_run_that_only_read_is_remembered_if_its_clients_know_of_what_was_forgotten);
    tcase_add_test(tests, runs_that_only_read_are_forgotten_also_if_the_run_that_wrote_is_too_long_ago);
    tcase_add_test(tests, a_run_that_is_too_long_ago_is_not_remembered);
    tcase_add_test(tests, whatever_becomes_of_one_copy_the_numbers_are_whole);
    tcase_add_test(tests, what_is_not_the_stores_own_is_refused_untouched);
    tcase_add_loop_test(tests, numbers_that_were_never_given_are_refused, 0, 2);
    tcase_add_test(tests, a_file_that_is_no_older_than_the_stamp_is_taken);
    tcase_add_test(tests, a_run_without_random_bits_does_not_begin);
    tcase_add_test(tests, a_file_that_cannot_be_made_is_told);
    tcase_add_test(tests, a_write_that_fails_is_told);
    tcase_add_test(tests, an_overwrite_that_lacks_space_takes_that_of_the_reserve);
    tcase_add_test(tests, renewed_numbers_are_higher_than_those_that_were_lost);
    tcase_add_test(tests, a_clock_that_leaves_no_numbers_renews_none);
    return suite_run(suite, true);
}
