/* The stamp: it comes back as it was written, nothing else is taken for one, and a write never leaves half of one. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/host/stamp.h"
#include "tests/lib/directory.h"
#include "tests/lib/failing/failing.h"
#include "tests/lib/random.h"
#include "tests/lib/suite.h"

enum { ROUNDS = 20000 };

static struct stamp some_stamp(struct random_source *random)
{
    struct stamp stamp = {.format = 1 + random_below(random, STAMP_FORMAT),
                          .is_new = random_chance(random, 50)};
    random_fill(random, stamp.id, sizeof stamp.id);
    return stamp;
}

static enum stamp_result parse(const char *text, size_t n)
{
    struct stamp stamp;
    unsigned long format;
    return stamp_parse(text, n, &stamp, &format);
}

static void assert_equal(const struct stamp *left, const struct stamp *right)
{
    ck_assert_uint_eq(left->format, right->format);
    ck_assert_int_eq(left->is_new, right->is_new);
    ck_assert_mem_eq(left->id, right->id, sizeof left->id);
}

START_TEST(what_is_formatted_parses_to_the_same_and_no_beginning_of_it_does)
{
    struct random_source random = random_from(random_seed("stamp"));
    for (int i = 0; i < 200; i++) {
        struct stamp stamp = some_stamp(&random), parsed;
        unsigned long format;
        char text[STAMP_BYTES_MAX + 1];
        size_t n = stamp_format(&stamp, text);
        ck_assert_uint_eq(strlen(text), n);
        ck_assert_int_eq(stamp_parse(text, n, &parsed, &format), STAMP_OK);
        assert_equal(&parsed, &stamp);
        size_t without_new = stamp.format == 1 && stamp.is_new ? n - strlen("new\n") : n;
        for (size_t cut = 0; cut < n; cut++) {
            enum stamp_result expected = cut < strlen("cairn store\n") ? STAMP_FOREIGN
                                         : cut == without_new          ? STAMP_OK
                                                                       : STAMP_DAMAGED;
            ck_assert_int_eq(parse(text, cut), expected);
        }
    }
}
END_TEST

START_TEST(bytes_that_parse_are_exactly_what_would_be_formatted)
{
    struct random_source random = random_from(random_seed("stamp"));
    for (int i = 0; i < ROUNDS; i++) {
        struct stamp stamp = some_stamp(&random), parsed;
        unsigned long format = 0;
        char text[STAMP_BYTES_MAX + 1], again[STAMP_BYTES_MAX + 1];
        size_t n = stamp_format(&stamp, text);
        static const char telling[] = "0189af\n\0 GZ+-";
        text[random_below(&random, n)] = telling[random_below(&random, sizeof telling)];
        enum stamp_result result = stamp_parse(text, n, &parsed, &format);
        if (result == STAMP_OK) {
            ck_assert_uint_eq(stamp_format(&parsed, again), n);
            ck_assert_mem_eq(again, text, n);
        } else if (result == STAMP_NEWER) {
            ck_assert_uint_gt(format, STAMP_FORMAT);
        }
    }
}
END_TEST

/* A flipped bit is damage, or where it makes another format or a text that is not ours, refused as that; never another stamp. */
START_TEST(no_flipped_bit_passes)
{
    struct random_source random = random_from(random_seed("stamp"));
    for (int i = 0; i < 20; i++) {
        struct stamp stamp = some_stamp(&random);
        stamp.format = STAMP_FORMAT;
        char text[STAMP_BYTES_MAX + 1];
        size_t n = stamp_format(&stamp, text);
        for (size_t bit = 0; bit < 8 * n; bit++) {
            text[bit / 8] = (char)(text[bit / 8] ^ 1 << bit % 8);
            enum stamp_result result = parse(text, n);
            bool is_format = bit / 8 == strlen("cairn store\nformat ");
            ck_assert(result == STAMP_DAMAGED || (is_format && result == STAMP_NEWER));
            text[bit / 8] = (char)(text[bit / 8] ^ 1 << bit % 8);
        }
    }
}
END_TEST

START_TEST(newer_format_says_which_and_is_not_read_further)
{
    struct stamp stamp;
    unsigned long format = 0;
    const char *text = "cairn store\nformat 17\nwhatever a later cairn writes";
    ck_assert_int_eq(stamp_parse(text, strlen(text), &stamp, &format), STAMP_NEWER);
    ck_assert_uint_eq(format, 17);
}
END_TEST

START_TEST(number_without_end_or_longer_file_is_damage)
{
    char text[2 * STAMP_BYTES_MAX];
    memset(text, '9', sizeof text);
    memcpy(text, "cairn store\nformat ", 19);
    ck_assert_int_eq(parse(text, 100), STAMP_DAMAGED);
    ck_assert_int_eq(parse(text, sizeof text), STAMP_DAMAGED);
}
END_TEST

static int open_directory(const struct directory *directory)
{
    int fd = open(directory->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    return fd;
}

START_TEST(written_stamp_is_read_back_and_replaces_the_one_before)
{
    struct random_source random = random_from(random_seed("stamp"));
    struct directory directory = directory_new();
    int fd = open_directory(&directory);
    struct stamp read;
    unsigned long format;
    struct stamp_failure failure;
    ck_assert_int_eq(stamp_read(fd, &read, &format), STAMP_ABSENT);
    for (int i = 0; i < 3; i++) {
        struct stamp stamp = some_stamp(&random);
        file_write(directory_path(&directory, STAMP_TMP_NAME), "what a death left, longer than any stamp is: "
                                                               "0123456789012345678901234567890123456789");
        ck_assert(stamp_write(fd, &stamp, &failure));
        ck_assert_int_eq(stamp_read(fd, &read, &format), STAMP_OK);
        assert_equal(&read, &stamp);
        ck_assert(!file_exists(directory_path(&directory, STAMP_TMP_NAME)));
    }
    close(fd);
}
END_TEST

START_TEST(failed_write_says_the_step_and_leaves_the_stamp)
{
    struct random_source random = random_from(random_seed("stamp"));
    struct directory directory = directory_new();
    int fd = open_directory(&directory);
    struct stamp stamp = some_stamp(&random), other = some_stamp(&random), read;
    unsigned long format;
    struct stamp_failure failure = {NULL, NULL};
    ck_assert(stamp_write(fd, &stamp, &failure));
    ck_assert_int_eq(symlink("elsewhere", directory_path(&directory, STAMP_TMP_NAME)), 0);
    errno = 0;
    ck_assert(!stamp_write(fd, &other, &failure));
    ck_assert_int_eq(errno, ELOOP); /* no link is followed */
    ck_assert_str_eq(failure.name, STAMP_TMP_NAME);
    ck_assert_int_eq(stamp_read(fd, &read, &format), STAMP_OK);
    assert_equal(&read, &stamp);
    close(fd);
}
END_TEST

START_TEST(what_is_no_regular_file_is_no_stamp)
{
    struct directory directory = directory_new();
    int fd = open_directory(&directory);
    const char *path = directory_path(&directory, STAMP_NAME);
    struct stamp stamp;
    unsigned long format;
    ck_assert_int_eq(symlink("elsewhere", path), 0);
    ck_assert_int_eq(stamp_read(fd, &stamp, &format), STAMP_FOREIGN);
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(mkdir(path, 0700), 0);
    ck_assert_int_eq(stamp_read(fd, &stamp, &format), STAMP_FOREIGN);
    ck_assert_int_eq(rmdir(path), 0);
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    ck_assert_int_eq(stamp_read(fd, &stamp, &format), STAMP_FOREIGN);
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(mknod(path, S_IFSOCK | 0600, 0), 0);
    ck_assert_int_eq(stamp_read(fd, &stamp, &format), STAMP_FOREIGN);
    close(fd);
}
END_TEST

START_TEST(each_call_that_fails_leaves_the_old_stamp_or_the_new_one)
{
    struct random_source random = random_from(random_seed("stamp"));
    struct directory directory = directory_new();
    int fd = open_directory(&directory);
    bool is_met = true;
    for (enum failing_call call = FAILING_OPEN; call <= FAILING_READDIR; call++, is_met = true) {
        for (unsigned nth = 1; is_met; nth++) {
            struct stamp stamp = some_stamp(&random), other = some_stamp(&random), read;
            unsigned long format;
            struct stamp_failure failure = {NULL, NULL};
            ck_assert(stamp_write(fd, &stamp, &failure));
            failing_plan(call, nth, EIO);
            bool is_written = stamp_write(fd, &other, &failure);
            int error = errno;
            enum stamp_result result = stamp_read(fd, &read, &format);
            is_met = failing_end();
            ck_assert(is_written || (is_met && error == EIO && failure.what != NULL));
            ck_assert(result == STAMP_OK || (is_met && result == STAMP_IO_ERROR));
            ck_assert_int_eq(stamp_read(fd, &read, &format), STAMP_OK);
            bool is_other = memcmp(read.id, other.id, sizeof read.id) == 0;
            ck_assert(is_other || !is_written);
            assert_equal(&read, is_other ? &other : &stamp);
        }
    }
    close(fd);
}
END_TEST

START_TEST(interrupted_calls_go_on)
{
    struct random_source random = random_from(random_seed("stamp"));
    struct directory directory = directory_new();
    int fd = open_directory(&directory);
    struct stamp stamp = some_stamp(&random), read;
    unsigned long format;
    struct stamp_failure failure;
    failing_plan(FAILING_WRITE, 1, EINTR);
    ck_assert(stamp_write(fd, &stamp, &failure));
    ck_assert(failing_end());
    for (unsigned nth = 1; nth <= 2; nth++) { /* the file's sync and the directory's */
        failing_plan(FAILING_FSYNC, nth, EINTR);
        ck_assert(stamp_write(fd, &stamp, &failure));
        ck_assert(failing_end());
    }
    failing_plan(FAILING_READ, 1, EINTR);
    ck_assert_int_eq(stamp_read(fd, &read, &format), STAMP_OK);
    ck_assert(failing_end());
    assert_equal(&read, &stamp);
    close(fd);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("stamp", 30, &tests);
    tcase_add_test(tests, what_is_formatted_parses_to_the_same_and_no_beginning_of_it_does);
    tcase_add_test(tests, bytes_that_parse_are_exactly_what_would_be_formatted);
    tcase_add_test(tests, no_flipped_bit_passes);
    tcase_add_test(tests, newer_format_says_which_and_is_not_read_further);
    tcase_add_test(tests, number_without_end_or_longer_file_is_damage);
    tcase_add_test(tests, written_stamp_is_read_back_and_replaces_the_one_before);
    tcase_add_test(tests, failed_write_says_the_step_and_leaves_the_stamp);
    tcase_add_test(tests, what_is_no_regular_file_is_no_stamp);
    tcase_add_test(tests, each_call_that_fails_leaves_the_old_stamp_or_the_new_one);
    tcase_add_test(tests, interrupted_calls_go_on);
    return suite_run(suite, true);
}
