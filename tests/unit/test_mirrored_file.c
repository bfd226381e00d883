/* A file that keeps its record twice: whatever becomes of one copy, or of a write, the record that is read is whole. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/host/mirrored_file.h"
#include "tests/lib/directory.h"
#include "tests/lib/failing/failing.h"
#include "tests/lib/suite.h"

enum {
    RECORD_BYTES = 5000, /* more than a page, so that a copy can be torn between two */
    COPY_BYTES = 8192,
    FILE_BYTES = 2 * COPY_BYTES,
    HEAD_AND_RECORD_BYTES = 32 + RECORD_BYTES, /* what follows it in a copy is padding */
};

static const char name[] = "file";
static struct directory home;
static int fd;
static uint8_t record[RECORD_BYTES];
static struct mirrored_file file;

static void setup(void)
{
    home = directory_new();
    fd = open(home.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    file = (struct mirrored_file){.fd = -1};
    memset(record, 1, sizeof record);
    ck_assert_int_eq(mirrored_file_make(fd, name, record, sizeof record), MIRRORED_OK);
}

static void teardown(void)
{
    mirrored_file_close(&file);
    close(fd);
    directory_remove(&home);
}

/* Opens the file; its record is all of one byte, which is returned. */
static uint8_t open_and_read(void)
{
    mirrored_file_close(&file);
    memset(record, 0, sizeof record);
    ck_assert_int_eq(mirrored_file_open(fd, name, sizeof record, &file, record), MIRRORED_OK);
    ck_assert_mem_eq(record + 1, record, sizeof record - 1);
    return record[0];
}

static void write_record(uint8_t byte)
{
    memset(record, byte, sizeof record);
    ck_assert_int_eq(mirrored_file_write(&file, record), MIRRORED_OK);
}

static void load(uint8_t *ret_bytes)
{
    int from = openat(fd, name, O_RDONLY | O_CLOEXEC);
    ck_assert_int_eq(read(from, ret_bytes, FILE_BYTES), FILE_BYTES);
    close(from);
}

static void store(const uint8_t *bytes, size_t n)
{
    int to = openat(fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    ck_assert_int_eq(write(to, bytes, n), (ssize_t)n);
    close(to);
}

/* The opposite of a bit of a byte, in place. */
static void flip(size_t at)
{
    uint8_t byte;
    int to = openat(fd, name, O_RDWR | O_CLOEXEC);
    ck_assert_int_eq(pread(to, &byte, 1, (off_t)at), 1);
    byte ^= (uint8_t)(1 << at % 8);
    ck_assert_int_eq(pwrite(to, &byte, 1, (off_t)at), 1);
    close(to);
}

static void expect_refused(enum mirrored_result expected)
{
    mirrored_file_close(&file);
    memset(record, 7, sizeof record);
    ck_assert_int_eq(mirrored_file_open(fd, name, sizeof record, &file, record), expected);
    ck_assert_int_eq(file.fd, -1);
    ck_assert_uint_eq(record[0], 7);
}

START_TEST(test_what_is_made_or_written_last_is_read_and_takes_no_more_space)
{
    struct stat before, after;
    ck_assert_uint_eq(open_and_read(), 1);
    ck_assert_int_eq(fstat(file.fd, &before), 0);
    ck_assert_int_eq(before.st_size, FILE_BYTES);
    for (uint8_t byte = 2; byte < 20; byte++) {
        write_record(byte);
        if (byte % 3 == 0) {
            ck_assert_uint_eq(open_and_read(), byte);
        }
    }
    ck_assert_uint_eq(open_and_read(), 19);
    ck_assert_int_eq(fstat(file.fd, &after), 0);
    ck_assert_int_eq(after.st_size, before.st_size);
    ck_assert_int_eq(after.st_blocks, before.st_blocks);
    ck_assert_uint_eq(after.st_ino, before.st_ino);
    ck_assert(!file_exists(directory_path(&home, "file.tmp")));
}
END_TEST

START_TEST(test_a_write_torn_at_any_512_bytes_leaves_the_record_of_before_or_the_new_one)
{
    static uint8_t old[FILE_BYTES], new[FILE_BYTES], torn[FILE_BYTES], twice[FILE_BYTES];
    (void)open_and_read();
    write_record(2);
    load(old);
    write_record(3);
    load(new);
    for (size_t cut = 0; cut <= FILE_BYTES; cut += 512) {
        memcpy(torn, old, sizeof torn);
        memcpy(torn, new, cut);
        store(torn, sizeof torn);
        uint8_t byte = open_and_read();
        ck_assert_uint_eq(byte, cut >= HEAD_AND_RECORD_BYTES ? 3 : 2);
        size_t at = file.newest == 0 ? COPY_BYTES : 0; /* where the next write begins, and is torn as well */
        write_record(4);
        static uint8_t next[FILE_BYTES];
        load(next);
        for (size_t more = 0; more <= COPY_BYTES; more += 512) {
            memcpy(twice, torn, sizeof twice);
            memcpy(twice + at, next + at, more);
            store(twice, sizeof twice);
            ck_assert_uint_eq(open_and_read(), more >= HEAD_AND_RECORD_BYTES ? 4 : byte);
        }
    }
}
END_TEST

START_TEST(test_each_byte_flipped_leaves_the_record_and_the_next_write_mends_it)
{
    static uint8_t bytes[FILE_BYTES];
    (void)open_and_read();
    write_record(2);
    for (size_t at = 0; at < FILE_BYTES; at++) {
        flip(at);
        ck_assert_uint_eq(open_and_read(), 2);
        if (at % 97 != 0) {
            flip(at);
            continue;
        }
        write_record(2);
        load(bytes);
        memset(at < COPY_BYTES ? bytes + COPY_BYTES : bytes, 0, COPY_BYTES); /* then the other copy */
        store(bytes, sizeof bytes);
        ck_assert_uint_eq(open_and_read(), 2);
        write_record(2);
    }
}
END_TEST

START_TEST(test_a_short_file_is_read_as_long_as_it_holds_a_copy_and_is_made_whole_again)
{
    static uint8_t whole[FILE_BYTES];
    (void)open_and_read();
    write_record(2);
    load(whole);
    for (size_t n = 0; n < FILE_BYTES; n += 512) {
        store(whole, n);
        if (n < HEAD_AND_RECORD_BYTES) {
            expect_refused(MIRRORED_DAMAGED);
            continue;
        }
        ck_assert_uint_eq(open_and_read(), 2);
        write_record(3);
        memset(whole, 0, COPY_BYTES);
        int to = openat(fd, name, O_WRONLY | O_CLOEXEC);
        ck_assert_int_eq(pwrite(to, whole, COPY_BYTES, 0), COPY_BYTES);
        close(to);
        ck_assert_uint_eq(open_and_read(), 3);
        write_record(2);
        load(whole);
    }
}
END_TEST

START_TEST(test_damage_to_both_copies_is_told_and_absence_too)
{
    static uint8_t whole[FILE_BYTES];
    load(whole);
    whole[100] ^= 1;
    whole[COPY_BYTES + 3000] ^= 1;
    store(whole, sizeof whole);
    expect_refused(MIRRORED_DAMAGED);
    memset(whole, 0, sizeof whole);
    store(whole, sizeof whole);
    expect_refused(MIRRORED_DAMAGED);
    ck_assert_int_eq(unlinkat(fd, name, 0), 0);
    expect_refused(MIRRORED_ABSENT);
    ck_assert_int_eq(mkfifoat(fd, name, 0600), 0);
    expect_refused(MIRRORED_DAMAGED);
    ck_assert_int_eq(unlinkat(fd, name, 0), 0);
    ck_assert_int_eq(symlinkat("elsewhere", fd, name), 0);
    expect_refused(MIRRORED_IO_ERROR);
    ck_assert_int_eq(errno, ELOOP);
}
END_TEST

START_TEST(test_a_record_of_another_length_is_damage)
{
    uint8_t shorter[RECORD_BYTES - 1];
    ck_assert_int_eq(mirrored_file_open(fd, name, sizeof shorter, &file, shorter), MIRRORED_DAMAGED);
}
END_TEST

START_TEST(test_making_it_again_replaces_it_and_what_a_death_left)
{
    file_write(directory_path(&home, "file.tmp"), "half");
    memset(record, 9, sizeof record);
    ck_assert_int_eq(mirrored_file_make(fd, name, record, sizeof record), MIRRORED_OK);
    ck_assert_uint_eq(open_and_read(), 9);
    ck_assert(!file_exists(directory_path(&home, "file.tmp")));
}
END_TEST

START_TEST(test_a_make_that_fails_leaves_the_file_of_before)
{
    ck_assert_int_eq(symlinkat("elsewhere", fd, "file.tmp"), 0);
    memset(record, 9, sizeof record);
    ck_assert_int_eq(mirrored_file_make(fd, name, record, sizeof record), MIRRORED_IO_ERROR);
    ck_assert_int_eq(errno, ELOOP);
    ck_assert_uint_eq(open_and_read(), 1);
}
END_TEST

/* A write, an opening and a make, each with a call that fails: the record of before or the new one is read afterwards. */
START_TEST(test_each_call_that_fails_leaves_the_record_of_before_or_the_new_one)
{
    bool is_met = true;
    for (enum failing_call call = FAILING_OPEN; call <= FAILING_READDIR; call++, is_met = true) {
        for (unsigned nth = 1; is_met; nth++) {
            (void)open_and_read();
            write_record(1);
            memset(record, 2, sizeof record);
            failing_plan(call, nth, EIO);
            bool is_written = mirrored_file_write(&file, record) == MIRRORED_OK;
            mirrored_file_close(&file);
            enum mirrored_result opened = mirrored_file_open(fd, name, sizeof record, &file, record);
            memset(record, 3, sizeof record);
            bool is_made = mirrored_file_make(fd, name, record, sizeof record) == MIRRORED_OK;
            is_met = failing_end();
            ck_assert(opened == MIRRORED_OK || (opened == MIRRORED_IO_ERROR && is_met));
            ck_assert((is_written && is_made) || is_met);
            uint8_t read = open_and_read();
            ck_assert(read == 3 || (!is_made && read == (is_written ? 2 : 1)) ||
                      (!is_made && !is_written && read == 2));
        }
    }
}
END_TEST

START_TEST(test_interrupted_calls_go_on_and_a_write_of_nothing_is_a_full_disk)
{
    static const enum failing_call calls[] = {FAILING_PWRITE, FAILING_FDATASYNC};
    (void)open_and_read();
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        failing_plan(calls[i], 1, EINTR);
        write_record((uint8_t)(10 + i));
        ck_assert(failing_end());
        ck_assert_uint_eq(open_and_read(), 10 + i);
    }
    failing_plan(FAILING_PREAD, 1, EINTR);
    ck_assert_uint_eq(open_and_read(), 11);
    ck_assert(failing_end());
    for (unsigned nth = 1; nth <= 2; nth++) { /* the file's sync and the directory's */
        memset(record, (int)(20 + nth), sizeof record);
        failing_plan(FAILING_FSYNC, nth, EINTR);
        ck_assert_int_eq(mirrored_file_make(fd, name, record, sizeof record), MIRRORED_OK);
        ck_assert(failing_end());
        ck_assert_uint_eq(open_and_read(), 20 + nth);
    }
    failing_plan(FAILING_PWRITE, 1, 0);
    ck_assert_int_eq(mirrored_file_write(&file, record), MIRRORED_IO_ERROR);
    ck_assert(failing_end());
    ck_assert_int_eq(errno, ENOSPC);
}
END_TEST

START_TEST(test_a_copy_that_cannot_be_read_is_made_up_for_by_the_other_one)
{
    for (unsigned nth = 1; nth <= 2; nth++) {
        failing_plan(FAILING_PREAD, nth, EIO);
        ck_assert_uint_eq(open_and_read(), 1);
        ck_assert(failing_end());
    }
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("mirrored_file", 60, &tests);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, test_what_is_made_or_written_last_is_read_and_takes_no_more_space);
    tcase_add_test(tests, test_a_write_torn_at_any_512_bytes_leaves_the_record_of_before_or_the_new_one);
    tcase_add_test(tests, test_each_byte_flipped_leaves_the_record_and_the_next_write_mends_it);
    tcase_add_test(tests, test_a_short_file_is_read_as_long_as_it_holds_a_copy_and_is_made_whole_again);
    tcase_add_test(tests, test_damage_to_both_copies_is_told_and_absence_too);
    tcase_add_test(tests, test_a_record_of_another_length_is_damage);
    tcase_add_test(tests, test_making_it_again_replaces_it_and_what_a_death_left);
    tcase_add_test(tests, test_a_make_that_fails_leaves_the_file_of_before);
    tcase_add_test(tests, test_each_call_that_fails_leaves_the_record_of_before_or_the_new_one);
    tcase_add_test(tests, test_interrupted_calls_go_on_and_a_write_of_nothing_is_a_full_disk);
    tcase_add_test(tests, test_a_copy_that_cannot_be_read_is_made_up_for_by_the_other_one);
    return suite_run(suite, true); /* thousands of writes */
}
